//! `convert` and `apply`: a disk, whatever its chain, as one whole image.

use imgdelta_core::{
    AtomicFile, Bytes, Error, Grain, ImageWriter, Kind, Result, Seal, Shape, VirtOffset,
};

use crate::{
    beside::{Beside, Progress},
    buffer::{Aligned, is_zero},
    chain::Chain,
    digest_cache::{DigestCache, LeafWriter},
    exec::{self, ExecContext},
    ordered::{self, Line},
    prove::{Proof, Prover},
    tree::{Digest, WINDOW},
    unit_writer::{Seed, UnitWriter},
    walk::{Known, Manner, Segment, Side, Walker, read_spans, spans_of, windows},
};

/// How a disk is to be copied.
#[derive(Clone, Copy, Debug)]
pub struct Convert<'a> {
    /// The disk. It may be smaller than the writer's: the rest is zero.
    pub disk: &'a Chain,
    /// Whether its content id is worked out in the same pass.
    pub proves: bool,
    /// Where its leaf digests are then remembered.
    pub memory: &'a DigestCache,
    /// Threads, counters, time.
    pub work: ExecContext<'a>,
}

/// A disk that was copied.
#[derive(Clone, Debug)]
pub struct Converted {
    /// What proves it; `None` if it was not asked for.
    pub proof: Option<Proof>,
    /// How many bytes were written besides tables.
    pub written: Bytes,
}

impl Convert<'_> {
    /// Writes the image. It is complete, but neither durable nor in its place.
    ///
    /// # Errors
    /// Those of the chain and of the writer; Host, if an input changed meanwhile; Interrupted.
    pub fn run(&self, writer: Box<dyn ImageWriter>) -> Result<Converted> {
        let keeping = self.proves.then(|| self.memory.keep(self.disk)).flatten();
        let serial = self.write(writer, keeping, None)?;
        Ok(Converted {
            written: serial.written,
            proof: self.proves.then(|| serial.prover.finish(true)),
        })
    }

    /// As [`run`](Self::run), the disk being proven, and its leaves going to `leaves`, whose file is then complete, but neither
    /// durable nor in its place.
    ///
    /// # Errors
    /// As [`run`](Self::run); Host, if the leaves cannot be written.
    pub fn run_keeping(
        &self,
        writer: Box<dyn ImageWriter>,
        leaves: LeafWriter,
    ) -> Result<(Converted, AtomicFile)> {
        let (copied, leaves) = self.run_beside(writer, Some(leaves), None)?;
        let leaves = leaves.ok_or_else(|| Error::new(Kind::Host, "the leaves were not kept"))?;
        Ok((copied, leaves))
    }

    /// Writes the image and proves it, its leaves going to `leaves` if they are wanted, and the base of the disk being proven in the same pass
    /// if there is one: what both have is hashed once.
    ///
    /// # Errors
    /// As [`run_keeping`](Self::run_keeping); Chain, as soon as the base is found to be another one.
    pub(crate) fn run_beside(
        &self,
        writer: Box<dyn ImageWriter>,
        leaves: Option<LeafWriter>,
        base: Option<&Beside<'_>>,
    ) -> Result<(Converted, Option<AtomicFile>)> {
        let proving = Self {
            proves: true,
            ..*self
        };
        let is_kept = leaves.is_some();
        let serial = proving.write(writer, leaves, base)?;
        let (proof, leaves) = if is_kept {
            let (proof, leaves) = serial.prover.finish_kept()?;
            (proof, Some(leaves))
        } else {
            (serial.prover.finish(true), None)
        };
        let copied = Converted {
            proof: Some(proof),
            written: serial.written,
        };
        Ok((copied, leaves))
    }

    fn write(
        &self,
        writer: Box<dyn ImageWriter>,
        keeping: Option<LeafWriter>,
        base: Option<&Beside<'_>>,
    ) -> Result<Written> {
        let shape = writer.shape();
        let least = self.work.waiting_step();
        let step = exec::step(shape.unit.max(least), self.disk.block_size());
        let manner = Manner {
            step,
            skips_zero: !shape.wants_zeros || base.is_some_and(Beside::is_under),
            skips_same: false,
            longest_same: Bytes::ZERO,
        };
        let least = if shape.wants_zeros {
            shape.size
        } else {
            Bytes::ZERO
        };
        let end = base.map_or(Bytes::ZERO, |base| base.disk().size());
        let end = end.max(self.disk.size()).max(least);
        let serial = Serial {
            walker: Walker::new(base.map(Beside::disk), self.disk, end, manner),
            prover: Prover::new(self.disk.size(), keeping),
            base: base.map(Beside::begin),
            seed: Seed::new(shape.size),
            writer,
            written: Bytes::ZERO,
        };
        self.work.watch.begin(end);
        let desks = self.work.waiting_desks(|| Desk {
            emitter: UnitWriter::new(&*serial.writer, step),
            base: base.map(|_| Aligned::zeroed(WINDOW)),
        });
        let copier = Copier {
            copy: self,
            shape,
            base,
        };
        let serial = ordered::run(&copier, desks, serial)?;
        self.disk.prove_unchanged()?;
        serial.base.map_or(Ok(()), Progress::finish)?;
        let seed = self.work.seed(serial.seed.finish());
        serial.writer.finish(&Seal {
            seed,
            time: self.work.time,
        })?;
        Ok(Written {
            prover: serial.prover,
            written: serial.written,
        })
    }
}

