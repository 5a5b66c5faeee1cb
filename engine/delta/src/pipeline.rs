//! The bounded, ordered pipeline that every run of the engine is: threads take tasks from a source, process them side by side, commit
//! them to a sink in the order in which they were taken, and then flush what is left to be written.
//!
//! ```text
//! next_task (source lock) -> process (parallel) -> commit (sink lock, in order) -> flush (parallel)
//! ```
//!
//! A worker is what a task is worked on with: buffers, compressors. Threads are another matter: as many compute as were asked for, each task with
//! any worker that is spare, and none waits for the turn of its task. Where workers are more than those threads, other threads flush, and tasks are
//! announced some way ahead. Where nothing is flushed, a task keeps no worker until its turn: its buffers are lent to it while it is processed.
//!
//! Source and sink have a lock each, so that tables are read while others are written. What the sink sees depends on the order of the tasks
//! alone, not on the number of workers. Memory is bounded: no worker holds more than one task, and no
//! more tasks are announced than there are workers.
//!
//! No method of a stage may wait for the pool that it runs on (`par_iter`, `join`, `scope`): a thread that waits there takes up other work,
//! and that may be a worker whose turn comes only after the task of the one that waits.

mod crew;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use imgdelta_core::{Error, Kind, Result};

use self::crew::{Crew, Filled};
use crate::exec::ExecContext;

/// What is done with each task.
pub(crate) trait Stage: Sync {
    /// A part of the work.
    type Task: Send;
    /// What one worker keeps from task to task: buffers, compressors.
    type Worker: Send;
    /// Where tasks come from.
    type Source: Send;
    /// Where they go, one after another.
    type Sink: Send;

    /// The next task, in order; `None` at the end. Under the source's lock.
    fn next_task(&self, source: &mut Self::Source) -> Result<Option<Self::Task>>;

    /// Says what a task will read, before it may have to wait to be processed. Parallel.
    fn announce(&self, task: &Self::Task) {
        let _ = task;
    }

    /// Works on a task. Parallel.
    fn process(&self, worker: &mut Self::Worker, task: &mut Self::Task) -> Result<()>;

    /// Takes the task into the sink. Under the sink's lock, in the order of tasks.
    fn commit(
        &self,
        worker: &mut Self::Worker,
        task: &mut Self::Task,
        sink: &mut Self::Sink,
    ) -> Result<()>;

    /// Whether anything remains to be done once it is committed.
    fn needs_flush(&self, task: &Self::Task) -> bool {
        let _ = task;
        false
    }

    /// What remains to be done then. Parallel.
    fn flush(&self, worker: &mut Self::Worker, task: Self::Task) -> Result<()> {
        let _ = (worker, task);
        Ok(())
    }
}

/// Runs `stage` to its end with these workers, and gives back source and sink.
///
/// # Errors
/// That of the earliest task that failed. No further task is begun after a failure. Host, if no threads can be started.
///
/// # Panics
/// With the panic of a worker, once all others have ended.
pub(crate) fn run<S: Stage>(
    stage: &S,
    exec: &ExecContext<'_>,
    workers: Vec<S::Worker>,
    ends: (S::Source, S::Sink),
) -> Result<(S::Source, S::Sink)> {
    let count = workers.len();
    let others = count.saturating_sub(exec.threads.max(1));
    let crew = Crew::new(workers, exec.threads);
    Pipeline::new(stage, crew, others, ends).run(exec, count)
}

/// Runs `stage`, which keeps nothing from task to task, to its end on `threads` threads. More tasks are under way than threads: a thread whose task
/// is done before its turn goes on with another. Where it had to wait, two threads with long tasks and short ones in turn took as long as one.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// As [`run`].
pub(crate) fn compute<S: Stage<Worker = ()>>(
    stage: &S,
    exec: &ExecContext<'_>,
    threads: usize,
    ends: (S::Source, S::Sink),
) -> Result<(S::Source, S::Sink)> {
    let waiting = threads.saturating_mul(WAITING_EACH).min(MOST_WAITING);
    let crew = Crew::new(vec![(); threads.saturating_add(waiting)], threads);
    Pipeline::new(stage, crew, 0, ends).run(exec, threads)
}

