//! Whether what the BAT says can be: each block and bitmap within the file, on no structure and on no other. One pass, in bounded memory.

use std::ops::Range;

use imgdelta_core::{FileOffset, Result, Source};

use crate::{
    fault::Fault,
    layout::{BatEntry, MIB},
    log::MAX_FILE,
};

use super::{Slot, Tables};

/// Which MiB of a file are taken.
#[derive(Debug, Default)]
pub(crate) struct OccupiedRanges {
    bits: Vec<u64>,
}

impl OccupiedRanges {
    /// Takes a range, as far as it lies below `end`; false if part of it was taken before.
    pub(crate) fn take(&mut self, range: &Range<u64>, end: u64) -> bool {
        let end = end.min(MAX_FILE);
        if self.bits.is_empty() {
            let words = usize::try_from(end.div_ceil(MIB * 64)).unwrap_or_default();
            self.bits.resize(words, 0);
        }
        let mut is_new = true;
        for unit in range.start / MIB..range.end.min(end).div_ceil(MIB) {
            let word = usize::try_from(unit / 64).unwrap_or(usize::MAX);
            if let Some(word) = self.bits.get_mut(word) {
                let bit = 1 << (unit % 64);
                is_new &= *word & bit == 0;
                *word |= bit;
            }
        }
        is_new
    }

    /// How many MiB are taken.
    pub(crate) fn count(&self) -> u64 {
        self.bits
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }
}

/// Whether the room that blocks without data keep is judged too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileRanges {
    /// It is: where it cannot be, the table as a whole is in doubt.
    Held,
    /// It is not: it will be given up where it cannot be.
    GivenUp,
}

/// What judges one entry after another.
struct PlacementCheck<'a> {
    tables: &'a Tables,
    source: &'a dyn Source,
    /// What blocks must not lie on, and what it is called.
    structures: &'a [(Range<u64>, &'static str)],
    end: u64,
    ranges: FileRanges,
    taken: OccupiedRanges,
    /// The first block of a chunk that needs its bitmap, until that was seen.
    partial: Option<u64>,
}

impl Tables {
    /// Judges every entry that the disk needs. `structures` are what else stands in the file.
    pub(crate) fn validate(
        &self,
        source: &dyn Source,
        structures: &[(Range<u64>, &'static str)],
        ranges: FileRanges,
    ) -> Result<()> {
        let mut validate = PlacementCheck {
            tables: self,
            source,
            structures,
            end: source.len().0.min(MAX_FILE),
            ranges,
            taken: OccupiedRanges::default(),
            partial: None,
        };
        self.each(source, 0..self.entries(), |index, entry| {
            match self.slot(index) {
                Slot::Block(block) if block >= self.shape.blocks => Ok(()),
                Slot::Block(block) => validate.block(block, entry, index),
                Slot::Bitmap(chunk) if self.is_child => validate.bitmap(chunk, entry, index),
                Slot::Bitmap(_) => Ok(()),
            }
        })?;
        validate.missing(u64::MAX)
    }
}

impl PlacementCheck<'_> {
    fn block(&mut self, block: u64, entry: BatEntry, index: u64) -> Result<()> {
        self.missing(block / self.tables.shape.ratio)?;
        match entry.state() {
            BatEntry::FULLY_PRESENT => self.place(Slot::Block(block), entry, index),
            BatEntry::PARTIALLY_PRESENT if self.tables.is_child => {
                self.partial.get_or_insert(block);
                self.place(Slot::Block(block), entry, index)
            }
            BatEntry::PARTIALLY_PRESENT => {
                Err(self.tables.in_bat(Fault::PartialAlone { block }, index))
            }
            state @ (4 | 5) => Err(self
                .tables
                .in_bat(Fault::BlockState { block, state }, index)),
            _ if self.ranges == FileRanges::Held && entry.keeps_room() => {
                self.room(block, entry, index)
            }
            _ => Ok(()),
        }
    }

    /// Judges the room that a block keeps which has no data: it is the file's, and no structure's. That it is no other block's is for `check` to
    /// find: what is read does not depend on it.
    fn room(&self, block: u64, entry: BatEntry, index: u64) -> Result<()> {
        let range = self.tables.range(Slot::Block(block), entry);
        let (at, end) = (FileOffset(entry.at()), self.end);
        let fault = if let Some(other) = self.structure_on(&range) {
            Fault::RoomTaken { block, at, other }
        } else if range.start >= end {
            Fault::RoomPastEnd { block, at, end }
        } else {
            return Ok(());
        };
        Err(self.tables.in_bat(fault, index))
    }

    /// The structure of which a range takes a part.
    fn structure_on(&self, range: &Range<u64>) -> Option<&'static str> {
        let mut structures = self.structures.iter();
        let on = structures.find(|(taken, _)| range.start < taken.end && taken.start < range.end);
        on.map(|(_, name)| *name)
    }

