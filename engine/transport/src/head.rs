//! The header, judged: what comes out is already true of the file's length.

use imgdelta_core::{Bytes, FileOffset, Result, Source, read_array};
use imgdelta_delta::{ContentId, Digest};

use crate::{
    fault::Fault,
    layout::{
        BLOCK, HEADER_DIGEST_AT, Header, LARGEST_DISK, LONGEST_MANIFEST, MAGIC, MOST_SEGMENTS,
        PAGE, SEGMENT_BLOCKS, SegmentEntry, VERSION, WINDOW_BLOCKS, WindowEntry, blocks_of,
    },
};

/// A header of which every number has been held against the others and against the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its fields.
    header: Header,
}

impl Head {
    /// Reads it from the start of a file.
    ///
    /// # Errors
    /// Corrupt, if it is damaged or contradicts itself; Unsupported, if it is of another version or too large.
    pub(crate) fn read(source: &dyn Source) -> Result<Self> {
        let magic: [u8; 8] = read_array(source, FileOffset::ZERO)?;
        if magic != MAGIC {
            return Err(Fault::Magic { found: magic }.into());
        }
        let bytes: [u8; Header::SIZE] = read_array(source, FileOffset::ZERO)?;
        let header = Header::parse(&bytes);
        if header.version != VERSION {
            let found = header.version;
            return Err(placed(Fault::Version { found }, "version"));
        }
        let part = bytes.get(..HEADER_DIGEST_AT).unwrap_or(&bytes);
        if Digest::plain(part).0 != header.digest {
            return Err(placed(Fault::HeaderDigest, "digest"));
        }
        judge_constants(&header)?;
        judge_sizes(&header)?;
        judge_places(&header)?;
        let (found, required) = (source.len().0, header.file_len);
        if found != required {
            return Err(placed(Fault::Length { found, required }, "file_len"));
        }
        Ok(Self { header })
    }

    /// The fields as they stand in the file.
    #[must_use]
    pub const fn fields(&self) -> &Header {
        &self.header
    }

    /// The size of the base.
    #[must_use]
    pub const fn base_size(&self) -> Bytes {
        Bytes(self.header.base_size)
    }

    /// The size of the target.
    #[must_use]
    pub const fn target_size(&self) -> Bytes {
        Bytes(self.header.target_size)
    }

    /// The content id of the base.
    #[must_use]
    pub const fn base_id(&self) -> ContentId {
        ContentId(Digest(self.header.base_id))
    }

    /// The content id of the target.
    #[must_use]
    pub const fn target_id(&self) -> ContentId {
        ContentId(Digest(self.header.target_id))
    }

    /// How many windows there are.
    #[must_use]
    pub const fn windows(&self) -> u64 {
        self.header.windows
    }

    /// How many blocks window `number` holds.
    #[must_use]
    pub const fn blocks_in(&self, number: u64) -> u64 {
        let left = self
            .header
            .fresh_blocks
            .saturating_sub(number.saturating_mul(WINDOW_BLOCKS));
        if left < WINDOW_BLOCKS {
            left
        } else {
            WINDOW_BLOCKS
        }
    }
}

fn placed(fault: Fault, field: &'static str) -> imgdelta_core::Error {
    imgdelta_core::Error::from(fault)
        .in_field("header", field)
        .at(FileOffset(Header::at(field)))
}

/// A field must have one value.
fn require(field: &'static str, found: u64, required: u64) -> Result<()> {
    if found == required {
        return Ok(());
    }
    let fault = Fault::Constant {
        field,
        found,
        required,
    };
    Err(placed(fault, field))
}

/// A field must not be larger.
fn require_at_most(field: &'static str, found: u64, most: u64) -> Result<()> {
    if found <= most {
        return Ok(());
    }
    Err(placed(Fault::TooLarge { field, found, most }, field))
}

/// A field must be what follows from others.
fn follows(field: &'static str, found: u64, required: Option<u64>) -> Result<()> {
    if Some(found) == required {
        return Ok(());
    }
    let required = required.unwrap_or(u64::MAX);
    let fault = Fault::Contradiction {
        field,
        found,
        required,
    };
    Err(placed(fault, field))
}

fn judge_constants(header: &Header) -> Result<()> {
    require("header_len", header.header_len.into(), Header::SIZE as u64)?;
    require("block_size", header.block_size.into(), BLOCK.0)?;
    require("page_size", header.page_size.into(), PAGE.0)?;
    require("window_blocks", header.window_blocks.into(), WINDOW_BLOCKS)?;
    require(
        "segment_blocks",
        header.segment_blocks.into(),
        SEGMENT_BLOCKS,
    )?;
    require("windows_at", header.windows_at, Header::SIZE as u64)?;
    let reserved = header.reserved.iter().map(|byte| u64::from(*byte)).max();
    require("reserved", reserved.unwrap_or_default(), 0)
}

fn judge_sizes(header: &Header) -> Result<()> {
    require_at_most("base_size", header.base_size, LARGEST_DISK.0)?;
    require_at_most("target_size", header.target_size, LARGEST_DISK.0)?;
    let blocks = blocks_of(Bytes(header.target_size));
    require_at_most("fresh_blocks", header.fresh_blocks, blocks)?;
    let windows = header.fresh_blocks.div_ceil(WINDOW_BLOCKS);
    follows("windows", header.windows, Some(windows))?;
    let segments = blocks.div_ceil(SEGMENT_BLOCKS).min(MOST_SEGMENTS);
    require_at_most("segments", header.segments, segments)?;
    let longest = LONGEST_MANIFEST.0;
    require_at_most("manifest_packed", header.manifest_packed.into(), longest)?;
    require_at_most("manifest_len", header.manifest_len.into(), longest)
}

/// The parts follow one another to the end of the file.
fn judge_places(header: &Header) -> Result<()> {
    let least = header.windows_at;
    if header.map_at < least || header.map_at > header.manifest_at {
        return follows("map_at", header.map_at, Some(least));
    }
    let index = header
        .manifest_at
        .checked_add(header.manifest_packed.into());
    follows("window_index_at", header.window_index_at, index)?;
    let len = |count: u64, each: usize| count.checked_mul(each as u64);
    let end = |at: u64, count, each| at.checked_add(len(count, each)?);
    let segments = end(header.window_index_at, header.windows, WindowEntry::SIZE);
    follows("segment_index_at", header.segment_index_at, segments)?;
    let file = end(header.segment_index_at, header.segments, SegmentEntry::SIZE);
    follows("file_len", header.file_len, file)
}
