//! Looks for what opening does not ask, in the one file of a disk or in all that its descriptor names.

use imgdelta_core::{CheckReport, Open, Result};

use crate::{
    bundle, expanding, file_check::check_file, image, map::BlockTable, open_options::is_alone,
    validate::ValidatedHeader,
};

/// Checks a disk: its one file, or all that its descriptor names.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    let is_alone = is_alone(open.options)?;
    let mut report = CheckReport::default();
    if image::is_expanding(&*open.source)? {
        if !is_alone {
            expanding::refuse_part(&*open.source, open.aux_files)?;
        }
        let meta = ValidatedHeader::read(&*open.source)?;
        report.notes.extend(meta.notes());
        let table = BlockTable::new(&meta, std::sync::Arc::clone(&open.source));
        check_file(&meta, &table, &*open.source, &mut report)?;
    } else {
        bundle::check(&open.source, open.aux_files, &mut report)?;
    }
    report.counts = summed(&report.counts);
    Ok(report)
}

/// The counts of several files, added up by name.
fn summed(counts: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
    let mut sums: Vec<(&'static str, u64)> = Vec::new();
    for (name, count) in counts {
        match sums.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = sum.saturating_add(*count),
            None => sums.push((name, *count)),
        }
    }
    sums
}
