//! `make`: what of the target differs from the base, as a child of the base.
//!
//! One pass: each byte of either side is read at most once, and the digests come from the same pass. A window that is equal on
//! both sides is hashed once. Where the base's leaves are remembered, windows of the target that have the same leaf need no
//! look at the base at all.

use imgdelta_core::{
    Bytes, Error, Grain, ImageWriter, Kind, Result, SECTOR, Seal, Shape, VirtOffset,
};
use sha2::{Digest as _, Sha256};

use crate::{
    buffer::{Aligned, is_zero},
    chain::Chain,
    emit::{Emitter, Seed},
    layer::{self, LayerProver},
    ordered::{self, Line},
    prove::{Proof, Prover},
    remembered::{LeafRun, Memory, Recalled, windows_of},
    tree::{ContentId, Digest, Filler, WINDOW},
    walk::{Known, Manner, Segment, Side, Walker, read_spans, spans_of, windows},
    work::{self, Work},
};

/// The longest run of a shared layer that is passed over at once, so that remembered leaves are taken in small portions.
const LONGEST_SAME: Bytes = Bytes::mib(256);

/// How a child is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Make<'a> {
    /// The image that the site has.
    pub base: &'a Chain,
    /// The image to be reproduced.
    pub target: &'a Chain,
    /// Whether the manifest's digests are worked out in the same pass.
    pub proves: bool,
    /// Where leaf digests are remembered.
    pub memory: &'a Memory,
    /// Threads, counters, time.
    pub work: Work<'a>,
}

/// A child that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// What proves the base; `None` without proofs.
    pub base: Option<Proof>,
    /// What proves the target; `None` without proofs.
    pub target: Option<Proof>,
    /// The digest of the child's own layer; `None` without proofs.
    pub layer: Option<Digest>,
    /// How many units the child says something of.
    pub units: u64,
    /// The length of a unit.
    pub unit: Bytes,
    /// How many bytes of the target differ, to the child's grain.
    pub changed: Bytes,
    /// Whether the base's digests were remembered.
    pub remembered: bool,
}

impl Make<'_> {
    /// Writes the child. The writer's image is complete, but neither durable nor in its place.
    ///
    /// # Errors
    /// Those of the chains and of the writer; Host, if an input changed meanwhile; Interrupted.
    pub fn run(&self, writer: Box<dyn ImageWriter>) -> Result<Made> {
        let shape = writer.shape();
        if shape.size < self.target.size() {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "the child holds {} bytes, the target has {}",
                    shape.size.0,
                    self.target.size().0
                ),
            ));
        }
        let recalled = if self.proves {
            self.memory.recall(self.base)
        } else {
            None
        };
        let step = work::step(
            shape.unit,
            self.base.block_size().max(self.target.block_size()),
        );
        let end = if self.proves {
            self.base.size().max(shape.size)
        } else {
            shape.size
        };
        let manner = Manner {
            step,
            skips_zero: true,
            skips_same: !self.proves || recalled.is_some(),
            longest_same: if self.proves {
                LONGEST_SAME
            } else {
                Bytes(u64::MAX)
            },
        };
        let expected = recalled.as_ref().map(Recalled::id);
        let keeps_base = self.proves && recalled.is_none();
        let serial = Serial {
            walker: Walker::new(Some(self.base), self.target, end, manner),
            recalled,
            base: Prover::new(
                self.base.size(),
                if keeps_base {
                    self.memory.keep(self.base)
                } else {
                    None
                },
            ),
            target: Prover::new(
                self.target.size(),
                if self.proves {
                    self.memory.keep(self.target)
                } else {
                    None
                },
            ),
            layer: LayerProver::new(shape.size),
            seed: Seed::new(shape.size),
            writer,
            units: 0,
            changed: Bytes::ZERO,
        };
        self.work.watch.begin(end);
        let desks = self.work.desks(|| Desk {
            emitter: Emitter::new(&*serial.writer, step),
            base: Aligned::zeroed(WINDOW),
            target: Aligned::zeroed(WINDOW),
        });
        let serial = ordered::run(&Differ { make: self, shape }, desks, serial)?;
        self.base.prove_unchanged()?;
        self.target.prove_unchanged()?;
        self.finish(serial, shape, expected)
    }

    fn finish(
        &self,
        serial: Serial<'_>,
        shape: Shape,
        expected: Option<ContentId>,
    ) -> Result<Made> {
        let Serial {
            base,
            target,
            layer,
            writer,
            units,
            changed,
            ..
        } = serial;
        let proofs = self
            .proves
            .then(|| (base.finish(true), target.finish(true), layer.finish()));
        if let (Some((base, ..)), Some(expected)) = (&proofs, expected)
            && base.id != expected
        {
            return Err(damaged_memory());
        }
        let seed = match &proofs {
            Some((base, target, _)) => Sha256::new()
                .chain_update(b"imgdelta child 1")
                .chain_update(base.id.0.0)
                .chain_update(target.id.0.0)
                .finalize()
                .into(),
            None => serial.seed.finish(),
        };
        writer.finish(&Seal {
            seed: self.work.seed(seed),
            time: self.work.time,
        })?;
        let remembered = expected.is_some();
        let (base, target, layer) = match proofs {
            Some((base, target, layer)) => (Some(base), Some(target), Some(layer)),
            None => (None, None, None),
        };
        Ok(Made {
            base,
            target,
            layer,
            units,
            unit: shape.unit,
            changed,
            remembered,
        })
    }
}

