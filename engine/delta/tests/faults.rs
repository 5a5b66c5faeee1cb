//! Every write of a run fails once, for every number of threads: the run fails too, says how, and ends.

#![allow(clippy::indexing_slicing, reason = "the test knows its sizes")]

mod memory;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use imgdelta_core::{Bytes, Error, FileOffset, Kind, MemSink, Result, Sink, WriterLayout};
use imgdelta_delta::{Convert, Converted, DigestCache, ExecContext, Make, RunProgress};
use memory::{Cell, MemImage, chain, writer_through};

/// Passes on all operations but one.
#[derive(Debug)]
struct Failing {
    memory: Arc<MemSink>,
    done: AtomicU64,
    fails_at: u64,
}

impl Failing {
    fn step(&self) -> Result<()> {
        match self.done.fetch_add(1, Ordering::Relaxed) {
            now if now == self.fails_at => Err(Error::host(
                "cannot write",
                std::io::ErrorKind::StorageFull.into(),
            )),
            _ => Ok(()),
        }
    }
}

impl Sink for Failing {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        self.step()?;
        self.memory.write_at(at, bytes)
    }

    fn set_len(&self, len: Bytes) -> Result<()> {
        self.step()?;
        self.memory.set_len(len)
    }

    fn sync(&self) -> Result<()> {
        self.step()
    }
}

fn image(seed: u8) -> Arc<MemImage> {
    let cells = (0..40_960_u64).map(|n| match n % 61 {
        0..40 => Cell::Data([(n / 61) as u8 ^ seed; 512]),
        _ => Cell::Zero,
    });
    Arc::new(MemImage::new(20 << 20, cells.collect()))
}

fn shape() -> WriterLayout {
    WriterLayout {
        size: Bytes::mib(20),
        unit: Bytes::kib(64),
        grain: Bytes::kib(64),
        marks_zero: true,
        wants_zeros: false,
        has_ids: true,
    }
}

/// Runs `job` with each operation failing in turn; returns how many there are.
fn sweep(job: impl Fn(Box<dyn imgdelta_core::ImageWriter>, usize) -> Result<()>) -> u64 {
    for fails_at in 0.. {
        for threads in [1, 4] {
            let memory = Arc::new(MemSink::default());
            let sink = Arc::new(Failing {
                memory: Arc::clone(&memory),
                done: AtomicU64::new(0),
                fails_at,
            });
            let (writer, written) =
                writer_through(shape(), Arc::clone(&sink) as Arc<dyn Sink>, memory);
            let result = job(writer, threads);
            let was_reached = sink.done.load(Ordering::Relaxed) > fails_at;
            match result {
                Ok(()) if was_reached => {
                    unreachable!("operation {fails_at} failed and nobody noticed")
                }
                Ok(()) => return fails_at,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Host);
                    assert!(
                        written.lock().expect("not poisoned").is_none(),
                        "a failed run is not finished"
                    );
                }
            }
        }
    }
    0
}

#[test]
fn no_failed_write_goes_unnoticed_in_a_copy() {
    let disk = chain(&[image(1)]);
    let operations = sweep(|writer, threads| {
        let progress = RunProgress::default();
        let work = ExecContext::new(threads, &progress);
        Convert {
            disk: &disk,
            proves: false,
            memory: &DigestCache::none(),
            work,
        }
        .run(writer)
        .map(|_: Converted| ())
    });
    assert!(operations > 4, "{operations} operations were failed");
}

#[test]
fn no_failed_write_goes_unnoticed_in_a_child() {
    let (base, target) = (chain(&[image(1)]), chain(&[image(2)]));
    let operations = sweep(|writer, threads| {
        let progress = RunProgress::default();
        let work = ExecContext::new(threads, &progress);
        Make {
            base: &base,
            target: &target,
            proves: true,
            memory: &DigestCache::none(),
            work,
        }
        .run(writer)
        .map(|_| ())
    });
    assert!(operations > 4, "{operations} operations were failed");
}

#[test]
fn a_run_that_is_stopped_ends_as_interrupted() {
    let progress = RunProgress::default();
    progress.stop();
    let memory = Arc::new(MemSink::default());
    let (writer, _) = writer_through(shape(), Arc::clone(&memory) as Arc<dyn Sink>, memory);
    let work = ExecContext::new(2, &progress);
    let disk = chain(&[image(1)]);
    let error = Convert {
        disk: &disk,
        proves: false,
        memory: &DigestCache::none(),
        work,
    }
    .run(writer)
    .expect_err("it was stopped");
    assert_eq!(error.kind(), Kind::Interrupted);
}
