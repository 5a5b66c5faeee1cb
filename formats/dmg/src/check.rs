//! Looks for what opening does not ask: whether every chunk decodes. Checksums are not looked at: what they cover is not published.

use std::sync::Arc;

use imgdelta_core::{Bytes, CheckReport, Kind, Open, Result};

use crate::{codec::Decoder, image::OPTIONS, table::Table, trailer::Meta};

/// Checks an image.
pub(crate) fn check(open: Open<'_>) -> Result<CheckReport> {
    open.options.finish("dmg input", OPTIONS)?;
    let source = open.source;
    let meta = Meta::read(&*source)?;
    let table = Table::read(&meta, &*source)?;
    let largest = table.largest_compressed().unwrap_or_default();
    let decoder = Decoder::new(Arc::clone(&source), largest);
    let mut report = CheckReport::default();
    let mut buf = vec![0; largest.in_memory()];
    let (mut compressed, mut stored) = (0_u64, Bytes::ZERO);
    for chunk in table.chunks() {
        stored = Bytes(stored.0.saturating_add(chunk.size.0));
        if !chunk.codec.is_compressed() {
            continue;
        }
        compressed += 1;
        let room = buf.get_mut(..chunk.len().in_memory()).unwrap_or_default();
        match decoder.decode(chunk, room) {
            Ok(()) => {}
            Err(error) if error.kind() == Kind::Corrupt => report.fault(error),
            Err(error) => return Err(error),
        }
    }
    report.counts.extend([
        ("chunks", table.chunks().len() as u64),
        ("compressed", compressed),
        ("stored_bytes", stored.0),
    ]);
    Ok(report)
}
