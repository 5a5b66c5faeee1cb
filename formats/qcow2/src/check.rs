//! Whether an image is sound: every reference judged, and counted against the refcounts.
//!
//! What is walked is in `check_walk`, how it is counted in `refcount_census`. Nothing is repaired.

use std::sync::Arc;

use imgdelta_core::{Bytes, CheckReport, Error, FileOffset, Open, Result, Source};

use crate::{
    check_walk::CheckWalk,
    fault::Fault,
    open_options::OpenOptions,
    refcount::Refcounts,
    refcount_census::{MOST, MOST_WINDOWS, RefcountCensus},
    validate::ValidatedHeader,
};

/// Leaked clusters and stale refcounts.
#[derive(Clone, Copy, Debug, Default)]
struct CheckCounts {
    leaked: u64,
    stale: u64,
}

/// Checks an image. Encrypted ones too: metadata never are.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    let choices = OpenOptions::of(open.options)?;
    let source = open.source;
    let meta = ValidatedHeader::read(&*source)?;
    meta.parent()?;
    let data_end = match meta.data_file()? {
        Some(name) => open.aux_files.open(name)?.len(),
        None => source.len(),
    };
    look(&source, &meta, choices, data_end)
}

/// Looks at everything, the plain data being in a file of `data_end` bytes.
pub(crate) fn look(
    source: &Arc<dyn Source>,
    meta: &ValidatedHeader,
    choices: OpenOptions,
    data_end: Bytes,
) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    if !choices.ignores_corrupt
        && let Err(fault) = meta.refuse_corrupt()
    {
        report.fault(fault);
    }
    let refcounts = Refcounts::new(source, meta);
    let mut tally = RefcountCensus::new(meta.geometry, source.len());
    let mut walk = CheckWalk {
        source,
        meta,
        refcounts: &refcounts,
        tally: &mut tally,
        report: &mut report,
        is_first: true,
        data_end,
        data: 0,
        compressed: 0,
    };
    walk.run()?;
    let windows = walk.tally.touched().clone();
    if windows.len() > MOST_WINDOWS {
        let (found, most) = (windows.len(), MOST_WINDOWS);
        return Err(Fault::TooScattered { found, most }.into());
    }
    let mut found = CheckCounts::default();
    compare(&mut walk, &mut found)?;
    walk.is_first = false;
    for window in windows.into_iter().skip(1) {
        walk.tally.restart(window);
        walk.run()?;
        compare(&mut walk, &mut found)?;
    }
    let (data, compressed) = (walk.data, walk.compressed);
    let clusters = tally.clusters();
    tell(&mut report, meta, choices, found);
    report.counts = vec![
        ("clusters", clusters),
        ("data", data),
        ("compressed", compressed),
        ("leaked", found.leaked),
    ];
    Ok(report)
}

/// Compares the references of a window with the refcounts there.
fn compare(walk: &mut CheckWalk<'_>, found: &mut CheckCounts) -> Result<()> {
    let geometry = walk.meta.geometry;
    for (number, references) in walk.tally.counted() {
        let refcount = walk.refcounts.of(number)?;
        if refcount < u64::from(references) {
            let at = FileOffset(number << geometry.cluster_bits);
            let fault = Fault::RefcountTooLow {
                at,
                found: refcount,
                required: u64::from(references),
            };
            if walk.meta.is_dirty() {
                found.stale += 1;
            } else {
                walk.report.fault(Error::from(fault).at(at));
            }
        } else if refcount > u64::from(references) && references < MOST {
            found.leaked += 1;
        }
    }
    Ok(())
}

/// Says what harms no content.
fn tell(
    report: &mut CheckReport,
    meta: &ValidatedHeader,
    choices: OpenOptions,
    found: CheckCounts,
) {
    if meta.is_dirty() && !choices.ignores_dirty {
        report.notes.push(format!(
            "the dirty bit is set: refcounts may be stale, {} are too low",
            found.stale
        ));
    }
    if found.leaked > 0 {
        report.notes.push(format!(
            "{} clusters are leaked: refcounted, and used by nobody",
            found.leaked
        ));
    }
}
