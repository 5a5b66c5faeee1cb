//! What `info` shows of an image: names in the specification's spelling, values as text.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use imgdelta_core::{Bytes, Format, ImageMetadata, SECTOR, Source};

use crate::{
    geometry::Geometry,
    identity,
    layout::{DynamicHeader, EPOCH, Footer},
    locator,
    validate::{self, ValidatedHeader},
};

/// The facts of a judged image.
pub(crate) fn of(meta: &ValidatedHeader, source: &Arc<dyn Source>) -> ImageMetadata {
    let footer = meta.footer();
    let mut details = of_footer(footer);
    if let Some(header) = &meta.header {
        details.extend(of_header(header, meta.is_child()));
    }
    ImageMetadata {
        format: Format::Vhd,
        variant: validate::type_name(footer.disk_type).into(),
        size: meta.size,
        block_size: meta
            .header
            .as_ref()
            .map(|header| Bytes(u64::from(header.block_size))),
        grain: meta.header.as_ref().map(|_| Bytes(SECTOR)),
        logical_sector: Bytes(SECTOR),
        identity: Some(identity::identity(footer.unique_id)),
        aliases: Vec::new(),
        files: vec![Arc::clone(source)],
        notes: meta.notes.clone(),
        details,
        snapshots: Vec::new(),
    }
}

fn of_footer(footer: &Footer) -> Vec<(&'static str, String)> {
    let version = footer.creator_version;
    let mut details = vec![
        ("creator_application", letters(footer.creator_application)),
        (
            "creator_version",
            format!("{}.{}", version >> 16, version & 0xffff),
        ),
        ("creator_host_os", letters(footer.creator_host_os)),
        ("time_stamp", moment(footer.time_stamp)),
        ("original_size", footer.original_size.to_string()),
        ("current_size", footer.current_size.to_string()),
        ("geometry", Geometry::of(footer).to_string()),
        ("unique_id", identity::text(footer.unique_id)),
    ];
    if footer.features != 2 {
        details.push(("features", format!("{:#x}", footer.features)));
    }
    if footer.saved_state != 0 {
        details.push(("saved_state", footer.saved_state.to_string()));
    }
    if footer.hidden != 0 {
        details.push(("hidden", footer.hidden.to_string()));
    }
    details
}

fn of_header(header: &DynamicHeader, is_child: bool) -> Vec<(&'static str, String)> {
    let mut details = vec![
        ("table_offset", header.table_offset.to_string()),
        ("max_table_entries", header.max_table_entries.to_string()),
        ("block_size", header.block_size.to_string()),
    ];
    if is_child {
        details.extend([
            ("parent_unique_id", identity::text(header.parent_unique_id)),
            ("parent_time_stamp", moment(header.parent_time_stamp)),
            ("parent_unicode_name", locator::name(header)),
        ]);
        let codes = header
            .parent_locators
            .iter()
            .map(|entry| entry.platform_code);
        let codes: Vec<String> = codes.filter(|code| *code != [0; 4]).map(letters).collect();
        details.push(("parent_locators", codes.join(", ")));
    }
    details
}

/// Four letters, without the blanks or NULs behind them.
fn letters(code: [u8; 4]) -> String {
    let text = code.escape_ascii().to_string();
    text.trim_end_matches("\\x00").trim_end().into()
}

/// A time stamp as people read it; 0, as writers put it that keep no time, as that.
fn moment(stamp: u32) -> String {
    if stamp == 0 {
        return "0".into();
    }
    let since = Duration::from_secs(u64::from(stamp).saturating_add(EPOCH));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_start_in_2000() {
        assert_eq!(moment(1), "2000-01-01T00:00:01Z");
        assert_eq!(moment(5_097_600), "2000-02-29T00:00:00Z");
        assert_eq!(moment(757_382_400), "2024-01-01T00:00:00Z");
        assert_eq!(moment(u32::MAX), "2136-02-07T06:28:15Z");
    }

    #[test]
    fn creators_read_without_their_padding() {
        assert_eq!(letters(*b"win "), "win");
        assert_eq!(letters(*b"d2v\0"), "d2v");
        assert_eq!(letters([0; 4]), "");
    }
}
