//! `compare`: are two disks equal, and where are they not?
//!
//! What the tables decide is not read: runs that are zero on both sides, or that both take from the same layer.

use std::sync::atomic::{AtomicBool, Ordering};

use imgdelta_core::{AlignedBuffer, Bytes, Result, SECTOR, VirtOffset, is_same};

use crate::{
    buffer::SpareBuffers,
    chain::Chain,
    exec::{self, ExecContext},
    pipeline::{self, Stage},
    planner::{
        ExtentPlanner, PlanOptions, Relation, Side, Task, TaskWindow, extents_of, read_extents,
    },
    tree::WINDOW,
};

/// How two disks are to be compared.
#[derive(Clone, Copy, Debug)]
pub struct Compare<'a> {
    /// One.
    pub one: &'a Chain,
    /// The other.
    pub other: &'a Chain,
    /// Whether to stop at the first difference.
    pub stops_early: bool,
    /// Whether a disk that goes on with zeros where the other has ended is equal to it.
    pub ignores_size: bool,
    /// Threads and counters.
    pub work: ExecContext<'a>,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The first byte that differs.
    pub first: Option<VirtOffset>,
    /// How many bytes differ, counted in whole sectors.
    pub bytes: Bytes,
    /// How many windows of 64 KiB hold a difference.
    pub windows: u64,
    /// Whether the sizes differ and that counts.
    pub sizes_differ: bool,
}

impl Difference {
    /// Whether the disks are equal.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.first.is_none() && !self.sizes_differ
    }
}

impl Compare<'_> {
    /// Compares. Each run of differing sectors goes to `each`, in order, as address and length.
    ///
    /// # Errors
    /// Those of the chains and of `each`; Host, if an input changed meanwhile; Interrupted.
    pub fn run(
        &self,
        each: &mut (dyn FnMut(VirtOffset, Bytes) -> Result<()> + Send),
    ) -> Result<Difference> {
        let step = exec::step(WINDOW, self.one.block_size().max(self.other.block_size()));
        let decoding = self.one.decoding().max(self.other.decoding());
        let options = PlanOptions {
            step,
            block: exec::block(step, [decoding.unit]),
            gathers: true,
            skips_zero: true,
            skips_same: true,
            longest_same: Bytes(u64::MAX),
        };
        let end = self.one.size().max(self.other.size());
        let sizes_differ = self.one.size() != self.other.size() && !self.ignores_size;
        let planner = ExtentPlanner::new(Some(self.one), self.other, end, options);
        let sink = CompareSink {
            found: Difference {
                sizes_differ,
                ..Difference::default()
            },
            pending: None,
            each,
        };
        self.work.progress.begin(end);
        let each = Bytes(2 * WINDOW.0 + decoding.memory.0);
        let threads = self.work.threads_fed(each);
        let comparer = Comparer {
            compare: self,
            is_decided: AtomicBool::new(sizes_differ),
            buffers: SpareBuffers::new(),
        };
        let (_, mut sink) = pipeline::compute(&comparer, &self.work, threads, (planner, sink))?;
        sink.flush()?;
        self.one.prove_unchanged()?;
        self.other.prove_unchanged()?;
        Ok(sink.found)
    }
}

struct CompareSink<'a> {
    found: Difference,
    /// A run of differing sectors that may go on.
    pending: Option<(VirtOffset, Bytes)>,
    each: &'a mut (dyn FnMut(VirtOffset, Bytes) -> Result<()> + Send),
}

struct Comparer<'a> {
    compare: &'a Compare<'a>,
    /// Whether there is a difference: what stops early asks for no more then.
    is_decided: AtomicBool,
    /// A window of each disk.
    buffers: SpareBuffers<(AlignedBuffer, AlignedBuffer)>,
}

struct CompareTask {
    plan: Task,
    /// The first byte that differs.
    first: Option<VirtOffset>,
    /// Runs of differing sectors.
    runs: Vec<(VirtOffset, Bytes)>,
    windows: u64,
}

impl<'a> Stage for Comparer<'a> {
    type Task = CompareTask;
    type Worker = ();
    type Source = ExtentPlanner<'a>;
    type Sink = CompareSink<'a>;

