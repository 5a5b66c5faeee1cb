//! Every rule that a VHDX file can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::{FileOffset, Kind};

/// A rule that a VHDX file broke.
#[cfg_attr(test, derive(strum::EnumIter))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "vhdx_")]
pub(crate) enum Fault {
    /// The file does not begin as it must.
    #[error("the file begins with '{found}', 'vhdxfile' is required")]
    Signature { found: String },
    /// Neither header can be used.
    #[error("no header is valid ({first}; {second}), one with the right checksum is required")]
    NoHeader { first: String, second: String },
    /// Two headers claim to be the same write and are not.
    #[error("both headers have sequence number {sequence} and differ, one must be the newer")]
    HeadersDiffer { sequence: u64 },
    /// A file of another version.
    #[error("header version is {found}, 1 is required")]
    Version { found: u16 },
    /// A log of another version.
    #[error("log version is {found}, 0 is required")]
    LogVersion { found: u16 },
    /// The log is in use and has no length, or one that is no length of a log.
    #[error(
        "log length is {found}, a multiple of 1 MiB is required, and not 0 while the log is in use"
    )]
    LogLength { found: u32 },
    /// The log is larger than any log.
    #[error("log length is {found}, at most {most} is supported")]
    LogTooLong { found: u32, most: u32 },
    /// The log does not start where a log can.
    #[error("the log is at {found}, a multiple of 1 MiB from 1 MiB on is required")]
    LogPlace { found: FileOffset },
    /// The log is not in the file.
    #[error("the log of {len} bytes at {at} lies past the end of the file at {end}")]
    LogPastEnd { at: FileOffset, len: u64, end: u64 },
    /// The log is in use and holds nothing that can be replayed.
    #[error("the log is in use and has no valid entries, so that it cannot be replayed")]
    LogEmpty,
    /// The file is shorter than it was when the log was written.
    #[error("the file ends at {found}, the log says that it was {required} bytes long")]
    LogTruncated { found: u64, required: u64 },
    /// The log would make the file longer than any file is.
    #[error("the log makes the file {found} bytes long, at most {most} is supported")]
    LogFileTooLong { found: u64, most: u64 },
    /// The log writes what no log may.
    #[error("a log entry writes {len} bytes at {at}, over {other}")]
    LogProtected {
        at: FileOffset,
        len: u64,
        other: &'static str,
    },
    /// The log writes past the end that it gives the file.
    #[error("a log entry writes {len} bytes at {at}, past the end of the file at {end}")]
    LogOutside { at: FileOffset, len: u64, end: u64 },
    /// The log writes something that is not whole pages.
    #[error("a log entry writes {len} bytes at {at}, multiples of 4096 are required")]
    LogUnaligned { at: FileOffset, len: u64 },
    /// The log is cut up into more pieces than anybody writes.
    #[error("the log has {found} descriptors to replay, at most {most} are supported")]
    LogTooMany { found: u64, most: u64 },
    /// Neither region table can be used.
    #[error(
        "no region table is valid ({first}; {second}), one with the right checksum is required"
    )]
    NoRegionTable { first: String, second: String },
    /// More regions than a table has room for.
    #[error("the region table has {found} entries, at most {most} are possible")]
    TooManyRegions { found: u32, most: u32 },
    /// A region that does not start or end where one can.
    #[error(
        "region {number} has {len} bytes at {at}, multiples of 1 MiB from 1 MiB on are required"
    )]
    RegionPlace {
        number: usize,
        at: FileOffset,
        len: u32,
    },
    /// A region that is not in the file.
    #[error("the {name} of {len} bytes at {at} lies past the end of the file at {end}")]
    RegionPastEnd {
        name: &'static str,
        at: FileOffset,
        len: u32,
        end: u64,
    },
    /// Two regions, or a region and the log, share bytes.
    #[error("region {number} at {at} overlaps {other}")]
    RegionsOverlap {
        number: usize,
        at: FileOffset,
        other: String,
    },
    /// A region that is there twice.
    #[error("region {guid} is there twice, each may be there once")]
    RegionTwice { guid: String },
    /// A region that nobody here knows and everybody must.
    #[error("region {guid} is required and not supported")]
    RegionUnknown { guid: String },
    /// A region that every file must have.
    #[error("the region table names no {name}, every file must have one")]
    RegionMissing { name: &'static str },
    /// A region larger than any disk needs.
    #[error("the {name} has {found} bytes, at most {most} is supported")]
    RegionTooLong {
        name: &'static str,
        found: u32,
        most: u32,
    },
    /// The metadata region does not begin with its table.
    #[error("the metadata region begins with '{found}', 'metadata' is required")]
    MetadataSignature { found: String },
    /// More items than the table has room for.
    #[error("the metadata table has {found} entries, at most {most} are possible")]
    TooManyItems { found: u16, most: u16 },
    /// An item that is not in the region, or in its table.
    #[error(
        "metadata item {guid} has {len} bytes at {at}, between 65536 and {end} in the region is required"
    )]
    ItemOutside {
        guid: String,
        at: u32,
        len: u32,
        end: u64,
    },
    /// An item larger than any may be.
    #[error("metadata item {guid} has {found} bytes, at most {most} are possible")]
    ItemTooLong { guid: String, found: u32, most: u32 },
    /// Two items share bytes.
    #[error("metadata items {first} and {second} overlap")]
    ItemsOverlap { first: String, second: String },
    /// An item that is there twice.
    #[error("metadata item {guid} is there twice, each may be there once")]
    ItemTwice { guid: String },
    /// An item that nobody here knows and everybody must.
    #[error("metadata item {guid} is required and not supported")]
    ItemUnknown { guid: String },
    /// An item without a name, or one of a user that must be understood.
    #[error("metadata item {guid} has flags {flags:#x}, which it cannot have")]
    ItemFlags { guid: String, flags: u32 },
    /// An item that every file must have.
    #[error("the metadata have no {name}, every file must have it")]
    ItemMissing { name: &'static str },
    /// An item of another length than it has.
    #[error("{name} has {found} bytes, {required} are required")]
    ItemLength {
        name: &'static str,
        found: u32,
        required: u32,
    },
    /// A copy of the file was cut off.
    #[error("the file is marked incomplete: copying it was not finished")]
    Incomplete,
    /// A block size that no disk has.
    #[error("block size is {found}, a power of two from 1 MiB to 256 MiB is required")]
    BlockSize { found: u32 },
    /// A sector size that no disk has.
    #[error("{name} is {found}, 512 or 4096 is required")]
    SectorSize { name: &'static str, found: u32 },
    /// A disk of no size, or of part of a sector.
    #[error("virtual disk size is {found}, a multiple of {sector} and not 0 is required")]
    Size { found: u64, sector: u32 },
    /// A disk that is larger than the format can say.
    #[error("virtual disk size is {found}, at most {most} (64 TiB) is possible")]
    SizeTooLarge { found: u64, most: u64 },
    /// A child that does not say of whom.
    #[error("HasParent is set and there is no parent locator")]
    NoLocator,
    /// Somebody's child, and nobody's.
    #[error("there is a parent locator and HasParent is not set")]
    UnusedLocator,
    /// A locator of another type.
    #[error("parent locator type is {found}, b04aefb7-d19e-4a81-b789-25b8e9445913 is required")]
    LocatorType { found: String },
    /// A locator too short for what it says that it has.
    #[error("the parent locator has {found} bytes, its head and entries need {required}")]
    LocatorShort { found: u64, required: u64 },
    /// More keys than anybody writes.
    #[error("the parent locator has {found} keys, at most {most} are supported")]
    LocatorTooMany { found: u16, most: u16 },
    /// A key or value that is not in the locator.
    #[error("parent locator entry {number} has {len} bytes at {at}, the item ends at {end}")]
    LocatorOutside {
        number: usize,
        at: u32,
        len: u16,
        end: u64,
    },
    /// A key or value that is not whole characters.
    #[error(
        "parent locator entry {number} has a text of {len} bytes, an even number above 0 is required"
    )]
    LocatorText { number: usize, len: u16 },
    /// A key or value with a NUL in it.
    #[error("parent locator entry {number} has a NUL in '{text}'")]
    LocatorNul { number: usize, text: String },
    /// A key that is there twice.
    #[error("parent locator key '{key}' is there twice, each may be there once")]
    LocatorTwice { key: String },
    /// A child that does not say what its parent is called.
    #[error("the parent locator has no parent_linkage, every child must have one")]
    NoLinkage,
    /// A parent that is called something that is no name.
    #[error("{key} is '{found}', a GUID is required")]
    Linkage { key: &'static str, found: String },
    /// The BAT does not reach the end of the disk.
    #[error("the BAT region holds {found} entries, the disk needs {required}")]
    BatTooSmall { found: u64, required: u64 },
    /// A state that no block has.
    #[error("the state of block {block} is {state}, which is reserved")]
    BlockState { block: u64, state: u64 },
    /// Half a block in a disk that has nobody for the other half.
    #[error("block {block} is partially present in an image without a parent")]
    PartialAlone { block: u64 },
    /// Half a block without the word on which half.
    #[error("block {block} is partially present and its bitmap is not present")]
    BitmapMissing { block: u64 },
    /// A block or bitmap on what is something else.
    #[error("{what} {number} at {at} overlaps {other}")]
    BlockInStructure {
        what: &'static str,
        number: u64,
        at: FileOffset,
        other: &'static str,
    },
    /// A block or bitmap that is not in the file.
    #[error("{what} {number} at {at} ends at {block_end}, past the end of the file at {end}")]
    BlockPastEnd {
        what: &'static str,
        number: u64,
        at: FileOffset,
        block_end: u64,
        end: u64,
    },
    /// Two of them share bytes.
    #[error("{what} {number} at {at} shares bytes with {other} at {other_at}")]
    BlocksOverlap {
        what: &'static str,
        number: u64,
        at: FileOffset,
        other: String,
        other_at: FileOffset,
    },
    /// A bitmap's entry that says something else than there or not there.
    #[error("the state of bitmap {chunk} is {state}, {required} is required")]
    BitmapState {
        chunk: u64,
        state: u64,
        required: &'static str,
    },
    /// A block without data that keeps room which is not its own.
    #[error("block {block} has no data and keeps its room at {at}, where {other} is")]
    RoomTaken {
        block: u64,
        at: FileOffset,
        other: &'static str,
    },
    /// A block without data that keeps room which the file does not have.
    #[error("block {block} has no data and keeps its room at {at}, the file ends at {end}")]
    RoomPastEnd {
        block: u64,
        at: FileOffset,
        end: u64,
    },
    /// Bits of a BAT entry that mean nothing and are set.
    #[error("the reserved bits of BAT entry {entry} are {found:#x}, 0 is required")]
    BatReserved { entry: u64, found: u64 },
    /// Two tables that ought to be the same.
    #[error("the two region tables are both valid and differ, they must be the same")]
    RegionTablesDiffer,
    /// A child that names no path to its parent.
    #[error("the parent locator has no path, at least one is required")]
    NoPath,
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::LogTooLong { .. }
            | Self::LogFileTooLong { .. }
            | Self::LogTooMany { .. }
            | Self::TooManyRegions { .. }
            | Self::RegionUnknown { .. }
            | Self::RegionTooLong { .. }
            | Self::TooManyItems { .. }
            | Self::ItemTooLong { .. }
            | Self::ItemUnknown { .. }
            | Self::SizeTooLarge { .. }
            | Self::LocatorType { .. }
            | Self::LocatorTooMany { .. } => Kind::Unsupported,
            _ => Kind::Corrupt,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::LogEmpty
            | Self::LogVersion { .. }
            | Self::LogTruncated { .. }
            | Self::LogProtected { .. }
            | Self::LogOutside { .. }
            | Self::LogUnaligned { .. }
            | Self::LogTooMany { .. }
            | Self::LogFileTooLong { .. } => Some(
                "--input-option log=ignore reads the file without its log: what was written last may be missing"
                    .into(),
            ),
            Self::RoomTaken { .. } | Self::RoomPastEnd { .. } => {
                Some("'imgdelta check --repair -o FILE' writes one without that room, which holds nothing".into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::Fault as _;
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn a_refusal_reads_found_before_required() {
        let fault = Fault::BlockSize { found: 3 << 20 };
        assert_eq!(
            fault.to_string(),
            "block size is 3145728, a power of two from 1 MiB to 256 MiB is required"
        );
        assert_eq!(imgdelta_core::Fault::kind(&fault), Kind::Corrupt);
    }

    /// Programs match on codes, and the kind decides the exit status: a new line is for a new fault, no line changes.
    #[test]
    fn every_code_is_the_one_that_it_always_was() {
        let codes: String = Fault::iter()
            .map(|fault| format!("{} {:?}\n", fault.code(), fault.kind()))
            .collect();
        assert_eq!(codes, include_str!("../tests/codes.txt"));
    }
}
