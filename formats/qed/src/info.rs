//! What `info` shows of an image: names in the specification's spelling, values as text.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, ImageMetadata, SECTOR, Source};

use crate::{layout::feature, validate::ValidatedHeader};

/// The facts of a judged image.
pub(crate) fn of(meta: &ValidatedHeader, source: &Arc<dyn Source>) -> ImageMetadata {
    ImageMetadata {
        format: Format::Qed,
        variant: "dynamic".into(),
        size: meta.size(),
        block_size: Some(meta.cluster()),
        grain: Some(meta.cluster()),
        logical_sector: Bytes(SECTOR),
        identity: None,
        aliases: Vec::new(),
        files: vec![Arc::clone(source)],
        notes: notes(meta),
        details: details(meta),
        snapshots: Vec::new(),
    }
}

/// What the user should know though it reads.
pub(crate) fn notes(meta: &ValidatedHeader) -> Vec<String> {
    let mut notes = Vec::new();
    if meta.has(feature::NEED_CHECK) {
        notes.push(
            "the need-check bit is set: it was not closed, its last writes may be missing".into(),
        );
    }
    if meta.size() == Bytes::ZERO {
        notes.push("the disk is empty".into());
    }
    notes
}

fn details(meta: &ValidatedHeader) -> Vec<(&'static str, String)> {
    let header = &meta.header;
    let mut details = vec![
        ("cluster_size", header.cluster_size.to_string()),
        ("table_size", header.table_size.to_string()),
        ("header_size", header.header_size.to_string()),
        ("l1_table_offset", header.l1_table_offset.to_string()),
    ];
    if header.features != 0 {
        details.push(("features", features(meta)));
    }
    for (name, bits) in [
        ("compat_features", header.compat_features),
        ("autoclear_features", header.autoclear_features),
    ] {
        if bits != 0 {
            details.push((name, format!("{bits:#x}")));
        }
    }
    if let Some(name) = &meta.backing {
        details.push(("backing_file", name.clone()));
        if meta.has(feature::BACKING_RAW) {
            details.push(("backing_format", Format::Raw.name().into()));
        }
    }
    details
}

/// The names of the features that are set.
fn features(meta: &ValidatedHeader) -> String {
    let names = [
        (feature::BACKING_FILE, "backing file"),
        (feature::NEED_CHECK, "need check"),
        (feature::BACKING_RAW, "backing file is raw"),
    ];
    let set = names.iter().filter(|(bit, _)| meta.has(*bit));
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}
