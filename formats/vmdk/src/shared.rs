//! Looks for grains that stand in one place. What they hold is not looked at.

use std::collections::{HashMap, HashSet};

use imgdelta_core::{CheckReport, Error, Marks, Result, SECTOR, Source};

use crate::{
    fault::Fault,
    table::{Cell, Tables},
};

/// Places looked at in one pass over the tables: 32 MiB of marks.
const PASS: u64 = 1 << 28;

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
        let mut marks = Marks::new(len);
        tables.each(|grain, cell| {
            let Cell::At(sector) = cell else {
                return Ok(());
            };
            let Some(place) = (sector / step).checked_sub(start).filter(|one| *one < len) else {
                return Ok(());
            };
            stored += 1;
            unaligned += u64::from(!sector.is_multiple_of(step));
            if !marks.set(place) && later.len() < CheckReport::LIMIT {
                later.push((grain, sector));
            }
            Ok(())
        })?;
        start += len;
    }
    tell(tables, step, &later, report)?;
    if unaligned > 0 {
        report.notes.push(format!(
            "{unaligned} grains do not start at a multiple of the grain size"
        ));
    }
    Ok(stored)
}

/// Tells of the grains that share a place with an earlier one, which is looked for once for all of them.
fn tell(tables: &Tables, step: u64, later: &[(u64, u64)], report: &mut CheckReport) -> Result<()> {
    if later.is_empty() {
        return Ok(());
    }
    let mut firsts: HashMap<u64, u64> = HashMap::new();
    let wanted: HashSet<u64> = later.iter().map(|(_, sector)| sector / step).collect();
    tables.each(|grain, cell| {
        if let Cell::At(sector) = cell
            && wanted.contains(&(sector / step))
        {
            firsts.entry(sector / step).or_insert(grain);
        }
        Ok(())
    })?;
    for (second, sector) in later {
        let first = firsts.get(&(sector / step)).copied().unwrap_or(*second);
        let fault = Fault::Shared {
            first,
            second: *second,
            sector: *sector,
        };
        report.fault(Error::from(fault).in_structure("grain table"));
    }
    Ok(())
}
