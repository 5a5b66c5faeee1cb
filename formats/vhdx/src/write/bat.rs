//! The BAT of a new image, written as it grows: what is in it is decided elsewhere.

use std::sync::Arc;

use imgdelta_core::{Bytes, FileOffset, Result, Sink};

use crate::layout::BatEntry;

/// Bytes of an entry.
const ENTRY: u64 = 8;
/// How much of the BAT is kept in memory.
const PIECE: usize = 64 << 10;

/// Entries on their way to the file, in the order of their places. What is never set is zero: not present.
#[derive(Debug)]
pub(super) struct Bat {
    sink: Arc<dyn Sink>,
    /// Where the BAT stands.
    at: FileOffset,
    /// The entry that `piece` starts with.
    first: u64,
    /// Entries that follow one another, not yet written.
    piece: Vec<u8>,
}

impl Bat {
    pub(super) const fn new(sink: Arc<dyn Sink>, at: FileOffset) -> Self {
        Self {
            sink,
            at,
            first: 0,
            piece: Vec::new(),
        }
    }

    /// Sets entry `index`, which lies behind all that were set before.
    pub(super) fn set(&mut self, index: u64, entry: BatEntry) -> Result<()> {
        let from = Bytes(index.saturating_sub(self.first).saturating_mul(ENTRY)).in_memory();
        if self.piece.is_empty() || from >= PIECE {
            self.write()?;
            self.first = index;
        } else {
            self.piece.resize(from, 0);
        }
        self.piece.extend(entry.0.to_le_bytes());
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn write(&mut self) -> Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let skipped = Bytes(self.first.saturating_mul(ENTRY));
        self.sink
            .write_at(self.at.saturating_add(skipped), &self.piece)?;
        self.piece.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::MemSink;

    use super::*;

    #[test]
    fn entries_stand_at_their_places_however_far_apart() -> Result<()> {
        let sink = Arc::new(MemSink::default());
        let mut bat = Bat::new(Arc::clone(&sink) as Arc<dyn Sink>, FileOffset(16));
        let indices = [0, 1, 3, 8191, 8192, 8193, 40_000];
        for index in indices {
            bat.set(index, BatEntry(index + 1))?;
        }
        bat.write()?;
        let bytes = sink.bytes();
        for index in 0..=40_000 {
            let at = 16 + index as usize * 8;
            let found = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
            let expected = if indices.contains(&index) {
                index + 1
            } else {
                0
            };
            assert_eq!(found, expected, "{index}");
        }
        Ok(())
    }
}
