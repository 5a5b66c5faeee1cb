//! Every rule that a qcow image of version 1 can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::{FileOffset, Kind, VirtOffset};

/// A rule that an image broke.
#[cfg_attr(test, derive(strum::EnumIter))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "qcow1_")]
pub(crate) enum Fault {
    /// The file ends inside its header.
    #[error("the file ends at {end}, the header takes 48 bytes")]
    HeaderCut { end: u64 },
    /// The magic is another one.
    #[error("magic is {found:#010x}, 0x514649fb is required")]
    Magic { found: u32 },
    /// Another version of qcow.
    #[error("version is {found}, 1 is required")]
    Version { found: u32 },
    /// A disk of no byte or of one: qemu opens neither.
    #[error("size is {found}, at least 2 is required")]
    Size { found: u64 },
    /// A cluster size out of range.
    #[error("cluster_bits is {found}, 9 to 16 is required")]
    ClusterBits { found: u8 },
    /// A size of L2 tables out of range.
    #[error("l2_bits is {found}, 6 to 13 is required")]
    L2Bits { found: u8 },
    /// Its clusters are encrypted with AES.
    #[error("the image is encrypted (AES), and encrypted images are not supported")]
    Aes,
    /// Its clusters are encrypted in a way that nobody has defined.
    #[error("crypt_method is {found}, 0 is required")]
    CryptMethod { found: u32 },
    /// The L1 table stands on the header.
    #[error("l1_table_offset is {found}, at least 48 is required")]
    L1Offset { found: u64 },
    /// The L1 table does not fit into the file.
    #[error("the L1 table of {entries} entries ends at {table_end}, the file ends at {end}")]
    L1PastEnd {
        entries: u64,
        table_end: u64,
        end: u64,
    },
    /// A backing file's name that is too long, or not in the file.
    #[error("backing_file_size is {found}, at most {most} is required")]
    BackingSize { found: u32, most: u64 },
    /// A backing file's name with a NUL in it: C readers would take a shorter one.
    #[error("the name of the backing file has a NUL at byte {at}")]
    BackingNul { at: usize },
    /// A backing file's name that is no text.
    #[error("the name of the backing file is not UTF-8 at byte {at}")]
    BackingText { at: usize },
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
    /// A cluster that does not begin with a sector.
    #[error("the cluster of guest address {guest} is at {at}, a multiple of 512 is required")]
    ClusterUnaligned { guest: VirtOffset, at: FileOffset },
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
    /// A compressed cluster of no bytes.
    #[error("the compressed cluster of guest address {guest} has no bytes")]
    CompressedEmpty { guest: VirtOffset },
    /// A compressed cluster whose bytes are no deflate stream.
    #[error("the compressed cluster of guest address {guest} does not decode: {why}")]
    CompressedGarbage { guest: VirtOffset, why: String },
    /// A compressed cluster that does not fill a cluster.
    #[error(
        "the compressed cluster of guest address {guest} has {found} bytes, {required} are required"
    )]
    CompressedShort {
        guest: VirtOffset,
        found: usize,
        required: usize,
    },
    /// Two things in one place: found by `check`.
    #[error("{second} shares bytes with {first}")]
    Shared { first: String, second: String },
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Version { .. } | Self::Aes | Self::CryptMethod { .. } => Kind::Unsupported,
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
