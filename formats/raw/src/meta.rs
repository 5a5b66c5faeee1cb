//! What can be said of a raw image before a byte of it is read.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, ImageMetadata, Result, SECTOR, Source};

/// The facts of the raw disk in `source`.
///
/// # Errors
/// Host, if the host cannot say what kind of file it is.
pub(crate) fn facts(source: Arc<dyn Source>) -> Result<ImageMetadata> {
    let size = source.len();
    let is_device = source.stamp()?.is_some_and(|stamp| stamp.is_device);
    Ok(ImageMetadata {
        format: Format::Raw,
        variant: if is_device { "device" } else { "flat" }.to_owned(),
        size,
        block_size: None,
        grain: None,
        logical_sector: Bytes(SECTOR),
        identity: None,
        aliases: Vec::new(),
        files: vec![source],
        notes: odd_size(size).into_iter().collect(),
        details: Vec::new(),
        snapshots: Vec::new(),
    })
}

/// What the user should know of a size that no guest can see to the last byte. Every writer but raw's rounds it up.
fn odd_size(size: Bytes) -> Option<String> {
    (!size.is_multiple_of(Bytes(SECTOR))).then(|| {
        format!(
            "the size {} is not a multiple of {SECTOR}; other formats round it up with zeros",
            size.0
        )
    })
}
