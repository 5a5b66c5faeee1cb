//! The content id of a child, by reading only what it says itself: the rest is its base's, whose leaves are there.

use imgdelta_core::{AtomicFile, Bytes, Error, Kind, Result, VirtOffset};

use crate::{
    buffer::Aligned,
    chain::Chain,
    digest_cache::{LeafReader, LeafRun, LeafWriter, windows_of},
    exec::{self, ExecContext},
    ordered::{self, Line},
    prove::{Proof, Prover},
    tree::{Digest, WINDOW},
    walk::{Known, Manner, Segment, Side, Span, Walker, read_spans, spans_of, windows},
};

/// The longest run of the base that is taken over at once: 4096 leaves.
const LONGEST_SAME: Bytes = Bytes::mib(256);

/// What proves `disk`, of which `base` is a lower part: its layers are the last ones of the disk's. Where the layers above say nothing, the
/// leaves are those of `known`, which are the base's. They are believed: a file that is not what it says is found out, a base that
/// has changed since is not.
///
/// The disk's own leaves go to `keeping`, whose file is then complete, but neither durable nor in its place.
///
/// # Errors
/// Corrupt with the code `leaves`, if `known` is damaged or of another disk; else as [`prove`](super::prove).
pub fn prove_over(
    disk: &Chain,
    base: &Chain,
    known: LeafReader,
    keeping: LeafWriter,
    work: ExecContext<'_>,
) -> Result<(Proof, AtomicFile)> {
    if known.size() != base.size() {
        return Err(wrong_leaves("are of a disk of another size"));
    }
    let manner = Manner {
        step: exec::step(WINDOW, disk.block_size()),
        skips_zero: true,
        skips_same: true,
        longest_same: LONGEST_SAME,
    };
    // A base that is longer is walked to its end too: of its leaves none is left out.
    let end = disk.size().max(base.size());
    let expected = known.id();
    let serial = Serial {
        walker: Walker::new(Some(base), disk, end, manner),
        base: Prover::new(base.size(), None),
        disk: Prover::new(disk.size(), Some(keeping)),
        known,
    };
    work.watch.begin(end);
    let desks = work.desks(|| Aligned::zeroed(WINDOW));
    let serial = ordered::run(&Hasher { disk, base, work }, desks, serial)?;
    disk.prove_unchanged()?;
    if serial.base.finish(false).id != expected {
        return Err(wrong_leaves("do not make its content id"));
    }
    serial.disk.finish_kept()
}

struct Serial<'a> {
    walker: Walker<'a>,
    known: LeafReader,
    base: Prover,
    disk: Prover,
}

struct Hasher<'a> {
    disk: &'a Chain,
    base: &'a Chain,
    work: ExecContext<'a>,
}

struct Piece {
    segment: Segment,
    /// The base's leaves there.
    known: Vec<LeafRun>,
    /// The disk's leaves there, where they were worked out.
    leaves: Vec<Digest>,
}

impl<'a> Line for Hasher<'a> {
    type Piece = Piece;
    type Desk = Aligned;
    type Serial = Serial<'a>;

    fn next(&self, serial: &mut Self::Serial) -> Result<Option<Piece>> {
        self.work.watch.go_on()?;
        let Some(segment) = serial.walker.segment()? else {
            return Ok(None);
        };
        let range = windows(segment.at, segment.len);
        let there = range.end.min(windows_of(self.base.size()));
        let there = there.saturating_sub(range.start);
        let known = match segment.known {
            // However long it is: what a damaged file says of it is not gathered.
            Known::Zero => serial.known.pass_zeros(there).map(|()| Vec::new())?,
            Known::Same | Known::Nothing => serial.known.take(there)?,
        };
        Ok(Some(Piece {
            segment,
            known,
            leaves: Vec::new(),
        }))
    }

    fn work(&self, buffer: &mut Aligned, piece: &mut Piece) -> Result<()> {
        if piece.segment.known != Known::Nothing {
            return Ok(());
        }
        let end = piece.segment.at.saturating_add(piece.segment.len);
        let end = end.min(VirtOffset(self.disk.size().0));
        let mut known = piece.known.iter().flat_map(LeafRun::iter);
        for number in windows(piece.segment.at, end.since(piece.segment.at)) {
            let known = known.next();
            let at = VirtOffset(number.saturating_mul(WINDOW.0));
            let len = WINDOW.min(end.since(at));
            let spans = spans_of(&piece.segment.spans, at, len);
            let leaf = match known.filter(|_| self.is_base_s(spans, len)) {
                Some(leaf) => leaf,
                None => {
                    let bytes = buffer.bytes_mut();
                    let bytes = bytes.get_mut(..len.in_memory()).unwrap_or_default();
                    read_spans(self.disk, spans, Side::Target, at, bytes)?;
                    Digest::leaf(bytes)
                }
            };
            piece.leaves.push(leaf);
        }
        Ok(())
    }

    fn turn(&self, _: &mut Aligned, piece: &mut Piece, serial: &mut Self::Serial) -> Result<()> {
        let range = windows(piece.segment.at, piece.segment.len);
        piece.known.iter().for_each(|run| serial.base.run(run));
        match piece.segment.known {
            Known::Zero => {
                serial.base.zeros(range.end - range.start);
                serial.disk.zeros(range.end - range.start);
            }
            Known::Same => piece.known.iter().for_each(|run| serial.disk.run(run)),
            Known::Nothing => piece.leaves.iter().for_each(|leaf| serial.disk.leaf(leaf)),
        }
        self.work.watch.advance(piece.segment.len, Bytes::ZERO);
        Ok(())
    }

    fn after(&self, _: &mut Aligned, _: Piece) -> Result<()> {
        Ok(())
    }
}

impl Hasher<'_> {
    /// Whether a window of these spans is the base's own: a short one only where both disks end in it at the same place.
    fn is_base_s(&self, spans: &[Span], len: Bytes) -> bool {
        let is_whole = len == WINDOW || self.disk.size() == self.base.size();
        is_whole && spans.iter().all(|span| span.known == Known::Same)
    }
}

fn wrong_leaves(what: &str) -> Error {
    Error::new(
        Kind::Corrupt,
        format!("the leaf digests of the base {what}"),
    )
    .with_code("leaves")
}
