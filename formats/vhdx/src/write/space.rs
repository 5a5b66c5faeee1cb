//! The room behind the tables of a new image: what is taken, and what the host is asked for ahead.

use std::sync::Arc;

use imgdelta_core::{Bytes, FileOffset, Grain, Sink, Unit};

/// How much of the file the host is asked to make room for at once.
const RESERVE: Bytes = Bytes::mib(32);
/// After how many full units in a row.
const ROW: u32 = 4;

/// How many grains of a unit are looked at to tell whether it is full.
const SAMPLES: usize = 8;

/// Where the file ends so far.
#[derive(Debug)]
pub(super) struct Space {
    sink: Arc<dyn Sink>,
    /// Where the next block or bitmap goes.
    end: FileOffset,
    /// How far the host was asked to make room.
    reserved: FileOffset,
    /// How many units in a row were full of data.
    dense: u32,
}

impl Space {
    pub(super) const fn new(sink: Arc<dyn Sink>, start: FileOffset) -> Self {
        Self {
            sink,
            end: start,
            reserved: start,
            dense: 0,
        }
    }

    /// Takes `len` bytes.
    pub(super) const fn allocate(&mut self, len: Bytes) -> FileOffset {
        let at = self.end;
        self.end = at.saturating_add(len);
        at
    }

    /// Where the file ends so far.
    pub(super) const fn end(&self) -> FileOffset {
        self.end
    }

    /// Has the host make room ahead of `unit` at `at`, once some in a row were full: of the blocks of a sparse disk most stays
    /// unwritten, and room that nothing fills is lost. A few grains stand for the unit: this is called in turn, and only a hint.
    pub(super) fn reserve(&mut self, at: FileOffset, unit: &Unit<'_>) {
        let step = unit.grains.len().div_ceil(SAMPLES).max(1);
        let mut samples = unit.grains.iter().step_by(step).chain(unit.grains.last());
        let is_full = samples.all(|grain| *grain == Grain::Data);
        self.dense = if is_full {
            self.dense.saturating_add(1)
        } else {
            0
        };
        let end = at.saturating_add(Bytes::from(unit.bytes.len()));
        self.reserved = self.reserved.max(at);
        if self.dense >= ROW && end > self.reserved {
            let len = RESERVE.max(end.since(self.reserved));
            self.sink.reserve(self.reserved, len);
            self.reserved = self.reserved.saturating_add(len);
        }
    }
}
