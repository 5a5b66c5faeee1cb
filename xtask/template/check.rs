//! Looks for what opening does not ask: entries that lead nowhere, blocks that share bytes.

use std::sync::Arc;

use imgdelta_core::{CheckReport, Claimed, Error, FileOffset, Kind, Open, Result, overlaps};

use crate::{fault::Fault, map::Table, open_options::require_none, validate::ValidatedHeader};

/// Checks an image.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    require_none(open.options)?;
    let header = ValidatedHeader::read(&*open.source)?;
    let table = Table::new(&header, Arc::clone(&open.source));
    let mut report = CheckReport::default();
    let mut allocated = 0_u64;
    for number in 0..header.blocks() {
        match table.block_at(number) {
            Ok(found) => allocated = allocated.saturating_add(u64::from(found.is_some())),
            Err(error) if error.kind() == Kind::Corrupt => report.fault(error),
            Err(error) => return Err(error),
        }
    }
    let walk = |tell: &mut dyn FnMut(Claimed<u64>)| {
        for owner in 0..header.blocks() {
            if let Ok(Some(at)) = table.block_at(owner) {
                tell(Claimed {
                    start: at.0,
                    end: at.saturating_add(header.block()).0,
                    owner,
                });
            }
        }
        Ok(())
    };
    overlaps(walk, |first, second, at| {
        let fault = Error::from(Fault::Shared { first, second });
        report.fault(fault.at(FileOffset(at)));
    })?;
    report
        .counts
        .extend([("blocks", header.blocks()), ("allocated", allocated)]);
    Ok(report)
}
