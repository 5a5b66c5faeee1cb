//! Goes over one disk, or over two side by side, and cuts them into pieces of work.
//!
//! What the tables alone decide is never read: where both sides are zero, and where both take a run from the same layer, they are
//! equal.

use imgdelta_core::{Bytes, Result, State, VirtOffset};

use crate::{
    chain::{Chain, Cursor, Origin, Run},
    tree::WINDOW,
};

/// What is known of a run before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is zero on both sides.
    Zero,
    /// Both sides take it from the same layer.
    Same,
    /// Nothing: it must be read.
    Nothing,
}

/// A run of which the same is known throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: VirtOffset,
    pub(crate) len: Bytes,
    pub(crate) known: Known,
    /// Where the base's bytes come from; [`Origin::Zero`] where there is no base.
    pub(crate) base: Origin,
    /// Where the target's bytes come from.
    pub(crate) target: Origin,
}

impl Span {
    pub(crate) const fn end(&self) -> VirtOffset {
        self.at.saturating_add(self.len)
    }
}

/// One piece of work.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) at: VirtOffset,
    pub(crate) len: Bytes,
    /// `Zero` or `Same`: a long run, to be passed over. `Nothing`: at most one step, to be looked at.
    pub(crate) known: Known,
    /// The runs in it, in order, without gap; empty where it is passed over.
    pub(crate) spans: Vec<Span>,
}

/// How two disks, or one, are to be walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// The length of a piece of work: a power of two, at least a window. Pieces start at its multiples.
    pub(crate) step: Bytes,
    /// Whether runs that are zero on both sides may be passed over.
    pub(crate) skips_zero: bool,
    /// Whether runs that both take from the same layer may be passed over, and their layer's tables need not be asked.
    pub(crate) skips_same: bool,
    /// The longest run of the same layer that is passed over at once.
    pub(crate) longest_same: Bytes,
}

/// Goes over the disk, or the two.
#[derive(Debug)]
pub(crate) struct Walker<'a> {
    base: Option<Cursor<'a>>,
    target: Cursor<'a>,
    /// From which layer on base and target are the same.
    shared: Option<(usize, usize)>,
    manner: Manner,
    at: VirtOffset,
    end: VirtOffset,
    /// What is left of the last span.
    pending: Option<Span>,
}

impl<'a> Walker<'a> {
    /// Over `target` from its start to `end`, beside `base` if there is one.
    pub(crate) fn new(
        base: Option<&'a Chain>,
        target: &'a Chain,
        end: Bytes,
        manner: Manner,
    ) -> Self {
        let shared = base.and_then(|base| base.shared_with(target));
        Self {
            base: base.map(Cursor::over),
            target: Cursor::over(target),
            shared,
            manner,
            at: VirtOffset::ZERO,
            end: VirtOffset(end.0),
            pending: None,
        }
    }

    /// The next piece of work; `None` at the end.
    pub(crate) fn segment(&mut self) -> Result<Option<Segment>> {
        let Some(first) = self.span()? else {
            return Ok(None);
        };
        if first.at.is_aligned(self.manner.step)
            && let Some(long) = self.long(first)?
        {
            return Ok(Some(long));
        }
        self.short(first).map(Some)
    }

    /// A run of at least one step that can be passed over, starting with `first`; else `first` is left pending as far as it was
    /// joined.
    fn long(&mut self, first: Span) -> Result<Option<Segment>> {
        let longest = match first.known {
            Known::Zero if self.manner.skips_zero => Bytes(u64::MAX),
            Known::Same if self.manner.skips_same => self.manner.longest_same,
            _ => return Ok(None),
        };
        let mut end = first.end();
        let mut next = None;
        while end < self.end && end.since(first.at) < longest {
            match self.span()? {
                Some(span) if span.known == first.known => end = span.end(),
                other => {
                    next = other;
                    break;
                }
            }
        }
        let len = end.since(first.at).min(longest);
        let whole = if first.at.saturating_add(len) >= self.end {
            len
        } else {
            Bytes(VirtOffset(len.0).align_down(self.manner.step).0)
        };
        if whole == Bytes::ZERO {
            // Too short: it is cut into spans again, which costs one more look at the tables.
            self.rewind(first.at);
            return Ok(None);
        }
        let rest = first.at.saturating_add(whole);
        if rest < end || next.is_some() {
            self.rewind(rest);
        }
        Ok(Some(Segment {
            at: first.at,
            len: whole,
            known: first.known,
            spans: Vec::new(),
        }))
    }

