//! Refcounts as they stand in an image: a table of blocks of numbers of 1 to 64 bits.
//!
//! What they should be is counted in `refcount_census`.

use std::sync::Arc;

use imgdelta_core::{Bytes, FileOffset, PagedTable, Result, Source, is_zero};

use crate::{fault::Fault, geometry::Geometry, layout::RefcountEntry, validate::ValidatedHeader};

/// How much of a table is passed over at once.
const PIECE: Bytes = Bytes::kib(64);

/// The refcounts of an image.
#[derive(Debug)]
pub(crate) struct Refcounts {
    source: Arc<dyn Source>,
    pages: PagedTable,
    geometry: Geometry,
    /// Where the table is, and its entries.
    table: FileOffset,
    entries: u64,
    /// Log 2 of the bits of a refcount.
    order: u32,
    /// How long the file is.
    end: Bytes,
}

impl Refcounts {
    /// The refcounts that `validate` names in `source`.
    pub(crate) fn new(source: &Arc<dyn Source>, meta: &ValidatedHeader) -> Self {
        let clusters = u64::from(meta.header.refcount_table_clusters);
        Self {
            source: Arc::clone(source),
            pages: PagedTable::new(Arc::clone(source)),
            geometry: meta.geometry,
            table: FileOffset(meta.header.refcount_table_offset),
            entries: clusters * (meta.geometry.cluster().0 / RefcountEntry::SIZE),
            order: meta.features.refcount_order,
            end: source.len(),
        }
    }

    /// Entries of the table.
    pub(crate) const fn entries(&self) -> u64 {
        self.entries
    }

    /// Where entry `index` of the table is.
    pub(crate) const fn entry_place(&self, index: u64) -> FileOffset {
        self.table
            .saturating_add(Bytes(index * RefcountEntry::SIZE))
    }

    /// The block that entry `index` of the table names, judged; `None`: its refcounts are all 0.
    pub(crate) fn block(&self, index: u64) -> Result<Result<Option<FileOffset>, Fault>> {
        if index >= self.entries {
            return Ok(Ok(None));
        }
        let bytes = self.pages.entry::<8>(self.entry_place(index))?;
        Ok(self.validate(RefcountEntry(u64::from_be_bytes(bytes))))
    }

    /// The first entry from `index` on that is not 0; `None`: there is none. Tables have room for far more blocks than most images use: what
    /// lies behind the page of `index` is read in long pieces.
    pub(crate) fn next_entry(&self, index: u64) -> Result<Option<u64>> {
        let mut index = index;
        let mut piece = Vec::new();
        let mut is_first = true;
        while index < self.entries {
            let place = self.entry_place(index);
            let page;
            let bytes = if is_first {
                let (whole, inside) = self.pages.page(place)?;
                page = whole;
                page.get(inside..).unwrap_or_default()
            } else {
                let left = self.end.0.saturating_sub(place.0);
                let rest = (self.entries - index).saturating_mul(RefcountEntry::SIZE);
                let len = PIECE.min(Bytes(left)).min(Bytes(rest));
                piece.resize(len.in_memory(), 0);
                self.source.read_at(place, &mut piece)?;
                &*piece
            };
            let entries = bytes.chunks_exact(Bytes(RefcountEntry::SIZE).in_memory());
            let there = entries.len() as u64;
            let found = entries
                .zip(index..self.entries)
                .find(|(entry, _)| !is_zero(entry));
            match found {
                Some((_, index)) => return Ok(Some(index)),
                // The file ends before the table does: whoever reads the entry says so.
                None if there == 0 => return Ok(Some(index)),
                None => index = index.saturating_add(there),
            }
            is_first = false;
        }
        Ok(None)
    }

    /// The block of a table entry.
    fn validate(&self, entry: RefcountEntry) -> Result<Option<FileOffset>, Fault> {
        let bits = entry.reserved();
        if bits != 0 {
            let entry = entry.0;
            return Err(Fault::RefcountReserved { entry, bits });
        }
        let at = entry.block();
        if at == FileOffset::ZERO {
            return Ok(None);
        }
        let len = self.geometry.cluster();
        self.geometry.place("a refcount block", at, len, self.end)?;
        Ok(Some(at))
    }

