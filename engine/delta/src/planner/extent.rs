//! What is known of a run of two disks, and of a task of such runs: how the sides stand to each other, and where their bytes are to be read.

use imgdelta_core::{Bytes, Result, State, VirtOffset};

use crate::{
    chain::{Chain, Origin, Run},
    tree::WINDOW,
};

/// How two disks stand to each other in a run, as far as tables tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It is zero on both sides.
    Zero,
    /// Both sides take it from the same layer.
    Same,
    /// It must be read.
    Unknown,
}

/// Where a side's bytes of a run stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    origin: Origin,
    state: State,
}

impl Mapping {
    pub(super) const fn of(run: &Run) -> Self {
        Self {
            origin: run.origin,
            state: run.state,
        }
    }

    /// Where they stand `by` bytes further on.
    const fn moved(self, by: Bytes) -> Self {
        Self {
            state: self.state.moved(by),
            ..self
        }
    }

    /// Whether `next` is this, `len` bytes further on.
    fn goes_on_with(self, len: Bytes, next: &Self) -> bool {
        self.origin == next.origin
            && (self.origin == Origin::Zero || self.state.moved(len) == next.state)
    }
}

/// A run of which the same is known throughout, on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) at: VirtOffset,
    pub(crate) len: Bytes,
    pub(crate) relation: Relation,
    /// Where the base's bytes stand; zero where there is no base.
    pub(super) base: Mapping,
    /// Where the target's bytes stand.
    pub(super) target: Mapping,
}

impl Extent {
    pub(crate) const fn end(&self) -> VirtOffset {
        self.at.saturating_add(self.len)
    }

    /// The part between two addresses; nothing may be left.
    pub(super) fn part(&self, from: VirtOffset, to: VirtOffset) -> Self {
        let from = from.max(self.at);
        let skipped = from.since(self.at);
        Self {
            at: from,
            len: to.min(self.end()).since(from),
            base: self.base.moved(skipped),
            target: self.target.moved(skipped),
            ..*self
        }
    }

    /// The run of one side.
    pub(crate) const fn run(&self, side: Side) -> Run {
        let Mapping { origin, state } = match side {
            Side::Base => self.base,
            Side::Target => self.target,
        };
        Run {
            at: self.at,
            len: self.len,
            origin,
            state,
        }
    }

    /// Both as one, if `next` goes on where this ends, on both sides, in the guest and in the files.
    pub(super) fn joined(&self, next: &Self) -> Option<Self> {
        let goes_on = self.relation == next.relation
            && self.end() == next.at
            && self.base.goes_on_with(self.len, &next.base)
            && self.target.goes_on_with(self.len, &next.target);
        goes_on.then(|| Self {
            len: Bytes(self.len.0.saturating_add(next.len.0)),
            ..*self
        })
    }
}

/// The windows that a run touches: their numbers.
pub(crate) fn windows(at: VirtOffset, len: Bytes) -> std::ops::Range<u64> {
    at.0 / WINDOW.0..at.saturating_add(len).0.div_ceil(WINDOW.0)
}

/// Which of two disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Base,
    Target,
}

/// Fills `buf` with a disk's bytes from `at` on, each run from where `extents` say that it stands. Beyond the extents it is zero.
pub(crate) fn read_extents(
    chain: &Chain,
    extents: &[Extent],
    side: Side,
    at: VirtOffset,
    buf: &mut [u8],
) -> Result<()> {
    let end = at.saturating_add(Bytes::from(buf.len()));
    let parts = extents.iter().map(|extent| extent.part(at, end));
    let runs = parts
        .filter(|part| part.len > Bytes::ZERO)
        .map(|part| part.run(side));
    chain.read_runs(runs, buf)
}

/// The extents that a window touches.
pub(crate) fn extents_of(extents: &[Extent], at: VirtOffset, len: Bytes) -> &[Extent] {
    let end = at.saturating_add(len);
    let first = extents.partition_point(|extent| extent.end() <= at);
    let last = extents.partition_point(|extent| extent.at < end);
    extents.get(first..last).unwrap_or_default()
}
