//! Who of a pipeline's threads computes, who flushes, and which workers are spare.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// The workers of a pipeline. Threads that compute hand on what is to be flushed and take another worker: as long as one is spare they do not
/// wait for the disk, and none has to be woken for the next task. Where threads take turns in computing, the one that is woken often waits for
/// the other's core while its own has nothing to do.
///
/// Roles are given as threads come, so that one thread alone does all: a pool may have fewer than were asked for.
pub(super) struct Crew<W, T> {
    state: Mutex<State<W, T>>,
    /// A worker is spare, or nothing is to be waited for any more.
    spared: Condvar,
    /// There is something to flush, or nobody computes any more.
    filled: Condvar,
}

struct State<W, T> {
    /// How many more threads may compute.
    places: usize,
    computing: usize,
    /// The one used last on top: its buffers are in a core's cache.
    spare: Vec<W>,
    /// Committed tasks, and the workers that hold their bytes.
    to_flush: VecDeque<Filled<W, T>>,
    is_abandoned: bool,
}

/// A committed task, its number, and the worker that holds its bytes.
pub(super) struct Filled<W, T> {
    pub(super) number: u64,
    pub(super) worker: W,
    pub(super) task: T,
}

/// The place of a thread that computes; given back when it is dropped.
pub(super) struct Place<'a, W, T>(&'a Crew<W, T>);

impl<W, T> Crew<W, T> {
    /// These workers, for at most so many threads that compute; none counts as one.
    pub(super) fn new(workers: Vec<W>, places: usize) -> Self {
        Self {
            state: Mutex::new(State {
                places: places.max(1),
                computing: 0,
                spare: workers,
                to_flush: VecDeque::new(),
                is_abandoned: false,
            }),
            spared: Condvar::new(),
            filled: Condvar::new(),
        }
    }

    /// A place to compute, if one is free; else the thread is to flush.
    pub(super) fn place(&self) -> Option<Place<'_, W, T>> {
        let mut state = self.state();
        state.places = state.places.checked_sub(1)?;
        state.computing += 1;
        Some(Place(self))
    }

    /// A spare worker for the next task. Where all are taken, what waits to be flushed is given to `flush` first. `None`, if the
    /// work was abandoned while none was there.
    pub(super) fn spare(&self, mut flush: impl FnMut(Filled<W, T>)) -> Option<W> {
        let mut state = self.state();
        loop {
            if let Some(worker) = state.spare.pop() {
                return Some(worker);
            }
            if let Some(filled) = state.to_flush.pop_front() {
                drop(state);
                flush(filled);
                state = self.state();
            } else if state.is_abandoned {
                return None;
            } else {
                state = self.wait(&self.spared, state);
            }
        }
    }

    /// Gives a worker back.
    pub(super) fn give_back(&self, worker: W) {
        self.state().spare.push(worker);
        self.spared.notify_one();
    }

    /// Hands on what is to be flushed.
    pub(super) fn hand_on(&self, filled: Filled<W, T>) {
        self.state().to_flush.push_back(filled);
        self.filled.notify_one();
    }

    /// What is to be flushed next; waits for it. `None`, when nothing is and nobody computes any more.
    pub(super) fn filled(&self) -> Option<Filled<W, T>> {
        let mut state = self.state();
        loop {
            if let Some(filled) = state.to_flush.pop_front() {
                return Some(filled);
            }
            if state.computing == 0 {
                return None;
            }
            state = self.wait(&self.filled, state);
        }
    }

    /// A thread panicked: nobody waits for a worker any more, since it did not give back its own.
    pub(super) fn abandon(&self) {
        self.state().is_abandoned = true;
        self.spared.notify_all();
    }

    fn wait<'a>(
        &self,
        condition: &Condvar,
        state: MutexGuard<'a, State<W, T>>,
    ) -> MutexGuard<'a, State<W, T>> {
        condition
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State<W, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W, T> Drop for Place<'_, W, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.computing -= 1;
        if state.computing == 0 {
            self.0.filled.notify_all();
        }
    }
}
