//! Outputs that are only measured: for a dry run, and to learn in which size a format holds a disk.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use imgdelta_core::{Bytes, FileOffset, Outputs, Result, Sink};

/// Keeps nothing but the length, and how much was written.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    len: AtomicU64,
    written: AtomicU64,
}

impl Sink for Measure {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        let end = at.saturating_add(Bytes::from(bytes.len()));
        self.len.fetch_max(end.0, Ordering::Relaxed);
        let written = Bytes::from(bytes.len());
        self.written.fetch_add(written.0, Ordering::Relaxed);
        Ok(())
    }

    fn set_len(&self, len: Bytes) -> Result<()> {
        self.len.store(len.0, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

/// Outputs that are only measured.
#[derive(Debug, Default)]
pub(crate) struct Nowhere {
    main: Arc<Measure>,
    others: Mutex<Vec<Arc<Measure>>>,
}

impl Nowhere {
    /// How long all would be together.
    pub(crate) fn len(&self) -> u64 {
        self.sum(|one| &one.len)
    }

    /// How long the first would be.
    pub(crate) fn main_len(&self) -> Bytes {
        Bytes(self.main.len.load(Ordering::Relaxed))
    }

    /// How many bytes were written to all together: what was left out takes no room on a host that knows holes.
    pub(crate) fn written(&self) -> Bytes {
        Bytes(self.sum(|one| &one.written))
    }

    fn sum(&self, of: impl Fn(&Measure) -> &AtomicU64) -> u64 {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let all = others.iter().chain([&self.main]);
        all.fold(0, |sum, one| {
            sum.saturating_add(of(one).load(Ordering::Relaxed))
        })
    }
}

impl Outputs for Nowhere {
    fn main(&self) -> Result<Arc<dyn Sink>> {
        Ok(Arc::clone(&self.main) as Arc<dyn Sink>)
    }

    fn other(&self, _name: &str) -> Result<Arc<dyn Sink>> {
        let other = Arc::<Measure>::default();
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.push(Arc::clone(&other));
        Ok(other)
    }
}
