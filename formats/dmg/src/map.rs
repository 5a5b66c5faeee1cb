//! The tables as one: which chunk covers a sector.

use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, VirtOffset};

use crate::{
    checksum::{Sum, crc32},
    chunk::{Bounds, Chunk, Codec},
    fault::Fault,
    layout::{MISH, Mish, RawChunk},
    raw_table::RawTable,
    trailer::ValidatedTrailer,
};

/// The checksum of a table.
#[derive(Clone, Debug)]
pub(crate) struct TableSum {
    /// What it must be; `None` if it is none that is known.
    pub(crate) required: Option<u32>,
    /// The first sector that the table covers.
    pub(crate) first: u64,
    /// Its bytes, which the image's own checksum is made of; `None` if it has more than there is room for.
    bytes: Option<Vec<u8>>,
}

impl TableSum {
    fn of(mish: &Mish) -> Self {
        let bits = mish.checksum_size;
        let len = Bytes(u64::from(bits / 8)).in_memory();
        let bytes = mish.checksum.get(..len).filter(|_| bits.is_multiple_of(8));
        Self {
            required: crc32((mish.checksum_type, bits), &mish.checksum),
            first: mish.first_sector,
            bytes: bytes.map(<[u8]>::to_vec),
        }
    }
}

/// All chunks of an image.
#[derive(Debug)]
pub(crate) struct ChunkTable {
    /// In order of sectors; no two cover the same.
    chunks: Vec<Chunk>,
    /// What each table says of its checksum.
    sums: Vec<TableSum>,
    /// What its parts are called.
    pub(crate) names: Vec<String>,
    /// The size of the disk.
    pub(crate) size: Bytes,
}

impl ChunkTable {
    /// Reads and judges all tables.
    pub(crate) fn read(meta: &ValidatedTrailer, source: &dyn Source) -> Result<Self> {
        let tables = meta.tables(source)?;
        Self::of(meta, &tables).map_err(|fault| Error::from(fault).in_structure("table of chunks"))
    }

    fn of(meta: &ValidatedTrailer, tables: &[RawTable]) -> Result<Self, Fault> {
        let mut chunks = Vec::new();
        let mut sums = Vec::new();
        for (number, table) in tables.iter().enumerate() {
            sums.push(add(&mut chunks, meta, number, &table.bytes)?);
        }
        chunks.sort_by_key(|chunk: &Chunk| chunk.sector);
        let overlap = chunks.windows(2).find_map(|pair| match pair {
            [first, second] if first.end() > second.sector => Some(second.sector),
            _ => None,
        });
        if let Some(sector) = overlap {
            return Err(Fault::ChunksOverlap { sector });
        }
        let names = tables.iter().filter_map(|table| table.name.clone());
        Ok(Self {
            chunks,
            sums,
            names: names.collect(),
            size: Bytes(meta.trailer.sector_count.saturating_mul(SECTOR)),
        })
    }

    /// All chunks, in order.
    pub(crate) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// What each table says of its checksum.
    pub(crate) fn sums(&self) -> &[TableSum] {
        &self.sums
    }

    /// The checksum of the tables' checksums; `None` if one of them has no place.
    pub(crate) fn master_sum(&self) -> Option<u32> {
        let mut sum = Sum::default();
        for one in &self.sums {
            sum.add(one.bytes.as_ref()?);
        }
        Some(sum.end())
    }

    /// The chunk that covers `at`; else where the next one begins, if there is one.
    pub(crate) fn find(&self, at: VirtOffset) -> Result<&Chunk, Option<u64>> {
        let sector = at.0 / SECTOR;
        let after = self.chunks.partition_point(|chunk| chunk.sector <= sector);
        let chunk = after.checked_sub(1).and_then(|at| self.chunks.get(at));
        match chunk {
            Some(chunk) if sector < chunk.end() => Ok(chunk),
            _ => Err(self
                .chunks
                .get(after)
                .map(|chunk| chunk.sector.saturating_mul(SECTOR))),
        }
    }

    /// The largest chunk that has to be decoded.
    pub(crate) fn largest_compressed(&self) -> Option<Bytes> {
        let compressed = self
            .chunks
            .iter()
            .filter(|chunk| chunk.codec.is_compressed());
        compressed.map(Chunk::len).max()
    }

    /// How its chunks are stored: each way once.
    pub(crate) fn codecs(&self) -> Vec<Codec> {
        let mut codecs: Vec<Codec> = Vec::new();
        for chunk in &self.chunks {
            if !codecs.contains(&chunk.codec) {
                codecs.push(chunk.codec);
            }
        }
        codecs.sort_unstable();
        codecs
    }
}

/// Adds the chunks of one table; what it says of its checksum.
fn add(
    chunks: &mut Vec<Chunk>,
    meta: &ValidatedTrailer,
    number: usize,
    bytes: &[u8],
) -> Result<TableSum, Fault> {
    let found = bytes.len() as u64;
    let cut = |chunks: u32| Fault::TableCut {
        number,
        chunks,
        found,
        required: (Mish::SIZE as u64).saturating_add(u64::from(chunks) * RawChunk::SIZE as u64),
    };
    let head = bytes
        .first_chunk::<{ Mish::SIZE }>()
        .ok_or_else(|| cut(0))?;
    let mish = Mish::parse(head);
    if mish.signature != MISH {
        let found = mish.signature.escape_ascii().to_string();
        return Err(Fault::TableSignature { number, found });
    }
    let bounds = Bounds {
        number,
        first: mish.first_sector,
        data_at: (meta.trailer.data_fork_offset).saturating_add(mish.data_offset),
        sectors: meta.trailer.sector_count,
        end: meta.end,
    };
    let rest = bytes.get(Mish::SIZE..).unwrap_or_default();
    let (raw, _) = rest.as_chunks::<{ RawChunk::SIZE }>();
    let count = Bytes(u64::from(mish.chunk_count)).in_memory();
    let raw = raw.get(..count).ok_or_else(|| cut(mish.chunk_count))?;
    for (chunk, bytes) in (0_u32..).zip(raw) {
        chunks.extend(Chunk::validate(&RawChunk::parse(bytes), chunk, &bounds)?);
    }
    Ok(TableSum::of(&mish))
}

/// Where a chunk's bytes stand, for messages.
pub(crate) fn placed(fault: Fault, at: FileOffset) -> Error {
    Error::from(fault).in_structure("chunk").at(at)
}
