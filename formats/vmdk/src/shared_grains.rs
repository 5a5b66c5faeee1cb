//! Looks for grains that stand in one place, or where the tables stand. What they hold is not looked at.

mod starts;

use imgdelta_core::{CheckReport, Error, Result, SECTOR, Source};

use crate::{
    fault::Fault,
    map::{GrainMapping, GrainVisit, Tables},
};

use starts::Starts;

/// Sectors looked at in one pass over the tables: 32 MiB of bits, 128 GiB of a file.
const PASS: u64 = 1 << 28;
/// Stretches of tables that grains are held against: 16 MiB.
const STRETCHES: usize = 1 << 20;

/// How many grains are where they should not be: reading takes them for what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Misplaced {
    /// Those that share a place with an earlier one.
    pub(crate) shared: u64,
    /// Those that lie over the tables.
    pub(crate) over_tables: u64,
    /// Runs of tables that are used for several parts of the disk.
    pub(crate) repeated: u64,
}

impl Misplaced {
    /// Counts them, in an extent whose grains were judged. Nothing more is read where they stand in order, as most writers leave them.
    pub(crate) fn of(
        tables: &Tables,
        source: &dyn Source,
        step: u64,
        seen: &GrainVisit,
    ) -> Result<Self> {
        let mut found = Self {
            repeated: seen.repeated,
            ..Self::default()
        };
        if !seen.is_ascending {
            let walk = |see: &mut See<'_>| tables.distinct(see).map(drop);
            found.shared = each_shared(walk, source, step, |_, _| {})?.shared;
        }
        let places = tables.places(STRETCHES)?.unwrap_or_default();
        if places.last().is_some_and(|(_, end)| seen.lowest < *end) {
            tables.distinct(|_, cell| {
                let is_over = table_below(&places, cell, step).is_some();
                found.over_tables += u64::from(is_over);
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Whether there are none.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What the user should know of them.
    pub(crate) fn notes(&self) -> Vec<String> {
        let told = [
            (
                self.shared,
                "stored grains share their place in the file with others",
            ),
            (self.over_tables, "stored grains lie over the grain tables"),
            (
                self.repeated,
                "runs of grain tables are used for several parts of the disk",
            ),
        ];
        let told = told.into_iter().filter(|(count, _)| *count > 0);
        told.map(|(count, what)| format!("{count} {what}: 'imgdelta check' lists them"))
            .collect()
    }
}

/// Takes the number of a grain and what the table says of it.
type See<'a> = dyn FnMut(u64, GrainMapping) -> Result<()> + 'a;

/// What was counted of stored grains.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    stored: u64,
    unaligned: u64,
    shared: u64,
}

/// Every place of `step` sectors may hold one grain. Returns how many grains are stored.
pub(crate) fn check(
    tables: &Tables,
    source: &dyn Source,
    step: u64,
    report: &mut CheckReport,
) -> Result<u64> {
    let mut later = Vec::new();
    let walk = |see: &mut See<'_>| tables.each(see);
    let counted = each_shared(walk, source, step, |grain, sector| {
        if later.len() < CheckReport::LIMIT {
            later.push((grain, sector));
        }
    })?;
    tell(tables, step, &later, report)?;
    check_tables(tables, step, report)?;
    let unaligned = counted.unaligned;
    if unaligned > 0 {
        report.notes.push(format!(
            "{unaligned} grains do not start at a multiple of the grain size"
        ));
    }
    Ok(counted.stored)
}

/// Shows `see` every grain that shares sectors with an earlier one, with its first. `walk` goes through all grains, once for each part of a
/// large file.
fn each_shared(
    walk: impl Fn(&mut See<'_>) -> Result<()>,
    source: &dyn Source,
    step: u64,
    mut see: impl FnMut(u64, u64),
) -> Result<Counted> {
    let sectors = source.len().0.div_ceil(SECTOR);
    let mut counted = Counted::default();
    let mut first = 0;
    while first < sectors {
        let end = first.saturating_add(PASS).min(sectors);
        let mut starts = Starts::of(first..end, step);
        // A file may have holes of exabytes.
        let mut next = sectors;
        walk(&mut |grain, cell| {
            let GrainMapping::At(sector) = cell else {
                return Ok(());
            };
            if sector >= end {
                next = next.min(sector);
            }
            let is_new = starts.insert(sector);
            if !(first..end).contains(&sector) {
                return Ok(());
            }
            counted.stored += 1;
            counted.unaligned += u64::from(!sector.is_multiple_of(step));
            if !is_new {
                counted.shared += 1;
                see(grain, sector);
            }
            Ok(())
        })?;
        first = next.max(end);
    }
    Ok(counted)
}

/// Tells of the grains that share sectors with an earlier one, which is looked for once for all of them.
fn tell(tables: &Tables, step: u64, later: &[(u64, u64)], report: &mut CheckReport) -> Result<()> {
    let mut by_sector: Vec<(u64, usize)> = later
        .iter()
        .enumerate()
        .map(|(number, (_, sector))| (*sector, number))
        .collect();
    by_sector.sort_unstable();
    let mut firsts: Vec<Option<u64>> = vec![None; later.len()];
    if !later.is_empty() {
        tables.each(|grain, cell| {
            let GrainMapping::At(sector) = cell else {
                return Ok(());
            };
            let from = by_sector.partition_point(|(at, _)| at.saturating_add(step) <= sector);
            let near = by_sector.get(from..).unwrap_or_default().iter();
            for (_, number) in near.take_while(|(at, _)| *at < sector.saturating_add(step)) {
                if let Some(first) = firsts.get_mut(*number) {
                    first.get_or_insert(grain);
                }
            }
            Ok(())
        })?;
    }
    for ((second, sector), first) in later.iter().zip(firsts) {
        let fault = Fault::Shared {
            first: first.unwrap_or(*second),
            second: *second,
            sector: *sector,
        };
        report.fault(Error::from(fault).in_structure("grain table"));
    }
    Ok(())
}

/// The sector of the table, or of the directory, over which a grain lies.
fn table_below(places: &[(u64, u64)], cell: GrainMapping, step: u64) -> Option<u64> {
    let GrainMapping::At(sector) = cell else {
        return None;
    };
    let end = sector.saturating_add(step);
    let before = places.partition_point(|(at, _)| *at < end);
    let last = before.checked_sub(1).and_then(|at| places.get(at));
    last.filter(|(_, table_end)| *table_end > sector)
        .map(|(table, _)| *table)
}

/// No grain stands where a table or the directory does.
fn check_tables(tables: &Tables, step: u64, report: &mut CheckReport) -> Result<()> {
    let Some(places) = tables.places(STRETCHES)? else {
        report.notes.push(format!(
            "grain tables stand in more than {STRETCHES} places: grains were not held against them"
        ));
        return Ok(());
    };
    tables.each(|grain, cell| {
        if let (GrainMapping::At(sector), Some(table)) = (cell, table_below(&places, cell, step)) {
            let fault = Fault::GrainOverTable {
                grain,
                sector,
                table,
            };
            report.fault(Error::from(fault).in_structure("grain table"));
        }
        Ok(())
    })
}
