//! Streams: every grain compressed behind its marker, tables behind their grains, the footer at the end. Nothing is written twice or out of
//! order, so a pipe takes it as well as a file.

use std::sync::Arc;

use imgdelta_core::{
    BlockState, Bytes, Encoded, Encoder, Error, FileOffset, FinishParams, ImageWriter, Kind,
    Payload, Placement, Result, SECTOR, Sink, Unit, UnitCoding, VirtOffset, WriterLayout,
};
use libdeflater::{CompressionLvl, Compressor};

use super::{
    extent::{DESCRIPTOR_SECTORS, GRAIN, GRAIN_SECTORS, blank_header},
    sparse::embedded,
};
use crate::{
    create_options::CreateOptions,
    descriptor_writer::{Ids, text},
    layout::{
        AT_END, COMPRESSED, DEFLATE, END_OF_STREAM, FOOTER, GRAIN_DIRECTORY, GRAIN_TABLE, MARKERS,
        Marker, NEWLINE_TEST, SparseHeader, TABLE_ENTRIES,
    },
};

/// How hard grains are pressed unless asked for: smaller than what zlib's usual level makes.
const LEVEL: i32 = 5;
/// What stands in front of a grain's data.
const PREFIX: usize = crate::grain::PREFIX;

/// A stream in the making.
pub(super) struct Writer {
    plan: CreateOptions,
    sink: Arc<dyn Sink>,
    /// The sector where the stream goes on.
    next: u64,
    /// The table that is filled, and its entries.
    table: u64,
    entries: Vec<u8>,
    has_entries: bool,
    /// Where each table stands; 0: nowhere.
    directory: Vec<u32>,
}

impl Writer {
    /// Starts a stream. On a pipe its head goes out at once, so `seed` must be known.
    pub(super) fn start(
        plan: CreateOptions,
        sink: Arc<dyn Sink>,
        seed: Option<[u8; 32]>,
    ) -> Result<Self> {
        let tables = plan.size.pieces(GRAIN).div_ceil(u64::from(TABLE_ENTRIES));
        let writer = Self {
            sink,
            next: GRAIN_SECTORS,
            table: 0,
            entries: vec![0; (TABLE_ENTRIES * 4) as usize],
            has_entries: false,
            directory: vec![0; Bytes(tables).in_memory()],
            plan,
        };
        if writer.sink.is_sequential() {
            let seed = seed.ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    "a stream to a pipe begins with its ids, which must be known then",
                )
            })?;
            writer.write_head(&seed)?;
        }
        Ok(writer)
    }

    fn header(&self) -> SparseHeader {
        SparseHeader {
            version: 3,
            flags: NEWLINE_TEST | COMPRESSED | MARKERS,
            descriptor_offset: 1,
            descriptor_size: DESCRIPTOR_SECTORS,
            gd_offset: AT_END,
            overhead: GRAIN_SECTORS,
            compress_algorithm: DEFLATE,
            ..blank_header(self.plan.size)
        }
    }

    fn write_head(&self, seed: &[u8; 32]) -> Result<()> {
        let descriptor = embedded(&text(&self.plan, &Ids::from_seed(seed)))?;
        self.sink
            .write_at(FileOffset::ZERO, &self.header().emit())?;
        self.sink.write_at(FileOffset(SECTOR), &descriptor)
    }

    /// Writes a marker and what follows it; returns the sector of the latter.
    fn write_marked(&mut self, kind: u32, bytes: &[u8]) -> Result<u64> {
        let sectors = Bytes::from(bytes.len()).pieces(Bytes(SECTOR));
        let marker = Marker {
            value: sectors,
            size: 0,
            kind,
        };
        let mut out = marker.emit().to_vec();
        out.resize(Bytes(SECTOR).in_memory(), 0);
        out.extend_from_slice(bytes);
        out.resize(Bytes((sectors + 1) * SECTOR).in_memory(), 0);
        self.sink
            .write_at(FileOffset(self.next.saturating_mul(SECTOR)), &out)?;
        let at = self.next + 1;
        self.next = at + sectors;
        Ok(at)
    }

    /// Writes the table that is filled, behind its grains.
    fn write_table(&mut self) -> Result<()> {
        if !self.has_entries {
            return Ok(());
        }
        let blank = vec![0; self.entries.len()];
        let entries = std::mem::replace(&mut self.entries, blank);
        self.has_entries = false;
        let sector = sector_of(self.write_marked(GRAIN_TABLE, &entries)?)?;
        if let Some(place) = self.directory.get_mut(Bytes(self.table).in_memory()) {
            *place = sector;
        }
        Ok(())
    }

    /// Gives the grain of a unit its entry.
    fn take(&mut self, unit: &Unit<'_>, stored: Bytes) -> Result<FileOffset> {
        let grain = unit.at.0 / GRAIN.0;
        let table = grain / u64::from(TABLE_ENTRIES);
        if table != self.table {
            self.write_table()?;
            self.table = table;
        }
        let sector = sector_of(self.next)?;
        let at = Bytes(grain % u64::from(TABLE_ENTRIES) * 4).in_memory();
        if let Some(place) = self.entries.get_mut(at..at.saturating_add(4)) {
            place.copy_from_slice(&sector.to_le_bytes());
            self.has_entries = true;
        }
        self.next = self.next.saturating_add(stored.pieces(Bytes(SECTOR)));
        Ok(FileOffset(u64::from(sector) * SECTOR))
    }
}

