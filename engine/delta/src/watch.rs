//! What a run tells the outside while it works, and how the outside stops it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use imgdelta_core::{Bytes, Error, Result};

/// Counters that a run moves and anybody may read, and the word to stop.
#[derive(Debug, Default)]
pub struct Watch {
    stop: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
    changed: AtomicU64,
}

impl Watch {
    /// Asks the run to stop as soon as it can.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How much of the disk has been gone over. Zeros count as gone over at once.
    pub fn done(&self) -> Bytes {
        Bytes(self.done.load(Ordering::Relaxed))
    }

    /// How much there is to go over.
    pub fn total(&self) -> Bytes {
        Bytes(self.total.load(Ordering::Relaxed))
    }

    /// How much of it differed, or was written.
    pub fn changed(&self) -> Bytes {
        Bytes(self.changed.load(Ordering::Relaxed))
    }

    /// A run begins, with so much to go over.
    pub fn begin(&self, total: Bytes) {
        self.done.store(0, Ordering::Relaxed);
        self.changed.store(0, Ordering::Relaxed);
        self.total.store(total.0, Ordering::Relaxed);
    }

    /// So much more was gone over, and so much of it differed or was written.
    pub fn advance(&self, done: Bytes, changed: Bytes) {
        self.done.fetch_add(done.0, Ordering::Relaxed);
        self.changed.fetch_add(changed.0, Ordering::Relaxed);
    }

    /// Fails when the run is to stop.
    ///
    /// # Errors
    /// Interrupted.
    pub fn go_on(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            Err(Error::interrupted())
        } else {
            Ok(())
        }
    }
}
