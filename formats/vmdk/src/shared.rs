//! Looks for grains that stand in one place, or where the tables stand. What they hold is not looked at.

use std::collections::{HashMap, HashSet};

use imgdelta_core::{BitSet, CheckReport, Error, Result, SECTOR, Source};

use crate::{
    fault::Fault,
    table::{Cell, Tables},
};

/// Places looked at in one pass over the tables: 32 MiB of bits.
const PASS: u64 = 1 << 28;
/// Stretches of tables that grains are held against: 16 MiB.
const STRETCHES: usize = 1 << 20;

/// Every place of `step` sectors may hold one grain. Returns how many grains are stored.
pub(crate) fn check(
    tables: &Tables,
    source: &dyn Source,
    step: u64,
    report: &mut CheckReport,
) -> Result<u64> {
    let places = source.len().0.div_ceil(SECTOR).div_ceil(step);
    let (mut stored, mut unaligned) = (0_u64, 0_u64);
    let mut later = Vec::new();
    let mut start = 0;
    while start < places {
        let len = (places - start).min(PASS);
        let mut taken = BitSet::new(len);
        tables.each(|grain, cell| {
            let Cell::At(sector) = cell else {
                return Ok(());
            };
            let mut is_taken = false;
            let mut is_here = false;
            for place in places_of(sector, step) {
                if let Some(place) = place.checked_sub(start).filter(|one| *one < len) {
                    is_here |= place == (sector / step).wrapping_sub(start);
                    is_taken |= !taken.insert(place);
                }
            }
            if !is_here {
                return Ok(());
            }
            stored += 1;
            unaligned += u64::from(!sector.is_multiple_of(step));
            if is_taken && later.len() < CheckReport::LIMIT {
                later.push((grain, sector));
            }
            Ok(())
        })?;
        start += len;
    }
    tell(tables, step, &later, report)?;
    check_tables(tables, step, report)?;
    if unaligned > 0 {
        report.notes.push(format!(
            "{unaligned} grains do not start at a multiple of the grain size"
        ));
    }
    Ok(stored)
}

/// The places that a grain at `sector` takes: two where it does not start at a multiple of its size.
fn places_of(sector: u64, step: u64) -> impl Iterator<Item = u64> {
    let last = sector.saturating_add(step.saturating_sub(1)) / step;
    sector / step..=last
}

/// Tells of the grains that share a place with an earlier one, which is looked for once for all of them.
fn tell(tables: &Tables, step: u64, later: &[(u64, u64)], report: &mut CheckReport) -> Result<()> {
    if later.is_empty() {
        return Ok(());
    }
    let mut firsts: HashMap<u64, u64> = HashMap::new();
    let wanted: HashSet<u64> = later
        .iter()
        .flat_map(|(_, sector)| places_of(*sector, step))
        .collect();
    tables.each(|grain, cell| {
        if let Cell::At(sector) = cell {
            for place in places_of(sector, step).filter(|place| wanted.contains(place)) {
                firsts.entry(place).or_insert(grain);
            }
        }
        Ok(())
    })?;
    for (second, sector) in later {
        let others = places_of(*sector, step).filter_map(|place| firsts.get(&place).copied());
        let first = others.min().unwrap_or(*second);
        let fault = Fault::Shared {
            first,
            second: *second,
            sector: *sector,
        };
        report.fault(Error::from(fault).in_structure("grain table"));
    }
    Ok(())
}

/// No grain stands where a table or the directory does.
fn check_tables(tables: &Tables, step: u64, report: &mut CheckReport) -> Result<()> {
    let Some(taken) = tables.places(STRETCHES)? else {
        report.notes.push(format!(
            "grain tables stand in more than {STRETCHES} places: grains were not held against them"
        ));
        return Ok(());
    };
    tables.each(|grain, cell| {
        let Cell::At(sector) = cell else {
            return Ok(());
        };
        let end = sector.saturating_add(step);
        let before = taken.partition_point(|(at, _)| *at < end);
        let last = before.checked_sub(1).and_then(|at| taken.get(at));
        if let Some((table, _)) = last.filter(|(_, table_end)| *table_end > sector) {
            let table = *table;
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
