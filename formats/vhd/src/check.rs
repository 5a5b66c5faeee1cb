//! Looks for what opening does not ask: both footers alike, what is reserved zero, and, in `blocks`, bitmaps true and no space lost.
//! Parents are not looked at.

mod blocks;

use std::sync::Arc;

use imgdelta_core::{Bytes, CheckReport, Error, Field, FileOffset, Open, Result, SECTOR, Source};

use crate::{
    fault::Fault,
    footer::SelectedFooter,
    layout::{DynamicHeader, Footer, NOWHERE},
    open_options::OpenOptions,
    validate::ValidatedHeader,
};

use blocks::{Blocks, Unused};

/// Checks an image.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    let reading = OpenOptions::take(open.options)?;
    look(&open.source, reading).map(|(report, _)| report)
}

/// What a reader passes over: what is noted when it opens is left out here.
pub(crate) fn passed_over(source: &Arc<dyn Source>, reading: OpenOptions) -> Result<Vec<String>> {
    let (report, unused) = look(source, reading)?;
    let mut lines = Vec::new();
    if unused.sectors > 0 {
        lines.push(format!(
            "sectors that their bitmap marks unused hold data: {}, in {} blocks; they are read as zeros, as VirtualBox does, --input-option \
             bitmap=ignore reads what they hold, as qemu does",
            unused.sectors, unused.blocks
        ));
    }
    let noted = [
        "vhd_unused_holds_data",
        "vhd_footers_differ",
        "vhd_footer_checksum",
        "vhd_header_checksum",
    ];
    lines.extend(report.summary(&noted));
    Ok(lines)
}

/// Looks at everything.
fn look(source: &Arc<dyn Source>, reading: OpenOptions) -> Result<(CheckReport, Unused)> {
    let reading = OpenOptions {
        ignores_checksum: true,
        ..reading
    };
    let mut meta = ValidatedHeader::read(&**source, reading)?;
    meta.read_link(&**source)?;
    let mut report = CheckReport::default();
    let mut unused = Unused::default();
    check_footers(&meta.found, &mut report);
    report.notes.append(&mut meta.notes.clone());
    if let (Some(header), Some(tables)) = (&meta.header, meta.tables(source.len())) {
        tables.validate(&**source, &meta.locators())?;
        check_header(header, tables.header_at, &mut report);
        let blocks = Blocks::new(source, &meta, header, tables, &mut report)?;
        unused = blocks.check(!reading.ignores_bitmaps)?;
    } else {
        check_fixed(&meta, &mut report);
    }
    Ok((report, unused))
}

/// Checksums, the copy, and what is reserved.
fn check_footers(found: &SelectedFooter, report: &mut CheckReport) {
    let footer = &found.footer;
    if found.is_unsound {
        let fault = Fault::FooterChecksum {
            found: footer.checksum,
            computed: footer.computed_checksum(),
        };
        report.fault(
            Error::from(fault)
                .in_field("footer", "checksum")
                .at(found.at),
        );
    }
    if let Some(copy) = found.copy.as_ref().filter(|copy| *copy != footer) {
        let fault = Fault::FootersDiffer {
            field: first_difference(footer, copy),
        };
        report.fault(
            Error::from(fault)
                .in_structure("footer copy")
                .at(FileOffset::ZERO),
        );
    }
    if footer.reserved.iter().any(|byte| *byte != 0) {
        report
            .notes
            .push("the footer's reserved bytes are not zero".into());
    }
    if footer.hidden != 0 {
        report
            .notes
            .push("tapdisk hid the disk from users (byte 85 of the footer is set)".into());
    }
}

/// The first field in which two footers differ.
fn first_difference(one: &Footer, other: &Footer) -> &'static str {
    let (one, other) = (one.emit(), other.emit());
    let differs = |field: &&Field| {
        let range = field.at..field.at + field.len;
        one.get(range.clone()) != other.get(range)
    };
    Footer::FIELDS
        .iter()
        .find(differs)
        .map_or("nothing", |field| field.name)
}

fn check_fixed(meta: &ValidatedHeader, report: &mut CheckReport) {
    if meta.footer().data_offset != NOWHERE {
        report.notes.push(format!(
            "data_offset is {:#x}, all ones are usual in a fixed image",
            meta.footer().data_offset
        ));
    }
    let spare = meta.found.at.0.saturating_sub(meta.size.0);
    if spare > 0 {
        report.notes.push(format!(
            "{spare} bytes between the disk and the footer belong to nothing"
        ));
    }
    report.counts.push(("sectors", meta.size.0 / SECTOR));
}

fn check_header(header: &DynamicHeader, at: FileOffset, report: &mut CheckReport) {
    let computed = header.computed_checksum();
    if header.checksum != computed {
        let fault = Fault::HeaderChecksum {
            found: header.checksum,
            computed,
        };
        let at = at.saturating_add(Bytes(DynamicHeader::at("checksum")));
        report.fault(
            Error::from(fault)
                .in_field("dynamic header", "checksum")
                .at(at),
        );
    }
    if header.data_offset != NOWHERE {
        report.notes.push(format!(
            "data_offset of the dynamic header is {:#x}, Microsoft's tools want all ones",
            header.data_offset
        ));
    }
    if header.reserved != 0 || header.reserved_tail.iter().any(|byte| *byte != 0) {
        report
            .notes
            .push("the dynamic header's reserved bytes are not zero".into());
    }
}
