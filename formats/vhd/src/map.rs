//! The allocation table: where a block is, and that no two share a byte. What a block's bitmap says is read in `bitmap`.

use std::ops::Range;

use imgdelta_core::{
    Bytes, Error, FileOffset, PagedTable, Result, SECTOR, Source, parallel, read_vec,
};

use crate::{
    fault::Fault,
    layout::{DynamicHeader, UNALLOCATED},
};

/// How much of the BAT is read at once when all of it is looked at.
const PIECE: u64 = 64 << 10;
/// Pieces of the BAT that are looked at side by side: 8 MiB with what is learnt from them.
const MOST_PIECES: usize = 64;

/// Where the tables of a dynamic or differencing image are, already judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    /// Where the dynamic header stands.
    pub(crate) header_at: FileOffset,
    /// Where the BAT stands.
    pub(crate) bat_at: FileOffset,
    /// Its entries.
    pub(crate) entries: u32,
    /// Data bytes in a block: a power of two.
    pub(crate) block_size: Bytes,
    /// The size of the disk, which the BAT covers.
    pub(crate) size: Bytes,
    /// Where the last block must end: at the footer.
    pub(crate) data_end: u64,
    /// Where the file ends.
    pub(crate) file_end: u64,
}

/// One entry of the BAT that names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatEntry {
    /// Which block of the disk.
    pub(crate) block: u64,
    /// The sector of its bitmap.
    pub(crate) sector: u32,
}

impl Tables {
    /// How many blocks the disk has; the BAT may have more entries.
    pub(crate) const fn blocks(&self) -> u64 {
        self.size.pieces(self.block_size)
    }

    /// Bytes of a block's bitmap: one bit a sector, whole sectors.
    pub(crate) const fn bitmap_len(&self) -> Bytes {
        bitmap_len(self.block_size)
    }

    /// Bytes of a block in the file: bitmap and data, whole also at the end of the disk.
    pub(crate) const fn block_len(&self) -> Bytes {
        Bytes(self.bitmap_len().0 + self.block_size.0)
    }

    /// Where a block's data start.
    pub(crate) fn data_at(&self, sector: u32) -> FileOffset {
        bitmap_at(sector).saturating_add(self.bitmap_len())
    }

    /// The bytes of the file that the block at `sector` takes.
    pub(crate) fn range(&self, sector: u32) -> Range<u64> {
        let start = bitmap_at(sector).0;
        start..start.saturating_add(self.block_len().0)
    }