/// How many tasks of each thread may wait for their turn where none keeps buffers.
const WAITING_EACH: usize = 3;

/// How many of all threads: a task may have much to tell.
const MOST_WAITING: usize = 16;

/// What a lock held, whether or not somebody panicked with it.
fn within<T>(lock: std::result::Result<T, PoisonError<T>>) -> T {
    lock.unwrap_or_else(PoisonError::into_inner)
}

struct Pipeline<'a, S: Stage> {
    stage: &'a S,
    source: Mutex<SourceState<S::Source, S::Task>>,
    sink: Mutex<S::Sink>,
    processed: Mutex<Processed<S>>,
    crew: Crew<S::Worker, S::Task>,
    /// How many workers there are beyond those that compute: so many tasks are announced ahead.
    others: usize,
    /// The number of the earliest task that failed, or [`NONE`]: looked at without a lock.
    failed: AtomicU64,
}

/// No task has failed.
const NONE: u64 = u64::MAX;

struct SourceState<S, T> {
    source: S,
    /// The number of the next task to be taken.
    taken: u64,
    is_drained: bool,
    /// Tasks that have been announced, by number.
    ahead: BTreeMap<u64, T>,
}

/// What has been processed. Nobody waits for the turn of a task: who finds it to be its turn commits it, and those that follow it.
struct Processed<S: Stage> {
    /// The number of the task that is to be committed next.
    turn: u64,
    is_committing: bool,
    /// By number, whose turn has not come.
    waiting: BTreeMap<u64, Filled<S::Worker, S::Task>>,
    /// The failure of the earliest task that failed.
    failure: Option<(u64, Error)>,
}

/// A worker that panics must not leave others waiting for it.
struct PanicAlarm<'a, 'b, S: Stage>(&'a Pipeline<'b, S>);

impl<S: Stage> Drop for PanicAlarm<'_, '_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(0, Error::new(Kind::Host, "a worker panicked"));
            self.0.crew.abandon();
        }
    }
}

impl<'a, S: Stage> Pipeline<'a, S> {
    /// Before its first task. So many are announced ahead.
    fn new(
        stage: &'a S,
        crew: Crew<S::Worker, S::Task>,
        others: usize,
        (source, sink): (S::Source, S::Sink),
    ) -> Self {
        Self {
            stage,
            source: Mutex::new(SourceState {
                source,
                taken: 0,
                is_drained: false,
                ahead: BTreeMap::new(),
            }),
            sink: Mutex::new(sink),
            processed: Mutex::new(Processed {
                turn: 0,
                is_committing: false,
                waiting: BTreeMap::new(),
                failure: None,
            }),
            crew,
            others,
            failed: AtomicU64::new(NONE),
        }
    }

    /// All of it, on so many threads.
    fn run(self, exec: &ExecContext<'_>, threads: usize) -> Result<(S::Source, S::Sink)> {
        exec.side_by_side(vec![(); threads], |()| self.attend())?;
        let processed = self.processed.into_inner();
        match processed.unwrap_or_else(PoisonError::into_inner).failure {
            Some((_, error)) => Err(error),
            None => Ok((
                within(self.source.into_inner()).source,
                within(self.sink.into_inner()),
            )),
        }
    }

    /// One thread's part: it computes, if not enough others do, and flushes what was committed.
    fn attend(&self) {
        let _alarm = PanicAlarm(self);
        if let Some(_place) = self.crew.place() {
            // The worker first: who has a task must not have to wait for one.
            while let Some(worker) = self.crew.spare(|filled| self.flush(filled)) {
                let Some((number, task)) = self.take() else {
                    self.crew.give_back(worker);
                    break;
                };
                self.compute(Filled {
                    number,
                    worker,
                    task,
                });
            }
        }
        while let Some(filled) = self.crew.filled() {
            self.flush(filled);
        }
    }

