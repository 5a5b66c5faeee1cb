//! Goes over one disk, or over two side by side, and cuts them into tasks: what of each run is known, and where its bytes stand.
//!
//! What the tables alone decide is never read: where both sides are zero, and where both take a run from the same layer, they are
//! equal. What a layer's tables say of a run is asked once: the tasks carry it to whoever reads.
//!
//! A task has a step of bytes to be read, however far apart they lie: what a sparse disk holds in scattered blocks is hashed together and
//! written together as if it were dense.

mod extent;
mod task;

use std::collections::VecDeque;

use imgdelta_core::{Bytes, Result, State, VirtOffset};

use self::extent::Mapping;
pub(crate) use self::extent::{Extent, Relation, Side, extents_of, read_extents, windows};
pub(crate) use self::task::{Section, Task, TaskWindow};
use crate::chain::{Chain, Cursor, Origin, Run, SharedAnswers};

/// How two disks, or one, are to be cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanOptions {
    /// How many bytes of a task are to be read at most: a power of two, at least a window.
    pub(crate) step: Bytes,
    /// The least run that is passed over, and what tasks and their spans start at multiples of: a power of two, at least a window, at most a step.
    pub(crate) block: Bytes,
    /// Whether a task may go on behind zeros that are passed over.
    pub(crate) gathers: bool,
    /// Whether runs that are zero on both sides may be passed over.
    pub(crate) skips_zero: bool,
    /// Whether runs that both take from the same layer may be passed over, and their layer's tables need not be asked.
    pub(crate) skips_same: bool,
    /// The longest run of the same layer that is passed over at once.
    pub(crate) longest_same: Bytes,
}

/// Goes over the disk, or the two.
#[derive(Debug)]
pub(crate) struct ExtentPlanner<'a> {
    base: Option<Cursor<'a>>,
    target: Cursor<'a>,
    /// From which layer on base and target are the same.
    shared: Option<(usize, usize)>,
    /// What the layers from there on said last: they are asked for both.
    answers: SharedAnswers,
    options: PlanOptions,
    /// How far the tables have been asked.
    at: VirtOffset,
    end: VirtOffset,
    /// Runs that were asked for and belong to no task yet, in order; the last one ends at `at`.
    ahead: VecDeque<Extent>,
    /// What was passed over behind the last task.
    found: Option<Task>,
}

impl<'a> ExtentPlanner<'a> {
    /// Over `target` from its start to `end`, beside `base` if there is one.
    pub(crate) fn new(
        base: Option<&'a Chain>,
        target: &'a Chain,
        end: Bytes,
        options: PlanOptions,
    ) -> Self {
        let shared = base.and_then(|base| base.shared_with(target));
        Self {
            base: base.map(Cursor::over),
            target: Cursor::over(target),
            shared,
            answers: SharedAnswers::of(shared.map_or(0, |(_, from)| target.layers().len() - from)),
            options,
            at: VirtOffset::ZERO,
            end: VirtOffset(end.0),
            ahead: VecDeque::new(),
            found: None,
        }
    }

    /// The next task; `None` at the end.
    pub(crate) fn task(&mut self) -> Result<Option<Task>> {
        if let Some(task) = self.found.take() {
            return Ok(Some(task));
        }
        let mut task = Task::empty(self.peek()?.map_or(self.end, |first| first.at));
        while task.to_read() < self.options.step
            && let Some(next) = self.peek()?
        {
            let passed = self.pass_over(&next)?;
            if passed == Bytes::ZERO {
                self.take_block(&mut task)?;
            } else if task.is_empty() {
                return Ok(Some(Task::passed(next.at, passed, next.relation)));
            } else if self.options.gathers && next.relation == Relation::Zero {
                task.skip(passed);
            } else {
                self.found = Some(Task::passed(next.at, passed, next.relation));
                break;
            }
        }
        Ok((!task.is_empty()).then_some(task))
    }

