//! What `info` shows of a disk: names in the specification's spelling, values as text.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, ImageMetadata, SECTOR, Snapshot, Source};

use crate::{descriptor::Descriptor, validate::ValidatedHeader};

/// The facts of one expanding file.
pub(crate) fn of_file(meta: &ValidatedHeader, source: &Arc<dyn Source>) -> ImageMetadata {
    let header = &meta.header;
    let mut details = vec![
        ("magic", header.magic.escape_ascii().to_string()),
        ("tracks", header.tracks.to_string()),
        ("nb_bat_entries", header.nb_bat_entries.to_string()),
        ("nb_sectors", header.nb_sectors.to_string()),
        ("data_off", header.data_off.to_string()),
        ("geometry", format!("{}/{}", header.cylinders, header.heads)),
    ];
    for (name, value) in [
        ("in_use", u64::from(header.in_use)),
        ("flags", u64::from(header.flags)),
        ("ext_off", header.ext_off),
    ] {
        if value != 0 {
            details.push((name, format!("{value:#x}")));
        }
    }
    ImageMetadata {
        variant: "expanding".into(),
        block_size: Some(meta.block()),
        notes: meta.notes(),
        details,
        ..plain(meta.size, vec![Arc::clone(source)])
    }
}

/// The facts of a disk of several files, as of the snapshot `shot`.
pub(crate) fn of_bundle(
    descriptor: &Descriptor,
    shot: &str,
    block: Option<Bytes>,
    files: Vec<Arc<dyn Source>>,
    notes: Vec<String>,
) -> ImageMetadata {
    let snapshots = descriptor.snapshots().map(|guid| Snapshot {
        id: guid.to_owned(),
        name: guid.to_owned(),
        size: descriptor.size(),
        taken: 0,
    });
    let details = vec![
        ("Disk_size", descriptor.sectors.to_string()),
        ("Storage", descriptor.storages.len().to_string()),
        ("Image", descriptor.files().len().to_string()),
        ("TopGUID", descriptor.top.clone()),
        ("GUID", shot.to_owned()),
    ];
    ImageMetadata {
        variant: "bundle".into(),
        block_size: block,
        logical_sector: descriptor.sector,
        notes,
        details,
        snapshots: snapshots.collect(),
        ..plain(descriptor.size(), files)
    }
}

/// What all have in common.
fn plain(size: Bytes, files: Vec<Arc<dyn Source>>) -> ImageMetadata {
    ImageMetadata {
        format: Format::Parallels,
        variant: String::new(),
        size,
        block_size: None,
        grain: None,
        logical_sector: Bytes(SECTOR),
        identity: None,
        aliases: Vec::new(),
        files,
        notes: Vec::new(),
        details: Vec::new(),
        snapshots: Vec::new(),
    }
}