/// What the serial parts work on.
struct Serial<'a> {
    walker: Walker<'a>,
    recalled: Option<Recalled>,
    base: Prover,
    target: Prover,
    layer: LayerProver,
    seed: Seed,
    writer: Box<dyn ImageWriter>,
    units: u64,
    changed: Bytes,
}

struct Differ<'a> {
    make: &'a Make<'a>,
    shape: Shape,
}

/// A stretch of both disks.
struct Piece {
    segment: Segment,
    /// The base's leaves there, if they are remembered.
    leaves: Vec<LeafRun>,
    /// What was found of each window, in order.
    windows: Vec<Found>,
    changed: Bytes,
    units: u64,
}

/// What was found of a window.
struct Found {
    base: Digest,
    target: Digest,
    /// `None`: the child is silent there.
    layer: Option<Digest>,
}

/// One thread's buffers.
struct Desk {
    emitter: Emitter,
    /// The window's bytes in the base, and in the target: small enough to stay in the core's cache.
    base: Aligned,
    target: Aligned,
}

impl<'a> Line for Differ<'a> {
    type Piece = Piece;
    type Desk = Desk;
    type Serial = Serial<'a>;

    fn next(&self, serial: &mut Self::Serial) -> Result<Option<Piece>> {
        self.make.work.watch.go_on()?;
        let Some(segment) = serial.walker.segment()? else {
            return Ok(None);
        };
        let mut leaves = Vec::new();
        if let Some(recalled) = &mut serial.recalled {
            let range = windows(segment.at, segment.len);
            let there = range
                .end
                .min(windows_of(self.make.base.size()))
                .saturating_sub(range.start);
            leaves = recalled.take(there).ok_or_else(damaged_memory)?;
        }
        Ok(Some(Piece {
            segment,
            leaves,
            windows: Vec::new(),
            changed: Bytes::ZERO,
            units: 0,
        }))
    }

    fn work(&self, desk: &mut Desk, piece: &mut Piece) -> Result<()> {
        if piece.segment.known == Known::Nothing {
            Stretch {
                differ: self,
                desk,
                piece,
            }
            .look()
        } else {
            Ok(())
        }
    }

