//! What `info` shows of an image: names in the specification's spelling, values as text. Nothing is judged here.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, ImageMetadata, SECTOR, Source};

use crate::validate::ValidatedHeader;

/// What is known of a judged image.
pub(crate) fn of(header: &ValidatedHeader, source: &Arc<dyn Source>) -> ImageMetadata {
    ImageMetadata {
        format: Format::TYPE,
        variant: "dynamic".into(),
        size: header.size(),
        block_size: Some(header.block()),
        grain: Some(header.block()),
        logical_sector: Bytes(SECTOR),
        identity: None,
        aliases: Vec::new(),
        files: vec![Arc::clone(source)],
        notes: Vec::new(),
        details: vec![("table_offset", header.0.table_offset.to_string())],
        snapshots: Vec::new(),
    }
}
