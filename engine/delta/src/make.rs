//! `make`: what of the target differs from the base, as a child of the base.
//!
//! One pass: each byte of either side is read at most once, and the digests come from the same pass. A window that is equal on
//! both sides is hashed once. Where the base's leaves are remembered, windows of the target that have the same leaf need no
//! look at the base at all.

mod stretch;

use imgdelta_core::{Bytes, Error, ImageWriter, Kind, Result, Seal, Shape};
use sha2::{Digest as _, Sha256};

use self::stretch::Stretch;
use crate::{
    buffer::Aligned,
    chain::Chain,
    emit::{Emitter, Seed},
    layer::LayerProver,
    ordered::{self, Line},
    prove::{Proof, Prover},
    remembered::{LeafReader, LeafRun, Memory, windows_of},
    tree::{ContentId, Digest, WINDOW},
    walk::{Known, Manner, Segment, Walker, windows},
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
        let zero_run = shape.marks_zero.then(|| writer.zero_run());
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
        let expected = recalled.as_ref().map(LeafReader::id);
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
        let serial = ordered::run(
            &Differ {
                make: self,
                shape,
                zero_run,
            },
            desks,
            serial,
        )?;
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
    recalled: Option<LeafReader>,
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
    /// The shortest run of which the child can say that it is zero; `None`: it cannot.
    zero_run: Option<Bytes>,
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
            leaves = recalled.take(there).map_err(|_| damaged_memory())?;
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
