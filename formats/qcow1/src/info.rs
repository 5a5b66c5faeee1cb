//! What `info` shows of an image: names in qemu's spelling, values as text.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, ImageMetadata, SECTOR, Source};

use crate::validate::ValidatedHeader;

/// The facts of a judged image.
pub(crate) fn of(meta: &ValidatedHeader, source: &Arc<dyn Source>) -> ImageMetadata {
    ImageMetadata {
        format: Format::Qcow1,
        variant: "v1".into(),
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

fn notes(meta: &ValidatedHeader) -> Vec<String> {
    let padding = meta.header.padding;
    (padding != 0)
        .then(|| format!("the header's padding is {padding:#x}, 0 is usual"))
        .into_iter()
        .collect()
}

fn details(meta: &ValidatedHeader) -> Vec<(&'static str, String)> {
    let header = &meta.header;
    let mut details = vec![
        ("cluster_size", meta.cluster().0.to_string()),
        ("l2_bits", header.l2_bits.to_string()),
        ("l1_table_offset", header.l1_table_offset.to_string()),
        ("l1_entries", meta.l1_entries().to_string()),
    ];
    if header.mtime != 0 {
        details.push(("mtime", header.mtime.to_string()));
    }
    if let Some(name) = &meta.backing {
        details.push(("backing_file", name.clone()));
    }
    details
}