    /// Refcounts in a block.
    pub(crate) const fn per_block(&self) -> u64 {
        (self.geometry.cluster().0 * 8) >> self.order
    }

    /// The refcount of host cluster `number`; 0 where its block is no block.
    pub(crate) fn of(&self, number: u64) -> Result<u64> {
        let Ok(Some(block)) = self.block(number / self.per_block())? else {
            return Ok(0);
        };
        let bit = (number % self.per_block()) << self.order;
        let (page, inside) = self.pages.page(block.saturating_add(Bytes(bit / 8)))?;
        let bytes = page.get(inside..).unwrap_or_default();
        Ok(number_at(bytes, bit % 8, self.order))
    }
}

/// The number of `1 << order` bits at `bit` of the first byte, counted from the least significant one; larger ones are big-endian.
/// [qemu-img: 6 clusters in use are `3f` with 1 bit, `55 05` with 2]
fn number_at(bytes: &[u8], bit: u64, order: u32) -> u64 {
    if order < 3 {
        let byte = u64::from(bytes.first().copied().unwrap_or_default());
        let mask = (1_u64 << (1_u32 << order)) - 1;
        return byte >> bit & mask;
    }
    let len = Bytes(1 << (order - 3).min(3)).in_memory();
    let number = bytes.get(..len).unwrap_or_default();
    number
        .iter()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use imgdelta_core::{Error, MemSource};

    use super::*;

    #[test]
    fn numbers_of_every_width_are_read_as_qemu_writes_them() {
        let six = |bytes: &[u8], order: u32| -> Vec<u64> {
            (0..7_u64)
                .map(|number| {
                    let bit = number << order;
                    let from = usize::try_from(bit / 8).expect("small");
                    number_at(bytes.get(from..).unwrap_or_default(), bit % 8, order)
                })
                .collect()
        };
        let used = [1, 1, 1, 1, 1, 1, 0];
        assert_eq!(six(&[0x3f], 0), used);
        assert_eq!(six(&[0x55, 0x05], 1), used);
        assert_eq!(six(&[0x11, 0x11, 0x11, 0], 2), used);
        assert_eq!(six(&[1, 1, 1, 1, 1, 1, 0], 3), used);
        assert_eq!(six(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0], 4), used);
        assert_eq!(
            number_at(&0x0102_0304_0506_0708_u64.to_be_bytes(), 0, 6),
            0x0102_0304_0506_0708
        );
    }

    #[test]
    fn entries_that_are_not_zero_are_found_in_any_page_of_the_table() -> Result<()> {
        let (start, entries) = (512_u64, 30_000_u64);
        let named = [0, 511, 512, 1700, 2999, 29_999];
        let table = |named: &[u64], len: u64| {
            let mut bytes = vec![0; Bytes(start + len * 8).in_memory()];
            for index in named {
                let at = Bytes(start + index * 8).in_memory();
                bytes[at + 5] = 1;
            }
            let source: Arc<dyn Source> = Arc::new(MemSource(bytes));
            Refcounts {
                end: source.len(),
                pages: PagedTable::new(Arc::clone(&source)),
                source,
                geometry: Geometry {
                    version: 3,
                    cluster_bits: 16,
                    extended: false,
                    data_file: false,
                },
                table: FileOffset(start),
                entries,
                order: 4,
            }
        };
        let all = |refcounts: &Refcounts| {
            let (mut found, mut next) = (Vec::new(), refcounts.next_entry(0)?);
            while let Some(index) = next {
                found.push(index);
                next = refcounts.next_entry(index + 1)?;
            }
            Ok::<_, Error>(found)
        };
        assert_eq!(all(&table(&named, entries))?, named);
        assert_eq!(all(&table(&[], entries))?, []);
        // The file ends inside the table: the first entry that is not there is one to be looked at.
        let cut = table(&[3], 700);
        assert_eq!(cut.next_entry(4)?, Some(700));
        assert!(cut.block(700).is_err());
        Ok(())
    }
}
