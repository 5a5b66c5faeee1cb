//! Goes through all tables of an extent: to judge every grain, to see where tables stand, to hold two copies against each other.

use std::{
    cell::{self, RefCell},
    collections::HashMap,
};

use imgdelta_core::{Bytes, FileOffset, Result, SECTOR, read_vec};

use super::{Cell, Tables, wide};

/// How much of the tables is read at once when all are looked at.
const PIECE: u64 = 64 << 10;
/// Tables that are remembered as seen: a directory may name one again and again.
const REMEMBERED: usize = 1 << 20;

/// What all grains of an extent are like, every one of which the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether those that are stored stand in the order of their addresses, none over the next one.
    pub(crate) is_ascending: bool,
    /// The first sector that one of them takes; none does, if it is the largest number.
    pub(crate) lowest: u64,
    /// How many runs of tables with stored grains the directory names again.
    pub(crate) repeated: u64,
    /// A sum over grains and places: that of another directory with the same grains in the same places is the same.
    pub(crate) sum: u64,
}

impl Tables {
    /// Judges every grain: the file holds it, so that a file that was cut is known at once. Grains take `step` sectors at least.
    pub(crate) fn judge(&self, step: u64) -> Result<Seen> {
        let mut seen = Seen {
            is_ascending: true,
            lowest: u64::MAX,
            repeated: 0,
            sum: 0,
        };
        let mut behind = 0;
        seen.repeated = self.distinct(|grain, cell| {
            seen.sum = mixed(seen.sum, grain, cell);
            if let Cell::At(sector) = cell {
                seen.is_ascending &= sector >= behind;
                seen.lowest = seen.lowest.min(sector);
                behind = sector.saturating_add(step);
            }
            Ok(())
        })?;
        if seen.repeated > 0 {
            seen.is_ascending = false;
            seen.sum = mixed(seen.sum, seen.repeated, Cell::Absent);
        }
        Ok(seen)
    }

    /// Shows `see` every grain that is not absent, in order. Tables that stand one behind the other are read together, and those that the host
    /// does not store are zeros.
    pub(crate) fn each(&self, mut see: impl FnMut(u64, Cell) -> Result<()>) -> Result<()> {
        self.walk(|_| true, &mut see)
    }

    /// As [`each`](Self::each), but a table that the directory names again and again is shown once, as far as can be remembered. Returns
    /// how often one with grains was left out.
    pub(crate) fn distinct(&self, mut see: impl FnMut(u64, Cell) -> Result<()>) -> Result<u64> {
        // Both halves of the walk change what is known: the grains that are shown are those of the table that was asked for last.
        let known: RefCell<HashMap<FileOffset, bool>> = RefCell::default();
        let last = cell::Cell::new(None);
        let repeated = cell::Cell::new(0_u64);
        let wants = |at| {
            let mut known = known.borrow_mut();
            if let Some((before, true)) = last.replace(None) {
                known
                    .entry(before)
                    .and_modify(|has_grains| *has_grains = true);
            }
            match known.get(&at) {
                Some(has_grains) => {
                    repeated.set(repeated.get() + u64::from(*has_grains));
                    return false;
                }
                None if known.len() < REMEMBERED => drop(known.insert(at, false)),
                None => {}
            }
            last.set(Some((at, false)));
            true
        };
        let mut mark = |grain, cell| {
            last.set(last.get().map(|(at, _)| (at, true)));
            see(grain, cell)
        };
        self.walk(wants, &mut mark)?;
        Ok(repeated.get())
    }

    /// Shows `see` every grain of which `other` says something else: what this one says, and what the other.
    pub(crate) fn each_difference(
        &self,
        other: &Self,
        mut see: impl FnMut(u64, Cell, Cell),
    ) -> Result<()> {
        self.each(|grain, cell| {
            let found = other.cell(grain)?;
            if found != cell {
                see(grain, cell, found);
            }
            Ok(())
        })?;
        other.each(|grain, found| {
            if self.cell(grain)? == Cell::Absent {
                see(grain, Cell::Absent, found);
            }
            Ok(())
        })
    }

