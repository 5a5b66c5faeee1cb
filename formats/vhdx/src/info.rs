//! What `info` shows of an image: names in the specification's spelling, values as text.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, ImageMetadata};

use crate::{
    identity,
    layout::{IS_USER, NO_GUID},
    validate::{self, ValidatedHeader},
};

/// The facts of a judged image.
pub(crate) fn of(meta: &ValidatedHeader) -> ImageMetadata {
    let metadata = &meta.metadata;
    let sector = Bytes(u64::from(metadata.sector));
    ImageMetadata {
        format: Format::Vhdx,
        variant: meta.variant().into(),
        size: metadata.size,
        block_size: Some(metadata.block_size()),
        grain: metadata.is_child().then_some(sector),
        logical_sector: sector,
        identity: Some(identity::identity(meta.headers.current.data_write_guid)),
        aliases: Vec::new(),
        files: vec![Arc::clone(&meta.source)],
        notes: meta.notes.clone(),
        details: details(meta),
        snapshots: Vec::new(),
    }
}

fn details(meta: &ValidatedHeader) -> Vec<(&'static str, String)> {
    let (header, metadata) = (&meta.headers.current, &meta.metadata);
    let mut details = vec![
        ("Creator", meta.creator.escape_debug().to_string()),
        ("SequenceNumber", header.sequence_number.to_string()),
        ("FileWriteGuid", identity::text(header.file_write_guid)),
        ("DataWriteGuid", validate::data_write_guid(&meta.headers)),
        ("LogOffset", header.log_offset.to_string()),
        ("LogLength", header.log_length.to_string()),
    ];
    if header.log_guid != NO_GUID {
        details.push(("LogGuid", identity::text(header.log_guid)));
    }
    details.extend([
        ("BAT", meta.regions.bat.start.to_string()),
        ("Metadata", meta.regions.metadata.start.to_string()),
        ("BlockSize", metadata.parameters.block_size.to_string()),
        ("LogicalSectorSize", metadata.sector.to_string()),
    ]);
    if let Some(physical) = metadata.physical {
        details.push(("PhysicalSectorSize", physical.to_string()));
    }
    if let Some(page_83) = metadata.page_83 {
        details.push(("Page83", identity::text(page_83)));
    }
    if let Some(locator) = &meta.locator {
        let pairs = locator.pairs.iter();
        let shown =
            pairs.map(|(key, value)| format!("{}={}", key.escape_debug(), value.escape_debug()));
        details.push(("ParentLocator", shown.collect::<Vec<_>>().join(", ")));
    }
    let users = metadata.entries.iter();
    let users = users.filter(|entry| entry.flags & IS_USER != 0).count();
    if users > 0 {
        details.push(("UserItems", users.to_string()));
    }
    details
}