    fn next_task(&self, planner: &mut Self::Source) -> Result<Option<CompareTask>> {
        self.compare.work.progress.go_on()?;
        if self.compare.stops_early && self.is_decided.load(Ordering::Relaxed) {
            return Ok(None);
        }
        Ok(planner.task()?.map(|plan| CompareTask {
            plan,
            first: None,
            runs: Vec::new(),
            windows: 0,
        }))
    }

    fn announce(&self, task: &CompareTask) {
        if task.plan.relation == Relation::Unknown {
            task.plan.will_read(self.compare.one, Side::Base);
            task.plan.will_read(self.compare.other, Side::Target);
        }
    }

    fn process(&self, (): &mut (), task: &mut CompareTask) -> Result<()> {
        if task.plan.relation != Relation::Unknown {
            return Ok(());
        }
        let new = || (AlignedBuffer::zeroed(WINDOW), AlignedBuffer::zeroed(WINDOW));
        self.buffers.lend(new, |both| self.look(both, task))
    }

    fn commit(&self, (): &mut (), task: &mut CompareTask, sink: &mut Self::Sink) -> Result<()> {
        sink.found.windows += task.windows;
        if sink.found.first.is_none() {
            sink.found.first = task.first;
        }
        let mut changed = 0;
        for (at, len) in &task.runs {
            changed += len.0;
            sink.add(*at, *len)?;
        }
        sink.found.bytes = Bytes(sink.found.bytes.0 + changed);
        if !sink.found.is_none() {
            self.is_decided.store(true, Ordering::Relaxed);
        }
        let progress = self.compare.work.progress;
        progress.advance(task.plan.len, Bytes(changed));
        Ok(())
    }
}

impl Comparer<'_> {
    /// Holds the windows of a task against each other.
    fn look(
        &self,
        (one, other): &mut (AlignedBuffer, AlignedBuffer),
        task: &mut CompareTask,
    ) -> Result<()> {
        let windows: Vec<TaskWindow> = task.plan.windows_to_read().collect();
        for TaskWindow { at, len, .. } in windows {
            let extents = extents_of(&task.plan.extents, at, len);
            if extents
                .iter()
                .all(|extent| extent.relation != Relation::Unknown)
            {
                continue;
            }
            let one = one
                .bytes_mut()
                .get_mut(..len.in_memory())
                .unwrap_or_default();
            let other = other
                .bytes_mut()
                .get_mut(..len.in_memory())
                .unwrap_or_default();
            read_extents(self.compare.one, extents, Side::Base, at, one)?;
            read_extents(self.compare.other, extents, Side::Target, at, other)?;
            if !is_same(one, other) {
                task.windows += 1;
                note_difference(at, one, other, task);
            }
        }
        Ok(())
    }
}

fn note_difference(at: VirtOffset, one: &[u8], other: &[u8], task: &mut CompareTask) {
    let sector = SECTOR as usize;
    for (number, (one, other)) in one.chunks(sector).zip(other.chunks(sector)).enumerate() {
        if is_same(one, other) {
            continue;
        }
        let start = at.saturating_add(Bytes::from(number * sector));
        if task.first.is_none() {
            let byte = one
                .iter()
                .zip(other)
                .position(|(one, other)| one != other)
                .unwrap_or_default();
            task.first = Some(start.saturating_add(Bytes::from(byte)));
        }
        match task.runs.last_mut() {
            Some((from, len)) if from.saturating_add(*len) == start => len.0 += one.len() as u64,
            _ => task.runs.push((start, Bytes::from(one.len()))),
        }
    }
}

impl CompareSink<'_> {
    fn add(&mut self, at: VirtOffset, len: Bytes) -> Result<()> {
        match &mut self.pending {
            Some((from, so_far)) if from.saturating_add(*so_far) == at => {
                so_far.0 += len.0;
                Ok(())
            }
            _ => {
                self.flush()?;
                self.pending = Some((at, len));
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self.pending.take() {
            Some((at, len)) => (self.each)(at, len),
            None => Ok(()),
        }
    }
}
