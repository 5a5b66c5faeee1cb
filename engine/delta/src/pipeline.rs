//! The bounded, ordered pipeline that every run of the engine is: workers take tasks from a source, process them side by side, commit
//! them to a sink in the order in which they were taken, and then flush what is left to be written.
//!
//! ```text
//! next_task (source lock) -> process (parallel) -> commit (sink lock, in order) -> flush (parallel)
//! ```
//!
//! Where workers are more than the threads that compute, as many process at a time as there are threads, while others flush.
//!
//! Source and sink have a lock each, so that tables are read while others are written. What the sink sees depends on the order of the tasks
//! alone, not on the number of workers. Memory is bounded: no worker holds more than one task.
//!
//! No method of a stage may wait for the pool that it runs on (`par_iter`, `join`, `scope`): a thread that waits there takes up other work,
//! and that may be a worker whose turn comes only after the task of the one that waits.

mod gate;

use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use imgdelta_core::{Error, Kind, Result};

use self::gate::Gate;
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

    /// What remains to be done once it is committed. Parallel.
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
    (source, sink): (S::Source, S::Sink),
) -> Result<(S::Source, S::Sink)> {
    let pipeline: Pipeline<'_, S> = Pipeline {
        stage,
        source: Mutex::new(SourceState {
            source,
            taken: 0,
            is_drained: false,
        }),
        sink: Mutex::new(OrderedState {
            sink,
            turn: 0,
            failure: None,
        }),
        gate: (workers.len() > exec.threads.max(1)).then(|| Gate::new(exec.threads)),
        turns: OrderedTurns(workers.iter().map(|_| Condvar::new()).collect()),
        has_failed: AtomicBool::new(false),
    };
    exec.side_by_side(workers, |worker| pipeline.attend(worker))?;
    let source = pipeline.source.into_inner();
    let sink = pipeline.sink.into_inner();
    let sink = sink.unwrap_or_else(PoisonError::into_inner);
    match sink.failure {
        Some((_, error)) => Err(error),
        None => Ok((
            source.unwrap_or_else(PoisonError::into_inner).source,
            sink.sink,
        )),
    }
}

struct Pipeline<'a, S: Stage> {
    stage: &'a S,
    source: Mutex<SourceState<S::Source>>,
    sink: Mutex<OrderedState<S::Sink>>,
    /// Where workers wait to process, if they are more than the threads that compute.
    gate: Option<Gate>,
    turns: OrderedTurns,
    /// Whether there is a failure: looked at without the sink's lock.
    has_failed: AtomicBool,
}

struct SourceState<S> {
    source: S,
    /// The number of the next task to be taken.
    taken: u64,
    is_drained: bool,
}

struct OrderedState<S> {
    sink: S,
    /// The number of the task that is to be committed next.
    turn: u64,
    /// The failure of the earliest task that failed.
    failure: Option<(u64, Error)>,
}

/// Where workers wait for their turn, one condition a worker: at the end of a turn only the one whose turn is next is woken. No two that
/// wait share a condition, since the tasks that are worked on are at most as many as workers, and follow one another.
struct OrderedTurns(Vec<Condvar>);

impl OrderedTurns {
    /// Lets go of the sink until something happened that concerns task `number`.
    fn wait<'a, T>(&self, number: u64, sink: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        match self.condition(number) {
            Some(condition) => condition.wait(sink).unwrap_or_else(PoisonError::into_inner),
            None => sink,
        }
    }

    /// It is the turn of task `number`.
    fn call(&self, number: u64) {
        if let Some(condition) = self.condition(number) {
            condition.notify_one();
        }
    }

    /// Something happened that concerns all.
    fn call_all(&self) {
        self.0.iter().for_each(Condvar::notify_all);
    }

    fn condition(&self, number: u64) -> Option<&Condvar> {
        let number = number.checked_rem(self.0.len() as u64)?;
        self.0.get(usize::try_from(number).ok()?)
    }
}

/// A worker that panics must not leave the others waiting for its turn.
struct PanicAlarm<'a, 'b, S: Stage>(&'a Pipeline<'b, S>);

impl<S: Stage> Drop for PanicAlarm<'_, '_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(0, Error::new(Kind::Host, "a worker panicked"));
        }
    }
}

impl<S: Stage> Pipeline<'_, S> {
    /// One worker's part: task after task until there is none, or something failed.
    fn attend(&self, mut worker: S::Worker) {
        let _alarm = PanicAlarm(self);
        while let Some((number, mut task)) = self.take() {
            let done = self
                .process(number, &mut worker, &mut task)
                .and_then(|()| self.commit(number, &mut worker, &mut task))
                .and_then(|is_committed| {
                    if is_committed {
                        self.stage.flush(&mut worker, task)
                    } else {
                        Ok(())
                    }
                });
            if let Err(error) = done {
                self.fail(number, error);
            }
        }
    }

    /// The next task and its number.
    fn take(&self) -> Option<(u64, S::Task)> {
        // A source whose lock is poisoned panicked half-way: nothing more comes from it.
        let mut state = self.source.lock().ok()?;
        if state.is_drained || self.has_failed.load(Ordering::Acquire) {
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

    /// Processes the task as soon as there is a place.
    fn process(&self, number: u64, worker: &mut S::Worker, task: &mut S::Task) -> Result<()> {
        self.stage.announce(task);
        let _place = self.gate.as_ref().map(|gate| gate.enter(number));
        self.stage.process(worker, task)
    }

    /// Commits the task when its turn has come; false if an earlier one failed and it never will.
    fn commit(&self, number: u64, worker: &mut S::Worker, task: &mut S::Task) -> Result<bool> {
        let mut state = self.ordered();
        loop {
            let failed = state.failure.as_ref();
            if failed.is_some_and(|(failed, _)| *failed <= number) {
                return Ok(false);
            }
            if state.turn == number {
                break;
            }
            state = self.turns.wait(number, state);
        }
        self.stage.commit(worker, task, &mut state.sink)?;
        state.turn += 1;
        self.turns.call(state.turn);
        Ok(true)
    }

    fn fail(&self, number: u64, error: Error) {
        let mut state = self.ordered();
        let failed = state.failure.as_ref();
        if failed.is_none_or(|(failed, _)| number < *failed) {
            state.failure = Some((number, error));
        }
        self.has_failed.store(true, Ordering::Release);
        self.turns.call_all();
    }

    fn ordered(&self) -> MutexGuard<'_, OrderedState<S::Sink>> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "pipeline/tests.rs"]
mod tests;
