//! Packs: compares the two disks, maps the target, packs windows. Whoever calls takes the windows one by one, some of them again, or a whole file.

use std::sync::PoisonError;

use imgdelta_core::{Bytes, Error, Kind, Result, Sink, VirtOffset, parallel};
use imgdelta_delta::{Chain, DigestCache, ExecContext, Made, Make, Manifest};

use crate::{
    base_index::{BaseIndex, IndexBudget},
    block_states::StateKeeper,
    file_writer::{FileWriter, Written},
    layout::{BLOCK, LARGEST_DISK, WINDOW, WINDOW_BLOCKS, layer_size},
    map::{Content, Run},
    plan::{ContentCounts, Plan, PlanInputs},
    window::{self, PackedWindow},
};

/// The level of zstd at which windows are packed unless the caller says otherwise.
pub const LEVEL: i32 = 3;

/// Most windows that are in memory at once.
const AHEAD: usize = 32;

/// What the threads of a packing take together, beside the lists of what the base holds.
const MEMORY: Bytes = Bytes::mib(40);

/// How a target is to be packed against a base.
#[derive(Clone, Copy, Debug)]
pub struct Pack<'a> {
    /// The disk that the site has.
    pub base: &'a Chain,
    /// The disk to be reproduced.
    pub target: &'a Chain,
    /// The level of zstd, 1 to 19; [`LEVEL`].
    pub level: i32,
    /// How much is remembered of what the base holds.
    pub budget: IndexBudget,
    /// Where leaf digests are remembered.
    pub memory: &'a DigestCache,
    /// Threads, counters.
    pub work: ExecContext<'a>,
}

/// A packing of which all is known but the windows' packed bytes.
#[derive(Debug)]
pub struct Packing<'a> {
    pack: Pack<'a>,
    made: Made,
    plan: Plan,
    /// What the base holds; `None` where nothing is to be packed.
    index: Option<BaseIndex>,
}

impl<'a> Pack<'a> {
    /// Compares the disks, proves both, and finds what the target has from elsewhere in the base.
    ///
    /// # Errors
    /// Those of the disks; Usage, if there is no such level; Unsupported, if a disk is larger than [`LARGEST_DISK`]; Host, if an input changed
    /// meanwhile; Interrupted.
    pub fn prepare(self) -> Result<Packing<'a>> {
        if !(1..=19).contains(&self.level) {
            let message = format!("level {} is none: 1 to 19 are possible", self.level);
            return Err(Error::new(Kind::Usage, message).with_code("level"));
        }
        let largest = self.base.size().max(self.target.size());
        if largest > LARGEST_DISK {
            let message = format!("a disk of {largest} is too large, at most {LARGEST_DISK}");
            return Err(Error::new(Kind::Unsupported, message).with_code("disk_too_large"));
        }
        let work = ExecContext {
            memory: self.work.memory.min(MEMORY),
            ..self.work
        };
        let (keeper, states) = StateKeeper::new(layer_size(self.target.size()));
        let make = Make {
            base: self.base,
            target: self.target,
            proves: true,
            memory: self.memory,
            work,
        };
        let made = make.run(keeper)?;
        let states = std::mem::take(&mut *states.lock().unwrap_or_else(PoisonError::into_inner));
        let mut packing = Packing {
            pack: Self { work, ..self },
            made,
            plan: Plan::default(),
            index: None,
        };
        if states.segments().next().is_some() {
            let index = BaseIndex::of(self.base, self.budget, work)?;
            packing.plan = Plan::of(&PlanInputs {
                base: self.base,
                target: self.target,
                states: &states,
                index: &index,
                work,
            })?;
            packing.index = Some(index);
        }
        self.base.prove_unchanged()?;
        self.target.prove_unchanged()?;
        Ok(packing)
    }
}

/// The blocks that a window holds.
struct WindowPlan {
    number: u64,
    runs: Vec<Run>,
}