    fn short(&mut self, first: Span) -> Result<Segment> {
        self.rewind(first.at);
        let end = first
            .at
            .align_down(self.manner.step)
            .saturating_add(self.manner.step)
            .min(self.end);
        let mut spans = Vec::new();
        let mut at = first.at;
        while at < end {
            let Some(span) = self.span()? else { break };
            let now = Span {
                len: span.len.min(end.since(span.at)),
                ..span
            };
            at = now.end();
            if now.len < span.len {
                self.pending = Some(Span {
                    at,
                    len: Bytes(span.len.0 - now.len.0),
                    ..span
                });
            }
            spans.push(now);
        }
        Ok(Segment {
            at: first.at,
            len: at.since(first.at),
            known: Known::Nothing,
            spans,
        })
    }

    fn rewind(&mut self, at: VirtOffset) {
        self.pending = None;
        self.at = at;
    }

    /// The next span; `None` at the end.
    fn span(&mut self) -> Result<Option<Span>> {
        let span = match self.pending.take() {
            Some(span) => span,
            None if self.at >= self.end => return Ok(None),
            None => self.look()?,
        };
        self.at = span.end();
        Ok(Some(span))
    }

    fn look(&mut self) -> Result<Span> {
        let at = self.at;
        // Of a shared part only needs to be known that it is the same, where that can be passed over.
        let floor = self.shared.filter(|_| self.manner.skips_same);
        let target = run_of(
            &mut self.target,
            at,
            self.end,
            floor.map(|(_, target)| target),
        )?;
        let base = match &mut self.base {
            Some(base) => run_of(base, at, self.end, floor.map(|(base, _)| base))?,
            None => Run {
                origin: Origin::Zero,
                ..target
            },
        };
        let len = target.len.min(base.len).min(self.end.since(at));
        let known = match (base.origin, target.origin) {
            (Origin::Zero, Origin::Zero) => Known::Zero,
            (Origin::Below, Origin::Below) => Known::Same,
            (Origin::Layer(base), Origin::Layer(target)) if self.is_shared(base, target) => {
                Known::Same
            }
            _ => Known::Nothing,
        };
        Ok(Span {
            at,
            len,
            known,
            base: base.origin,
            target: target.origin,
        })
    }

    fn is_shared(&self, base: usize, target: usize) -> bool {
        self.shared.is_some_and(|(from_base, from_target)| {
            base >= from_base && target >= from_target && base - from_base == target - from_target
        })
    }
}

/// The run of a disk at `at`, of layers above `floor` if there is one; beyond the disk's end it is zero up to `end`.
fn run_of(
    disk: &mut Cursor<'_>,
    at: VirtOffset,
    end: VirtOffset,
    floor: Option<usize>,
) -> Result<Run> {
    if at.0 >= disk.size().0 {
        return Ok(Run {
            at,
            len: end.since(at),
            origin: Origin::Zero,
            state: State::Zero,
        });
    }
    match floor {
        Some(floor) => disk.run_above(at, floor),
        None => disk.run_at(at),
    }
}

/// The windows that a segment touches: their numbers.
pub(crate) fn windows(at: VirtOffset, len: Bytes) -> std::ops::Range<u64> {
    at.0 / WINDOW.0..at.saturating_add(len).0.div_ceil(WINDOW.0)
}

/// Which of two disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Base,
    Target,
}

/// Fills `buf` with a disk's bytes from `at` on, each run from where `spans` say that it comes. Beyond the spans it is zero.
pub(crate) fn read_spans(
    chain: &Chain,
    spans: &[Span],
    side: Side,
    at: VirtOffset,
    buf: &mut [u8],
) -> Result<()> {
    let end = at.saturating_add(Bytes::from(buf.len()));
    let mut rest = buf;
    let mut now = at;
    for span in spans.iter().filter(|span| span.end() > at && span.at < end) {
        let len = span.end().min(end).since(now).in_memory().min(rest.len());
        let (part, behind) = rest.split_at_mut(len);
        let origin = if side == Side::Base {
            span.base
        } else {
            span.target
        };
        chain.read_run(origin, now, part)?;
        now = now.saturating_add(Bytes::from(len));
        rest = behind;
    }
    rest.fill(0);
    Ok(())
}

/// The spans that a window touches.
pub(crate) fn spans_of(spans: &[Span], at: VirtOffset, len: Bytes) -> &[Span] {
    let end = at.saturating_add(len);
    let first = spans.partition_point(|span| span.end() <= at);
    let last = spans.partition_point(|span| span.at < end);
    spans.get(first..last).unwrap_or_default()
}
