//! What the extents of an image keep together: pages of tables, unpacked grains, decompressors. Thousands of extents take no more than a few.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use imgdelta_core::{BlockCache, Bytes, ContextPool, PageCache};
use libdeflater::Decompressor;

/// Unpacked grains of one size that an image keeps take at most this.
const KEPT: Bytes = Bytes::mib(4);
/// And are at most so many.
const KEPT_GRAINS: usize = 8;
/// Decompressors kept for the next read.
const IDLE: usize = 16;

/// A packed grain: its number and its sector.
pub(crate) type GrainPlace = (u64, u64);

/// What grains of one size are unpacked with, and those that were unpacked last, whatever extents of an image they are in.
pub(crate) struct Unpacked {
    pub(crate) idle: ContextPool<Decompressor>,
    /// By the number of the extent's file.
    pub(crate) kept: BlockCache<(u16, GrainPlace)>,
}

impl Unpacked {
    /// For grains of `grain` bytes.
    pub(crate) fn of(grain: Bytes) -> Self {
        let most = KEPT.0 / grain.0.max(1);
        Self {
            idle: ContextPool::new(IDLE),
            kept: BlockCache::new(Bytes(most).in_memory().min(KEPT_GRAINS)),
        }
    }
}

/// Pages kept for each extent, where they are few.
const PAGES: usize = 4;
/// Most pages kept for all of them: 16 MiB.
const MOST_PAGES: usize = 4096;

/// The caches of one image.
#[derive(Clone)]
pub(crate) struct Caches {
    /// Pages of grain directories and tables.
    pub(crate) pages: PageCache,
    /// Unpacked grains by their size: all of one size take at most so much, and there are few sizes.
    grains: Arc<Mutex<HashMap<u64, Arc<Unpacked>>>>,
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caches({:?})", self.pages)
    }
}

impl Caches {
    /// For an image of so many extents.
    pub(crate) fn of(extents: usize) -> Self {
        Self {
            pages: PageCache::new(extents.saturating_mul(PAGES).min(MOST_PAGES)),
            grains: Arc::default(),
        }
    }

    /// What grains of `grain` bytes are unpacked with.
    pub(crate) fn unpacked(&self, grain: Bytes) -> Arc<Unpacked> {
        let mut grains = self.grains.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = grains.entry(grain.0);
        Arc::clone(kept.or_insert_with(|| Arc::new(Unpacked::of(grain))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_with_grains_of_one_size_keep_them_together() {
        let caches = Caches::of(5000);
        let one = caches.unpacked(Bytes::kib(64));
        assert!(Arc::ptr_eq(&one, &caches.unpacked(Bytes::kib(64))));
        assert!(!Arc::ptr_eq(&one, &caches.clone().unpacked(Bytes::kib(4))));
    }
}
