//! Writes new images: header and map in front, as VirtualBox lays them out, then the blocks in order of guest address.
//!
//! What a new image is to be is decided in `create_options`. The header comes last: what stopped before that is no image.

use std::sync::Arc;

use imgdelta_core::{
    BlockState, Bytes, Create, Encoder, Error, FileOffset, FinishParams, ImageWriter, Kind,
    Payload, Placement, PlainEncoder, Reservation, Result, SECTOR, Sink, Unit, WriterLayout,
};

use crate::{
    create_options::CreateOptions,
    identity::{self, NULL},
    layout::{FREE, HEADER_AT, Header, Lchs, PreHeader, SIGNATURE, VERSION_1_1, ZERO},
};

/// What the file says to people; nobody checks it.
const TEXT: &[u8] = b"<<< Oracle VM VirtualBox Disk Image >>>\n";
/// Where the map goes, and what the blocks are aligned to: VirtualBox's choice since version 5.
const ALIGNMENT: Bytes = Bytes::mib(1);
/// Below this a run of zeros is written, above it is left out: the file is new, and what is not written in it is zero.
const LEAST_HOLE: Bytes = Bytes::kib(4);
/// The piece in which a block without a parent comes: what is around a little data in it is neither filled nor looked through.
const PIECE: Bytes = Bytes::kib(64);

/// Starts a new image.
pub(crate) fn create(create: Create<'_>) -> Result<Box<dyn ImageWriter>> {
    let sink = create.outputs.main()?;
    let plan = CreateOptions::of(create)?;
    if sink.is_sequential() {
        return Err(Error::new(
            Kind::Unsupported,
            "a VDI cannot be written to a pipe: its map stands in front",
        )
        .with_code("not_a_stream"));
    }
    if sink.needs_zeroing() {
        return Err(Error::new(
            Kind::Unsupported,
            "a VDI is a file: on a device old bytes would show in its unwritten blocks",
        )
        .with_hint("write raw to a device, or VDI to a file"));
    }
    Ok(Box::new(Writer::start(plan, sink)))
}

/// An image in the making.
struct Writer {
    plan: CreateOptions,
    sink: Arc<dyn Sink>,
    /// One entry a block.
    map: Vec<u32>,
    /// Where the first block goes.
    data_at: FileOffset,
    /// The blocks in the file so far.
    allocated: u32,
    ahead: Reservation,
}

impl Writer {
    /// Lays out the map; nothing is written yet.
    fn start(plan: CreateOptions, sink: Arc<dyn Sink>) -> Self {
        let blocks = Bytes(plan.blocks()).in_memory();
        let map_end = Bytes(
            ALIGNMENT
                .0
                .saturating_add(Bytes::from(blocks).0.saturating_mul(4)),
        );
        let data_at = FileOffset(map_end.round_up(ALIGNMENT).0);
        let map = if plan.is_fixed() {
            (0_u32..).take(blocks).collect()
        } else {
            vec![FREE; blocks]
        };
        Self {
            // A child's blocks are written whole.
            ahead: Reservation::new(data_at, plan.size, false),
            plan,
            sink,
            map,
            data_at,
            allocated: 0,
        }
    }

    /// Where the block of that index goes.
    fn block_at(&self, index: u32) -> FileOffset {
        let before = self.plan.block_size.0.saturating_mul(u64::from(index));
        self.data_at.saturating_add(Bytes(before))
    }

    /// Where the last block ends: whole, also where the disk ends inside it.
    fn end(&self) -> FileOffset {
        let blocks = if self.plan.is_fixed() {
            u32::try_from(self.map.len()).unwrap_or(u32::MAX)
        } else {
            self.allocated
        };
        self.block_at(blocks)
    }

    /// Where the block is; takes the next free place if it has none. In a fixed image each has its own from the start.
    fn place_block(&mut self, block: usize) -> Result<FileOffset> {
        let Some(entry) = self.map.get_mut(block) else {
            return Err(Error::new(
                Kind::Unsupported,
                format!("block {block} lies beyond the disk"),
            ));
        };
        if *entry == FREE {
            *entry = self.allocated;
            self.allocated = self.allocated.saturating_add(1);
        }
        let index = *entry;
        Ok(self.block_at(index))
    }

