//! How many workers compute at a time.

use std::{
    collections::BTreeSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Lets as many workers process a task at a time as there are threads to compute, the earliest tasks first; the others write meanwhile.
///
/// Without it, workers that are more than cores compute side by side, come to an end together, and then all wait for the disk at once while
/// no core has anything to do.
pub(super) struct Gate {
    state: Mutex<State>,
    left: Condvar,
}

struct State {
    free: usize,
    /// The tasks that wait.
    waiting: BTreeSet<u64>,
}

/// The place of a worker that processes; given back when it is dropped.
pub(super) struct Place<'a>(&'a Gate);

impl Gate {
    /// For so many at a time; none counts as one.
    pub(super) fn new(places: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: places.max(1),
                waiting: BTreeSet::new(),
            }),
            left: Condvar::new(),
        }
    }

    /// Waits until task `number` may be processed.
    pub(super) fn enter(&self, number: u64) -> Place<'_> {
        let mut state = self.state();
        state.waiting.insert(number);
        while state.free == 0 || state.waiting.first() != Some(&number) {
            state = self
                .left
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.free -= 1;
        state.waiting.remove(&number);
        if state.free > 0 {
            self.left.notify_all();
        }
        Place(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.state().free += 1;
        self.0.left.notify_all();
    }
}
