//! What `make` does piece by piece: takes a stretch, has it looked at by any thread, and hands over in order what was found. How it is looked
//! at stands in `stretch`.

use imgdelta_core::{Bytes, ImageWriter, Result, Shape};

use super::{Make, Sides, damaged_memory, stretch::Stretch};
use crate::{
    buffer::Aligned,
    chain::Chain,
    digest_cache::{LeafReader, LeafRun, windows_of},
    layer::LayerProver,
    ordered::Line,
    prove::Prover,
    tree::Digest,
    unit_writer::{Seed, UnitWriter},
    walk::{Known, Segment, Walker, windows},
};

/// What the serial parts work on.
pub(super) struct Serial<'a> {
    pub(super) walker: Walker<'a>,
    pub(super) leaves: Sides<LeafReader>,
    pub(super) base: Prover,
    pub(super) target: Prover,
    pub(super) layer: LayerProver,
    pub(super) seed: Seed,
    pub(super) writer: Box<dyn ImageWriter>,
    pub(super) units: u64,
    pub(super) changed: Bytes,
}

pub(super) struct Differ<'a> {
    pub(super) make: &'a Make<'a>,
    pub(super) shape: Shape,
    /// The shortest run of which the child can say that it is zero; `None`: it cannot.
    pub(super) zero_run: Option<Bytes>,
}

/// A stretch of both disks.
pub(super) struct Piece {
    pub(super) segment: Segment,
    /// The base's leaves there, if they are known.
    pub(super) base: Vec<LeafRun>,
    /// The target's.
    pub(super) target: Vec<LeafRun>,
    /// What was found of each window, in order.
    pub(super) windows: Vec<Found>,
    pub(super) changed: Bytes,
    pub(super) units: u64,
}

/// What was found of a window.
pub(super) struct Found {
    pub(super) base: Digest,
    pub(super) target: Digest,
    /// `None`: the child is silent there.
    pub(super) layer: Option<Digest>,
}

/// One thread's buffers.
pub(super) struct Desk {
    pub(super) emitter: UnitWriter,
    /// The window's bytes in the base, and in the target: small enough to stay in the core's cache.
    pub(super) base: Aligned,
    pub(super) target: Aligned,
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
        let Sides { base, target } = &mut serial.leaves;
        Ok(Some(Piece {
            base: known(base.as_mut(), &segment, self.make.base)?,
            target: known(target.as_mut(), &segment, self.make.target)?,
            segment,
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
                for run in &piece.base {
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

/// What is known of the leaves of a segment; nothing of one that is zero.
fn known(leaves: Option<&mut LeafReader>, segment: &Segment, disk: &Chain) -> Result<Vec<LeafRun>> {
    let Some(leaves) = leaves else {
        return Ok(Vec::new());
    };
    let range = windows(segment.at, segment.len);
    let end = range.end.min(windows_of(disk.size()));
    let there = end.saturating_sub(range.start);
    let taken = match segment.known {
        // However long it is: what a damaged file says of it is not gathered.
        Known::Zero => leaves.pass_zeros(there).map(|()| Vec::new()),
        Known::Same | Known::Nothing => leaves.take(there),
    };
    taken.map_err(|_| damaged_memory())
}