/// What is left when all has been written.
struct Written {
    prover: Prover,
    written: Bytes,
}

struct Serial<'a> {
    walker: Walker<'a>,
    prover: Prover,
    /// The proof of the base, if it is to be proven too.
    base: Option<Progress<'a>>,
    seed: Seed,
    writer: Box<dyn ImageWriter>,
    written: Bytes,
}

struct Copier<'a> {
    copy: &'a Convert<'a>,
    shape: Shape,
    base: Option<&'a Beside<'a>>,
}

/// One thread's buffers.
struct Desk {
    emitter: UnitWriter,
    /// A window of the base, if that is to be proven too.
    base: Option<Aligned>,
}

struct Piece {
    segment: Segment,
    /// How much of the disk it stands for: what is zero at its ends is not looked at.
    covers: Bytes,
    leaves: Vec<Digest>,
    /// The base's, if that is to be proven too.
    base: Vec<Digest>,
    units: u64,
}

impl<'a> Line for Copier<'a> {
    type Piece = Piece;
    type Desk = Desk;
    type Serial = Serial<'a>;

    fn next(&self, serial: &mut Self::Serial) -> Result<Option<Piece>> {
        self.copy.work.watch.go_on()?;
        Ok(serial.walker.segment()?.map(|segment| Piece {
            covers: segment.len,
            segment: self.trimmed(segment),
            leaves: Vec::new(),
            base: Vec::new(),
            units: 0,
        }))
    }

    fn work(&self, Desk { emitter, base }: &mut Desk, piece: &mut Piece) -> Result<()> {
        let Segment { at, len, known, .. } = piece.segment;
        if known == Known::Zero {
            return Ok(());
        }
        let there = len.min(Bytes(self.shape.size.0.saturating_sub(at.0)));
        // The writer may round the disk's size up: the rest of the last unit is zero.
        let last = at.0.saturating_add(len.0) >= self.copy.disk.size().0;
        let child_len = if last {
            Bytes(self.shape.size.0.saturating_sub(at.0)).min(len.round_up(self.shape.unit))
        } else {
            there
        };
        emitter.begin_full(child_len);
        let bytes = emitter
            .data_mut()
            .get_mut(..child_len.max(len).in_memory())
            .unwrap_or_default();
        read_spans(
            self.copy.disk,
            &piece.segment.spans,
            Side::Target,
            at,
            bytes,
        )?;
        if self.copy.proves {
            let size = self.copy.disk.size();
            let leaf = |(number, window): (u64, &[u8])| Prover::leaf_of(size, number, window);
            piece.leaves = windows(at, len)
                .zip(emitter.data().chunks(WINDOW.in_memory()))
                .map(leaf)
                .collect();
        }
        if let (Some(beside), Some(buffer)) = (self.base, base) {
            piece.base = self.leaves_beside(beside, buffer, piece)?;
        }
        self.mark(emitter, piece, child_len);
        emitter.pack(at, child_len)?;
        piece.units = emitter.units();
        Ok(())
    }

