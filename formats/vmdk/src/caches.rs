//! What the extents of an image keep together: pages of tables, unpacked grains, decompressors. Thousands of extents take no more than a few.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use imgdelta_core::{Bytes, PageCache};

use crate::grain::Unpacked;

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
