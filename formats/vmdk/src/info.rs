//! What `info` shows of an image: names in the descriptor's spelling, values as text.

use imgdelta_core::{Bytes, Format, ImageMetadata, Result, SECTOR};

use crate::{disk::Disk, link};

/// Keys of the header that are shown.
const HEADER: [&str; 2] = ["CID", "parentCID"];
/// Keys of the data base that are shown, and that a child learns of its parent.
const DATA_BASE: [(&str, &str); 8] = [
    ("adapterType", "adapterType"),
    ("virtualHWVersion", "virtualHWVersion"),
    ("toolsVersion", "toolsVersion"),
    ("thinProvisioned", "thinProvisioned"),
    ("ddb.uuid", "uuid"),
    ("ddb.longContentID", "longContentID"),
    (IMAGE, "uuid.image"),
    (MODIFICATION, "uuid.modification"),
];
/// The detail that holds VirtualBox's name of an image.
pub(crate) const IMAGE: &str = "ddb.uuid.image";
/// The detail that holds VirtualBox's name of its state.
pub(crate) const MODIFICATION: &str = "ddb.uuid.modification";

/// The facts of an open disk.
pub(crate) fn of(disk: &Disk) -> Result<ImageMetadata> {
    let grain = disk
        .pieces
        .iter()
        .filter_map(|(_, piece)| piece.grain())
        .max();
    let (identity, aliases) = match &disk.descriptor {
        Some(descriptor) => (link::identity(descriptor)?, link::aliases(descriptor)),
        None => (None, Vec::new()),
    };
    Ok(ImageMetadata {
        format: Format::Vmdk,
        variant: disk.variant.clone(),
        size: disk.size,
        block_size: grain,
        grain,
        logical_sector: Bytes(SECTOR),
        identity,
        aliases,
        files: disk.files.clone(),
        notes: disk.notes.clone(),
        details: details(disk),
        snapshots: Vec::new(),
    })
}

fn details(disk: &Disk) -> Vec<(&'static str, String)> {
    let mut details = Vec::new();
    if let Some(descriptor) = &disk.descriptor {
        let shown = |value: &str| value.escape_debug().to_string();
        for key in HEADER {
            if let Some(value) = descriptor.header_text(key) {
                details.push((key, shown(value)));
            }
        }
        for (name, key) in DATA_BASE {
            if let Some(value) = descriptor.ddb_text(key) {
                details.push((name, shown(value)));
            }
        }
        let part = |key| descriptor.ddb_text(key).map(shown);
        if let (Some(cylinders), Some(heads), Some(sectors)) = (
            part("geometry.cylinders"),
            part("geometry.heads"),
            part("geometry.sectors"),
        ) {
            details.push(("geometry", format!("{cylinders}/{heads}/{sectors}")));
        }
        if descriptor.header("changeTrackPath").is_some() {
            details.push(("changeTrackPath", "recorded, not followed".into()));
        }
    }
    details.push(("extents", disk.pieces.len().to_string()));
    // Those of split disks are alike.
    if let Some((_, piece)) = disk.pieces.first() {
        details.extend(piece.details());
    }
    details
}