impl Packing<'_> {
    /// What proves the disks, as `make` finds it.
    #[must_use]
    pub const fn made(&self) -> &Made {
        &self.made
    }

    /// How many windows there are.
    #[must_use]
    pub const fn windows(&self) -> u64 {
        self.plan.windows()
    }

    /// How much of the target is what.
    #[must_use]
    pub const fn counts(&self) -> ContentCounts {
        self.plan.counts
    }

    /// How many blocks and anchors of the base were kept to be found.
    #[must_use]
    pub fn kept(&self) -> (usize, usize) {
        self.index.as_ref().map_or((0, 0), BaseIndex::len)
    }

    /// Packs the windows that are `wanted` by their numbers, on all cores, and hands them to `take` in order. Each is the same whichever others
    /// are wanted, at any number of threads.
    ///
    /// # Errors
    /// Those of the disks and of `take`; Host, if an input changed meanwhile; Interrupted.
    pub fn each_window(
        &self,
        wanted: &(dyn Fn(u64) -> bool + Sync),
        mut take: impl FnMut(PackedWindow) -> Result<()> + Send,
    ) -> Result<()> {
        let Some(index) = &self.index else {
            return Ok(());
        };
        let work = self.pack.work;
        work.progress.begin(self.plan.counts.fresh);
        let plans = WindowPlans {
            runs: self.plan.fresh_runs(),
            rest: None,
            number: 0,
        };
        let plans = plans.filter(|plan| match plan {
            Ok(plan) => wanted(plan.number),
            Err(_) => true,
        });
        let plans = plans.inspect(|_| work.progress.advance(WINDOW, Bytes::ZERO));
        let plans = plans.map(|plan| work.progress.go_on().and(plan));
        let pack = |plan: &WindowPlan| self.pack_window(plan, index);
        work.install(|| parallel::in_order(plans, AHEAD, pack, &mut take))??;
        self.pack.base.prove_unchanged()?;
        self.pack.target.prove_unchanged()
    }

    fn pack_window(&self, plan: &WindowPlan, index: &BaseIndex) -> Result<PackedWindow> {
        let count: u64 = plan.runs.iter().map(|run| run.count).sum();
        let mut bytes = vec![0; Bytes(count.saturating_mul(BLOCK.0)).in_memory()];
        let mut rest = bytes.as_mut_slice();
        for run in &plan.runs {
            let len = Bytes(run.count.saturating_mul(BLOCK.0)).in_memory();
            let (now, later) = rest.split_at_mut(len.min(rest.len()));
            self.pack.target.read_at(VirtOffset(run.start().0), now)?;
            rest = later;
        }
        let pages = index.pages(&bytes);
        window::pack(plan.number, &bytes, self.pack.base, &pages, self.pack.level)
    }

    /// Writes the whole file to `sink`, with that manifest. It is complete, but neither durable nor in its place.
    ///
    /// # Errors
    /// As [`each_window`](Self::each_window); those of the sink; Host, if the packing was made without proofs.
    pub fn write(&self, sink: &dyn Sink, manifest: &Manifest) -> Result<Written> {
        let mut writer = FileWriter::begin(sink);
        self.each_window(&|_| true, |window| writer.window(&window))?;
        for segment in &self.plan.segments {
            writer.segment(segment)?;
        }
        writer.finish(manifest, self.plan.fresh)
    }
}

/// Cuts runs of stored blocks into windows.
struct WindowPlans<I> {
    runs: I,
    /// What the last window left of a run.
    rest: Option<Run>,
    number: u64,
}

impl<I: Iterator<Item = Result<Run>>> WindowPlans<I> {
    fn advance(&mut self) -> Result<Option<WindowPlan>> {
        let mut runs = Vec::new();
        let mut left = WINDOW_BLOCKS;
        while left > 0 {
            let run = match self.rest.take() {
                Some(run) => Some(run),
                None => self.runs.next().transpose()?,
            };
            let Some(run) = run else { break };
            let count = run.count.min(left);
            runs.push(Run { count, ..run });
            left -= count;
            self.rest = (run.count > count).then(|| Run {
                at: run.at + count,
                count: run.count - count,
                content: Content::moved(run.content, count),
            });
        }
        if runs.is_empty() {
            return Ok(None);
        }
        let number = self.number;
        self.number += 1;
        Ok(Some(WindowPlan { number, runs }))
    }
}

impl<I: Iterator<Item = Result<Run>>> Iterator for WindowPlans<I> {
    type Item = Result<WindowPlan>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
