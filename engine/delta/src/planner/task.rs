//! A task: spans of a disk whose bytes are to be read, and what is passed over between them.
//!
//! Whoever reads a task has its spans one behind the other in memory: an address in them is called packed.

use imgdelta_core::{Bytes, Result, VirtOffset};

use super::extent::{Extent, Relation, Side, extents_of, read_extents, windows};
use crate::{chain::Chain, tree::WINDOW, unit_writer::Standing};

/// One task.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) at: VirtOffset,
    pub(crate) len: Bytes,
    /// `Zero` or `Same`: a run to be passed over, however long. `Unknown`: its spans are to be looked at, what lies between them is zero.
    pub(crate) relation: Relation,
    /// The runs of its spans, in order; empty where it is passed over.
    pub(crate) extents: Vec<Extent>,
    spans: Vec<Span>,
}

/// A run of the disk whose bytes are to be read. It starts at a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: VirtOffset,
    pub(crate) len: Bytes,
    /// Where it starts in memory, behind the spans before it.
    pub(crate) packed: Bytes,
}

/// Windows in the order of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// So many that are passed over.
    Passed(u64),
    /// So many that are looked at.
    Read(u64),
}

/// A window that is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskWindow {
    pub(crate) number: u64,
    pub(crate) at: VirtOffset,
    /// Less than a window at the disk's end.
    pub(crate) len: Bytes,
    /// Where it starts in memory.
    pub(crate) packed: Bytes,
}

impl Task {
    /// Nothing yet, from `at` on.
    pub(super) const fn empty(at: VirtOffset) -> Self {
        Self::passed(at, Bytes::ZERO, Relation::Unknown)
    }