    fn turn(&self, desk: &mut Desk, piece: &mut Piece, serial: &mut Self::Serial) -> Result<()> {
        let mut written = Bytes::ZERO;
        if piece.segment.known == Known::Zero {
            let range = windows(piece.segment.at, piece.segment.len);
            serial.prover.zeros(range.end - range.start);
            if let Some(base) = &mut serial.base {
                base.zeros(range.end - range.start);
            }
        } else {
            if let Some(base) = &mut serial.base {
                piece.base.iter().try_for_each(|leaf| base.leaf(leaf))?;
            }
            let emitter = &mut desk.emitter;
            written = emitter.place(piece.segment.at, &mut *serial.writer, &mut serial.seed)?;
            piece
                .leaves
                .iter()
                .for_each(|leaf| serial.prover.leaf(leaf));
        }
        serial.written = Bytes(serial.written.0.saturating_add(written.0));
        self.copy.work.watch.advance(piece.covers, written);
        Ok(())
    }

    fn after(&self, desk: &mut Desk, piece: Piece) -> Result<()> {
        if piece.units > 0 {
            desk.emitter.write()
        } else {
            Ok(())
        }
    }
}

impl Copier<'_> {
    /// The base's leaves of a piece whose own are known.
    fn leaves_beside(
        &self,
        beside: &Beside<'_>,
        buffer: &mut Aligned,
        piece: &Piece,
    ) -> Result<Vec<Digest>> {
        let size = self.copy.disk.size();
        windows(piece.segment.at, piece.segment.len)
            .zip(&piece.leaves)
            .map(|(number, leaf)| beside.leaf(buffer, &piece.segment, number, (leaf, size)))
            .collect()
    }

    /// The segment without the whole units at its ends that are known to be zero: of a sparse disk most are. What proves the disk must see
    /// all of it, and what writes zeros too.
    fn trimmed(&self, segment: Segment) -> Segment {
        if self.copy.proves || self.shape.wants_zeros || segment.known != Known::Nothing {
            return segment;
        }
        let mut stored = segment
            .spans
            .iter()
            .filter(|span| span.known != Known::Zero);
        let Some(first) = stored.next() else {
            return segment;
        };
        let last = stored.next_back().unwrap_or(first);
        let unit = self.shape.unit;
        let end = segment.at.saturating_add(segment.len);
        let from = first.at.align_down(unit).max(segment.at);
        let to = VirtOffset(Bytes(last.end().0).round_up(unit).0).min(end);
        Segment {
            at: from,
            len: to.since(from),
            ..segment
        }
    }

    /// What is zero need not be stored, unless old bytes would show through; nor does what stands there already.
    fn mark(&self, emitter: &mut UnitWriter, piece: &Piece, len: Bytes) {
        let Shape {
            grain, wants_zeros, ..
        } = self.shape;
        let is_under = self.base.is_some_and(Beside::is_under);
        let is_same = |number: usize| {
            let at = (number as u64).saturating_mul(grain.0);
            let at = piece.segment.at.saturating_add(Bytes(at));
            let spans = spans_of(&piece.segment.spans, at, grain);
            spans.iter().all(|span| span.known != Known::Nothing)
        };
        let bytes = emitter.data().get(..len.in_memory()).unwrap_or_default();
        let grains = bytes.chunks(grain.in_memory().max(1)).enumerate();
        let states: Vec<Grain> = grains
            .map(|(number, bytes)| match wants_zeros || !is_zero(bytes) {
                true if !is_under || !is_same(number) => Grain::Data,
                _ => Grain::Absent,
            })
            .collect();
        for (place, state) in emitter.grains_mut().iter_mut().zip(states) {
            *place = state;
        }
    }
}
