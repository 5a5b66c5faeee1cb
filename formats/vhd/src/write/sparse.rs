//! Dynamic and differencing images, written: a file grows in order of guest address: tables, locators, blocks, footer.
//!
//! Data stand at multiples of 4096 with the bitmap right below, as tapdisk places them, so that neither disks nor hosts with
//! sectors of 4 KiB must read before they write. What a new image is to be is decided in `create_options`.

use std::sync::Arc;

use imgdelta_core::{
    BlockState, Bytes, Encoded, Encoder, Error, FileOffset, FinishParams, ImageWriter, Kind,
    Payload, Placement, PlainEncoder, ReadsAs, Result, SECTOR, Sink, Unit, WriterLayout,
};

use super::{HEADER_AT, footer};
use crate::{
    bitmap,
    create_options::{CreateOptions, Link},
    layout::{
        DIFFERENCING, DYNAMIC, DynamicHeader, HEADER_COOKIE, NOWHERE, ParentLocator, UNALLOCATED,
        VERSION,
    },
    map::bitmap_len,
};

/// Where the BAT goes: behind the header.
const BAT_AT: u64 = HEADER_AT + DynamicHeader::SIZE as u64;
/// What data and locators are aligned to.
const ALIGNMENT: Bytes = Bytes::kib(4);
/// Room for each locator at least, so that a longer path can be written later.
pub(crate) const LOCATOR_ROOM: Bytes = Bytes::kib(4);
/// How much of the file the host is asked to make room for at once.
const RESERVE: Bytes = Bytes::mib(64);

/// A dynamic or differencing image.
pub(super) struct Sparse {
    plan: CreateOptions,
    sink: Arc<dyn Sink>,
    block_size: Bytes,
    /// One entry a block.
    bat: Vec<u32>,
    /// The header's entries for the parent's locators, already placed.
    locators: [ParentLocator; 8],
    /// Where the file ends so far.
    end: u64,
    /// How far the host was asked to make room.
    reserved: u64,
}

impl Sparse {
    /// Lays out the tables in front; nothing is written yet.
    pub(super) fn start(plan: CreateOptions, block_size: Bytes, sink: Arc<dyn Sink>) -> Self {
        let blocks = Bytes(plan.size.pieces(block_size)).in_memory();
        let bat_len = Bytes::from(blocks.saturating_mul(4)).round_up(Bytes(SECTOR));
        let mut end = BAT_AT + bat_len.0;
        let mut locators = [const { ParentLocator::UNUSED }; 8];
        let texts = plan.parent.iter().flat_map(|link| &link.locators);
        for (entry, (code, data)) in locators.iter_mut().zip(texts) {
            let at = Bytes(end).round_up(ALIGNMENT).0;
            let room = Bytes::from(data.len())
                .max(LOCATOR_ROOM)
                .round_up(LOCATOR_ROOM);
            *entry = ParentLocator::holding(*code, data, at, room.0);
            end = at + room.0;
        }
        Self {
            plan,
            sink,
            block_size,
            bat: vec![UNALLOCATED; blocks],
            locators,
            end,
            reserved: end,
        }
    }

    /// Takes the next free place for a block: where its bitmap and where its data go.
    fn allocate(&mut self) -> (FileOffset, FileOffset) {
        let bitmap = bitmap_len(self.block_size);
        let data = Bytes(self.end.saturating_add(bitmap.0)).round_up(ALIGNMENT);
        self.end = data.0.saturating_add(self.block_size.0);
        // Of a child's blocks most stays unwritten: room that nothing fills would only travel as zeros.
        if self.plan.parent.is_none() && self.end > self.reserved {
            let len = RESERVE.max(Bytes(self.end - self.reserved));
            self.sink.reserve(FileOffset(self.reserved), len);
            self.reserved = self.reserved.saturating_add(len.0);
        }
        (FileOffset(data.0 - bitmap.0), FileOffset(data.0))
    }

    /// A child's block says exactly which sectors it has. A dynamic one's says all: qemu does not look, and the rest is zero.
    fn bitmap(&self, unit: &Unit<'_>) -> Vec<u8> {
        let len = bitmap_len(self.block_size).in_memory();
        if self.plan.parent.is_some() {
            return bitmap::of_grains(unit.grains, len);
        }
        let used = Bytes(self.block_size.0 / SECTOR / 8).in_memory();
        let mut bitmap = vec![0; len];
        bitmap
            .iter_mut()
            .take(used.max(1))
            .for_each(|byte| *byte = 0xff);
        bitmap
    }