    /// The next task and its number: the earliest that was announced, once enough are.
    fn take(&self) -> Option<(u64, S::Task)> {
        while let Some((number, task)) = self.fetch() {
            self.stage.announce(&task);
            if self.others == 0 {
                return Some((number, task));
            }
            let mut state = self.source.lock().ok()?;
            state.ahead.insert(number, task);
            if state.ahead.len() > self.others {
                break;
            }
        }
        // What comes after a failure is not begun; what comes before it may fail too, and is then the earliest.
        let taken = self.source.lock().ok()?.ahead.pop_first();
        taken.filter(|(number, _)| *number < self.failed.load(Ordering::Acquire))
    }

    /// A task of the source.
    fn fetch(&self) -> Option<(u64, S::Task)> {
        // A source whose lock is poisoned panicked half-way: nothing more comes from it.
        let mut state = self.source.lock().ok()?;
        if state.is_drained || self.failed.load(Ordering::Acquire) != NONE {
            return None;
        }
        let number = state.taken;
        match self.stage.next_task(&mut state.source) {
            Ok(Some(task)) => {
                state.taken += 1;
                Some((number, task))
            }
            ended => {
                state.is_drained = true;
                drop(state);
                if let Err(error) = ended {
                    self.fail(number, error);
                }
                None
            }
        }
    }

    /// Processes a task, and commits it and what follows it if its turn has come.
    fn compute(&self, mut filled: Filled<S::Worker, S::Task>) {
        let done = self.stage.process(&mut filled.worker, &mut filled.task);
        if let Err(error) = done {
            self.fail(filled.number, error);
            return self.crew.give_back(filled.worker);
        }
        let mut processed = self.processed();
        processed.waiting.insert(filled.number, filled);
        while let Some(next) = processed.next() {
            drop(processed);
            let is_committed = self.commit(next);
            processed = self.processed();
            processed.is_committing = false;
            processed.turn += u64::from(is_committed);
        }
        let dropped = processed.dropped();
        drop(processed);
        dropped.for_each(|filled| self.crew.give_back(filled.worker));
    }

    /// Commits a task whose turn has come; false if that failed.
    fn commit(&self, mut filled: Filled<S::Worker, S::Task>) -> bool {
        let mut sink = within(self.sink.lock());
        let done = self
            .stage
            .commit(&mut filled.worker, &mut filled.task, &mut sink);
        drop(sink);
        let is_committed = done.is_ok();
        if let Err(error) = done {
            self.fail(filled.number, error);
        }
        if is_committed && self.stage.needs_flush(&filled.task) {
            self.crew.hand_on(filled);
        } else {
            self.crew.give_back(filled.worker);
        }
        is_committed
    }

    fn flush(&self, filled: Filled<S::Worker, S::Task>) {
        let Filled {
            number,
            mut worker,
            task,
        } = filled;
        if let Err(error) = self.stage.flush(&mut worker, task) {
            self.fail(number, error);
        }
        self.crew.give_back(worker);
    }

    fn fail(&self, number: u64, error: Error) {
        let mut processed = self.processed();
        let failed = processed.failure.as_ref();
        if failed.is_none_or(|(failed, _)| number < *failed) {
            processed.failure = Some((number, error));
        }
        self.failed.fetch_min(number, Ordering::Release);
        let dropped = processed.dropped();
        drop(processed);
        dropped.for_each(|filled| self.crew.give_back(filled.worker));
    }

    fn processed(&self) -> MutexGuard<'_, Processed<S>> {
        within(self.processed.lock())
    }
}

impl<S: Stage> Processed<S> {
    /// The task whose turn it is, if it is there and nobody commits one.
    fn next(&mut self) -> Option<Filled<S::Worker, S::Task>> {
        let failed = self.failure.as_ref().map_or(NONE, |(failed, _)| *failed);
        if self.is_committing || self.turn >= failed {
            return None;
        }
        let next = self.waiting.remove(&self.turn)?;
        self.is_committing = true;
        Some(next)
    }

    /// What a failure leaves without a turn.
    fn dropped(&mut self) -> impl Iterator<Item = Filled<S::Worker, S::Task>> + use<S> {
        let failed = self.failure.as_ref().map_or(NONE, |(failed, _)| *failed);
        self.waiting.split_off(&failed).into_values()
    }
}

#[cfg(test)]
#[path = "pipeline/tests.rs"]
mod tests;
