//! Every rule that an image can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::{FileOffset, Kind, VirtOffset};

/// A rule that an image broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "NAME_")]
pub(crate) enum Fault {
    /// The file ends inside its header.
    #[error("the file ends at {end}, the header takes 64 bytes")]
    HeaderCut { end: u64 },
    /// The magic is another one.
    #[error("magic is {found:#018x}, {required:#018x} is required")]
    Magic { found: u64, required: u64 },
    /// A block size that cannot be.
    #[error("block_size is {found}, a power of two from {least} to {most} is required")]
    BlockSize { found: u32, least: u32, most: u32 },
    /// A disk of a part of a sector, or of more blocks than a table may have.
    #[error("disk_size is {found}, a multiple of 512 up to {most} is required")]
    DiskSize { found: u64, most: u64 },
    /// The table does not lie between the header and the end of the file.
    #[error("the block table lies from {start} to {table_end}, from 64 to {end} is required")]
    TablePlace {
        start: u64,
        table_end: u64,
        end: u64,
    },
    /// A block that the file does not hold, or that stands on the header or the table.
    #[error(
        "the block of guest address {guest} lies from {at} to {block_end}: the file ends at {end}, its header at 64, its table is no block"
    )]
    BlockPlace {
        guest: VirtOffset,
        at: FileOffset,
        block_end: u64,
        end: u64,
    },
    /// Two blocks in one place: found by `check`.
    #[error("block {second} shares bytes with block {first}")]
    Shared { first: u64, second: u64 },
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        Kind::Corrupt
    }

    fn code(&self) -> &'static str {
        self.into()
    }
}
