//! Goes through all tables of an extent: to validate every grain, to see where tables stand, to hold two copies against each other. Stretches of
//! tables are read side by side.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    iter,
    ops::Range,
};

use imgdelta_core::{Bytes, FileOffset, Result, SECTOR, parallel, read_vec};

use super::{GrainMapping, Tables, wide};

/// How much of the tables is read at once when all are looked at.
const PIECE: u64 = 64 << 10;
/// Stretches that are read side by side: 10 MiB with what they say.
const MOST_STRETCHES: usize = 24;
/// Tables of two directories that are compared as one piece of work, and how many such runs at once.
const COMPARED: u64 = 16;
const MOST_COMPARED: usize = 32;
/// Tables that are remembered as seen: a directory may name one again and again.
const REMEMBERED: usize = 1 << 20;

/// What all grains of an extent are like, every one of which the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GrainVisit {
    /// Whether those that are stored stand in the order of their addresses, none over the next one.
    pub(crate) is_ascending: bool,
    /// The first sector that one of them takes; none does, if it is the largest number.
    pub(crate) lowest: u64,
    /// How many runs of tables with stored grains the directory names again.
    pub(crate) repeated: u64,
    /// A sum over grains and places: that of another directory with the same grains in the same places is the same.
    pub(crate) sum: u64,
}

/// Tables that the directory names again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeated {
    /// How many runs of those that have grains.
    runs: u64,
    /// A sum over the numbers of all of them, and over the number under which each stands first.
    sum: u64,
}

/// Tables that stand one behind the other.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// The number of the first.
    first: u64,
    at: FileOffset,
    len: Bytes,
}

/// Shows `see` these grains.
fn shown(
    grains: Vec<(u64, GrainMapping)>,
    see: &mut impl FnMut(u64, GrainMapping) -> Result<()>,
) -> Result<()> {
    grains
        .into_iter()
        .try_for_each(|(grain, cell)| see(grain, cell))
}

impl Tables {
    /// Judges every grain: the file holds it, so that a file that was cut is known at once. Grains take `step` sectors at least.
    pub(crate) fn validate(&self, step: u64) -> Result<GrainVisit> {
        let mut seen = GrainVisit {
            is_ascending: true,
            lowest: u64::MAX,
            repeated: 0,
            sum: 0,
        };
        let mut behind = 0;
        let repeated = self.distinct(|grain, cell| {
            seen.sum = mixed(seen.sum, grain, cell);
            if let GrainMapping::At(sector) = cell {
                seen.is_ascending &= sector >= behind;
                seen.lowest = seen.lowest.min(sector);
                behind = sector.saturating_add(step);
            }
            Ok(())
        })?;
        seen.repeated = repeated.runs;
        if repeated.runs > 0 {
            seen.is_ascending = false;
            seen.sum = mixed(seen.sum, repeated.sum, GrainMapping::Absent);
        }
        Ok(seen)
    }

    /// Shows `see` every grain that is not absent, in order. Tables that stand one behind the other are read together, and those that the host
    /// does not store are zeros.
    pub(crate) fn each(&self, mut see: impl FnMut(u64, GrainMapping) -> Result<()>) -> Result<()> {
        self.each_stretch(|_, _| true, |_, grains| shown(grains, &mut see))
    }

    /// As [`each`](Self::each), but a table that the directory names again and again is shown once, as far as can be remembered. Returns
    /// how often one was left out.
    pub(crate) fn distinct(
        &self,
        mut see: impl FnMut(u64, GrainMapping) -> Result<()>,
    ) -> Result<Repeated> {
        // Of each table: its first number, and how often it is named again.
        let again: RefCell<HashMap<FileOffset, (u64, u64)>> = RefCell::default();
        let mut with_grains = HashSet::new();
        let mut sum = 0;
        let wants = |number, at| {
            let mut again = again.borrow_mut();
            if let Some((first, count)) = again.get_mut(&at) {
                *count = u64::saturating_add(*count, 1);
                sum = mixed(sum, number, GrainMapping::At(*first));
                return false;
            }
            if again.len() < REMEMBERED {
                again.insert(at, (number, 0));
            }
            true
        };
        self.each_stretch(wants, |stretch, grains| {
            if !grains.is_empty() && with_grains.len() < REMEMBERED {
                with_grains.insert(stretch.at);
            }
            shown(grains, &mut see)
        })?;
        let again = again.into_inner();
        let counts = with_grains.iter().filter_map(|at| again.get(at));
        let runs = counts.fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
        Ok(Repeated { runs, sum })
    }

    /// Shows `see` every grain of which `other` says something else, in order: what this one says, and what the other.
    pub(crate) fn each_difference(
        &self,
        other: &Self,
        mut see: impl FnMut(u64, GrainMapping, GrainMapping),
    ) -> Result<()> {
        let differing = |numbers: &Range<u64>| self.differing(other, numbers.clone());
        parallel::in_order(
            self.numbers_with(other),
            MOST_COMPARED,
            differing,
            |found| {
                let found = found.into_iter();
                found.for_each(|(grain, one, two)| see(grain, one, two));
                Ok(())
            },
        )
    }

