//! What a run tells the outside while it works, and how the outside stops it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use imgdelta_core::{Bytes, Error, Result};

/// Counters that a run moves and anybody may read, and the word to stop.
#[derive(Debug, Default)]
pub struct RunProgress {
    stop: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
    changed: AtomicU64,
    /// Whether runs that begin are counted together with those before.
    is_together: AtomicBool,
}

/// Several runs, counted as one as long as this is there.
#[derive(Debug)]
pub struct SharedProgress<'a>(&'a RunProgress);

impl Drop for SharedProgress<'_> {
    fn drop(&mut self) {
        self.0.is_together.store(false, Ordering::Relaxed);
    }
}

impl RunProgress {
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

    /// Runs that begin from now on are counted as one: they may be under way side by side.
    #[must_use]
    pub fn together(&self) -> SharedProgress<'_> {
        self.begin(Bytes::ZERO);
        self.is_together.store(true, Ordering::Relaxed);
        SharedProgress(self)
    }

    /// A run begins, with so much to go over.
    pub fn begin(&self, total: Bytes) {
        if self.is_together.load(Ordering::Relaxed) {
            self.total.fetch_add(total.0, Ordering::Relaxed);
            return;
        }
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