    /// A run that is passed over.
    pub(super) const fn passed(at: VirtOffset, len: Bytes, relation: Relation) -> Self {
        Self {
            at,
            len,
            relation,
            extents: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// Whether it is still of no length.
    pub(super) fn is_empty(&self) -> bool {
        self.len == Bytes::ZERO
    }

    /// Goes on with a run that is to be read.
    pub(super) fn push(&mut self, extent: Extent) {
        match self.spans.last_mut() {
            Some(last) if last.end() == extent.at => last.len = sum(last.len, extent.len),
            last => {
                let packed = last.map_or(Bytes::ZERO, |last| sum(last.packed, last.len));
                self.spans.push(Span {
                    at: extent.at,
                    len: extent.len,
                    packed,
                });
            }
        }
        self.len = sum(self.len, extent.len);
        let both = self.extents.last().and_then(|last| last.joined(&extent));
        match (both, self.extents.last_mut()) {
            (Some(both), Some(last)) => *last = both,
            _ => self.extents.push(extent),
        }
    }

    /// Goes on with zeros that are passed over.
    pub(super) fn skip(&mut self, len: Bytes) {
        self.len = sum(self.len, len);
    }

    /// The first address behind it.
    pub(crate) const fn end(&self) -> VirtOffset {
        self.at.saturating_add(self.len)
    }

    /// What is to be read, in order.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// How many bytes are to be read.
    pub(crate) fn to_read(&self) -> Bytes {
        let last = self.spans.last();
        last.map_or(Bytes::ZERO, |last| sum(last.packed, last.len))
    }

    /// How many of the bytes that are to be read lie below `end`: those come first in memory.
    pub(crate) fn to_read_below(&self, end: Bytes) -> Bytes {
        let spans = self.spans.iter();
        let below = spans.map(|span| span.len.0.min(end.0.saturating_sub(span.at.0)));
        Bytes(below.sum())
    }

    /// The address of a packed one.
    pub(crate) fn address_of(&self, packed: Bytes) -> VirtOffset {
        let later = self.spans.partition_point(|span| span.packed <= packed);
        let span = later.checked_sub(1).and_then(|at| self.spans.get(at));
        span.map_or(self.at, |span| {
            span.at
                .saturating_add(Bytes(packed.0.saturating_sub(span.packed.0)))
        })
    }

    /// The packed address of a run, if all of it is to be read and lies in one piece.
    pub(crate) fn packed_run(&self, at: VirtOffset, len: Bytes) -> Option<Bytes> {
        let later = self.spans.partition_point(|span| span.at <= at);
        let span = self.spans.get(later.checked_sub(1)?)?;
        let end = at.checked_add(len)?;
        (end <= span.end()).then(|| sum(span.packed, at.since(span.at)))
    }

    /// All windows of it in the order of the disk.
    pub(crate) fn sections(&self) -> impl Iterator<Item = Section> {
        let mut at = self.at;
        let mut sections = Vec::with_capacity(self.spans.len().saturating_mul(2).saturating_add(1));
        for span in &self.spans {
            sections.push(Section::Passed(count(at, span.at.since(at))));
            sections.push(Section::Read(count(span.at, span.len)));
            at = span.end();
        }
        sections.push(Section::Passed(count(at, self.end().since(at))));
        let is_some = |section: &Section| !matches!(section, Section::Passed(0) | Section::Read(0));
        sections.into_iter().filter(is_some)
    }

    /// The windows that are to be read, in order.
    pub(crate) fn windows_to_read(&self) -> impl Iterator<Item = TaskWindow> {
        self.spans.iter().flat_map(|span| {
            windows(span.at, span.len).map(|number| {
                let at = VirtOffset(number.saturating_mul(WINDOW.0));
                TaskWindow {
                    number,
                    at,
                    len: WINDOW.min(span.end().since(at)),
                    packed: sum(span.packed, at.since(span.at)),
                }
            })
        })
    }

    /// Fills `buf` with the bytes that `chain`, which is that side's disk, has from `at` on. Beyond the task's runs they are zero.
    pub(crate) fn read(
        &self,
        chain: &Chain,
        side: Side,
        at: VirtOffset,
        buf: &mut [u8],
    ) -> Result<()> {
        let extents = extents_of(&self.extents, at, Bytes::from(buf.len()));
        read_extents(chain, extents, side, at, buf)
    }

    /// Says that what is to be read of a side will be read next.
    pub(crate) fn will_read(&self, chain: &Chain, side: Side) {
        chain.will_read(self.extents.iter().map(|extent| extent.run(side)));
    }

    /// Where what is to be read of a side stands in files as it is, in order.
    pub(crate) fn standing(&self, chain: &Chain, side: Side) -> Vec<Standing> {
        let runs = self.extents.iter().map(|extent| extent.run(side));
        let standing = runs.filter_map(|run| {
            let (file, at) = chain.stands_at(&run)?;
            Some(Standing {
                skip: self.packed_run(run.at, run.len)?.in_memory(),
                len: run.len.in_memory(),
                file,
                at,
            })
        });
        standing.collect()
    }

    /// Fills `buf` with what is to be read, from packed address `from` on.
    pub(crate) fn read_packed(
        &self,
        chain: &Chain,
        side: Side,
        from: Bytes,
        buf: &mut [u8],
    ) -> Result<()> {
        let mut rest = buf;
        let first = self
            .spans
            .partition_point(|span| sum(span.packed, span.len) <= from);
        for span in self.spans.iter().skip(first) {
            let skipped = Bytes(from.0.saturating_sub(span.packed.0));
            let len = Bytes(span.len.0.saturating_sub(skipped.0)).in_memory();
            let (now, later) = rest.split_at_mut(len.min(rest.len()));
            if now.is_empty() {
                return Ok(());
            }
            self.read(chain, side, span.at.saturating_add(skipped), now)?;
            rest = later;
        }
        rest.fill(0);
        Ok(())
    }
}

impl Span {
    const fn end(&self) -> VirtOffset {
        self.at.saturating_add(self.len)
    }
}

/// How many windows a run touches.
fn count(at: VirtOffset, len: Bytes) -> u64 {
    let windows = windows(at, len);
    windows.end.saturating_sub(windows.start)
}

const fn sum(one: Bytes, other: Bytes) -> Bytes {
    Bytes(one.0.saturating_add(other.0))
}