    fn header(&self) -> DynamicHeader {
        let parent = self.plan.parent.as_ref();
        DynamicHeader {
            cookie: HEADER_COOKIE,
            data_offset: NOWHERE,
            table_offset: BAT_AT,
            header_version: VERSION,
            max_table_entries: u32::try_from(self.bat.len()).unwrap_or(u32::MAX),
            block_size: u32::try_from(self.block_size.0).unwrap_or(u32::MAX),
            checksum: 0,
            parent_unique_id: parent.map_or([0; 16], |link| link.id),
            // Windows writes 0: what the parent's file is called changed says nothing after a copy.
            parent_time_stamp: 0,
            reserved: 0,
            parent_unicode_name: parent.map_or([0; 512], |link: &Link| link.name),
            parent_locators: self.locators.clone(),
            reserved_tail: [0; 256],
        }
        .sealed()
    }

    /// The BAT, filled up to whole sectors with entries that name nothing.
    fn bat_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self
            .bat
            .iter()
            .flat_map(|entry| entry.to_be_bytes())
            .collect();
        bytes.resize(bytes.len().next_multiple_of(512), 0xff);
        bytes
    }

    fn write_locators(&self) -> Result<()> {
        let texts = self.plan.parent.iter().flat_map(|link| &link.locators);
        for (entry, (_, data)) in self.locators.iter().zip(texts) {
            self.sink
                .write_at(FileOffset(entry.platform_data_offset), data)?;
        }
        Ok(())
    }
}

impl ImageWriter for Sparse {
    fn shape(&self) -> WriterLayout {
        WriterLayout {
            size: self.plan.size,
            unit: self.block_size,
            grain: if self.plan.parent.is_some() {
                Bytes(SECTOR)
            } else {
                self.block_size
            },
            marks_zero: false,
            wants_zeros: false,
            has_ids: true,
        }
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
        if payload == Payload::None {
            return Ok(None);
        }
        let (bitmap_at, at) = self.allocate();
        let sector = u32::try_from(bitmap_at.0 / SECTOR)
            .ok()
            .filter(|one| *one != UNALLOCATED);
        let block = Bytes(unit.at.0.checked_div(self.block_size.0).unwrap_or_default()).in_memory();
        let (Some(sector), Some(entry)) = (sector, self.bat.get_mut(block)) else {
            let message = "the file grows past 2 TiB, which a BAT cannot address";
            return Err(Error::new(Kind::Unsupported, message));
        };
        *entry = sector;
        self.sink.write_at(bitmap_at, &self.bitmap(unit))?;
        Ok(Some(Placement {
            sink: Arc::clone(&self.sink),
            at,
            padding: Bytes(self.block_size.0.saturating_sub(stored.0)),
        }))
    }

    /// The end footer comes last: what stopped before that is no image.
    fn finish(self: Box<Self>, seal: &FinishParams) -> Result<()> {
        let disk_type = if self.plan.parent.is_some() {
            DIFFERENCING
        } else {
            DYNAMIC
        };
        let footer = footer(&self.plan, disk_type, seal).emit();
        self.sink
            .set_len(Bytes(self.end.saturating_add(footer.len() as u64)))?;
        self.write_locators()?;
        self.sink.write_at(FileOffset(BAT_AT), &self.bat_bytes())?;
        self.sink
            .write_at(FileOffset(HEADER_AT), &self.header().emit())?;
        self.sink.write_at(FileOffset::ZERO, &footer)?;
        self.sink.write_at(FileOffset(self.end), &footer)
    }
}

/// In a child a block with any sector of its own is stored, and its bitmap says of no sector that it is zero.
struct ChildEncoder;

impl Encoder for ChildEncoder {
    fn encode(&mut self, unit: &Unit<'_>, _out: &mut Vec<u8>) -> Result<Encoded> {
        let is_absent = unit.grains.iter().all(|grain| *grain == BlockState::Absent);
        Ok(Encoded {
            payload: if is_absent {
                Payload::None
            } else {
                Payload::Plain
            },
            reads_as: ReadsAs::OwnAsData,
        })
    }
}
