//! Outputs that are only measured: for a dry run, and to learn in which size a format holds a disk.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use imgdelta_core::{Bytes, FileOffset, Outputs, Result, Sink};

/// Keeps nothing but the length.
#[derive(Debug, Default)]
pub(crate) struct Measure(AtomicU64);

impl Sink for Measure {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        let end = at.saturating_add(Bytes::from(bytes.len()));
        self.0.fetch_max(end.0, Ordering::Relaxed);
        Ok(())
    }

    fn set_len(&self, len: Bytes) -> Result<()> {
        self.0.store(len.0, Ordering::Relaxed);
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
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let all = others.iter().chain([&self.main]);
        all.fold(0, |sum, one| {
            sum.saturating_add(one.0.load(Ordering::Relaxed))
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