    /// Passes over what is like `first`, which is the next run, and can be passed over; returns how much that is: whole blocks, or up to the end.
    fn pass_over(&mut self, first: &Extent) -> Result<Bytes> {
        let longest = match first.relation {
            Relation::Zero if self.options.skips_zero => Bytes(u64::MAX),
            Relation::Same if self.options.skips_same => self.options.longest_same,
            _ => return Ok(Bytes::ZERO),
        };
        let (start, block) = (first.at, self.options.block);
        let mut end = start;
        // What was looked at; of what surely is passed over only the length is kept.
        let mut looked = VecDeque::new();
        while end < self.end && end.since(start) < longest {
            let Some(extent) = self.next()? else { break };
            let is_like = extent.relation == first.relation;
            looked.push_back(extent);
            if !is_like {
                break;
            }
            end = extent.end();
            let passed = start.saturating_add(end.since(start).min(longest));
            let passed = passed.align_down(block);
            while looked.front().is_some_and(|extent| extent.end() <= passed) {
                looked.pop_front();
            }
        }
        let len = end.since(start).min(longest);
        let whole = if start.saturating_add(len) >= self.end {
            len
        } else {
            Bytes(VirtOffset(len.0).align_down(block).0)
        };
        let rest = start.saturating_add(whole);
        for extent in looked.into_iter().rev() {
            if extent.end() > rest {
                self.ahead.push_front(extent.part(rest, extent.end()));
            }
        }
        Ok(whole)
    }

    /// Takes the rest of the block in which the next run starts into a task.
    fn take_block(&mut self, task: &mut Task) -> Result<()> {
        let mut end = None;
        while let Some(extent) = self.next()? {
            let end = *end.get_or_insert_with(|| {
                let start = extent.at.align_down(self.options.block);
                start.saturating_add(self.options.block).min(self.end)
            });
            if extent.end() > end {
                self.ahead.push_front(extent.part(end, extent.end()));
            }
            let now = extent.part(extent.at, end);
            task.push(now);
            if now.end() >= end {
                break;
            }
        }
        Ok(())
    }

    /// The next run, which stays the next; `None` at the end.
    fn peek(&mut self) -> Result<Option<Extent>> {
        let next = self.next()?;
        if let Some(extent) = next {
            self.ahead.push_front(extent);
        }
        Ok(next)
    }

    /// The next run; `None` at the end.
    fn next(&mut self) -> Result<Option<Extent>> {
        if let Some(extent) = self.ahead.pop_front() {
            return Ok(Some(extent));
        }
        if self.at >= self.end {
            return Ok(None);
        }
        let extent = self.ask()?;
        self.at = extent.end();
        Ok(Some(extent))
    }

    /// The run from where the tables have been asked on.
    fn ask(&mut self) -> Result<Extent> {
        let at = self.at;
        let (end, skips) = (self.end, self.options.skips_same);
        let (from_base, from_target) = self.shared.unzip();
        let answers = &mut self.answers;
        let target = run_of(&mut self.target, at, end, (from_target, skips), answers)?;
        let base = match &mut self.base {
            Some(base) => run_of(base, at, end, (from_base, skips), answers)?,
            None => zero(at, target.len),
        };
        let len = target.len.min(base.len).min(self.end.since(at));
        let relation = match (base.origin, target.origin) {
            (Origin::Zero, Origin::Zero) => Relation::Zero,
            (Origin::Below(_), Origin::Below(_)) => Relation::Same,
            (Origin::Layer(base), Origin::Layer(target)) if self.is_shared(base, target) => {
                Relation::Same
            }
            _ => Relation::Unknown,
        };
        Ok(Extent {
            at,
            len,
            relation,
            base: Mapping::of(&base),
            target: Mapping::of(&target),
        })
    }

    fn is_shared(&self, base: usize, target: usize) -> bool {
        self.shared.is_some_and(|(from_base, from_target)| {
            base >= from_base && target >= from_target && base - from_base == target - from_target
        })
    }
}

/// The run of a disk at `at`; beyond the disk's end it is zero up to `end`. Of layers from `shared` on only needs to be known that they are the
/// same, where that `skips` them.
fn run_of(
    disk: &mut Cursor<'_>,
    at: VirtOffset,
    end: VirtOffset,
    (shared, skips): (Option<usize>, bool),
    answers: &mut SharedAnswers,
) -> Result<Run> {
    if at.0 >= disk.size().0 {
        return Ok(zero(at, end.since(at)));
    }
    let floor = shared.filter(|_| skips).unwrap_or(usize::MAX);
    disk.stored_beside(at, floor, answers, shared.unwrap_or(usize::MAX))
}

/// A run that is zero.
const fn zero(at: VirtOffset, len: Bytes) -> Run {
    Run {
        at,
        len,
        origin: Origin::Zero,
        state: State::Zero,
    }
}
