//! The blocks of a file that were used last, a fixed number of them: what all readers keep pages and unpacked clusters in.

use std::{
    fmt,
    hash::Hash,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;

/// Blocks by key, the least recently used one dropped for a new one. Any number of threads may use it at once.
///
/// Least recently used over all blocks: with a policy that guards against scans, or in parts with a lock each, several readers that go
/// forward side by side lose blocks that would fit. The lock is held for as long as a look in a hash table takes.
pub struct BlockCache<K>(Mutex<LruCache<K, Arc<[u8]>>>);

impl<K: Hash + Eq> fmt::Debug for BlockCache<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks = self.blocks();
        write!(f, "BlockCache({} of {})", blocks.len(), blocks.cap())
    }
}

impl<K: Hash + Eq> BlockCache<K> {
    /// A cache of at most `most` blocks; of one, if that is 0.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let most = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(LruCache::new(most)))
    }

    /// The block of `key`, if it is still there; it is the last used one then.
    pub fn get(&self, key: &K) -> Option<Arc<[u8]>> {
        self.blocks().get(key).map(Arc::clone)
    }

    /// Keeps a block. Who reads one at the same time as another thread may keep it once more: that takes the place of the first.
    pub fn insert(&self, key: K, block: Arc<[u8]>) {
        let dropped = self.blocks().push(key, block);
        // Freed after the lock is.
        drop(dropped);
    }

    /// How many blocks are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.blocks().len()
    }

    /// A panic of another thread does not break it: what it guards is whole between calls.
    fn blocks(&self) -> MutexGuard<'_, LruCache<K, Arc<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u8) -> Arc<[u8]> {
        vec![number; 3].into()
    }

    #[test]
    fn the_block_that_was_not_used_longest_makes_room() {
        let cache = BlockCache::new(2);
        cache.insert(1, block(1));
        cache.insert(2, block(2));
        assert_eq!(cache.get(&1), Some(block(1)));
        cache.insert(3, block(3));
        assert_eq!(cache.get(&2), None);
        assert_eq!(cache.get(&1), Some(block(1)));
        assert_eq!(cache.get(&3), Some(block(3)));
        cache.insert(3, block(9));
        assert_eq!(cache.get(&3), Some(block(9)));
        assert_eq!(cache.get(&1), Some(block(1)));
    }

    #[test]
    fn a_cache_of_nothing_keeps_one_block() {
        let cache = BlockCache::new(0);
        cache.insert(1, block(1));
        cache.insert(2, block(2));
        assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(block(2))));
        assert_eq!(format!("{cache:?}"), "BlockCache(1 of 1)");
    }

    #[test]
    fn readers_that_go_forward_side_by_side_miss_each_block_once() {
        let cache = BlockCache::new(8);
        let mut misses = 0;
        for step in 0..8000_u64 {
            let key = (step % 8, step / 8 / 16);
            if cache.get(&key).is_none() {
                misses += 1;
                cache.insert(key, block(0));
            }
        }
        assert_eq!(misses, 8 * (1000_u64.div_ceil(16)));
    }

    #[test]
    fn many_threads_find_what_they_keep() {
        let cache = BlockCache::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in (0..16_u8).cycle().take(10_000) {
                        let found = cache.get(&number).unwrap_or_else(|| block(number));
                        assert_eq!(found, block(number));
                        cache.insert(number, found);
                    }
                });
            }
        });
        assert_eq!(format!("{cache:?}"), "BlockCache(4 of 4)");
    }
}
