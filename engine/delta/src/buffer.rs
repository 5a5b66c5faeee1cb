//! Buffers that workers lend each other.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Buffers that nobody works in now, the one used last on top. They become as many as work at a time, not as workers there are: buffers that
/// take turns leave the core's cache before they are used again.
#[derive(Debug)]
pub(crate) struct SpareBuffers<T>(Mutex<Vec<T>>);

impl<T> SpareBuffers<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Does `work` with one of them; `new` is another one, where none is spare. One that `work` fails with is spare again too.
    pub(crate) fn lend<R>(&self, new: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let spare = self.spare().pop();
        let mut buffer = spare.unwrap_or_else(new);
        let done = work(&mut buffer);
        self.spare().push(buffer);
        done
    }

    fn spare(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
