//! What `info` shows of an image.

use std::sync::Arc;

use imgdelta_core::{Bytes, Format, ImageMetadata, SECTOR, Source};

use crate::{chunk::Codec, map::ChunkTable, trailer::ValidatedTrailer};

/// Most partitions that are named.
const NAMED: usize = 100;

/// The facts of a judged image.
pub(crate) fn of(
    meta: &ValidatedTrailer,
    table: &ChunkTable,
    source: &Arc<dyn Source>,
) -> ImageMetadata {
    ImageMetadata {
        format: Format::Dmg,
        variant: variant(table).into(),
        size: table.size,
        block_size: table.largest_compressed(),
        grain: None,
        logical_sector: Bytes(SECTOR),
        identity: None,
        aliases: Vec::new(),
        files: vec![Arc::clone(source)],
        notes: notes(table),
        details: details(meta, table),
        snapshots: Vec::new(),
    }
}

/// What hdiutil calls it; `UDIF` where its chunks are of several kinds.
fn variant(table: &ChunkTable) -> &'static str {
    let codecs = table.codecs();
    let mut compressed = codecs.iter().filter(|codec| codec.is_compressed());
    match (compressed.next(), compressed.next()) {
        (None, _) => Codec::Raw.image_name(),
        (Some(codec), None) => codec.image_name(),
        _ => "UDIF",
    }
}

fn notes(table: &ChunkTable) -> Vec<String> {
    (table.size == Bytes::ZERO)
        .then(|| "the disk is empty".to_owned())
        .into_iter()
        .collect()
}

fn details(meta: &ValidatedTrailer, table: &ChunkTable) -> Vec<(&'static str, String)> {
    let trailer = &meta.trailer;
    let codecs = table.codecs();
    let codecs: Vec<&str> = codecs.iter().map(|codec| codec.name()).collect();
    let mut details = vec![
        ("sector_count", trailer.sector_count.to_string()),
        ("chunks", table.chunks().len().to_string()),
        ("codecs", codecs.join(", ")),
        ("data_fork_size", trailer.data_fork_size.to_string()),
    ];
    if trailer.variant != 0 {
        details.push(("variant", trailer.variant.to_string()));
    }
    let names = table.names.iter().take(NAMED);
    details.extend(names.map(|name| ("blkx", name.escape_debug().to_string())));
    details
}
