//! One chunk of an image: its kind, what it covers, where its bytes stand.

use imgdelta_core::{Bytes, FileOffset, SECTOR};

use crate::{
    fault::Fault,
    layout::{RawChunk, kind},
};

/// The largest chunk that is decoded, and the most bytes that it is decoded from: as qemu has it.
const LARGEST: u64 = 64 << 20;

/// How a chunk is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Codec {
    /// Not at all: it is zero.
    Zero,
    /// As it is.
    Raw,
    /// Apple Data Compression.
    Adc,
    /// zlib.
    Zlib,
    /// bzip2.
    Bzip2,
    /// LZFSE.
    Lzfse,
}

impl Codec {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Raw => "raw",
            Self::Adc => "ADC",
            Self::Zlib => "zlib",
            Self::Bzip2 => "bzip2",
            Self::Lzfse => "LZFSE",
        }
    }

    /// What hdiutil calls an image of such chunks.
    pub(crate) const fn image_name(self) -> &'static str {
        match self {
            Self::Zero | Self::Raw => "UDRO",
            Self::Adc => "UDCO",
            Self::Zlib => "UDZO",
            Self::Bzip2 => "UDBZ",
            Self::Lzfse => "ULFO",
        }
    }

    /// Whether it has to be decoded.
    pub(crate) const fn is_compressed(self) -> bool {
        !matches!(self, Self::Zero | Self::Raw)
    }
}

/// A chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// How it is stored.
    pub(crate) codec: Codec,
    /// The first sector that it covers.
    pub(crate) sector: u64,
    /// The sectors that it covers.
    pub(crate) count: u64,
    /// Where its bytes stand in the file.
    pub(crate) at: FileOffset,
    /// How many there are.
    pub(crate) size: Bytes,
    /// The number of its table.
    pub(crate) table: usize,
    /// Whether the table's checksum counts it: not what nobody has used.
    pub(crate) is_summed: bool,
}

/// Where a chunk's numbers are counted from, and what bounds them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The number of the table.
    pub(crate) number: usize,
    /// The table's first sector.
    pub(crate) first: u64,
    /// Where its bytes are counted from in the file.
    pub(crate) data_at: u64,
    /// Sectors of the disk.
    pub(crate) sectors: u64,
    /// Where the trailer begins.
    pub(crate) end: u64,
}

impl Chunk {
    /// The bytes of the disk that it covers.
    pub(crate) const fn len(&self) -> Bytes {
        Bytes(self.count.saturating_mul(SECTOR))
    }

    /// The first sector behind it.
    pub(crate) const fn end(&self) -> u64 {
        self.sector.saturating_add(self.count)
    }

    /// The chunk of that number of a table, judged; `None` if it is none, or covers nothing.
    pub(crate) fn validate(
        raw: &RawChunk,
        chunk: u32,
        bounds: &Bounds,
    ) -> Result<Option<Self>, Fault> {
        let number = bounds.number;
        let codec = match raw.kind {
            kind::COMMENT | kind::END => return Ok(None),
            _ if raw.sector_count == 0 => return Ok(None),
            kind::ZERO | kind::IGNORE => Codec::Zero,
            kind::RAW => Codec::Raw,
            kind::ADC => Codec::Adc,
            kind::ZLIB => Codec::Zlib,
            kind::BZIP2 => Codec::Bzip2,
            kind::LZFSE => Codec::Lzfse,
            kind::LZMA => return Err(Fault::Lzma { number, chunk }),
            found => {
                return Err(Fault::ChunkKind {
                    number,
                    chunk,
                    found,
                });
            }
        };
        let judged = Self {
            codec,
            sector: bounds.first.saturating_add(raw.sector),
            count: raw.sector_count,
            at: FileOffset(bounds.data_at.saturating_add(raw.offset)),
            size: Bytes(raw.size),
            table: number,
            is_summed: raw.kind != kind::IGNORE,
        };
        judged.validate_range(chunk, bounds)?;
        judged.validate_bytes(chunk, bounds)?;
        Ok(Some(judged))
    }

    fn validate_range(&self, chunk: u32, bounds: &Bounds) -> Result<(), Fault> {
        if self.end() > bounds.sectors {
            return Err(Fault::ChunkPastDisk {
                number: bounds.number,
                chunk,
                sector: self.sector,
                chunk_end: self.end(),
                sectors: bounds.sectors,
            });
        }
        let found = self.len().0.max(self.size.0);
        if self.codec.is_compressed() && found > LARGEST {
            return Err(Fault::ChunkTooLarge {
                number: bounds.number,
                chunk,
                found,
                most: LARGEST,
            });
        }
        Ok(())
    }

    fn validate_bytes(&self, chunk: u32, bounds: &Bounds) -> Result<(), Fault> {
        let number = bounds.number;
        if self.codec == Codec::Zero {
            return Ok(());
        }
        let (found, required) = (self.size.0, self.len().0);
        if self.codec == Codec::Raw && found != required {
            return Err(Fault::RawSize {
                number,
                chunk,
                found,
                required,
            });
        }
        let (bytes_end, end) = (self.at.saturating_add(self.size).0, bounds.end);
        if bytes_end > end {
            return Err(Fault::ChunkPastEnd {
                number,
                chunk,
                bytes_end,
                end,
            });
        }
        Ok(())
    }
}
