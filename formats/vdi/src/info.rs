//! What `info` shows of an image: names in the specification's spelling, values as text.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, ImageMetadata, SECTOR, Source};

use crate::{
    identity::{self, NULL},
    layout::Header,
    validate::ValidatedHeader,
};

/// The facts of a judged image.
pub(crate) fn of(meta: &ValidatedHeader, source: &Arc<dyn Source>) -> ImageMetadata {
    let header = &meta.header;
    ImageMetadata {
        format: Format::Vdi,
        variant: meta.variant().into(),
        size: meta.size,
        block_size: Some(meta.block_size()),
        grain: Some(meta.block_size()),
        logical_sector: Bytes(SECTOR),
        identity: Some(identity::both(header.uuid_create, header.uuid_modify)),
        aliases: vec![identity::one(header.uuid_create)],
        files: vec![Arc::clone(source)],
        notes: meta.notes.clone(),
        details: details(meta),
        snapshots: Vec::new(),
    }
}

fn details(meta: &ValidatedHeader) -> Vec<(&'static str, String)> {
    let header = &meta.header;
    let version = if meta.is_old { "0.2" } else { "1.1" };
    let mut details = vec![
        ("version", version.to_owned()),
        ("cbHeader", header.header_size.to_string()),
        ("offBlocks", meta.map_at.0.to_string()),
        ("offData", meta.data_at.0.to_string()),
        ("cbDisk", header.disk_size.to_string()),
        ("cbBlock", header.block_size.to_string()),
        ("cBlocks", header.blocks.to_string()),
        ("cBlocksAllocated", header.blocks_allocated.to_string()),
        ("uuidCreate", identity::text(header.uuid_create)),
        ("uuidModify", identity::text(header.uuid_modify)),
    ];
    if header.uuid_linkage != NULL {
        details.extend([
            ("uuidLinkage", identity::text(header.uuid_linkage)),
            (
                "uuidParentModify",
                identity::text(header.uuid_parent_modify),
            ),
        ]);
    }
    if header.block_extra != 0 {
        details.push(("cbBlockExtra", header.block_extra.to_string()));
    }
    if header.flags != 0 {
        details.push(("flags", format!("{:#x}", header.flags)));
    }
    if let Some(lchs) = &meta.lchs
        && lchs.cylinders != 0
    {
        let geometry = format!("{}/{}/{}", lchs.cylinders, lchs.heads, lchs.sectors);
        details.push(("LCHSGeometry", geometry));
    }
    let comment = comment(header);
    if !comment.is_empty() {
        details.push(("comment", comment));
    }
    details
}

/// The comment: what would draw on a terminal is shown escaped.
fn comment(header: &Header) -> String {
    let end = header.comment.iter().position(|byte| *byte == 0);
    let text = header.comment.get(..end.unwrap_or(header.comment.len()));
    String::from_utf8_lossy(text.unwrap_or_default())
        .chars()
        .flat_map(|char| {
            let escaped: String = if char.is_control() {
                char.escape_default().collect()
            } else {
                char.into()
            };
            escaped.chars().collect::<Vec<_>>()
        })
        .collect()
}
