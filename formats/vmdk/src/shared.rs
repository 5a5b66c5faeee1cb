//! Looks for grains that stand in one place. What they hold is not looked at.

use imgdelta_core::{CheckReport, Error, Result, SECTOR, Source};

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
            if !marks.set(place) && report.faults.len() < CheckReport::LIMIT {
                let first = first_user(tables, sector / step, step, grain)?;
                let fault = Fault::Shared {
                    first,
                    second: grain,
                    sector,
                };
                report.fault(Error::from(fault).in_structure("grain table"));
            }
            Ok(())
        })?;
        start += len;
    }
    if unaligned > 0 {
        report.notes.push(format!(
            "{unaligned} grains do not start at a multiple of the grain size"
        ));
    }
    Ok(stored)
}

/// The first grain in that place.
fn first_user(tables: &Tables, place: u64, step: u64, before: u64) -> Result<u64> {
    let mut found = None;
    tables.each(|grain, cell| {
        if let Cell::At(sector) = cell
            && sector / step == place
            && grain < before
        {
            found.get_or_insert(grain);
        }
        Ok(())
    })?;
    Ok(found.unwrap_or(before))
}

/// One bit for each place of a pass.
struct Marks(Vec<u64>);

impl Marks {
    fn new(count: u64) -> Self {
        let words = usize::try_from(count.div_ceil(64)).unwrap_or(usize::MAX);
        Self(vec![0; words])
    }

    /// Sets a mark; false if it was set before.
    fn set(&mut self, place: u64) -> bool {
        let word = usize::try_from(place / 64)
            .ok()
            .and_then(|at| self.0.get_mut(at));
        let bit = 1_u64 << (place % 64);
        match word {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }
}
