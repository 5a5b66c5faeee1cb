//! Every entry of the BAT, the bitmaps of partially present blocks, and what of the file belongs to nothing.

use std::sync::Arc;

use imgdelta_core::{Bytes, CheckReport, FileOffset, PagedTable, Result, Source, read_vec};

use crate::{
    bitmap,
    fault::Fault,
    layout::{BatEntry, MIB},
    meta::Meta,
    table::{Slot, Tables, judge::Taken},
};

/// What is counted while all entries are looked at.
#[derive(Default)]
struct Counts {
    /// Blocks that take room.
    allocated: u64,
    /// Of them those of which the bitmap tells.
    partial: u64,
    /// Sectors that these have.
    sectors: u64,
    /// Bitmaps.
    bitmaps: u64,
    /// Partially present blocks of which all or nothing is present.
    lopsided: u64,
    /// Entries that say zero or nothing and name a place.
    placed: u64,
    /// Entries past the last block.
    beyond: u64,
}

/// What looks at one entry after another.
pub(super) struct Blocks<'a> {
    source: &'a Arc<dyn Source>,
    bat: PagedTable,
    tables: Tables,
    is_fixed: bool,
    taken: Taken,
    report: &'a mut CheckReport,
    counts: Counts,
}

impl<'a> Blocks<'a> {
    /// Ready to look at the judged blocks of an image.
    pub(super) fn new(meta: &'a Meta, report: &'a mut CheckReport) -> Self {
        let mut taken = Taken::default();
        for (range, _) in meta.structures() {
            taken.take(&range, meta.source.len().0);
        }
        Self {
            source: &meta.source,
            bat: PagedTable::new(Arc::clone(&meta.source)),
            tables: meta.tables(),
            is_fixed: meta.metadata.is_fixed(),
            taken,
            report,
            counts: Counts::default(),
        }
    }

    /// Looks at every entry.
    pub(super) fn check(mut self) -> Result<()> {
        let (tables, source) = (self.tables.clone(), Arc::clone(self.source));
        let entries = tables.entries();
        tables.each(&*source, 0..entries, |index, entry| {
            self.entry(index, entry)
        })?;
        tables.each(&*source, entries..tables.room(), |_, _| {
            self.counts.beyond += 1;
            Ok(())
        })?;
        self.tell();
        Ok(())
    }

    fn entry(&mut self, index: u64, entry: BatEntry) -> Result<()> {
        let slot = self.tables.slot(index);
        if matches!(slot, Slot::Block(block) if block >= self.tables.shape.blocks) {
            self.counts.beyond += 1;
            return Ok(());
        }
        if entry.reserved() != 0 {
            let (entry, found) = (index, entry.reserved());
            let fault = Fault::BatReserved { entry, found };
            self.report.fault(self.tables.in_bat(fault, index));
        }
        match slot {
            Slot::Block(block) => self.block(block, entry),
            Slot::Bitmap(chunk) => {
                self.bitmap(chunk, entry, index);
                Ok(())
            }
        }
    }

    fn block(&mut self, block: u64, entry: BatEntry) -> Result<()> {
        let state = entry.state();
        let is_stored = matches!(state, BatEntry::FULLY_PRESENT | BatEntry::PARTIALLY_PRESENT);
        // UNDEFINED and UNMAPPED may keep their room.
        let keeps = matches!(state, BatEntry::UNDEFINED | BatEntry::UNMAPPED) && entry.at() >= MIB;
        if is_stored || keeps {
            self.counts.allocated += 1;
            let range = self.tables.range(Slot::Block(block), entry);
            let end = self.source.len().0;
            self.taken.take(&range, end);
            if is_stored && range.end > end {
                self.report.notes.push(format!(
                    "block {block} is cut off by the end of the file, behind the end of the disk"
                ));
            }
        } else if entry.at() != 0 {
            self.counts.placed += 1;
        }
        if state == BatEntry::PARTIALLY_PRESENT {
            self.partial(block)?;
        }
        Ok(())
    }

    fn bitmap(&mut self, chunk: u64, entry: BatEntry, index: u64) {
        let state = entry.state();
        let required = if self.tables.is_child { "0 or 6" } else { "0" };
        let is_stored = state == BatEntry::FULLY_PRESENT;
        if is_stored && self.tables.is_child {
            self.counts.bitmaps += 1;
            let range = self.tables.range(Slot::Bitmap(chunk), entry);
            self.taken.take(&range, self.source.len().0);
        } else if state != BatEntry::NOT_PRESENT {
            let fault = Fault::BitmapState {
                chunk,
                state,
                required,
            };
            self.report.fault(self.tables.in_bat(fault, index));
        }
    }

    /// Counts the sectors that the bitmap says are present.
    fn partial(&mut self, block: u64) -> Result<()> {
        self.counts.partial += 1;
        let tables = &self.tables;
        let (chunk, place) = (block / tables.shape.ratio, block % tables.shape.ratio);
        let entry = tables.entry(&self.bat, Slot::Bitmap(chunk))?;
        let in_block = tables.block_size.0 / tables.sector;
        let at = FileOffset(entry.at()).saturating_add(Bytes(place * in_block / 8));
        let bits = read_vec(&**self.source, at, Bytes(in_block.div_ceil(8)))?;
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
        self.counts.sectors += present as u64;
        self.counts.lopsided += u64::from(present == 0 || present == sectors);
        Ok(())
    }

    /// Puts what was counted into the report.
    fn tell(self) {
        let (counts, blocks) = (self.counts, self.tables.shape.blocks);
        let units = self.source.len().0.div_ceil(MIB);
        let leaked = units.saturating_sub(self.taken.count()).saturating_mul(MIB);
        let notes = &mut self.report.notes;
        let mut note = |count: u64, what: &str| {
            if count > 0 {
                notes.push(format!("{count} {what}"));
            }
        };
        note(
            counts.beyond,
            "BAT entries past the end of the disk are not zero",
        );
        note(
            counts.placed,
            "BAT entries say zero or nothing and name a place all the same",
        );
        note(
            counts.lopsided,
            "partially present blocks are wholly present or wholly absent",
        );
        note(
            leaked,
            "bytes between structures and blocks belong to nothing",
        );
        if self.is_fixed {
            note(
                blocks.saturating_sub(counts.allocated),
                "blocks of the fixed image are not stored",
            );
        }
        self.report.counts.extend([
            ("blocks", blocks),
            ("allocated", counts.allocated),
            ("partial", counts.partial),
            ("sectors", counts.sectors),
            ("bitmaps", counts.bitmaps),
            ("leaked", leaked),
        ]);
    }
}
