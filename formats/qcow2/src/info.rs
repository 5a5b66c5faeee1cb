//! What `info` is told of an image: facts, details, notes.
//!
//! Everything here was judged before.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, ImageMetadata, SECTOR, Source};

use crate::{
    extension,
    layout::{autoclear, compatible, incompatible},
    validate::ValidatedHeader,
};

/// Most bitmaps that are described one by one.
const DESCRIBED: usize = 100;

/// The facts of the disk of `size` that stands in `files`.
pub(crate) fn facts(
    meta: &ValidatedHeader,
    size: Bytes,
    files: Vec<Arc<dyn Source>>,
) -> ImageMetadata {
    ImageMetadata {
        format: Format::Qcow2,
        variant: format!("v{}", meta.header.version),
        size,
        block_size: Some(meta.geometry.cluster()),
        grain: Some(meta.geometry.grain()),
        logical_sector: Bytes(SECTOR),
        identity: None,
        aliases: Vec::new(),
        files,
        notes: notes(meta),
        details: details(meta),
        snapshots: meta
            .snapshots
            .all
            .iter()
            .map(|one| one.metadata())
            .collect(),
    }
}

/// What the user should know though it reads.
fn notes(meta: &ValidatedHeader) -> Vec<String> {
    let mut notes = Vec::new();
    if meta.is_dirty() {
        notes
            .push("the dirty bit is set: it was not closed, its refcounts may be stale".to_owned());
    }
    if meta.features.incompatible_features & incompatible::CORRUPT != 0 {
        notes.push("the corrupt bit is set and was ignored".to_owned());
    }
    for bitmap in meta.bitmaps.all.iter().filter(|one| one.is_in_use()) {
        notes.push(format!(
            "bitmap '{}' was in use when the image was last closed",
            bitmap.name
        ));
    }
    notes.truncate(DESCRIBED);
    notes
}

/// What else the header says.
fn details(meta: &ValidatedHeader) -> Vec<(&'static str, String)> {
    let (header, features) = (&meta.header, &meta.features);
    let mut details = vec![
        ("cluster_size", meta.geometry.cluster().0.to_string()),
        (
            "refcount_bits",
            (1_u64 << features.refcount_order).to_string(),
        ),
        ("compression_type", meta.compression.name().to_owned()),
        ("extended_l2", on(meta.geometry.extended)),
    ];
    let lazy = features.compatible_features & compatible::LAZY_REFCOUNTS != 0;
    details.push(("lazy_refcounts", on(lazy)));
    for (kind, name, bits) in [
        (0, "incompatible_features", features.incompatible_features),
        (1, "compatible_features", features.compatible_features),
        (2, "autoclear_features", features.autoclear_features),
    ] {
        if bits != 0 {
            details.push((name, names(meta, kind, bits)));
        }
    }
    if header.crypt_method != 0 {
        details.push(("crypt_method", header.crypt_method.to_string()));
    }
    if let Some(backing) = &meta.backing {
        details.push(("backing_file", backing.name.clone()));
        if let Some(format) = &backing.format {
            details.push(("backing_format", format.clone()));
        }
    }
    if let Ok(Some(name)) = meta.data_file() {
        details.push(("data_file", name.to_owned()));
        let raw = features.autoclear_features & autoclear::RAW_DATA_FILE != 0;
        details.push(("data_file_raw", on(raw)));
    }
    let bitmaps = meta.bitmaps.all.iter().take(DESCRIBED);
    details.extend(bitmaps.map(|bitmap| ("bitmap", bitmap.describe())));
    details
}

/// As qemu-img says it.
fn on(is: bool) -> String {
    if is { "on" } else { "off" }.to_owned()
}

/// The names of the set bits of one kind, as qemu has them; else as the image itself has them; else their numbers.
fn names(meta: &ValidatedHeader, kind: u8, bits: u64) -> String {
    let known = |bit: u32| match (kind, 1_u64 << bit) {
        (0, incompatible::DIRTY) => Some("dirty bit"),
        (0, incompatible::CORRUPT) => Some("corrupt bit"),
        (0, incompatible::DATA_FILE) => Some("external data file"),
        (0, incompatible::COMPRESSION) => Some("compression type"),
        (0, incompatible::EXTENDED_L2) => Some("extended L2 entries"),
        (1, compatible::LAZY_REFCOUNTS) => Some("lazy refcounts"),
        (2, autoclear::BITMAPS) => Some("bitmaps"),
        (2, autoclear::RAW_DATA_FILE) => Some("raw external data"),
        _ => None,
    };
    let name = |bit| {
        known(bit)
            .map(str::to_owned)
            .or_else(|| extension::feature_name(&meta.extensions, kind, bit))
            .unwrap_or_else(|| format!("bit {bit}"))
    };
    let set = (0..64).filter(|bit| bits >> bit & 1 == 1);
    set.map(name).collect::<Vec<_>>().join(", ")
}