    /// Marks what is zero and hides the parent.
    fn place_nothing(&mut self, block: usize, unit: &Unit<'_>) {
        if self.plan.parent.is_some()
            && unit.grains.contains(&BlockState::Zero)
            && let Some(entry) = self.map.get_mut(block)
        {
            *entry = ZERO;
        }
    }

    fn header(&self, seal: &FinishParams) -> Header {
        let (create, modify) = identity::from_seed(&seal.seed);
        let (linkage, parent_modify) = self.plan.parent.unwrap_or((NULL, NULL));
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Header {
            header_size: (Header::SIZE + Lchs::SIZE) as u32,
            image_type: self.plan.image_type,
            flags: 0,
            comment: [0; 256],
            map_offset: small(ALIGNMENT.0),
            data_offset: small(self.data_at.0),
            cylinders: 0,
            heads: 0,
            sectors: 0,
            sector_size: SECTOR as u32,
            unused: 0,
            disk_size: self.plan.size.0,
            block_size: small(self.plan.block_size.0),
            block_extra: 0,
            blocks: small(self.map.len() as u64),
            blocks_allocated: if self.plan.is_fixed() {
                small(self.map.len() as u64)
            } else {
                self.allocated
            },
            uuid_create: create,
            uuid_modify: modify,
            uuid_linkage: linkage,
            uuid_parent_modify: parent_modify,
        }
    }

    /// Everything in front of the map.
    fn front(&self, seal: &FinishParams) -> Vec<u8> {
        let mut text = [0; 64];
        for (place, byte) in text.iter_mut().zip(TEXT) {
            *place = *byte;
        }
        let pre = PreHeader {
            text,
            signature: SIGNATURE,
            version: VERSION_1_1,
        };
        // Zeros have VirtualBox work the geometry out.
        let lchs = Lchs {
            cylinders: 0,
            heads: 0,
            sectors: 0,
            sector_size: SECTOR as u32,
        };
        let header = self.header(seal).emit();
        debug_assert_eq!(HEADER_AT, pre.emit().len() as u64);
        [&pre.emit()[..], &header, &lchs.emit()].concat()
    }
}

impl ImageWriter for Writer {
    fn shape(&self) -> WriterLayout {
        let block = self.plan.block_size;
        WriterLayout {
            size: self.plan.size,
            unit: if self.plan.parent.is_some() {
                block
            } else {
                block.min(PIECE)
            },
            // A child's block is all its own or all the parent's.
            grain: if self.plan.parent.is_some() {
                block
            } else {
                LEAST_HOLE
            },
            marks_zero: self.plan.parent.is_some(),
            wants_zeros: false,
            has_ids: true,
        }
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(PlainEncoder)
    }

    fn place(
        &mut self,
        unit: &Unit<'_>,
        payload: Payload,
        _stored: Bytes,
    ) -> Result<Option<Placement>> {
        let size = self.plan.block_size.0;
        let number = unit.at.0.checked_div(size).unwrap_or_default();
        let inside = unit.at.0.saturating_sub(number.saturating_mul(size));
        let block = Bytes(number).in_memory();
        if payload == Payload::None {
            self.place_nothing(block, unit);
            return Ok(None);
        }
        let at = self.place_block(block)?.saturating_add(Bytes(inside));
        self.ahead.reserve(&*self.sink, at, unit);
        Ok(Some(Placement {
            at,
            sink: Arc::clone(&self.sink),
            padding: Bytes::ZERO,
        }))
    }

    fn finish(self: Box<Self>, seal: &FinishParams) -> Result<()> {
        self.sink.set_len(Bytes(self.end().0))?;
        let map: Vec<u8> = self
            .map
            .iter()
            .flat_map(|entry| entry.to_le_bytes())
            .collect();
        self.sink.write_at(FileOffset(ALIGNMENT.0), &map)?;
        self.sink.write_at(FileOffset::ZERO, &self.front(seal))
    }
}
