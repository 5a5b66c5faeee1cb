//! Every rule that a transport file can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::{FileOffset, Kind};

/// A rule that a transport file broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "transport_")]
pub(crate) enum Fault {
    /// It does not begin as these files do.
    #[error("magic is {found:02x?}, that of a transport file is required")]
    Magic { found: [u8; 8] },
    /// A version that this program does not know.
    #[error("version is {found}, 1 is required")]
    Version { found: u32 },
    /// The header is not what its digest says.
    #[error("header is not what its digest says: it is damaged, or was never finished")]
    HeaderDigest,
    /// A number of the header that has one value in this version.
    #[error("{field} is {found}, {required} is required")]
    Constant {
        field: &'static str,
        found: u64,
        required: u64,
    },
    /// A number of the header that cannot be so large.
    #[error("{field} is {found}, at most {most} is supported")]
    TooLarge {
        field: &'static str,
        found: u64,
        most: u64,
    },
    /// A number of the header that does not follow from the others.
    #[error("{field} is {found}, {required} follows from the other fields")]
    Contradiction {
        field: &'static str,
        found: u64,
        required: u64,
    },
    /// The file is not as long as it says.
    #[error("the file has {found} bytes, its header says {required}")]
    Length { found: u64, required: u64 },
    /// A part of the file is not what the header promises.
    #[error("{part} is not what its digest says")]
    PartDigest { part: &'static str },
    /// A record is not what the index promises.
    #[error(
        "{part} {number} is damaged: its CRC-32C is {found:#010x}, {required:#010x} is required"
    )]
    Crc {
        part: &'static str,
        number: u64,
        found: u32,
        required: u32,
    },
    /// A record that does not stand behind the one before it.
    #[error("{part} {number} is at {found}, {required} is required")]
    Place {
        part: &'static str,
        number: u64,
        found: FileOffset,
        required: FileOffset,
    },
    /// A record that is too long, or empty.
    #[error("{part} {number} takes {found} bytes, 1 to {most} are required")]
    Packed {
        part: &'static str,
        number: u64,
        found: u64,
        most: u64,
    },
    /// What a record unpacks to is not what the index promises.
    #[error("{part} {number} unpacks to other bytes than its digest says")]
    Digest { part: &'static str, number: u64 },
    /// A record that does not unpack.
    #[error("{part} {number} does not unpack: {why}")]
    Frame {
        part: &'static str,
        number: u64,
        why: String,
    },
    /// A prefix of too many pages.
    #[error("window {number} has a prefix of {found} pages, at most 32 are allowed")]
    PageCount { number: u64, found: u64 },
    /// The pages of a prefix are not in order, or not of the base.
    #[error("window {number} names page {found} of the base, {least} to {most} is required there")]
    Page {
        number: u64,
        found: u64,
        least: u64,
        most: u64,
    },
    /// Segments of the map that are not in order, or not of the target.
    #[error("segment {found} of the map follows {least}, at most {most} is possible")]
    SegmentOrder { found: u64, least: u64, most: u64 },
    /// A map that ends inside of a run, or goes on behind the last one.
    #[error("map of segment {number} ends at byte {found} of {len}")]
    MapEnd { number: u64, found: u64, len: u64 },
    /// A run that reaches behind the segment.
    #[error(
        "map of segment {number} has a run of {found} blocks at block {at}, 1 to {most} are possible"
    )]
    RunLength {
        number: u64,
        at: u64,
        found: u64,
        most: u64,
    },
    /// A copy of what the base does not have.
    #[error("map of segment {number} copies blocks {from} to {to} of the base, which has {blocks}")]
    CopyRange {
        number: u64,
        from: u64,
        to: u64,
        blocks: u64,
    },
    /// A copy of what has not been stored yet.
    #[error(
        "map of segment {number} repeats {count} stored blocks from {from} on, {stored} are stored there"
    )]
    RepeatRange {
        number: u64,
        from: u64,
        count: u64,
        stored: u64,
    },
    /// A map that stores more or fewer blocks than the index says.
    #[error("map of segment {number} stores {found} blocks, {required} follow from the index")]
    FreshCount {
        number: u64,
        found: u64,
        required: u64,
    },
    /// The manifest is about other disks than the header.
    #[error("manifest and header are about different disks: {what}")]
    ManifestDiffers { what: &'static str },
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Version { .. } | Self::TooLarge { .. } => Kind::Unsupported,
            Self::Digest { .. } => Kind::Digest,
            _ => Kind::Corrupt,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Version { .. } => Some("a newer imgdelta reads it".to_owned()),
            Self::Length { .. } => Some("copy it once more from where it was made".to_owned()),
            _ => None,
        }
    }
}