    /// As [`each`](Self::each), of the tables that `wants` wants, by where they stand.
    fn walk(
        &self,
        mut wants: impl FnMut(FileOffset) -> bool,
        see: &mut impl FnMut(u64, Cell) -> Result<()>,
    ) -> Result<()> {
        let table_len = self.form.per_table() * self.form.width();
        let mut next = 0;
        while let Some(table) = self.next_table(next)? {
            next = table + 1;
            let Some(at) = self.table(table)?.filter(|at| wants(*at)) else {
                continue;
            };
            let mut count = 1;
            while count * table_len < PIECE
                && table + count < self.tables()
                && self.table(table + count)? == Some(at.saturating_add(Bytes(count * table_len)))
            {
                count += 1;
            }
            let len = Bytes(count * table_len);
            let stored = self.source.stored_at(at)?;
            if stored.is_data || stored.end < at.saturating_add(len) {
                self.see_tables(table, at, len, see)?;
            }
            next = table + count;
        }
        Ok(())
    }

    /// The first table from number `from` on that there is.
    fn next_table(&self, from: u64) -> Result<Option<u64>> {
        let width = self.form.width();
        let mut table = from;
        while table < self.tables() {
            let at = self.directory.saturating_add(Bytes(table * width));
            let (page, inside) = self.pages.page(at)?;
            let entries = page.get(inside..).unwrap_or_default();
            if let Some(used) = entries.iter().position(|byte| *byte != 0) {
                let found = table + used as u64 / width;
                return Ok((found < self.tables()).then_some(found));
            }
            let stored = self.source.stored_at(at)?;
            let behind = Bytes::from(entries.len().max(1)).0;
            let skipped = if stored.is_data {
                behind
            } else {
                stored.end.since(at).0.max(behind)
            };
            table += (skipped / width).max(1);
        }
        Ok(None)
    }

    fn see_tables(
        &self,
        table: u64,
        at: FileOffset,
        len: Bytes,
        see: &mut impl FnMut(u64, Cell) -> Result<()>,
    ) -> Result<()> {
        let bytes = read_vec(&*self.source, at, len)?;
        let width = Bytes(self.form.width()).in_memory();
        let first = table * self.form.per_table();
        for (grain, bytes) in (first..self.grains()).zip(bytes.chunks_exact(width)) {
            let entry = wide(bytes);
            if entry == 0 {
                continue;
            }
            match self.judged(grain, entry)? {
                Cell::Absent => {}
                cell => see(grain, cell)?,
            }
        }
        Ok(())
    }

    /// The sectors that directory and tables take, each from its first up to the one behind it, in order. Tables that follow one another are
    /// one stretch, so that those of a whole disk are few; `None` where they are more than `most`.
    pub(crate) fn places(&self, most: usize) -> Result<Option<Vec<(u64, u64)>>> {
        let width = self.form.width();
        let sectors = |len: u64| len.div_ceil(SECTOR);
        let directory = self.directory.0 / SECTOR;
        let mut last = (directory, directory + sectors(self.tables() * width));
        let mut places = Vec::new();
        let mut next = 0;
        while let Some(table) = self.next_table(next)? {
            next = table + 1;
            let Some(at) = self.table(table)? else {
                continue;
            };
            let first = at.0 / SECTOR;
            let end = first + sectors(self.form.per_table() * width);
            if last.1 == first {
                last.1 = end;
            } else if places.len() < most {
                places.push(std::mem::replace(&mut last, (first, end)));
            } else {
                return Ok(None);
            }
        }
        places.push(last);
        places.sort_unstable();
        Ok(Some(places))
    }
}

/// The sum that goes on with one more grain.
fn mixed(sum: u64, grain: u64, cell: Cell) -> u64 {
    let place = match cell {
        Cell::Absent => 0,
        Cell::Zero => 1,
        Cell::At(sector) => sector.saturating_add(2),
    };
    // Two odd numbers whose bits are well spread: the golden ratio and a square root.
    let new = grain.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place.wrapping_mul(0xbb67_ae85_84ca_a73b);
    (sum.rotate_left(23) ^ new).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
