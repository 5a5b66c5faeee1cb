//! Writes new images: front, log, metadata and BAT as Windows lays them out, then blocks and bitmaps in order of guest address.
//!
//! What a new image is to be is decided in `create_options`. Of the BAT and the bitmaps only what is being filled is in memory, so that 64 TiB
//! in small blocks take no more of it than a floppy. The file type identifier comes last.

mod bat;
mod file_front;
mod sector_bitmap;
mod space;

use std::sync::Arc;

use imgdelta_core::{
    BlockState, Bytes, Create, Encoded, Encoder, Error, FileOffset, FinishParams, ImageWriter,
    Kind, Payload, Placement, PlainEncoder, ReadsAs, Reservation, Result, Sink, Unit, WriterLayout,
};

use crate::{
    create_options::CreateOptions,
    layout::{BITMAP_LEN, BatEntry, BatShape},
};
use bat::Bat;
use sector_bitmap::SectorBitmap;
use space::BlockAllocator;

/// The largest piece in which a child's block is told.
const UNIT: Bytes = Bytes::mib(2);
/// The piece in which a block without a parent comes: what is around a little data in it is neither filled nor looked through.
const PIECE: Bytes = Bytes::kib(64);
/// Below this a run of zeros is written, above it is left out: the file is new, and what is not written in it is zero.
const LEAST_HOLE: Bytes = Bytes::kib(4);

/// Starts a new image.
pub(crate) fn create(create: Create<'_>) -> Result<Box<dyn ImageWriter>> {
    let sink = create.outputs.main()?;
    let plan = CreateOptions::of(create)?;
    if sink.is_sequential() {
        return Err(Error::new(
            Kind::Unsupported,
            "a VHDX cannot be written to a pipe: its tables stand in front",
        )
        .with_code("not_a_stream"));
    }
    if sink.needs_zeroing() {
        return Err(Error::new(
            Kind::Unsupported,
            "a VHDX is a file: on a device old bytes would show in its unwritten blocks",
        )
        .with_hint("write raw to a device, or VHDX to a file"));
    }
    Ok(Box::new(Writer::start(plan, sink)))
}

/// An image in the making.
struct Writer {
    plan: CreateOptions,
    shape: BatShape,
    sink: Arc<dyn Sink>,
    bat: Bat,
    space: BlockAllocator,
    /// The block that the last unit was of.
    block: Block,
    /// In a child, the bitmap of the chunk that block is in.
    chunk: SectorBitmap,
}

/// A block in the making.
#[derive(Debug, Default)]
struct Block {
    /// Which one.
    number: u64,
    /// Where it stands, once it has data.
    at: Option<FileOffset>,
    /// How many of its sectors are the child's own.
    own: u64,
}

impl Writer {
    /// Lays out the file; nothing is written yet.
    fn start(plan: CreateOptions, sink: Arc<dyn Sink>) -> Self {
        let (bat_at, _) = plan.bat();
        let data_at = FileOffset(plan.data_at());
        let ahead = Reservation::new(data_at, plan.size, plan.parent.is_some());
        Self {
            shape: plan.shape(),
            bat: Bat::new(Arc::clone(&sink), FileOffset(bat_at)),
            space: BlockAllocator::new(Arc::clone(&sink), data_at, ahead),
            block: Block::default(),
            chunk: SectorBitmap::default(),
            plan,
            sink,
        }
    }

    /// Ends the block before `number`, and its chunk if that is another's.
    fn go_to(&mut self, number: u64) -> Result<()> {
        if self.block.number == number {
            return Ok(());
        }
        self.close_block()?;
        self.block.number = number;
        if self.plan.parent.is_some() && self.chunk.number != number / self.shape.ratio {
            self.close_chunk(number / self.shape.ratio)?;
        }
        Ok(())
    }

    /// Where the current block stands; takes room for it if it has none. In a fixed image each has its own.
    fn place_block(&mut self) -> FileOffset {
        let (size, number) = (self.plan.block_size, self.block.number);
        *self.block.at.get_or_insert_with(|| {
            if self.plan.is_fixed {
                let skipped = Bytes(number.saturating_mul(size.0));
                FileOffset(self.plan.data_at()).saturating_add(skipped)
            } else {
                self.space.allocate(size)
            }
        })
    }

    /// Sets the entry of the current block: in a child by how many of its sectors are its own.
    fn close_block(&mut self) -> Result<()> {
        let Block { number, own, .. } = self.block;
        let is_child = self.plan.parent.is_some();
        let entry = if is_child && own > 0 && own < self.sectors_of(number) {
            // Its zeros are not written, but they are its own: the room is needed.
            let at = self.place_block();
            self.chunk
                .at
                .get_or_insert_with(|| self.space.allocate(Bytes(BITMAP_LEN)));
            Some(BatEntry::new(BatEntry::PARTIALLY_PRESENT, at.0))
        } else if let Some(at) = self.block.at {
            Some(BatEntry::new(BatEntry::FULLY_PRESENT, at.0))
        } else {
            (own > 0).then_some(BatEntry::new(BatEntry::ZERO, 0))
        };
        self.block = Block::default();
        match entry {
            // Those of a fixed image are all there, whether they were placed or not.
            Some(entry) if !self.plan.is_fixed => {
                self.bat.set(self.shape.block_index(number), entry)
            }
            _ => Ok(()),
        }
    }

