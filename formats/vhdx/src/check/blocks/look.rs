//! What an entry of the BAT says, and the bitmap of a partially present block. Nothing here changes: any number of threads look at once.

use std::ops::Range;

use imgdelta_core::{Bytes, Error, FileOffset, PagedTable, Result, Source, read_vec};

use crate::{
    bitmap,
    fault::Fault,
    layout::BatEntry,
    map::{Slot, Tables, used},
};

/// What is needed to look at an entry.
pub(super) struct BlockChecker<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) bat: PagedTable,
    pub(super) tables: Tables,
    /// Where the file ends.
    pub(super) end: u64,
}

/// What is counted of entries.
#[derive(Default)]
pub(super) struct Counts {
    /// Blocks that take room.
    pub(super) allocated: u64,
    /// Of them those that have no data, and keep their room.
    pub(super) kept: u64,
    /// Of them those of which the bitmap tells.
    pub(super) partial: u64,
    /// Sectors that these have.
    pub(super) sectors: u64,
    /// Bitmaps.
    pub(super) bitmaps: u64,
    /// Partially present blocks of which all or nothing is present.
    pub(super) lopsided: u64,
    /// Entries that say zero or nothing and name a place.
    pub(super) placed: u64,
    /// Entries past the last block.
    pub(super) beyond: u64,
}

impl Counts {
    /// Adds what was counted of other entries.
    pub(super) const fn add(&mut self, more: &Self) {
        self.allocated += more.allocated;
        self.kept += more.kept;
        self.partial += more.partial;
        self.sectors += more.sectors;
        self.bitmaps += more.bitmaps;
        self.lopsided += more.lopsided;
        self.placed += more.placed;
        self.beyond += more.beyond;
    }
}

/// What was seen of some entries.
#[derive(Default)]
pub(super) struct BlockFindings {
    pub(super) counts: Counts,
    /// What their blocks and bitmaps take.
    pub(super) taken: Vec<Range<u64>>,
    pub(super) faults: Vec<Error>,
    pub(super) notes: Vec<String>,
}

impl BlockChecker<'_> {
    /// What looking at `count` entries takes in memory.
    pub(super) const fn a_piece(&self, count: u64) -> Bytes {
        let an_entry = size_of::<BatEntry>() + size_of::<Range<u64>>();
        let entries = count.saturating_mul(an_entry as u64);
        Bytes(entries.saturating_add(self.in_block() / 8))
    }

    /// Looks at the entries of a piece of the BAT.
    pub(super) fn entries(&self, piece: &Range<u64>) -> Result<BlockFindings> {
        let mut seen = BlockFindings::default();
        let bytes = self.tables.read(self.source, piece)?;
        for (index, entry) in used(piece.start, &bytes) {
            self.entry(index, entry, &mut seen)?;
        }
        Ok(seen)
    }

    fn entry(&self, index: u64, entry: BatEntry, seen: &mut BlockFindings) -> Result<()> {
        let slot = self.tables.slot(index);
        if matches!(slot, Slot::Block(block) if block >= self.tables.shape.blocks) {
            seen.counts.beyond += 1;
            return Ok(());
        }
        if entry.reserved() != 0 {
            let (entry, found) = (index, entry.reserved());
            let fault = Fault::BatReserved { entry, found };
            seen.faults.push(self.tables.in_bat(fault, index));
        }
        match slot {
            Slot::Block(block) => self.block(block, entry, seen),
            Slot::Bitmap(chunk) => {
                self.bitmap(chunk, entry, index, seen);
                Ok(())
            }
        }
    }

    fn block(&self, block: u64, entry: BatEntry, seen: &mut BlockFindings) -> Result<()> {
        let state = entry.state();
        let is_stored = matches!(state, BatEntry::FULLY_PRESENT | BatEntry::PARTIALLY_PRESENT);
        if entry.keeps_room() {
            seen.counts.allocated += 1;
            seen.counts.kept += 1;
        } else if is_stored {
            seen.counts.allocated += 1;
            let range = self.tables.range(Slot::Block(block), entry);
            if range.end > self.end {
                seen.notes.push(format!(
                    "block {block} is cut off by the end of the file, behind the end of the disk"
                ));
            }
            seen.taken.push(range);
        } else if entry.at() != 0 {
            seen.counts.placed += 1;
        }
        if state == BatEntry::PARTIALLY_PRESENT {
            self.partial(block, &mut seen.counts)?;
        }
        Ok(())
    }

    fn bitmap(&self, chunk: u64, entry: BatEntry, index: u64, seen: &mut BlockFindings) {
        let state = entry.state();
        let required = if self.tables.is_child { "0 or 6" } else { "0" };
        let is_stored = state == BatEntry::FULLY_PRESENT;
        if is_stored && self.tables.is_child {
            seen.counts.bitmaps += 1;
            seen.taken
                .push(self.tables.range(Slot::Bitmap(chunk), entry));
        } else if state != BatEntry::NOT_PRESENT {
            let fault = Fault::BitmapState {
                chunk,
                state,
                required,
            };
            seen.faults.push(self.tables.in_bat(fault, index));
        }
    }

    /// Counts the sectors that the bitmap says are present.
    fn partial(&self, block: u64, counts: &mut Counts) -> Result<()> {
        counts.partial += 1;
        let tables = &self.tables;
        let (chunk, place) = (block / tables.shape.ratio, block % tables.shape.ratio);
        let entry = tables.entry(&self.bat, Slot::Bitmap(chunk))?;
        let in_block = self.in_block();
        let at = FileOffset(entry.at()).saturating_add(Bytes(place * in_block / 8));
        let bits = read_vec(self.source, at, Bytes(in_block.div_ceil(8)))?;
        let before = block.saturating_mul(tables.block_size.0);
        let on_disk = tables
            .size
            .0
            .saturating_sub(before)
            .min(tables.block_size.0);
        let sectors = Bytes(on_disk / tables.sector).in_memory();
        let (mut present, mut at) = (0, 0);
        while at < sectors {
            let (is_set, len) = bitmap::run(&bits, at, sectors);
            if len == 0 {
                break;
            }
            present += if is_set { len } else { 0 };
            at += len;
        }
        counts.sectors += present as u64;
        counts.lopsided += u64::from(present == 0 || present == sectors);
        Ok(())
    }

    /// Sectors of a block.
    const fn in_block(&self) -> u64 {
        self.tables.block_size.0 / self.tables.sector
    }
}
