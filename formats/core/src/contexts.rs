//! Contexts of codecs that wait to be used again: to make one costs about what decoding a unit does.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Contexts that any number of threads take and put back. At most a given number wait; what comes back beyond that is dropped.
pub struct ContextPool<C> {
    idle: Mutex<Vec<C>>,
    most: usize,
}

impl<C> fmt::Debug for ContextPool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContextPool({} of {})", self.idle().len(), self.most)
    }
}

impl<C> ContextPool<C> {
    /// A pool in which at most `most` contexts wait. None is made yet.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            most,
        }
    }

    /// A context that waits, if there is one.
    pub fn take(&self) -> Option<C> {
        self.idle().pop()
    }

    /// Lets a context wait for who takes it next.
    pub fn put_back(&self, context: C) {
        let mut idle = self.idle();
        if idle.len() < self.most {
            idle.push(context);
        }
    }

    /// The lock, which a panic of another thread does not break: the list is whole between calls.
    fn idle(&self) -> MutexGuard<'_, Vec<C>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_given_again_and_no_more_wait_than_may() {
        let pool = ContextPool::new(2);
        assert_eq!(pool.take(), None);
        for context in 1..=3 {
            pool.put_back(context);
        }
        assert_eq!(format!("{pool:?}"), "ContextPool(2 of 2)");
        assert_eq!(
            (pool.take(), pool.take(), pool.take()),
            (Some(2), Some(1), None)
        );
    }
}
