//! The room behind the tables of a new image: what is taken.

use std::sync::Arc;

use imgdelta_core::{Bytes, FileOffset, Reservation, Sink, Unit};

/// Where the file ends so far.
#[derive(Debug)]
pub(super) struct BlockAllocator {
    sink: Arc<dyn Sink>,
    /// Where the next block or bitmap goes.
    end: FileOffset,
    ahead: Reservation,
}

impl BlockAllocator {
    pub(super) const fn new(sink: Arc<dyn Sink>, start: FileOffset, ahead: Reservation) -> Self {
        Self {
            sink,
            end: start,
            ahead,
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

    /// Says that `unit` will be written at `at`.
    pub(super) fn reserve(&mut self, at: FileOffset, unit: &Unit<'_>) {
        self.ahead.reserve(&*self.sink, at, unit);
    }
}