    fn bitmap(&mut self, chunk: u64, entry: BatEntry, index: u64) -> Result<()> {
        self.missing(chunk)?;
        if entry.state() != BatEntry::FULLY_PRESENT {
            return Ok(());
        }
        self.partial = None;
        self.place(Slot::Bitmap(chunk), entry, index)
    }

    /// Refuses the block that still needs a bitmap, if its chunk lies before `chunk`.
    fn missing(&self, chunk: u64) -> Result<()> {
        match self.partial {
            Some(block) if block / self.tables.shape.ratio < chunk => {
                let index = self.tables.shape.block_index(block);
                Err(self.tables.in_bat(Fault::BitmapMissing { block }, index))
            }
            _ => Ok(()),
        }
    }

    /// Judges where a block or bitmap lies.
    fn place(&mut self, slot: Slot, entry: BatEntry, index: u64) -> Result<()> {
        let range = self.tables.range(slot, entry);
        let (what, number) = slot.spoken();
        let (at, end) = (FileOffset(entry.at()), self.end);
        // Of the disk's last block old files have as much as the disk has.
        let needed = match slot {
            Slot::Block(block) => {
                let before = block.saturating_mul(self.tables.block_size.0);
                range
                    .start
                    .saturating_add(self.tables.size.0.saturating_sub(before))
            }
            Slot::Bitmap(_) => range.end,
        };
        let block_end = range.end.min(needed);
        let fault = if let Some(other) = self.structure_on(&range) {
            Fault::BlockInStructure {
                what,
                number,
                at,
                other,
            }
        } else if block_end > end {
            Fault::BlockPastEnd {
                what,
                number,
                at,
                block_end,
                end,
            }
        } else if !self.taken.take(&range, end) {
            return Err(self.overlap(slot, entry, index)?);
        } else {
            return Ok(());
        };
        Err(self.tables.in_bat(fault, index))
    }

    /// The error for a block or bitmap that shares bytes with one before it.
    fn overlap(&self, slot: Slot, entry: BatEntry, index: u64) -> Result<imgdelta_core::Error> {
        let range = self.tables.range(slot, entry);
        let mut first = None;
        self.tables.each(self.source, 0..index, |index, other| {
            let slot = self.tables.slot(index);
            let is_stored = match slot {
                Slot::Block(block) => block < self.tables.shape.blocks && other.state() >= 6,
                Slot::Bitmap(_) => self.tables.is_child && other.state() == 6,
            };
            let place = self.tables.range(slot, other);
            if is_stored && place.start < range.end && range.start < place.end {
                first.get_or_insert((slot.spoken(), other.at()));
            }
            Ok(())
        })?;
        let (what, number) = slot.spoken();
        let ((other, other_number), other_at) = first.unwrap_or((("block", 0), 0));
        let fault = Fault::BlocksOverlap {
            what,
            number,
            at: FileOffset(entry.at()),
            other: format!("{other} {other_number}"),
            other_at: FileOffset(other_at),
        };
        Ok(self.tables.in_bat(fault, index))
    }
}
