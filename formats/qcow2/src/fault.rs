//! Every rule that a qcow2 file can break, one variant each, with the value found and the value required.
//!
//! What is broken is decided where the value is read, never here.

use imgdelta_core::{Bytes, FileOffset, Kind, VirtOffset};

/// A rule that a qcow2 file broke.
#[cfg_attr(test, derive(strum::EnumIter))]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "qcow2_")]
pub(crate) enum Fault {
    /// It does not begin as qcow files do.
    #[error("magic is {found:#010x}, 0x514649fb is required")]
    Magic { found: u32 },
    /// A version that nobody has defined.
    #[error("version is {found}, 2 or 3 is required")]
    Version { found: u32 },
    /// The format before qcow2, which only shares its magic.
    #[error("it is a qcow image of version 1, which is another format")]
    VersionOne,
    /// A cluster size out of range.
    #[error("cluster_bits is {found}, {least} to 21 is required")]
    ClusterBits { found: u32, least: u32 },
    /// The header is too short, too long or not a multiple of 8.
    #[error("header_length is {found}, a multiple of 8 from 104 to {most} is required")]
    HeaderLength { found: u32, most: u64 },
    /// A refcount wider than 64 bits.
    #[error("refcount_order is {found}, at most 6 is required")]
    RefcountOrder { found: u32 },
    /// A disk larger than any L1 table can map.
    #[error("size is {found}, at most {most} fit in an L1 table of 32 MiB with this cluster size")]
    Size { found: u64, most: u64 },
    /// An L1 table beyond the limit.
    #[error("l1_size is {found}, at most {most} is supported")]
    L1TooLarge { found: u32, most: u64 },
    /// An L1 table that does not reach to the end of the disk.
    #[error("l1_size is {found}, {required} is required for the size of the disk")]
    L1TooSmall { found: u32, required: u64 },
    /// A refcount table beyond the limit.
    #[error("refcount_table_clusters is {found}, at most {most} is supported")]
    RefcountTableTooLarge { found: u32, most: u64 },
    /// No refcount table.
    #[error("refcount_table_clusters is 0, at least 1 is required")]
    NoRefcountTable,
    /// A structure that does not start where a cluster starts.
    #[error("{what} is at {at}, a multiple of {cluster} is required")]
    Unaligned {
        what: &'static str,
        at: FileOffset,
        cluster: u64,
    },
    /// A structure at the header's place.
    #[error("{what} is at {at}, where the header is")]
    InHeader { what: &'static str, at: FileOffset },
    /// A structure that the file ends before.
    #[error("{what} takes {len} bytes at {at}, the file ends at {end}")]
    PastEnd {
        what: &'static str,
        at: FileOffset,
        len: u64,
        end: u64,
    },
    /// Something that stands where a table stands.
    #[error("{what} is at {at}, where the {other} is")]
    Overlap {
        what: &'static str,
        at: FileOffset,
        other: &'static str,
    },
    /// More snapshots than are supported.
    #[error("nb_snapshots is {found}, at most {most} is supported")]
    SnapshotCount { found: u32, most: u32 },
    /// A snapshot table beyond the limit.
    #[error("the snapshot table takes more than {most} bytes")]
    SnapshotTableTooLarge { most: u64 },
    /// A snapshot's L1 table beyond the limit.
    #[error("l1_size of the snapshot is {found}, at most {most} is required")]
    SnapshotL1TooLarge { found: u32, most: u64 },
    /// A snapshot with more extra data than any version has.
    #[error("extra_data_size of snapshot {number} is {found}, at most {most} is supported")]
    SnapshotExtraTooLarge { number: u32, found: u32, most: u32 },
    /// A snapshot of version 3 without its disk's size.
    #[error(
        "extra_data_size of snapshot {number} is {found}, at least 16 is required in version 3"
    )]
    SnapshotExtraTooSmall { number: u32, found: u32 },
    /// The backing file's name begins outside the first cluster or inside the header.
    #[error("backing_file_offset is {found}, {least} to {most} is required")]
    BackingOffset { found: u64, least: u64, most: u64 },
    /// The backing file's name is too long.
    #[error("backing_file_size is {found}, at most {most} is required")]
    BackingSize { found: u32, most: u64 },
    /// The backing file's name has a NUL in it.
    #[error("the backing file's name has a NUL at byte {at}, none is allowed")]
    BackingNul { at: usize },
    /// A name that is not UTF-8, which no path here can be made of.
    #[error("the {what} is not UTF-8 from byte {at} on")]
    NotUtf8 { what: &'static str, at: usize },
    /// The backing file's format has a name that nobody knows here.
    #[error("the backing file's format is '{found}', of which nothing is known")]
    BackingFormat { found: String },
    /// The name of the backing file's format is too long for any format.
    #[error("the backing file's format takes {found} bytes, fewer than 16 are required")]
    BackingFormatSize { found: usize },
    /// An extension that goes past the header's room.
    #[error("header extension {kind:#010x} has {found} bytes, {room} are left")]
    ExtensionTooLarge { kind: u32, found: u32, room: usize },
    /// An extension whose data have a fixed length.
    #[error("the {what} extension has {found} bytes, {required} are required")]
    ExtensionSize {
        what: &'static str,
        found: usize,
        required: usize,
    },
    /// An incompatible feature that this program does not know.
    #[error("incompatible feature bit {bit} is set ({name}), which is not supported")]
    Feature { bit: u32, name: String },
    /// Whoever wrote it last found it damaged.
    #[error("the corrupt bit is set: its last writer found it damaged")]
    CorruptBit,
    /// A compression type without the bit that announces it.
    #[error("compression_type is {found} without incompatible bit 3, 0 is required")]
    CompressionWithoutBit { found: u8 },
    /// The bit that announces a compression type, with the type that needs none.
    #[error("incompatible bit 3 is set with compression_type 0, another is required")]
    CompressionBitAlone,
    /// A compression type that this program does not know.
    #[error("compression_type is {found}, only 0 (zlib) and 1 (zstd) are supported")]
    CompressionType { found: u8 },
    /// Guest data are encrypted with AES.
    #[error("it is a legacy AES-encrypted qcow2, which is not supported")]
    Aes,
    /// Guest data are encrypted with LUKS.
    #[error("it is a LUKS-encrypted qcow2, which is not supported")]
    Luks,
    /// Guest data are encrypted in an unknown way.
    #[error("crypt_method is {found}, only 0 (none) is supported")]
    CryptMethod { found: u32 },
    /// LUKS without a pointer to its header, or the other way round.
    #[error("crypt_method is {method}, {} encryption header", if *.method == 2 { "without an" } else { "with an" })]
    EncryptionHeader { method: u32 },
    /// Guest data are in another file that has no name here.
    #[error("its data are in another file, whose name it does not record")]
    DataFileName,
    /// A raw data file under a layer that could be silent.
    #[error("it has a raw data file and a backing file, one of them is allowed")]
    RawDataFileWithBacking,
    /// Guest data that do not stand at their own address in the external data file.
    #[error("guest address {guest} is at {host} of the data file, the same address is required")]
    DataFileOffset { guest: VirtOffset, host: FileOffset },
    /// Compressed data where there are only plain ones.
    #[error("the cluster of guest address {guest} is compressed, in an image with a data file")]
    CompressedInDataFile { guest: VirtOffset },
    /// Reserved bits of an L1 entry.
    #[error("L1 entry {entry:#018x} has reserved bits {bits:#x}, none is allowed")]
    L1Reserved { entry: u64, bits: u64 },
    /// Reserved bits of an L2 entry.
    #[error(
        "L2 entry {entry:#018x} of guest address {guest} has reserved bits {bits:#x}, none is allowed"
    )]
    L2Reserved {
        guest: VirtOffset,
        entry: u64,
        bits: u64,
    },
    /// A zero cluster in a version that has none.
    #[error(
        "the cluster of guest address {guest} is a zero cluster, which version 2 does not have"
    )]
    #[strum(to_string = "zero_in_version_2")]
    ZeroInVersion2 { guest: VirtOffset },
    /// A subcluster that is allocated and zero.
    #[error("subclusters {both:#010x} of guest address {guest} are both allocated and zero")]
    SubclusterBoth { guest: VirtOffset, both: u32 },
    /// Allocated subclusters of a cluster that is not.
    #[error(
        "subclusters {allocated:#010x} of guest address {guest} are allocated, their cluster is not"
    )]
    SubclusterWithoutCluster { guest: VirtOffset, allocated: u32 },
    /// A compressed cluster with subclusters.
    #[error(
        "the cluster of guest address {guest} is compressed, its subcluster bitmap is {bits:#x}, 0 is required"
    )]
    CompressedSubclusters { guest: VirtOffset, bits: u64 },
    /// Guest data that the file ends before.
    #[error("guest address {guest} needs {host}..{:#x}, the file ends at {end:#x}", .host.0.saturating_add(.len.0))]
    DataPastEnd {
        guest: VirtOffset,
        host: FileOffset,
        len: Bytes,
        end: u64,
    },
    /// Compressed data that the file ends before or in.
    #[error(
        "the compressed cluster of guest address {guest} is at {host}, up to {len} bytes; the file ends at {end:#x}"
    )]
    CompressedPastEnd {
        guest: VirtOffset,
        host: FileOffset,
        len: u64,
        end: u64,
    },
    /// Compressed data that are none.
    #[error("the compressed cluster of guest address {guest} at {host} does not unpack: {why}")]
    CompressedGarbage {
        guest: VirtOffset,
        host: FileOffset,
        why: String,
    },
    /// Compressed data that do not fill their cluster.
    #[error(
        "the compressed cluster of guest address {guest} at {host} expands to {found} bytes, {required} are required"
    )]
    CompressedShort {
        guest: VirtOffset,
        host: FileOffset,
        found: usize,
        required: usize,
    },
    /// Compressed data that are more than their cluster.
    #[error(
        "the compressed cluster of guest address {guest} at {host} expands to more than {required} bytes"
    )]
    CompressedLong {
        guest: VirtOffset,
        host: FileOffset,
        required: usize,
    },
    /// Something asks for bytes that the layer does not have.
    #[error("guest address {guest} was read, where this layer has no data")]
    NoData { guest: VirtOffset },
    /// A bitmaps extension without bitmaps.
    #[error("nb_bitmaps is 0, at least 1 is required")]
    NoBitmaps,
    /// More bitmaps than are supported.
    #[error("nb_bitmaps is {found}, at most {most} is supported")]
    BitmapCount { found: u32, most: u32 },
    /// A bitmap directory beyond the limit.
    #[error("bitmap_directory_size is {found}, at most {most} is supported")]
    BitmapDirectoryTooLarge { found: u64, most: u64 },
    /// A bitmap directory whose entries do not fill it.
    #[error("the bitmap directory has {found} bytes, its {count} entries take another number")]
    BitmapDirectory { found: u64, count: u32 },
    /// A bitmap that is none that is known.
    #[error("the type of bitmap '{name}' is {found}, 1 is required")]
    BitmapType { name: String, found: u8 },
    /// A bitmap with a granularity out of range.
    #[error("granularity_bits of bitmap '{name}' is {found}, 9 to 31 is required")]
    BitmapGranularity { name: String, found: u8 },
    /// A bitmap whose table has another length than its disk needs.
    #[error(
        "bitmap_table_size of bitmap '{name}' is {found}, {required} is required for the size of the disk"
    )]
    BitmapTableSize {
        name: String,
        found: u32,
        required: u64,
    },
    /// Reserved bits of a bitmap's table.
    #[error("entry {entry:#018x} of the table of bitmap '{name}' has reserved bits {bits:#x}")]
    BitmapReserved { name: String, entry: u64, bits: u64 },
    /// Reserved bits of a refcount table.
    #[error("refcount table entry {entry:#018x} has reserved bits {bits:#x}, none is allowed")]
    RefcountReserved { entry: u64, bits: u64 },
    /// A cluster that is in use more often than its refcount says.
    #[error("the refcount of the cluster at {at} is {found}, {required} is required")]
    RefcountTooLow {
        at: FileOffset,
        found: u64,
        required: u64,
    },
    /// An entry whose copied flag does not agree with the refcount.
    #[error("{what} entry {entry:#018x} has the copied flag {}, the refcount of {at} is {refcount}", if *.copied { "set" } else { "clear" })]
    Copied {
        what: &'static str,
        entry: u64,
        copied: bool,
        at: FileOffset,
        refcount: u64,
    },
    /// A compressed cluster that claims to be the only user of its host cluster.
    #[error(
        "the compressed cluster of guest address {guest} has the copied flag, which only plain ones may have"
    )]
    CompressedCopied { guest: VirtOffset },
    /// A host address beyond what the entries of a compressed cluster may hold.
    #[error("the compressed cluster of guest address {guest} is at {host}, below 2^56 is required")]
    CompressedOffset { guest: VirtOffset, host: FileOffset },
    /// A file whose clusters lie too far apart to be counted.
    #[error("its clusters lie in {found} regions of the file, at most {most} can be checked")]
    TooScattered { found: usize, most: usize },
}

