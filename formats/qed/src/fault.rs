//! Every rule that a QED image can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::{FileOffset, Kind, VirtOffset};

/// A rule that an image broke.
#[cfg_attr(test, derive(strum::EnumIter))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "qed_")]
pub(crate) enum Fault {
    /// The file ends inside its header.
    #[error("the file ends at {end}, the header takes 64 bytes")]
    HeaderCut { end: u64 },
    /// The magic is another one.
    #[error("magic is {found:#010x}, 0x00444551 is required")]
    Magic { found: u32 },
    /// A cluster size that cannot be.
    #[error("cluster_size is {found}, a power of two from 4096 to 67108864 is required")]
    ClusterSize { found: u32 },
    /// A size of tables that cannot be.
    #[error("table_size is {found}, a power of two from 1 to 16 is required")]
    TableSize { found: u32 },
    /// No cluster for the header.
    #[error("header_size is 0, at least 1 is required")]
    HeaderSize,
    /// A feature that nobody here knows.
    #[error("features has bits {found:#x}, which are not supported")]
    Feature { found: u64 },
    /// The L1 table begins inside of a cluster.
    #[error("l1_table_offset is {found}, a multiple of cluster_size ({cluster}) is required")]
    L1Unaligned { found: u64, cluster: u32 },
    /// The L1 table stands in the header's clusters.
    #[error("l1_table_offset is {found}, the header ends at {least}")]
    L1InHeader { found: u64, least: u64 },
    /// The L1 table does not fit into the file.
    #[error("the L1 table ends at {table_end}, the file ends at {end}")]
    L1PastEnd { table_end: u64, end: u64 },
    /// A disk of a part of a sector.
    #[error("image_size is {found}, a multiple of 512 is required")]
    SizeUnaligned { found: u64 },
    /// A disk larger than the tables can map.
    #[error("image_size is {found}, the tables map at most {most}")]
    SizeTooLarge { found: u64, most: u64 },
    /// A backing file's name that does not lie in the header's clusters, behind the header.
    #[error(
        "the name of the backing file lies from {start} to {name_end}, from 64 to {header_end} is required"
    )]
    BackingPlace {
        start: u32,
        name_end: u64,
        header_end: u64,
    },
    /// A backing file's name that is too long.
    #[error("backing_filename_size is {found}, at most 1023 is required")]
    BackingSize { found: u32 },
    /// A backing file's name with a NUL in it: C readers would take a shorter one.
    #[error("the name of the backing file has a NUL at byte {at}")]
    BackingNul { at: usize },
    /// A backing file's name that is no text.
    #[error("the name of the backing file is not UTF-8 at byte {at}")]
    BackingText { at: usize },
    /// An L2 table that begins inside of a cluster.
    #[error(
        "the L2 table for guest address {guest} is at {at}, a multiple of {cluster} is required"
    )]
    L2Unaligned {
        guest: VirtOffset,
        at: FileOffset,
        cluster: u64,
    },
    /// An L2 table that the file does not hold.
    #[error("the L2 table for guest address {guest} ends at {table_end}, the file ends at {end}")]
    L2PastEnd {
        guest: VirtOffset,
        table_end: u64,
        end: u64,
    },
    /// An L2 table on the header or the L1 table.
    #[error("the L2 table for guest address {guest} is at {at}, on the header or the L1 table")]
    L2Overlap { guest: VirtOffset, at: FileOffset },
    /// A cluster that begins inside of another.
    #[error("the cluster of guest address {guest} is at {at}, a multiple of {cluster} is required")]
    ClusterUnaligned {
        guest: VirtOffset,
        at: FileOffset,
        cluster: u64,
    },
    /// A cluster that the file does not hold.
    #[error("the cluster of guest address {guest} ends at {cluster_end}, the file ends at {end}")]
    ClusterPastEnd {
        guest: VirtOffset,
        cluster_end: u64,
        end: u64,
    },
    /// A cluster on the header or the L1 table.
    #[error("the cluster of guest address {guest} is at {at}, on the header or the L1 table")]
    ClusterOverlap { guest: VirtOffset, at: FileOffset },
    /// Two things in one place: found by `check`.
    #[error("{second} shares bytes with {first}")]
    Shared { first: String, second: String },
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Feature { .. } => Kind::Unsupported,
            Self::BackingNul { .. } | Self::BackingText { .. } => Kind::Reference,
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