    /// The grains of these tables of which `other` says something else.
    fn differing(
        &self,
        other: &Self,
        numbers: Range<u64>,
    ) -> Result<Vec<(u64, GrainMapping, GrainMapping)>> {
        let mut found = Vec::new();
        for number in numbers {
            let (cells, others) = (self.cells_of(number)?, other.cells_of(number)?);
            let first = number.saturating_mul(self.form.per_table());
            let pairs = (first..).zip(cells.into_iter().zip(others));
            let pairs = pairs.map(|(grain, (one, two))| (grain, one, two));
            found.extend(pairs.filter(|(_, one, two)| one != two));
        }
        Ok(found)
    }

    /// The numbers of the tables that there are here or in `other`, which is of the same extent, in runs.
    fn numbers_with(&self, other: &Self) -> impl Iterator<Item = Result<Range<u64>>> {
        let mut next = 0;
        iter::from_fn(move || {
            let start = match (self.next_table(next), other.next_table(next)) {
                (Ok(here), Ok(there)) => here.into_iter().chain(there).min()?,
                (Err(error), _) | (_, Err(error)) => return Some(Err(error)),
            };
            next = start.saturating_add(COMPARED).min(self.tables());
            Some(Ok(start..next))
        })
    }

    /// What table `number` says of its grains; nothing of none, if there is no such table.
    fn cells_of(&self, number: u64) -> Result<Vec<GrainMapping>> {
        let per_table = self.form.per_table();
        let first = number.saturating_mul(per_table);
        let count = self.grains().saturating_sub(first).min(per_table);
        let mut cells = vec![GrainMapping::Absent; Bytes(count).in_memory()];
        if let Some(at) = self.table(number)? {
            let len = Bytes(per_table * self.form.width());
            let stretch = Stretch {
                first: number,
                at,
                len,
            };
            for (grain, cell) in self.grains_in(&stretch)? {
                let place = Bytes(grain.saturating_sub(first)).in_memory();
                if let Some(place) = cells.get_mut(place) {
                    *place = cell;
                }
            }
        }
        Ok(cells)
    }

    /// Hands `take` each stretch of the tables that `wants` wants, by the number of the first one and where it stands, with its grains that are not absent, in
    /// order. `wants` is ahead of `take`.
    fn each_stretch(
        &self,
        mut wants: impl FnMut(u64, FileOffset) -> bool,
        mut take: impl FnMut(&Stretch, Vec<(u64, GrainMapping)>) -> Result<()>,
    ) -> Result<()> {
        let mut next = 0;
        let stretches = iter::from_fn(|| self.next_stretch(&mut next, &mut wants).transpose());
        let read = |stretch: &Stretch| Ok((*stretch, self.grains_in(stretch)?));
        parallel::in_order(stretches, MOST_STRETCHES, read, |(stretch, grains)| {
            take(&stretch, grains)
        })
    }

    /// The next stretch from table `next` on, which is moved behind it.
    fn next_stretch(
        &self,
        next: &mut u64,
        wants: &mut impl FnMut(u64, FileOffset) -> bool,
    ) -> Result<Option<Stretch>> {
        let table_len = self.form.per_table() * self.form.width();
        while let Some(first) = self.next_table(*next)? {
            *next = first + 1;
            let Some(at) = self.table(first)?.filter(|at| wants(first, *at)) else {
                continue;
            };
            let mut count = 1;
            while count * table_len < PIECE
                && first + count < self.tables()
                && self.table(first + count)? == Some(at.saturating_add(Bytes(count * table_len)))
            {
                count += 1;
            }
            *next = first + count;
            let len = Bytes(count * table_len);
            let stored = self.source.stored_at(at)?;
            if stored.is_data || stored.end < at.saturating_add(len) {
                return Ok(Some(Stretch { first, at, len }));
            }
        }
        Ok(None)
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

    /// The grains of a stretch that are not absent, in order.
    fn grains_in(&self, stretch: &Stretch) -> Result<Vec<(u64, GrainMapping)>> {
        let bytes = read_vec(&*self.source, stretch.at, stretch.len)?;
        let width = Bytes(self.form.width()).in_memory();
        let first = stretch.first * self.form.per_table();
        let mut grains = Vec::new();
        for (grain, bytes) in (first..self.grains()).zip(bytes.chunks_exact(width)) {
            let entry = wide(bytes);
            if entry == 0 {
                continue;
            }
            match self.judged(grain, entry)? {
                GrainMapping::Absent => {}
                cell => grains.push((grain, cell)),
            }
        }
        Ok(grains)
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
fn mixed(sum: u64, grain: u64, cell: GrainMapping) -> u64 {
    let place = match cell {
        GrainMapping::Absent => 0,
        GrainMapping::Zero => 1,
        GrainMapping::At(sector) => sector.saturating_add(2),
    };
    // Two odd numbers whose bits are well spread: the golden ratio and a square root.
    let new = grain.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place.wrapping_mul(0xbb67_ae85_84ca_a73b);
    (sum.rotate_left(23) ^ new).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
