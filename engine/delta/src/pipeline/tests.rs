//! The pipeline's promises: order, the earliest failure, no hang, source and sink side by side.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Barrier, Condvar,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::*;
use crate::progress::RunProgress;

/// Which part of a stage something goes wrong in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Next,
    Process,
    Commit,
    Flush,
}

const PARTS: [Part; 4] = [Part::Next, Part::Process, Part::Commit, Part::Flush];
const TASKS: u64 = 1000;

/// Squares of numbers, one of which fails or panics, and all behind it.
struct Squares {
    fails: Option<(Part, u64)>,
    panics: bool,
    held: AtomicUsize,
    most_held: AtomicUsize,
}

impl Squares {
    const fn new(fails: Option<(Part, u64)>, panics: bool) -> Self {
        Self {
            fails,
            panics,
            held: AtomicUsize::new(0),
            most_held: AtomicUsize::new(0),
        }
    }

    fn reach(&self, part: Part, number: u64) -> Result<()> {
        match self.fails {
            Some((at, first)) if at == part && number >= first => {
                assert!(!self.panics, "told to panic in {part:?}");
                Err(Error::new(Kind::Usage, format!("task {number}")))
            }
            _ => Ok(()),
        }
    }
}

impl Stage for Squares {
    type Task = (u64, u64);
    type Worker = ();
    type Source = u64;
    type Sink = Vec<u64>;

    fn next_task(&self, source: &mut u64) -> Result<Option<Self::Task>> {
        *source += 1;
        self.reach(Part::Next, *source)?;
        let held = self.held.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_held.fetch_max(held, Ordering::Relaxed);
        Ok((*source <= TASKS).then_some((*source, 0)))
    }

    fn process(&self, (): &mut (), task: &mut Self::Task) -> Result<()> {
        if task.0.is_multiple_of(7) {
            std::thread::yield_now();
        }
        task.1 = task.0 * task.0;
        self.reach(Part::Process, task.0)
    }

    fn commit(&self, (): &mut (), task: &mut Self::Task, sink: &mut Vec<u64>) -> Result<()> {
        self.reach(Part::Commit, task.0)?;
        sink.push(task.1);
        Ok(())
    }

    fn needs_flush(&self, _: &Self::Task) -> bool {
        true
    }

    fn flush(&self, (): &mut (), task: Self::Task) -> Result<()> {
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.reach(Part::Flush, task.0)
    }
}

/// Threads that compute, and workers: all the same, or some that only flush.
const CREWS: [(usize, usize); 7] = [(1, 1), (2, 2), (8, 8), (64, 64), (1, 4), (2, 8), (8, 16)];

fn run_squares(stage: &Squares, (threads, workers): (usize, usize)) -> Result<Vec<u64>> {
    let progress = RunProgress::default();
    let exec = ExecContext::new(threads, &progress);
    let (_, squares) = run(stage, &exec, vec![(); workers], (0, Vec::new()))?;
    Ok(squares)
}

#[test]
fn the_sink_sees_the_same_order_for_any_number_of_workers() -> Result<()> {
    let expected: Vec<u64> = (1..=TASKS).map(|n| n * n).collect();
    for crew in CREWS {
        let stage = Squares::new(None, false);
        assert_eq!(run_squares(&stage, crew)?, expected, "{crew:?}");
        let most = stage.most_held.load(Ordering::Relaxed);
        let (threads, workers) = crew;
        let announced = workers - threads;
        assert!(
            most <= workers + announced + 1,
            "{crew:?} held {most} tasks"
        );
    }
    Ok(())
}

#[test]
fn the_earliest_failure_is_reported_and_nothing_hangs() {
    for crew in CREWS {
        for part in PARTS {
            for first in [1, 500] {
                let stage = Squares::new(Some((part, first)), false);
                let error = run_squares(&stage, crew).expect_err("it fails");
                let expected = format!("task {first}");
                assert_eq!(error.message(), expected, "{part:?}, {crew:?}");
            }
        }
    }
}

#[test]
fn a_panic_in_any_part_is_carried_and_nothing_hangs() {
    for crew in CREWS {
        for part in PARTS {
            let stage = Squares::new(Some((part, 300)), true);
            let ended = catch_unwind(AssertUnwindSafe(|| run_squares(&stage, crew)));
            let panic = ended.expect_err("it panics");
            let message = panic.downcast_ref::<String>().expect("a message");
            assert!(message.contains("told to panic"), "{message}");
        }
    }
}

/// A sink that takes its first task only when the source has been asked for more meanwhile.
struct Overlap {
    asked: Mutex<u32>,
    more: Condvar,
}

impl Stage for Overlap {
    type Task = u32;
    type Worker = ();
    type Source = u32;
    type Sink = bool;

    fn next_task(&self, source: &mut u32) -> Result<Option<u32>> {
        *source += 1;
        *self.asked.lock().expect("not poisoned") = *source;
        self.more.notify_all();
        Ok((*source <= 4).then_some(*source))
    }

    fn process(&self, (): &mut (), _: &mut u32) -> Result<()> {
        Ok(())
    }

    fn commit(&self, (): &mut (), task: &mut u32, has_overlapped: &mut bool) -> Result<()> {
        if *task == 1 {
            let asked = self.asked.lock().expect("not poisoned");
            let wait = Duration::from_secs(20);
            let waited = self
                .more
                .wait_timeout_while(asked, wait, |asked| *asked < 2);
            *has_overlapped = !waited.expect("not poisoned").1.timed_out();
        }
        Ok(())
    }
}