impl imgdelta_core::Fault for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::VersionOne
            | Self::Size { .. }
            | Self::L1TooLarge { .. }
            | Self::RefcountTableTooLarge { .. }
            | Self::SnapshotCount { .. }
            | Self::SnapshotTableTooLarge { .. }
            | Self::SnapshotExtraTooLarge { .. }
            | Self::BackingOffset { .. }
            | Self::BackingSize { .. }
            | Self::NotUtf8 { .. }
            | Self::BackingFormatSize { .. }
            | Self::ExtensionTooLarge { .. }
            | Self::Feature { .. }
            | Self::CompressionType { .. }
            | Self::Aes
            | Self::Luks
            | Self::CryptMethod { .. }
            | Self::BitmapCount { .. }
            | Self::BitmapDirectoryTooLarge { .. }
            | Self::TooScattered { .. } => Kind::Unsupported,
            Self::BackingNul { .. } | Self::BackingFormat { .. } => Kind::Reference,
            Self::NoData { .. } => Kind::Usage,
            _ => Kind::Corrupt,
        }
    }

    fn code(&self) -> &'static str {
        self.into()
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::CorruptBit => Some("--input-option corrupt=ignore reads it as it is".to_owned()),
            Self::VersionOne => Some("--input-format qcow1 reads it".to_owned()),
            _ => None,
        }
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