/// A sector as tables have it.
fn sector_of(sector: u64) -> Result<u32> {
    u32::try_from(sector).map_err(|_| {
        Error::new(
            Kind::Unsupported,
            "the stream grows past 2 TiB, which a grain table cannot address",
        )
        .with_code("vmdk_file_too_large")
    })
}

impl ImageWriter for Writer {
    fn shape(&self) -> WriterLayout {
        WriterLayout {
            size: self.plan.size,
            unit: GRAIN,
            grain: GRAIN,
            marks_zero: false,
            wants_zeros: false,
            has_ids: true,
        }
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        let level = self.plan.level.unwrap_or(LEVEL);
        Box::new(GrainEncoder {
            level,
            adopts: self.plan.level.is_none(),
            context: Compressor::new(CompressionLvl::new(level).unwrap_or_default()),
            padded: Vec::new(),
        })
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
        Ok(Some(Placement {
            at: self.take(unit, stored)?,
            sink: Arc::clone(&self.sink),
            padding: Bytes::ZERO,
        }))
    }

    fn finish(mut self: Box<Self>, seal: &FinishParams) -> Result<()> {
        self.write_table()?;
        let entries: Vec<u8> = self
            .directory
            .iter()
            .flat_map(|sector| sector.to_le_bytes())
            .collect();
        let gd_offset = self.write_marked(GRAIN_DIRECTORY, &entries)?;
        let footer = SparseHeader {
            gd_offset,
            ..self.header()
        };
        self.write_marked(FOOTER, &footer.emit())?;
        self.write_marked(END_OF_STREAM, &[])?;
        self.sink.set_len(Bytes(self.next.saturating_mul(SECTOR)))?;
        if self.sink.is_sequential() {
            return Ok(());
        }
        self.write_head(&seal.seed)
    }
}

/// Compresses grains: marker, zlib stream, zeros up to a sector.
struct GrainEncoder {
    /// 1 to 12.
    level: i32,
    /// Whether what a source pressed is good enough.
    adopts: bool,
    context: Compressor,
    /// Room for the disk's last grain, which unpacks to a whole one.
    padded: Vec<u8>,
}

impl Encoder for GrainEncoder {
    /// A compressor's matchfinder and the symbols of a block, from level 10 on the matches of all its positions too; and a grain twice.
    fn memory(&self) -> Bytes {
        match self.level {
            ..=9 => Bytes::kib(896),
            _ => Bytes::mib(9),
        }
    }

    fn encode(&mut self, unit: &Unit<'_>, out: &mut Vec<u8>) -> Result<Encoded> {
        if !unit.grains.contains(&BlockState::Data) {
            return Ok(Encoded::as_told(unit));
        }
        let grain = if unit.bytes.len() < GRAIN.in_memory() {
            self.padded.clear();
            self.padded.extend_from_slice(unit.bytes);
            self.padded.resize(GRAIN.in_memory(), 0);
            self.padded.as_slice()
        } else {
            unit.bytes
        };
        let most = self.context.zlib_compress_bound(grain.len());
        out.resize(PREFIX.saturating_add(most), 0);
        let room = out.get_mut(PREFIX..).unwrap_or_default();
        let packed = self.context.zlib_compress(grain, room).ok();
        let Some((len, size)) = packed.and_then(|len| Some((len, u32::try_from(len).ok()?))) else {
            let cause = std::io::Error::other("deflate has grown beyond its bound");
            return Err(Error::host("cannot compress", cause));
        };
        out.truncate(PREFIX.saturating_add(len));
        for (place, byte) in out.iter_mut().zip(prefix(unit.at, size)) {
            *place = byte;
        }
        out.resize(out.len().next_multiple_of(Bytes(SECTOR).in_memory()), 0);
        Ok(Encoded::COMPRESSED)
    }

    fn coding(&self) -> Option<UnitCoding> {
        self.adopts.then_some(crate::grain::coding(GRAIN))
    }

    fn adopt(&mut self, at: VirtOffset, packed: &[u8], out: &mut Vec<u8>) -> bool {
        let most = self.context.zlib_compress_bound(GRAIN.in_memory());
        let Some(size) = u32::try_from(packed.len())
            .ok()
            .filter(|_| packed.len() <= most)
        else {
            return false;
        };
        let sectors = Bytes::from(PREFIX.saturating_add(packed.len())).round_up(Bytes(SECTOR));
        let end = out.len().saturating_add(sectors.in_memory());
        out.extend(prefix(at, size));
        out.extend_from_slice(packed);
        out.resize(end, 0);
        true
    }
}

/// What stands in front of the `size` bytes of the grain at `at`.
fn prefix(at: VirtOffset, size: u32) -> impl Iterator<Item = u8> {
    let marker = Marker {
        value: at.0 / SECTOR,
        size,
        kind: 0,
    };
    marker.emit().into_iter().take(PREFIX)
}
