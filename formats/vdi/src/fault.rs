//! Every rule that a VDI file can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::Kind;

/// A rule that a VDI file broke.
#[cfg_attr(test, derive(strum::EnumIter))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "vdi_")]
pub(crate) enum Fault {
    /// The magic is another one.
    #[error("signature is {found:#010x}, 0xbeda107f is required")]
    Signature { found: u32 },
    /// The file ends inside its header.
    #[error("the file ends at {end}, the header takes {needed} bytes")]
    HeaderCut { end: u64, needed: u64 },
    /// A version that nobody here reads.
    #[error("VDI version {major}.{minor} is not supported, 1.1 and 0.2 are")]
    Version { major: u32, minor: u32 },
    /// A header that is too short to be one, or longer than what it describes leaves it.
    #[error("cbHeader is {found}, 384 up to {most} is required")]
    HeaderSize { found: u32, most: u64 },
    /// A type that no image has.
    #[error(
        "imageType is {found}, 1 (dynamic), 2 (fixed), 3 (undo) or 4 (differencing) is required"
    )]
    ImageType { found: u32 },
    /// Sectors of another size.
    #[error("sector size is {found}, 512 is required")]
    SectorSize { found: u32 },
    /// A disk without a byte, though the map has blocks for one.
    #[error("cbDisk is 0, the map has {blocks} blocks for it")]
    NoDisk { blocks: u32 },
    /// A block size that cannot be.
    #[error("cbBlock is {found}, a power of two of at least 512 is required (1 MiB is usual)")]
    BlockSize { found: u32 },
    /// Bytes in front of each block that cannot be.
    #[error("cbBlockExtra is {found}, 0 or a power of two is required")]
    BlockExtra { found: u32 },
    /// The map does not cover the disk.
    #[error("cbDisk is {found}, the map's {blocks} blocks hold {held}")]
    DiskPastMap { found: u64, blocks: u32, held: u64 },
    /// The map stands on the header or between sectors.
    #[error("offBlocks is {found}, a multiple of 512 of at least {least} is required")]
    MapOffset { found: u32, least: u64 },
    /// The map does not fit into the file.
    #[error("the block map of {entries} entries ends at {map_end}, the file ends at {end}")]
    MapPastEnd {
        entries: u32,
        map_end: u64,
        end: u64,
    },
    /// The blocks start between sectors.
    #[error("offData is {found}, a multiple of 512 is required")]
    DataUnaligned { found: u32 },
    /// The blocks start on the map.
    #[error("offData is {found}, the block map ends at {map_end}")]
    DataInMap { found: u32, map_end: u64 },
    /// More blocks than there can be.
    #[error("cBlocksAllocated is {found}, at most cBlocks ({blocks}) is required")]
    AllocatedTooMany { found: u32, blocks: u32 },
    /// A map entry that names a block which cannot be.
    #[error("block {block} refers to index {index:#x}, only {blocks} exist")]
    Index { block: u64, index: u32, blocks: u32 },
    /// A block that the file does not hold.
    #[error("block {block} (index {index}) ends at {block_end}, the file ends at {end}")]
    BlockPastEnd {
        block: u64,
        index: u32,
        block_end: u64,
        end: u64,
    },
    /// A child that names no parent.
    #[error("the {variant} image has no uuidLinkage, so it names no parent")]
    NoParent { variant: &'static str },
    /// No child, and yet it names a parent.
    #[error(
        "the {variant} image has the parent's id {linkage}, only differencing and undo images have one"
    )]
    Parent {
        variant: &'static str,
        linkage: String,
    },
    /// Two blocks of the disk in one place: found by `check`.
    #[error("blocks {first} and {second} share index {index}")]
    Shared { first: u64, second: u64, index: u32 },
    /// The counter is wrong: found by `check`.
    #[error("the allocated-block count is {found}, should be {counted}")]
    Counter { found: u32, counted: u64 },
    /// An id that VirtualBox refuses: found by `check`.
    #[error("{field} is null, which VirtualBox refuses to open")]
    NullUuid { field: &'static str },
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Version { .. } | Self::ImageType { .. } => Kind::Unsupported,
            Self::NoParent { .. } | Self::Parent { .. } => Kind::Chain,
            _ => Kind::Corrupt,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::Fault as _;
    use strum::IntoEnumIterator;

    use super::*;

    /// Programs match on codes, and the kind decides the exit status: a new line is for a new fault, no line changes.
    #[test]
    fn every_code_is_the_one_that_it_always_was() {
        let codes: String = Fault::iter()
            .map(|fault| format!("{} {:?}\n", fault.code(), fault.kind()))
            .collect();
        assert_eq!(codes, include_str!("../tests/codes.txt"));
    }
}
