//! Copies a file, holes as holes.

use std::path::Path;

use super::FreeSpace;
use crate::{AlignedBuffer, Bytes, FileOffset, Result, Sink, Source};

/// Copies all that the host stores of `source` to the file that will stand at `place`.
///
/// # Errors
/// Host: before anything is written, where there is no room for it (`no_space`).
pub(crate) fn copy_stored(source: &dyn Source, sink: &dyn Sink, place: &Path) -> Result<()> {
    if let Some(space) = FreeSpace::beside(place) {
        let needed = stored(source)?;
        let refused = space.require(needed, place);
        refused.map_err(|error| error.with_hint("choose another place for it, with more room"))?;
    }
    let mut buffer = AlignedBuffer::zeroed(Bytes::mib(1));
    sink.set_len(source.len())?;
    let mut at = FileOffset::ZERO;
    while at.0 < source.len().0 {
        let stored = source.stored_at(at)?;
        if stored.is_data {
            sink.reserve(at, stored.end.since(at));
        }
        while stored.is_data && at < stored.end {
            let buffer = buffer.bytes_mut();
            let len = stored.end.since(at).in_memory().min(buffer.len());
            let part = buffer.get_mut(..len).unwrap_or_default();
            source.read_at(at, part)?;
            sink.write_at(at, part)?;
            at = at.saturating_add(Bytes::from(len));
        }
        at = at.max(stored.end);
    }
    Ok(())
}

/// How much the host stores of `source`.
fn stored(source: &dyn Source) -> Result<Bytes> {
    let (mut at, mut sum) = (FileOffset::ZERO, 0_u64);
    while at.0 < source.len().0 {
        let run = source.stored_at(at)?;
        if run.is_data {
            sum = sum.saturating_add(run.end.since(at).0);
        }
        at = at.max(run.end);
    }
    Ok(Bytes(sum))
}
