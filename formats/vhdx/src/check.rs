//! Looks for what opening does not ask: both copies alike, what is reserved zero, and, in `blocks`, entries true and no space lost.
//! Parents are not looked at.

mod blocks;

use imgdelta_core::{CheckReport, Error, FileOffset, Open, Result, read_array};

use crate::{
    fault::Fault,
    layout::{
        HEADER_AT, Header, IS_REQUIRED, IS_USER, IS_VIRTUAL_DISK, REGION_AT, REGION_REQUIRED,
    },
    locator::PATHS,
    map::validate::FileRanges,
    open_options::OpenOptions,
    validate::{ValidatedHeader, in_locator},
};

use blocks::Blocks;

/// Checks an image.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    look(ValidatedHeader::read(
        &open.source,
        OpenOptions::take(open.options)?,
    )?)
}

/// Looks at an image of which so much is known.
pub(crate) fn look(mut meta: ValidatedHeader) -> Result<CheckReport> {
    meta.validate_blocks(FileRanges::Held)?;
    let mut report = CheckReport::default();
    report.notes.append(&mut meta.notes);
    check_headers(&meta, &mut report)?;
    check_regions(&meta, &mut report);
    check_metadata(&meta, &mut report);
    Blocks::new(&meta, &mut report).check()?;
    Ok(report)
}

fn check_headers(meta: &ValidatedHeader, report: &mut CheckReport) -> Result<()> {
    let headers = &meta.headers;
    if headers.other.as_ref() == Some(&headers.current) {
        report
            .notes
            .push("both headers are the same write: one of them should be newer".into());
    }
    if headers.current.sequence_number == u64::MAX {
        report.notes.push(
            "the header's sequence number is the last one: the file cannot be written any more"
                .into(),
        );
    }
    let at = HEADER_AT.get(headers.slot).copied().unwrap_or_default();
    let header = Header::parse(&read_array(&*meta.source, FileOffset(at))?);
    if header.reserved.iter().any(|byte| *byte != 0) {
        report
            .notes
            .push("the header's reserved bytes are not zero".into());
    }
    Ok(())
}

fn check_regions(meta: &ValidatedHeader, report: &mut CheckReport) {
    if meta.regions.differ {
        let [_, copy] = REGION_AT;
        report.fault(
            Error::from(Fault::RegionTablesDiffer)
                .in_structure("region table")
                .at(FileOffset(copy)),
        );
    }
    let entries = &meta.regions.entries;
    if entries
        .iter()
        .any(|entry| entry.flags & !REGION_REQUIRED != 0)
    {
        report
            .notes
            .push("flags of regions are set that mean nothing".into());
    }
}

fn check_metadata(meta: &ValidatedHeader, report: &mut CheckReport) {
    let metadata = &meta.metadata;
    let has_reserved = metadata.head.reserved != 0
        || metadata.head.reserved_tail.iter().any(|byte| *byte != 0)
        || metadata.entries.iter().any(|entry| {
            entry.reserved != 0 || entry.flags & !(IS_USER | IS_VIRTUAL_DISK | IS_REQUIRED) != 0
        });
    if has_reserved {
        report
            .notes
            .push("the metadata table's reserved bits are not zero".into());
    }
    if metadata.parameters.flags > 3 {
        report.notes.push(format!(
            "flags of the file parameters are {:#x}, at most 0x3 is usual",
            metadata.parameters.flags
        ));
    }
    if let Some(locator) = &meta.locator
        && PATHS.iter().all(|key| locator.value(key).is_none())
    {
        report.fault(in_locator(Fault::NoPath, metadata));
    }
}