#[test]
fn a_source_is_asked_while_the_sink_is_busy() -> Result<()> {
    let progress = RunProgress::default();
    let stage = Overlap {
        asked: Mutex::new(0),
        more: Condvar::new(),
    };
    let exec = ExecContext::new(2, &progress);
    let (_, has_overlapped) = run(&stage, &exec, vec![(); 2], (0, false))?;
    assert!(has_overlapped, "the source waited for the sink");
    Ok(())
}

/// Workers that all have a task at once.
struct Together(Barrier);

impl Stage for Together {
    type Task = u32;
    type Worker = ();
    type Source = u32;
    type Sink = ();

    fn next_task(&self, source: &mut u32) -> Result<Option<u32>> {
        *source += 1;
        Ok((*source <= 8).then_some(*source))
    }

    fn process(&self, (): &mut (), _: &mut u32) -> Result<()> {
        let thread = std::thread::current();
        assert!(
            thread
                .name()
                .is_some_and(|name| name.starts_with("imgdelta-"))
        );
        self.0.wait();
        Ok(())
    }

    fn commit(&self, (): &mut (), _: &mut u32, (): &mut ()) -> Result<()> {
        Ok(())
    }
}

#[test]
fn workers_have_named_threads_of_one_pool_and_all_work_at_once() -> Result<()> {
    let progress = RunProgress::default();
    let pool = crate::exec::Pool::new(4);
    let exec = ExecContext {
        pool: Some(&pool),
        ..ExecContext::new(4, &progress)
    };
    for _ in 0..2 {
        run(&Together(Barrier::new(4)), &exec, vec![(); 4], (0, ()))?;
    }
    Ok(())
}

#[test]
fn more_workers_than_threads_come_to_an_end() -> Result<()> {
    let progress = RunProgress::default();
    let pool = crate::exec::Pool::new(2);
    let exec = ExecContext {
        pool: Some(&pool),
        ..ExecContext::new(2, &progress)
    };
    let stage = Squares::new(None, false);
    let (_, squares) = run(&stage, &exec, vec![(); 64], (0, Vec::new()))?;
    assert_eq!(squares.len() as u64, TASKS);
    Ok(())
}

/// Tasks of which the first is held up while it is processed, or all before the last while they are flushed, until the last has been processed.
struct HeldUp {
    part: Part,
    last: u32,
    is_processed: Mutex<bool>,
    told: Condvar,
}

impl HeldUp {
    fn pass(&self, part: Part, task: u32) {
        let is_processed = self.is_processed.lock().expect("not poisoned");
        let is_held_up = match part {
            Part::Flush => task < self.last,
            _ => task == 1,
        };
        if part == self.part && is_held_up {
            let wait = Duration::from_secs(20);
            let waited = self
                .told
                .wait_timeout_while(is_processed, wait, |is_processed| !*is_processed);
            assert!(!waited.expect("not poisoned").1.timed_out(), "all waited");
        }
    }
}

impl Stage for HeldUp {
    type Task = u32;
    type Worker = ();
    type Source = u32;
    type Sink = Vec<u32>;

    fn next_task(&self, source: &mut u32) -> Result<Option<u32>> {
        *source += 1;
        Ok((*source <= self.last).then_some(*source))
    }

    fn process(&self, (): &mut (), task: &mut u32) -> Result<()> {
        self.pass(Part::Process, *task);
        if *task == self.last {
            *self.is_processed.lock().expect("not poisoned") = true;
            self.told.notify_all();
        }
        Ok(())
    }

    fn commit(&self, (): &mut (), task: &mut u32, sink: &mut Vec<u32>) -> Result<()> {
        sink.push(*task);
        Ok(())
    }

    fn needs_flush(&self, _: &u32) -> bool {
        self.part == Part::Flush
    }

    fn flush(&self, (): &mut (), task: u32) -> Result<()> {
        self.pass(Part::Flush, task);
        Ok(())
    }
}

#[test]
fn threads_go_on_computing_while_earlier_tasks_take_long() -> Result<()> {
    let progress = RunProgress::default();
    let stage = |part| HeldUp {
        part,
        last: 6,
        is_processed: Mutex::new(false),
        told: Condvar::new(),
    };
    // Another one goes on where one is held up, and one alone does not wait for the disk.
    for (part, threads) in [(Part::Process, 2), (Part::Flush, 1)] {
        let exec = ExecContext::new(threads, &progress);
        let (_, order) = run(&stage(part), &exec, vec![(); 8], (0, Vec::new()))?;
        assert_eq!(order, [1, 2, 3, 4, 5, 6]);
    }
    // Where no task keeps buffers, two threads have as many under way.
    let exec = ExecContext::new(2, &progress);
    let (_, order) = compute(&stage(Part::Process), &exec, 2, (0, Vec::new()))?;
    assert_eq!(order, [1, 2, 3, 4, 5, 6]);
    Ok(())
}

#[test]
fn what_only_computes_keeps_the_order_and_tells_the_earliest_failure() -> Result<()> {
    let progress = RunProgress::default();
    let squares: Vec<u64> = (1..=TASKS).map(|n| n * n).collect();
    for threads in [1, 2, 8, 64] {
        let exec = ExecContext::new(threads, &progress);
        let ends = || (0, Vec::new());
        let stage = Squares::new(None, false);
        let (_, found) = compute(&stage, &exec, threads, ends())?;
        assert_eq!(found, squares, "{threads} threads");
        for part in PARTS {
            let stage = Squares::new(Some((part, 500)), false);
            let error = compute(&stage, &exec, threads, ends()).expect_err("it fails");
            assert_eq!(error.message(), "task 500", "{part:?}, {threads} threads");
        }
    }
    Ok(())
}
