//! Bytes that already stand in a file of the same file system as they are: where that shares blocks, they are not written again.

use std::sync::Arc;

use imgdelta_core::{Bytes, FileOffset, Result, Sink, Source};

/// What file systems share at least, and at multiples of what.
const BLOCK: usize = 4096;

/// Less is sooner written than shared.
const LEAST: usize = 64 << 10;

/// Bytes of a part that stand in a file.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Where they start in the part.
    pub(crate) skip: usize,
    pub(crate) len: usize,
    pub(crate) file: Arc<dyn Source>,
    /// Where they start in the file.
    pub(crate) at: FileOffset,
}

/// A sink to which bytes of one place of a part are written.
#[derive(Debug)]
pub(super) struct SharingSink<'a> {
    sink: &'a dyn Sink,
    /// Where the byte at `skip` of the part goes.
    at: FileOffset,
    skip: usize,
    standing: &'a [Standing],
}

impl<'a> SharingSink<'a> {
    pub(super) const fn new(
        sink: &'a dyn Sink,
        at: FileOffset,
        skip: usize,
        standing: &'a [Standing],
    ) -> Self {
        Self {
            sink,
            at,
            skip,
            standing,
        }
    }

    /// Whether anything can be shared at all.
    pub(super) fn may_share(&self) -> bool {
        let first = self.standing.first();
        first.is_some_and(|first| self.sink.shares_with(&*first.file))
    }

    /// Has the sink share what of `bytes`, which start at `skip` of the part and go to `at`, stands in one file; returns what was shared.
    fn share(&self, standing: &Standing, skip: usize, at: FileOffset, len: usize) -> Shared {
        let from = standing.skip.max(skip).next_multiple_of(BLOCK);
        let to = (standing.skip.saturating_add(standing.len)).min(skip.saturating_add(len));
        let to = to / BLOCK * BLOCK;
        if to.saturating_sub(from) < LEAST {
            return None;
        }
        let source = standing
            .at
            .saturating_add(Bytes::from(from.saturating_sub(standing.skip)));
        let target = at.saturating_add(Bytes::from(from.saturating_sub(skip)));
        let block = Bytes::from(BLOCK);
        let is_shared = source.is_aligned(block)
            && target.is_aligned(block)
            && self
                .sink
                .share_range(&*standing.file, source, target, Bytes::from(to - from));
        is_shared.then_some((from, to))
    }
}

/// The run of the part that was shared.
type Shared = Option<(usize, usize)>;

impl Sink for SharingSink<'_> {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        let start = self.skip.saturating_add(at.since(self.at).in_memory());
        let end = start.saturating_add(bytes.len());
        let write = |from: usize, to: usize| {
            let part = bytes.get(from.saturating_sub(start)..to.saturating_sub(start));
            match part {
                Some(part) if !part.is_empty() => self.sink.write_at(
                    at.saturating_add(Bytes::from(from.saturating_sub(start))),
                    part,
                ),
                _ => Ok(()),
            }
        };
        let first = self
            .standing
            .partition_point(|one| one.skip.saturating_add(one.len) <= start);
        let mut done = start;
        for one in self.standing.iter().skip(first) {
            if one.skip >= end {
                break;
            }
            if let Some((from, to)) = self.share(one, start, at, bytes.len()) {
                write(done, from)?;
                done = to;
            }
        }
        write(done, end)
    }

    fn set_len(&self, len: Bytes) -> Result<()> {
        self.sink.set_len(len)
    }

    fn sync(&self) -> Result<()> {
        self.sink.sync()
    }

    fn needs_zeroing(&self) -> bool {
        self.sink.needs_zeroing()
    }
}
