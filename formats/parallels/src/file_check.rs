//! One expanding file, checked: entries that lead nowhere, blocks that share bytes, space that belongs to nobody.

use imgdelta_core::{CheckReport, Claimed, Error, Result, Source, overlaps};

use crate::{fault::Fault, map::BlockTable, validate::ValidatedHeader};

/// Codes of faults that a note tells of when a disk is opened.
pub(crate) const NOTED: &[&str] = &["parallels_data_offset"];

/// Checks one expanding file.
pub(crate) fn check_file(
    meta: &ValidatedHeader,
    table: &BlockTable,
    source: &dyn Source,
    report: &mut CheckReport,
) -> Result<()> {
    if let Some(fault) = &meta.data_fault {
        report.fault(ValidatedHeader::in_header(fault.clone(), "data_off"));
    }
    let (mut allocated, mut unaligned) = (0_u64, 0_u64);
    table.each(source, |_, found| match found {
        Ok(at) => {
            allocated += 1;
            let from_first = at.since(meta.data_at);
            unaligned += u64::from(!from_first.is_multiple_of(table.block()));
        }
        Err(error) => report.fault(error),
    })?;
    if unaligned > 0 {
        report.notes.push(format!(
            "{unaligned} blocks do not lie a whole number of blocks behind the first"
        ));
    }
    check_shared(table, source, report)?;
    let held = source.len().0.saturating_sub(meta.data_at.0);
    let held = held.checked_div(table.block().0).unwrap_or_default();
    // What format extensions take is not known here.
    let leaked = if meta.header.ext_off == 0 {
        held.saturating_sub(allocated)
    } else {
        0
    };
    if leaked > 0 {
        report.notes.push(format!(
            "{leaked} blocks are leaked: they belong to nothing"
        ));
    }
    report.counts.extend([
        ("blocks", table.blocks()),
        ("allocated", allocated),
        ("leaked", leaked),
    ]);
    Ok(())
}

/// Nothing counts references here, so no two blocks may share a byte.
fn check_shared(table: &BlockTable, source: &dyn Source, report: &mut CheckReport) -> Result<()> {
    let walk = |tell: &mut dyn FnMut(Claimed<u64>)| {
        table.each(source, |owner, found| {
            if let Ok(at) = found {
                tell(Claimed {
                    start: at.0,
                    end: at.saturating_add(table.block()).0,
                    owner,
                });
            }
        })
    };
    overlaps(walk, |first, second, at| {
        let fault = Error::from(Fault::Shared { first, second });
        report.fault(fault.at(imgdelta_core::FileOffset(at)));
    })
}
