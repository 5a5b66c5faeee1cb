//! The BAT: where a block is. That no two are in one place is for `check` to find.

use std::sync::Arc;

use imgdelta_core::{Bytes, Error, FileOffset, PagedTable, Result, Source, read_vec};

use crate::{fault::Fault, layout::Header, validate::ValidatedHeader};

/// How much of the BAT is read at once when all of it is looked at.
const PIECE: u64 = 64 << 10;

/// Where BAT and blocks are.
#[derive(Debug)]
pub(crate) struct BlockTable {
    pages: PagedTable,
    /// How long the file is.
    end: u64,
    /// The bytes of a block.
    block: Bytes,
    /// What one of an entry stands for.
    unit: Bytes,
    /// Where blocks begin.
    data_at: FileOffset,
    /// The size of the disk.
    size: Bytes,
}

impl BlockTable {
    /// The table of a judged file.
    pub(crate) fn new(meta: &ValidatedHeader, source: Arc<dyn Source>) -> Self {
        Self {
            end: source.len().0,
            pages: PagedTable::new(source),
            block: meta.block(),
            unit: meta.unit(),
            data_at: meta.data_at,
            size: meta.size,
        }
    }

    /// The bytes of a block.
    pub(crate) const fn block(&self) -> Bytes {
        self.block
    }

    /// How many blocks the disk has.
    pub(crate) const fn blocks(&self) -> u64 {
        self.size.pieces(self.block)
    }

    /// The size of the disk.
    pub(crate) const fn size(&self) -> Bytes {
        self.size
    }

    /// The run from `at` bytes of the disk on: how long it is, and where it stands; nowhere, if it is not there.
    pub(crate) fn run(&self, at: u64) -> Result<(Bytes, Option<FileOffset>)> {
        let block = at.checked_div(self.block.0).unwrap_or_default();
        let inside = at.saturating_sub(block.saturating_mul(self.block.0));
        let entry_at = Self::entry_at(block);
        let first = u32::from_le_bytes(self.pages.entry(entry_at)?);
        let place = self.place(block, first)?;
        let blocks = self.run_of(block, first, place)?;
        let end = block.saturating_add(blocks).saturating_mul(self.block.0);
        let len = Bytes(end.min(self.size.0).saturating_sub(at));
        Ok((len, place.map(|place| place.saturating_add(Bytes(inside)))))
    }

    /// How many blocks from `block` on are absent too, or follow it in the file, as far as the page shows; at least 1.
    fn run_of(&self, block: u64, first: u32, place: Option<FileOffset>) -> Result<u64> {
        let (page, inside) = self.pages.page(Self::entry_at(block))?;
        let (entries, _) = page.get(inside..).unwrap_or_default().as_chunks::<4>();
        let goes_on = |(step, bytes): &(u64, &[u8; 4])| {
            let entry = u32::from_le_bytes(**bytes);
            let by = Bytes(step.saturating_mul(self.block.0));
            match (place, self.place(block.saturating_add(*step), entry)) {
                (None, Ok(None)) => true,
                (Some(start), Ok(Some(next))) => next == start.saturating_add(by),
                _ => false,
            }
        };
        let left = self.blocks().saturating_sub(block);
        let run = (0_u64..).zip(entries).take_while(goes_on).count() as u64;
        debug_assert!(run > 0 || first != 0, "an absent block is a run of one");
        Ok(run.min(left).max(1))
    }

    /// Where the entry of `block` stands.
    fn entry_at(block: u64) -> FileOffset {
        FileOffset(Header::SIZE as u64).saturating_add(Bytes(block.saturating_mul(4)))
    }

    /// Where `block` stands, of which the BAT says `entry`.
    fn place(&self, block: u64, entry: u32) -> Result<Option<FileOffset>> {
        if entry == 0 {
            return Ok(None);
        }
        let at = FileOffset(u64::from(entry).saturating_mul(self.unit.0));
        // The disk may end inside its last block, and then the file may too.
        let start = block.saturating_mul(self.block.0);
        let needed = Bytes(self.size.0.saturating_sub(start)).min(self.block);
        let (end, block_end) = (self.end, at.saturating_add(needed).0);
        let fault = if at < self.data_at {
            let least = self.data_at;
            Fault::BlockInFront {
                block,
                entry,
                at,
                least,
            }
        } else if block_end > end {
            Fault::BlockPastEnd {
                block,
                entry,
                block_end,
                end,
            }
        } else {
            return Ok(Some(at));
        };
        Err(Error::from(fault)
            .in_structure("BAT")
            .at(Self::entry_at(block)))
    }

    /// Shows `see` each block of the disk that is there, by its number and its place, in order; or what is wrong with its entry.
    ///
    /// # Errors
    /// Host, if the host cannot read.
    pub(crate) fn each(
        &self,
        source: &dyn Source,
        mut see: impl FnMut(u64, Result<FileOffset>),
    ) -> Result<()> {
        let mut next = 0;
        while next < self.blocks() {
            let count = self.blocks().saturating_sub(next).min(PIECE / 4);
            let piece = read_vec(source, Self::entry_at(next), Bytes(count.saturating_mul(4)))
                .map_err(|error| error.in_structure("BAT"))?;
            let (entries, _) = piece.as_chunks::<4>();
            for (block, bytes) in (next..).zip(entries) {
                if let Some(found) = self.place(block, u32::from_le_bytes(*bytes)).transpose() {
                    see(block, found);
                }
            }
            next = next.saturating_add(count);
        }
        Ok(())
    }
}