    /// Ends the current chunk and goes on to `next`.
    fn close_chunk(&mut self, next: u64) -> Result<()> {
        if let Some(at) = self.chunk.at {
            let entry = BatEntry::new(BatEntry::FULLY_PRESENT, at.0);
            let index = self.shape.bitmap_index(self.chunk.number);
            self.bat.set(index, entry)?;
        }
        self.chunk.close(&self.sink, next)
    }

    /// Sectors of a block that lie on the disk.
    fn sectors_of(&self, block: u64) -> u64 {
        let size = self.plan.block_size.0;
        let left = self.plan.size.0.saturating_sub(block.saturating_mul(size));
        left.min(size) / u64::from(self.plan.sector)
    }

    /// Takes a child's unit into the bitmap; it starts `inside` bytes into the current block.
    fn mark(&mut self, inside: u64, grains: &[BlockState]) {
        let before = self.block.number % self.shape.ratio;
        let skipped = before.saturating_mul(self.plan.block_size.0);
        let first = skipped.saturating_add(inside) / u64::from(self.plan.sector);
        let own = self.chunk.mark(first, grains);
        self.block.own = self.block.own.saturating_add(own);
    }

    /// The entries of a fixed image: all blocks, one behind the other.
    fn set_all(&mut self) -> Result<()> {
        for number in 0..self.shape.blocks {
            let at = self.space.allocate(self.plan.block_size);
            let entry = BatEntry::new(BatEntry::FULLY_PRESENT, at.0);
            self.bat.set(self.shape.block_index(number), entry)?;
        }
        Ok(())
    }
}

impl ImageWriter for Writer {
    fn shape(&self) -> WriterLayout {
        WriterLayout {
            size: self.plan.size,
            unit: if self.plan.parent.is_some() {
                self.plan.block_size.min(UNIT)
            } else {
                PIECE
            },
            grain: if self.plan.parent.is_some() {
                Bytes(self.plan.sector.into())
            } else {
                LEAST_HOLE
            },
            // A block larger than a unit is not known to be zero while its first units are placed.
            marks_zero: self.plan.parent.is_some() && self.plan.block_size <= UNIT,
            wants_zeros: false,
            has_ids: true,
        }
    }

    fn zero_run(&self) -> Bytes {
        self.plan.block_size.min(UNIT)
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        if self.plan.parent.is_some() {
            Box::new(ChildEncoder)
        } else {
            Box::new(PlainEncoder)
        }
    }

    fn place(
        &mut self,
        unit: &Unit<'_>,
        payload: Payload,
        stored: Bytes,
    ) -> Result<Option<Placement>> {
        let size = self.plan.block_size.0;
        let number = unit.at.0.checked_div(size).unwrap_or_default();
        let inside = unit.at.0.saturating_sub(number.saturating_mul(size));
        self.go_to(number)?;
        if self.plan.parent.is_some() {
            self.mark(inside, unit.grains);
        }
        if payload == Payload::None {
            return Ok(None);
        }
        let at = self.place_block().saturating_add(Bytes(inside));
        self.space.reserve(at, unit);
        let is_last = unit.at.0.saturating_add(stored.0) >= self.plan.size.0;
        let rest = size.saturating_sub(inside).saturating_sub(stored.0);
        Ok(Some(Placement {
            at,
            sink: Arc::clone(&self.sink),
            padding: Bytes(if is_last { rest } else { 0 }),
        }))
    }

    fn finish(mut self: Box<Self>, seal: &FinishParams) -> Result<()> {
        self.close_block()?;
        self.close_chunk(0)?;
        if self.plan.is_fixed {
            self.set_all()?;
        }
        self.sink.set_len(Bytes(self.space.end().0))?;
        self.bat.write()?;
        file_front::write(&self.plan, seal, &*self.sink)
    }
}

/// In a child a whole block can be zero, but a bitmap says of no sector that it is.
struct ChildEncoder;

impl Encoder for ChildEncoder {
    fn encode(&mut self, unit: &Unit<'_>, _out: &mut Vec<u8>) -> Result<Encoded> {
        let is_zero = unit.grains.iter().all(|grain| *grain == BlockState::Zero);
        Ok(Encoded {
            reads_as: if is_zero {
                ReadsAs::Told
            } else {
                ReadsAs::OwnAsData
            },
            ..Encoded::as_told(unit)
        })
    }
}
