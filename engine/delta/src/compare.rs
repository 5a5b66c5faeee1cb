//! `compare`: are two disks equal, and where are they not?
//!
//! What the tables decide is not read: runs that are zero on both sides, or that both take from the same layer.

use imgdelta_core::{Bytes, Result, SECTOR, VirtOffset};

use crate::{
    buffer::Aligned,
    chain::Chain,
    exec::{self, ExecContext},
    ordered::{self, Line},
    tree::WINDOW,
    walk::{Known, Manner, Segment, Side, Walker, read_spans, spans_of, windows},
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
        let manner = Manner {
            step,
            skips_zero: true,
            skips_same: true,
            longest_same: Bytes(u64::MAX),
        };
        let end = self.one.size().max(self.other.size());
        let sizes_differ = self.one.size() != self.other.size() && !self.ignores_size;
        let serial = Serial {
            walker: Walker::new(Some(self.one), self.other, end, manner),
            found: Difference {
                sizes_differ,
                ..Difference::default()
            },
            pending: None,
            each,
        };
        self.work.watch.begin(end);
        let desks = self
            .work
            .desks(|| (Aligned::zeroed(WINDOW), Aligned::zeroed(WINDOW)));
        let mut serial = ordered::run(&Comparer { compare: self }, desks, serial)?;
        serial.flush()?;
        self.one.prove_unchanged()?;
        self.other.prove_unchanged()?;
        Ok(serial.found)
    }
}

struct Serial<'a> {
    walker: Walker<'a>,
    found: Difference,
    /// A run of differing sectors that may go on.
    pending: Option<(VirtOffset, Bytes)>,
    each: &'a mut (dyn FnMut(VirtOffset, Bytes) -> Result<()> + Send),
}

struct Comparer<'a> {
    compare: &'a Compare<'a>,
}

struct Piece {
    segment: Segment,
    /// The first byte that differs.
    first: Option<VirtOffset>,
    /// Runs of differing sectors.
    runs: Vec<(VirtOffset, Bytes)>,
    windows: u64,
}

impl<'a> Line for Comparer<'a> {
    type Piece = Piece;
    type Desk = (Aligned, Aligned);
    type Serial = Serial<'a>;

    fn next(&self, serial: &mut Self::Serial) -> Result<Option<Piece>> {
        self.compare.work.watch.go_on()?;
        if self.compare.stops_early && !serial.found.is_none() {
            return Ok(None);
        }
        let segment = serial.walker.segment()?;
        Ok(segment.map(|segment| Piece {
            segment,
            first: None,
            runs: Vec::new(),
            windows: 0,
        }))
    }

    fn work(&self, (one, other): &mut Self::Desk, piece: &mut Piece) -> Result<()> {
        if piece.segment.known != Known::Nothing {
            return Ok(());
        }
        let end = piece.segment.at.saturating_add(piece.segment.len);
        for number in windows(piece.segment.at, piece.segment.len) {
            let at = VirtOffset(number.saturating_mul(WINDOW.0));
            let len = WINDOW.min(end.since(at));
            let spans = spans_of(&piece.segment.spans, at, len);
            if spans.iter().all(|span| span.known != Known::Nothing) {
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
            read_spans(self.compare.one, spans, Side::Base, at, one)?;
            read_spans(self.compare.other, spans, Side::Target, at, other)?;
            if one != other {
                piece.windows += 1;
                note_difference(at, one, other, piece);
            }
        }
        Ok(())
    }

    fn turn(&self, _: &mut Self::Desk, piece: &mut Piece, serial: &mut Self::Serial) -> Result<()> {
        serial.found.windows += piece.windows;
        if serial.found.first.is_none() {
            serial.found.first = piece.first;
        }
        let mut changed = 0;
        for (at, len) in &piece.runs {
            changed += len.0;
            serial.add(*at, *len)?;
        }
        serial.found.bytes = Bytes(serial.found.bytes.0 + changed);
        self.compare
            .work
            .watch
            .advance(piece.segment.len, Bytes(changed));
        Ok(())
    }

    fn after(&self, _: &mut Self::Desk, _: Piece) -> Result<()> {
        Ok(())
    }
}

fn note_difference(at: VirtOffset, one: &[u8], other: &[u8], piece: &mut Piece) {
    let sector = SECTOR as usize;
    for (number, (one, other)) in one.chunks(sector).zip(other.chunks(sector)).enumerate() {
        if one == other {
            continue;
        }
        let start = at.saturating_add(Bytes::from(number * sector));
        if piece.first.is_none() {
            let byte = one
                .iter()
                .zip(other)
                .position(|(one, other)| one != other)
                .unwrap_or_default();
            piece.first = Some(start.saturating_add(Bytes::from(byte)));
        }
        match piece.runs.last_mut() {
            Some((from, len)) if from.saturating_add(*len) == start => len.0 += one.len() as u64,
            _ => piece.runs.push((start, Bytes::from(one.len()))),
        }
    }
}

impl Serial<'_> {
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