    fn turn(&self, desk: &mut Desk, piece: &mut Piece, serial: &mut Self::Serial) -> Result<()> {
        let range = windows(piece.segment.at, piece.segment.len);
        let count = range.end - range.start;
        match piece.segment.known {
            Known::Zero => {
                serial.base.zeros(count);
                serial.target.zeros(count);
                serial.layer.absent(count);
            }
            Known::Same => {
                for run in &piece.leaves {
                    serial.base.run(run);
                    serial.target.run(run);
                }
                serial.layer.absent(count);
            }
            Known::Nothing => {
                if piece.units > 0 {
                    desk.emitter
                        .place(piece.segment.at, &mut *serial.writer, &mut serial.seed)?;
                }
                for found in &piece.windows {
                    serial.base.leaf(&found.base);
                    serial.target.leaf(&found.target);
                    match &found.layer {
                        Some(leaf) => serial.layer.leaf(leaf),
                        None => serial.layer.absent(1),
                    }
                }
                serial.units += piece.units;
                serial.changed = Bytes(serial.changed.0 + piece.changed.0);
            }
        }
        self.make
            .work
            .watch
            .advance(piece.segment.len, piece.changed);
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

fn damaged_memory() -> Error {
    Error::new(Kind::Host, "what was remembered of the base is damaged")
        .with_code("cache_damaged")
        .with_hint("use --no-cache")
}

/// A stretch of both disks while it is looked at.
struct Stretch<'a, 'b> {
    differ: &'b Differ<'a>,
    desk: &'b mut Desk,
    piece: &'b mut Piece,
}

impl Stretch<'_, '_> {
    fn look(&mut self) -> Result<()> {
        let Segment { at, len, .. } = self.piece.segment;
        let child_len = len.min(Bytes(self.differ.shape.size.0.saturating_sub(at.0)));
        self.desk.emitter.begin(child_len);
        let mut leaves = self
            .piece
            .leaves
            .iter()
            .flat_map(LeafRun::iter)
            .collect::<Vec<_>>()
            .into_iter();
        for number in windows(at, len) {
            let found = self.window(number, leaves.next())?;
            self.piece.windows.push(found);
        }
        self.complete_large_grains(at, child_len)?;
        if self.piece.changed == Bytes::ZERO {
            return Ok(());
        }
        if self.differ.make.proves {
            self.prove_layer(at, child_len);
        }
        self.desk.emitter.pack(at, child_len)?;
        self.piece.units = self.desk.emitter.units();
        Ok(())
    }

    /// Looks at one window: are both sides equal there, what are its leaves, and which grains does the child need?
    fn window(&mut self, number: u64, remembered: Option<Digest>) -> Result<Found> {
        let make = self.differ.make;
        let at = VirtOffset(number.saturating_mul(WINDOW.0));
        let len = WINDOW.min(
            self.piece
                .segment
                .at
                .saturating_add(self.piece.segment.len)
                .since(at),
        );
        let (base_size, target_size) = (make.base.size(), make.target.size());
        let is_alike =
            Prover::window_len(base_size, number) == Prover::window_len(target_size, number);
        let spans = spans_of(&self.piece.segment.spans, at, len);
        let is_equal = spans.iter().all(|span| span.known != Known::Nothing);
        if is_equal
            && (!make.proves || (is_alike && spans.iter().all(|span| span.known == Known::Zero)))
        {
            let leaf = if make.proves {
                zero_leaf(target_size, number)
            } else {
                Digest::default()
            };
            return Ok(Found::equal(leaf));
        }
        if is_equal
            && is_alike
            && let Some(leaf) = remembered
        {
            return Ok(Found::equal(leaf));
        }
        let window = len.in_memory();
        let target = self
            .desk
            .target
            .bytes_mut()
            .get_mut(..window)
            .unwrap_or_default();
        read_spans(make.target, spans, Side::Target, at, target)?;
        let target_leaf = if make.proves {
            Prover::leaf_of(target_size, number, target)
        } else {
            Digest::default()
        };
        if is_alike && (is_equal || (make.proves && remembered == Some(target_leaf))) {
            return Ok(Found::equal(target_leaf));
        }
        let base = self
            .desk
            .base
            .bytes_mut()
            .get_mut(..window)
            .unwrap_or_default();
        read_spans(make.base, spans, Side::Base, at, base)?;
        if is_alike && base == target {
            return Ok(Found::equal(target_leaf));
        }
        let base_leaf = match remembered {
            Some(leaf) => leaf,
            None if make.proves => Prover::leaf_of(base_size, number, base),
            None => Digest::default(),
        };
        self.mark(at, window);
        Ok(Found {
            base: base_leaf,
            target: target_leaf,
            layer: None,
        })
    }

    /// Marks the grains that differ in the window at `at`, and takes their bytes over.
    fn mark(&mut self, at: VirtOffset, window: usize) {
        let Shape {
            grain,
            marks_zero,
            size,
            ..
        } = self.differ.shape;
        let skip = at.since(self.piece.segment.at).in_memory();
        let there = window.min(Bytes(size.0.saturating_sub(at.0)).in_memory());
        let base = self.desk.base.bytes().get(..there).unwrap_or_default();
        let target = self.desk.target.bytes().get(..there).unwrap_or_default();
        let grain = grain.in_memory();
        let piece = grain.min(WINDOW.in_memory());
        for (number, (base, target)) in base.chunks(piece).zip(target.chunks(piece)).enumerate() {
            if base == target {
                continue;
            }
            let from = skip + number * piece;
            let is_zero = grain <= WINDOW.in_memory() && marks_zero && is_zero(target);
            let state = if is_zero { Grain::Zero } else { Grain::Data };
            if let Some(place) = self.desk.emitter.grains_mut().get_mut(from / grain) {
                *place = state;
            }
            self.piece.changed = Bytes(self.piece.changed.0 + target.len() as u64);
            if state == Grain::Data
                && let Some(place) = self
                    .desk
                    .emitter
                    .data_mut()
                    .get_mut(from..from + target.len())
            {
                place.copy_from_slice(target);
            }
        }
    }

    /// A grain larger than a window is data as a whole when any of its windows is: the others are read too.
    fn complete_large_grains(&mut self, at: VirtOffset, child_len: Bytes) -> Result<()> {
        let Shape {
            grain, marks_zero, ..
        } = self.differ.shape;
        if grain <= WINDOW {
            return Ok(());
        }
        for number in 0..self.desk.emitter.grains().len() {
            if self.desk.emitter.grains().get(number) != Some(&Grain::Data) {
                continue;
            }
            let from = Bytes((number as u64).saturating_mul(grain.0));
            let to = Bytes(from.0.saturating_add(grain.0)).min(child_len);
            let start = at.saturating_add(from);
            let Some(bytes) = self
                .desk
                .emitter
                .data_mut()
                .get_mut(from.in_memory()..to.in_memory())
            else {
                continue;
            };
            read_spans(
                self.differ.make.target,
                &self.piece.segment.spans,
                Side::Target,
                start,
                bytes,
            )?;
            if marks_zero
                && is_zero(bytes)
                && let Some(place) = self.desk.emitter.grains_mut().get_mut(number)
            {
                *place = Grain::Zero;
            }
        }
        Ok(())
    }

    /// The leaves of the child's own layer, for the windows of which it says something.
    fn prove_layer(&mut self, at: VirtOffset, child_len: Bytes) {
        let grain = self.differ.shape.grain.0;
        let first = at.0 / WINDOW.0;
        for (number, found) in (first..).zip(&mut self.piece.windows) {
            let skip = number.saturating_mul(WINDOW.0) - at.0;
            let count = LayerProver::sectors_of(self.differ.shape.size, number);
            let sectors: Vec<Grain> = (0..count as u64)
                .map(|sector| Bytes((skip + sector * SECTOR) / grain).in_memory())
                .map(|grain| {
                    self.desk
                        .emitter
                        .grains()
                        .get(grain)
                        .copied()
                        .unwrap_or(Grain::Absent)
                })
                .collect();
            if sectors.iter().any(|sector| *sector != Grain::Absent) {
                let to = (skip + WINDOW.0).min(child_len.0);
                let bytes = self
                    .desk
                    .emitter
                    .data()
                    .get(Bytes(skip).in_memory()..Bytes(to).in_memory())
                    .unwrap_or_default();
                found.layer = Some(layer::leaf(&sectors, bytes));
            }
        }
    }
}

impl Found {
    const fn equal(leaf: Digest) -> Self {
        Self {
            base: leaf,
            target: leaf,
            layer: None,
        }
    }
}

/// The leaf of a window that is zero.
fn zero_leaf(size: Bytes, number: u64) -> Digest {
    if Prover::window_len(size, number) == WINDOW {
        Filler::zero().leaf()
    } else {
        Prover::leaf_of(size, number, &[0; WINDOW.0 as usize])
    }
}