    /// The structures that every such file has in front of its blocks, and what they are called.
    pub(crate) fn structures(&self) -> [(Range<u64>, &'static str); 3] {
        let header = self.header_at.0;
        let bat_len = Bytes(u64::from(self.entries) * 4).round_up(Bytes(SECTOR));
        [
            (0..SECTOR, "footer copy"),
            (
                header..header.saturating_add(DynamicHeader::SIZE as u64),
                "dynamic header",
            ),
            (
                self.bat_at.0..self.bat_at.0.saturating_add(bat_len.0),
                "BAT",
            ),
        ]
    }

    /// Where the entry of `block` stands.
    fn entry_at(&self, block: u64) -> FileOffset {
        self.bat_at.saturating_add(Bytes(block.saturating_mul(4)))
    }

    /// The sector of `block`, if it is allocated. `block` must be one of the disk's.
    pub(crate) fn sector(&self, bat: &PagedTable, block: u64) -> Result<Option<u32>> {
        let entry = u32::from_be_bytes(bat.entry(self.entry_at(block))?);
        Ok((entry != UNALLOCATED).then_some(entry))
    }

    /// How many blocks from `block` on are not allocated, as far as the page of its entry shows; at least 1, `block` itself.
    pub(crate) fn unallocated_run(&self, bat: &PagedTable, block: u64) -> Result<u64> {
        let (page, inside) = bat.page(self.entry_at(block))?;
        let (entries, _) = page.get(inside..).unwrap_or_default().as_chunks::<4>();
        let run = entries
            .iter()
            .take_while(|entry| u32::from_be_bytes(**entry) == UNALLOCATED)
            .count() as u64;
        Ok(run.min(self.blocks().saturating_sub(block)).max(1))
    }

    /// Shows `see` every entry of `blocks` that names a block, in order, a piece of the BAT at a time.
    pub(crate) fn each(
        &self,
        source: &dyn Source,
        blocks: Range<u64>,
        mut see: impl FnMut(BatEntry) -> Result<()>,
    ) -> Result<()> {
        let mut next = blocks.start;
        while next < blocks.end {
            let count = (blocks.end - next).min(PIECE / 4);
            let piece = read_vec(source, self.entry_at(next), Bytes(count * 4))
                .map_err(|error| error.in_structure("BAT"))?;
            let (entries, _) = piece.as_chunks::<4>();
            for (block, entry) in (next..).zip(entries) {
                let sector = u32::from_be_bytes(*entry);
                if sector != UNALLOCATED {
                    see(BatEntry { block, sector })?;
                }
            }
            next += count;
        }
        Ok(())
    }

    /// Counts the entries of `blocks` that name a block.
    pub(crate) fn count(&self, source: &dyn Source, blocks: Range<u64>) -> Result<u64> {
        let counted = |blocks: &Range<u64>| {
            let mut count = 0_u64;
            self.each(source, blocks.clone(), |_| {
                count += 1;
                Ok(())
            })?;
            Ok(count)
        };
        let mut all = 0_u64;
        self.in_pieces(blocks, counted, |count| {
            all = all.saturating_add(count);
            Ok(())
        })?;
        Ok(all)
    }

    /// Hands `take` what `look` makes of each piece of `blocks`, in order. Pieces are looked at side by side.
    fn in_pieces<R: Send>(
        &self,
        blocks: Range<u64>,
        look: impl Fn(&Range<u64>) -> Result<R> + Sync,
        take: impl FnMut(R) -> Result<()>,
    ) -> Result<()> {
        let pieces = parallel::pieces(blocks, PIECE / 4);
        parallel::in_order(pieces, MOST_PIECES, look, take)
    }

    /// Judges every entry that the disk needs: each block lies within the file, on no structure and on no other block. `locators`
    /// are the file's other structures.
    pub(crate) fn validate(&self, source: &dyn Source, locators: &[Range<u64>]) -> Result<()> {
        let mut sectors: Vec<u32> = Vec::new();
        // More blocks than the file has room for overlap for certain: no need to keep them all.
        let room = self.file_end.checked_div(self.block_len().0).unwrap_or(0);
        let keep = Bytes(room.saturating_add(2)).in_memory();
        let judged = |blocks: &Range<u64>| {
            let mut sectors: Vec<u32> = Vec::new();
            self.each(source, blocks.clone(), |entry| {
                self.validate_place(entry, locators)
                    .map_err(|fault| self.in_bat(fault, entry.block))?;
                sectors.push(entry.sector);
                Ok(())
            })?;
            Ok(sectors)
        };
        self.in_pieces(0..self.blocks(), judged, |more| {
            let left = keep.saturating_sub(sectors.len());
            sectors.extend(more.into_iter().take(left));
            Ok(())
        })?;
        sectors.sort_unstable();
        let len = self.block_len().0 / SECTOR;
        let overlap = sectors
            .windows(2)
            .filter_map(|pair| <[u32; 2]>::try_from(pair).ok())
            .find(|[a, b]| u64::from(b.abs_diff(*a)) < len);
        match overlap {
            Some(pair) => Err(self.overlap(source, pair)?),
            None => Ok(()),
        }
    }

    /// Judges where one block lies.
    fn validate_place(&self, entry: BatEntry, locators: &[Range<u64>]) -> Result<(), Fault> {
        let BatEntry { block, sector } = entry;
        let Range {
            start,
            end: block_end,
        } = self.range(sector);
        let locators = locators
            .iter()
            .map(|range| (range.clone(), "parent locator's data"));
        for (taken, other) in self.structures().into_iter().chain(locators) {
            if start < taken.end && taken.start < block_end {
                return Err(Fault::BlockInStructure {
                    block,
                    sector,
                    other,
                });
            }
        }
        if block_end > self.file_end {
            let end = self.file_end;
            return Err(Fault::BlockPastEnd {
                block,
                sector,
                block_end,
                end,
            });
        }
        if block_end > self.data_end {
            let other = "footer";
            return Err(Fault::BlockInStructure {
                block,
                sector,
                other,
            });
        }
        Ok(())
    }

    /// The error for the two blocks that the sectors of `pair` belong to.
    fn overlap(&self, source: &dyn Source, pair: [u32; 2]) -> Result<Error> {
        let mut found: Vec<BatEntry> = Vec::new();
        self.each(source, 0..self.blocks(), |entry| {
            if pair.contains(&entry.sector) && found.len() < 2 {
                let is_new = found.iter().all(|one| one.sector != entry.sector);
                if is_new || pair.first() == pair.last() {
                    found.push(entry);
                }
            }
            Ok(())
        })?;
        let (first, second) = (found.first(), found.last());
        let fault = Fault::BlocksOverlap {
            first: first.map_or(0, |one| one.block),
            second: second.map_or(0, |one| one.block),
            first_sector: first.map_or(0, |one| one.sector),
            second_sector: second.map_or(0, |one| one.sector),
        };
        Ok(self.in_bat(fault, second.map_or(0, |one| one.block)))
    }

    /// Places a fault at the entry of `block`.
    pub(crate) fn in_bat(&self, fault: Fault, block: u64) -> Error {
        Error::from(fault)
            .in_structure("BAT")
            .at(self.entry_at(block))
    }
}

/// Where the bitmap of the block at `sector` starts.
pub(crate) fn bitmap_at(sector: u32) -> FileOffset {
    FileOffset(u64::from(sector) * SECTOR)
}

/// Bytes of the bitmap of a block of `block_size`.
pub(crate) const fn bitmap_len(block_size: Bytes) -> Bytes {
    Bytes(block_size.pieces(Bytes(SECTOR * 8))).round_up(Bytes(SECTOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps_take_whole_sectors() {
        for (block, bitmap) in [
            (512, 512),
            (512 << 10, 512),
            (2 << 20, 512),
            (4 << 20, 1024),
        ] {
            assert_eq!(bitmap_len(Bytes(block)), Bytes(bitmap));
        }
    }
}
