//! Copies a file, holes as holes.

use crate::{Bytes, FileOffset, Result, Sink, Source};

/// Copies all that the host stores of `source`.
pub(crate) fn copy_stored(source: &dyn Source, sink: &dyn Sink) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    sink.set_len(source.len())?;
    let mut at = FileOffset::ZERO;
    while at.0 < source.len().0 {
        let stored = source.stored_at(at)?;
        while stored.is_data && at < stored.end {
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
