//! The on-disk structures of qcow2, versions 2 and 3, as bytes: headers, table entries, directories, constants.
//!
//! Nothing here reads a file or judges what a field says. Every number is big-endian.

use imgdelta_core::{Bytes, FileOffset, record};

/// What every qcow file begins with, version 1 included: `QFI\xfb`.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";

/// Bytes of the header of version 2; header extensions begin here.
pub const HEADER_V2: u64 = 72;

/// Least `header_length` of version 3.
pub const HEADER_V3: u64 = 104;

/// `header_length` with the compression type, as qemu writes it.
pub const HEADER_V3_NOW: u64 = 112;

/// Least and greatest `cluster_bits`: 512 B to 2 MiB. \[qemu\]
pub const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;

/// Least `cluster_bits` with extended L2 entries: a subcluster has at least a sector. \[qemu\]
pub const EXTENDED_CLUSTER_BITS: u32 = 14;

/// Subclusters in a cluster with extended L2 entries.
pub const SUBCLUSTERS: u64 = 32;

/// Largest L1 table, active or of a snapshot. \[qemu\]
pub const L1_LIMIT: Bytes = Bytes::mib(32);

/// Largest refcount table. \[qemu\]
pub const REFCOUNT_TABLE_LIMIT: Bytes = Bytes::mib(8);

/// Most internal snapshots. \[qemu\]
pub const SNAPSHOT_LIMIT: u32 = 65536;

/// Largest snapshot table. \[qemu\]
pub const SNAPSHOT_TABLE_LIMIT: Bytes = Bytes::mib(64);

/// Most bytes of extra data of a snapshot. \[qemu\]
pub const SNAPSHOT_EXTRA_LIMIT: u32 = 1024;

/// Most bytes of the backing file's name. \[qemu\]
pub const BACKING_NAME_LIMIT: u32 = 1023;

/// Greatest `refcount_order`: 64 bits.
pub const REFCOUNT_ORDER_LIMIT: u32 = 6;

/// `refcount_order` of version 2, which does not record it: 16 bits.
pub const REFCOUNT_ORDER_V2: u32 = 4;

/// Most bitmaps. \[qemu\]
pub const BITMAP_LIMIT: u32 = 65535;

/// Largest bitmap directory. \[qemu\]
pub const BITMAP_DIRECTORY_LIMIT: Bytes = Bytes::mib(64);

/// `crypt_method`: not encrypted.
pub const CRYPT_NONE: u32 = 0;

/// `crypt_method`: AES-CBC with the passphrase as key.
pub const CRYPT_AES: u32 = 1;

/// `crypt_method`: LUKS.
pub const CRYPT_LUKS: u32 = 2;

/// `compression_type`: raw deflate.
pub const COMPRESSION_ZLIB: u8 = 0;

/// `compression_type`: Zstandard frames.
pub const COMPRESSION_ZSTD: u8 = 1;

/// Bits of `incompatible_features`.
pub mod incompatible {
    /// Refcounts may be stale.
    pub const DIRTY: u64 = 1 << 0;
    /// Structures are known to be damaged.
    pub const CORRUPT: u64 = 1 << 1;
    /// Guest data stand in another file.
    pub const DATA_FILE: u64 = 1 << 2;
    /// `compression_type` is not zlib.
    pub const COMPRESSION: u64 = 1 << 3;
    /// L2 entries have 16 bytes and 32 subclusters.
    pub const EXTENDED_L2: u64 = 1 << 4;
    /// All that this crate reads.
    pub const KNOWN: u64 = DIRTY | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED_L2;
}

/// Bits of `compatible_features`.
pub mod compatible {
    /// Refcounts are written lazily.
    pub const LAZY_REFCOUNTS: u64 = 1 << 0;
}

/// Bits of `autoclear_features`.
pub mod autoclear {
    /// The bitmaps extension is up to date.
    pub const BITMAPS: u64 = 1 << 0;
    /// In the external data file, guest offset and host offset are the same.
    pub const RAW_DATA_FILE: u64 = 1 << 1;
}

/// Types of header extensions.
pub mod extension {
    /// No more extensions.
    pub const END: u32 = 0;
    /// Name of the backing file's format.
    pub const BACKING_FORMAT: u32 = 0xe279_2aca;
    /// Names of feature bits.
    pub const FEATURE_NAMES: u32 = 0x6803_f857;
    /// Where the bitmap directory is.
    pub const BITMAPS: u32 = 0x2385_2875;
    /// Where the LUKS header is.
    pub const ENCRYPTION: u32 = 0x0537_be77;
    /// Name of the external data file.
    pub const DATA_FILE: u32 = 0x4441_5441;
}

record! {
    /// The header of version 2, with which the header of version 3 begins.
    pub struct Header: BigEndian, 72 {
        /// [`MAGIC`].
        0 => magic: [u8; 4],
        /// 2 or 3.
        4 => version: u32,
        /// Where the backing file's name is; 0: none.
        8 => backing_file_offset: u64,
        /// Bytes of that name, no NUL.
        16 => backing_file_size: u32,
        /// Log 2 of the bytes of a cluster.
        20 => cluster_bits: u32,
        /// Bytes of the disk.
        24 => size: u64,
        /// How it is encrypted.
        32 => crypt_method: u32,
        /// Entries of the active L1 table.
        36 => l1_size: u32,
        /// Where the active L1 table is.
        40 => l1_table_offset: u64,
        /// Where the refcount table is.
        48 => refcount_table_offset: u64,
        /// Clusters of the refcount table.
        56 => refcount_table_clusters: u32,
        /// Internal snapshots.
        60 => nb_snapshots: u32,
        /// Where the snapshot table is.
        64 => snapshots_offset: u64,
    }
}

record! {
    /// What version 3 adds at offset 72.
    pub struct HeaderV3: BigEndian, 32 {
        /// A reader that does not know one of these must refuse.
        0 => incompatible_features: u64,
        /// A reader may ignore these.
        8 => compatible_features: u64,
        /// A writer that does not know one of these must clear it.
        16 => autoclear_features: u64,
        /// Log 2 of the bits of a refcount.
        24 => refcount_order: u32,
        /// Bytes of the whole header; extensions begin there.
        28 => header_length: u32,
    }
}

record! {
    /// What stands at offset 104 if `header_length` reaches that far.
    pub struct HeaderCompression: BigEndian, 8 {
        /// How compressed clusters are compressed.
        0 => compression_type: u8,
        /// Zero.
        1 => padding: [u8; 7],
    }
}

record! {
    /// What precedes the data of a header extension; the data are padded to a multiple of 8.
    pub struct ExtensionHeader: BigEndian, 8 {
        /// Which: see [`extension`].
        0 => kind: u32,
        /// Bytes of data, without the padding.
        4 => length: u32,
    }
}

record! {
    /// A row of the feature name table.
    pub struct FeatureName: BigEndian, 48 {
        /// 0 incompatible, 1 compatible, 2 autoclear.
        0 => kind: u8,
        /// Which bit.
        1 => bit: u8,
        /// Padded with NUL.
        2 => name: [u8; 46],
    }
}

record! {
    /// The bitmaps extension.
    pub struct BitmapsExtension: BigEndian, 24 {
        /// How many; not 0.
        0 => nb_bitmaps: u32,
        /// Zero.
        4 => reserved: u32,
        /// Bytes of the directory.
        8 => bitmap_directory_size: u64,
        /// Where the directory is.
        16 => bitmap_directory_offset: u64,
    }
}

record! {
    /// The encryption extension.
    pub struct EncryptionExtension: BigEndian, 16 {
        /// Where the LUKS header is.
        0 => offset: u64,
        /// Its bytes.
        8 => length: u64,
    }
}

record! {
    /// The head of an entry of the bitmap directory; extra data and name follow, padded to a multiple of 8.
    pub struct BitmapDirEntry: BigEndian, 24 {
        /// Where the bitmap's table is.
        0 => bitmap_table_offset: u64,
        /// Its entries.
        8 => bitmap_table_size: u32,
        /// Bit 0 in use, bit 1 auto, bit 2 extra data compatible.
        12 => flags: u32,
        /// 1.
        16 => kind: u8,
        /// Log 2 of the guest bytes of a bit.
        17 => granularity_bits: u8,
        /// Bytes of the name.
        18 => name_size: u16,
        /// Bytes of extra data.
        20 => extra_data_size: u32,
    }
}

record! {
    /// The head of an entry of the snapshot table; extra data, id and name follow, padded to a multiple of 8.
    pub struct SnapshotHeader: BigEndian, 40 {
        /// Where its L1 table is.
        0 => l1_table_offset: u64,
        /// Entries of its L1 table.
        8 => l1_size: u32,
        /// Bytes of its id.
        12 => id_str_size: u16,
        /// Bytes of its name.
        14 => name_size: u16,
        /// When it was taken, in seconds since 1970.
        16 => date_sec: u32,
        /// And nanoseconds.
        20 => date_nsec: u32,
        /// How long the guest had run, in nanoseconds.
        24 => vm_clock_nsec: u64,
        /// Bytes of VM state, where they fit.
        32 => vm_state_size: u32,
        /// Bytes of extra data; at least 16 in version 3.
        36 => extra_data_size: u32,
    }
}

record! {
    /// What the extra data of a snapshot begin with, as far as they go.
    pub struct SnapshotExtra: BigEndian, 24 {
        /// Bytes of VM state.
        0 => vm_state_size_large: u64,
        /// Bytes of its disk.
        8 => disk_size: u64,
        /// Instructions that the guest had run.
        16 => icount: u64,
    }
}

/// Bit 63 of L1 and L2 entries: the refcount of what it points to is exactly 1.
const COPIED: u64 = 1 << 63;

/// Bits 9 to 55: a host offset.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// An entry of an L1 table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Entry(pub u64);

impl L1Entry {
    /// Bytes on disk.
    pub const SIZE: u64 = 8;

    /// Bits that must be 0. [qemu: `L1E_RESERVED_MASK`]
    const RESERVED: u64 = 0x7f00_0000_0000_01ff;

    /// The entry of an L2 table of which there is exactly one reference.
    #[must_use]
    pub const fn of_table(at: FileOffset) -> Self {
        Self(COPIED | (at.0 & OFFSET))
    }

    /// Where the L2 table is; 0: nothing of its reach is allocated.
    #[must_use]
    pub const fn table(self) -> FileOffset {
        FileOffset(self.0 & OFFSET)
    }

    /// Whether the L2 table has exactly one reference.
    #[must_use]
    pub const fn is_copied(self) -> bool {
        self.0 & COPIED != 0
    }

    /// The reserved bits that are set.
    #[must_use]
    pub const fn reserved(self) -> u64 {
        self.0 & Self::RESERVED
    }
}

/// An entry of an L2 table, or the first half of an extended one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L2Entry(pub u64);

impl L2Entry {
    /// Bytes on disk.
    pub const SIZE: u64 = 8;

    /// Bytes on disk with extended L2 entries.
    pub const EXTENDED_SIZE: u64 = 16;

    /// The cluster reads as zeros, without a host cluster.
    pub const ZERO: Self = Self(Self::READS_ZERO);

    /// Bit 62.
    const COMPRESSED: u64 = 1 << 62;

    /// Bit 0, version 3 without extended L2 entries.
    const READS_ZERO: u64 = 1;

    /// Bits that must be 0 in a standard entry. [qemu: `L2E_STD_RESERVED_MASK`]
    const RESERVED: u64 = 0x3f00_0000_0000_01fe;

    /// The entry of a data cluster of which there is exactly one reference.
    #[must_use]
    pub const fn of_data(at: FileOffset) -> Self {
        Self(COPIED | (at.0 & OFFSET))
    }

    /// The entry of compressed data of `len` bytes at `at`; `None` where the entry has no room for such an address or length.
    #[must_use]
    pub fn of_compressed(at: FileOffset, len: Bytes, cluster_bits: u32) -> Option<Self> {
        let shift = Self::sector_shift(cluster_bits)?;
        let end = at.checked_add(len)?;
        let first = at.0 / 512;
        let last = end.0.checked_sub(1)?.max(at.0) / 512;
        let more = last - first;
        let fits = at.0 < 1 << shift
            && at.0 <= 0x00ff_ffff_ffff_ffff
            && more < 1 << (cluster_bits.checked_sub(8)?);
        fits.then_some(Self(Self::COMPRESSED | (more << shift) | at.0))
    }

    /// Whether the data are compressed.
    #[must_use]
    pub const fn is_compressed(self) -> bool {
        self.0 & Self::COMPRESSED != 0
    }

    /// Whether the host cluster has exactly one reference.
    #[must_use]
    pub const fn is_copied(self) -> bool {
        self.0 & COPIED != 0
    }

    /// Whether bit 0 is set.
    #[must_use]
    pub const fn reads_zero(self) -> bool {
        self.0 & Self::READS_ZERO != 0
    }

    /// Where the host cluster of a standard entry is.
    #[must_use]
    pub const fn cluster(self) -> FileOffset {
        FileOffset(self.0 & OFFSET)
    }

    /// The reserved bits of a standard entry that are set, bit 0 not among them.
    #[must_use]
    pub const fn reserved(self) -> u64 {
        self.0 & Self::RESERVED
    }

    /// Where the data of a compressed entry start, and how far at most they go: to the end of their last 512-byte sector.
    #[must_use]
    pub fn compressed(self, cluster_bits: u32) -> (FileOffset, Bytes) {
        let shift = Self::sector_shift(cluster_bits).unwrap_or(54);
        let at = self.0 & ((1 << shift) - 1);
        let more = (self.0 & !(COPIED | Self::COMPRESSED)) >> shift;
        let len = (more + 1) * 512 - at % 512;
        (FileOffset(at), Bytes(len))
    }

    /// Where the sector count of a compressed entry starts.
    const fn sector_shift(cluster_bits: u32) -> Option<u32> {
        match cluster_bits {
            9..=21 => Some(70 - cluster_bits),
            _ => None,
        }
    }
}

/// The second half of an extended L2 entry: what each of the 32 subclusters is. Bit n stands for subcluster n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subclusters {
    /// Those whose bytes stand in the host cluster.
    pub allocated: u32,
    /// Those that read as zeros.
    pub zero: u32,
}

impl Subclusters {
    /// From the number on disk.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        let [z3, z2, z1, z0, a3, a2, a1, a0] = bits.to_be_bytes();
        Self {
            allocated: u32::from_be_bytes([a3, a2, a1, a0]),
            zero: u32::from_be_bytes([z3, z2, z1, z0]),
        }
    }

    /// The number on disk.
    #[must_use]
    pub const fn bits(self) -> u64 {
        ((self.zero as u64) << 32) | self.allocated as u64
    }
}

/// An entry of the refcount table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefcountEntry(pub u64);

impl RefcountEntry {
    /// Bytes on disk.
    pub const SIZE: u64 = 8;

    /// The entry of a refcount block.
    #[must_use]
    pub const fn of_block(at: FileOffset) -> Self {
        Self(at.0 & !0x1ff)
    }

    /// Where the refcount block is; 0: all its refcounts are 0.
    #[must_use]
    pub const fn block(self) -> FileOffset {
        FileOffset(self.0 & !0x1ff)
    }

    /// The reserved bits that are set.
    #[must_use]
    pub const fn reserved(self) -> u64 {
        self.0 & 0x1ff
    }
}

/// An entry of a bitmap's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BitmapEntry(pub u64);

impl BitmapEntry {
    /// Bytes on disk.
    pub const SIZE: u64 = 8;

    /// Where the cluster of bits is; 0: all its bits are alike.
    #[must_use]
    pub const fn cluster(self) -> FileOffset {
        FileOffset(self.0 & OFFSET)
    }

    /// The reserved bits that are set; bit 0 is one where there is a cluster.
    #[must_use]
    pub const fn reserved(self) -> u64 {
        let always = self.0 & !(OFFSET | 1);
        if self.0 & OFFSET == 0 {
            always
        } else {
            self.0 & !OFFSET
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_that_qemu_img_writes_for_1_mib_is_read_and_written_back() {
        let mut bytes = [0; 72];
        bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        bytes[23] = 0x10;
        bytes[29] = 0x10;
        bytes[39] = 1;
        bytes[45] = 3;
        bytes[53] = 1;
        bytes[59] = 1;
        let header = Header::parse(&bytes);
        assert_eq!(header.magic, MAGIC);
        assert_eq!(header.version, 3);
        assert_eq!(header.cluster_bits, 16);
        assert_eq!(header.size, 1 << 20);
        assert_eq!(header.l1_size, 1);
        assert_eq!(header.l1_table_offset, 0x30000);
        assert_eq!(header.refcount_table_offset, 0x10000);
        assert_eq!(header.refcount_table_clusters, 1);
        assert_eq!(header.emit(), bytes);
    }

    #[test]
    fn compressed_entries_say_what_qemu_means() {
        let entry = L2Entry(0x4000_0000_0009_0000);
        assert!(entry.is_compressed() && !entry.is_copied());
        assert_eq!(entry.compressed(16), (FileOffset(0x90000), Bytes(512)));
        let entry = L2Entry(1 << 62 | 3 << 58 | 0x1234);
        assert_eq!(
            entry.compressed(12),
            (FileOffset(0x1234), Bytes(2048 - 0x34))
        );
    }

    #[test]
    fn a_compressed_entry_covers_its_bytes_to_the_end_of_their_last_sector() {
        for bits in CLUSTER_BITS {
            for (at, len) in [(0x9_0000, 79), (0x9_01ff, 2), (0x9_01ff, 1), (513, 511)] {
                let made = L2Entry::of_compressed(FileOffset(at), Bytes(len), bits);
                let made = made.expect("there is room");
                let (there, covered) = made.compressed(bits);
                assert_eq!(there, FileOffset(at));
                assert!(
                    covered.0 >= len && covered.0 < len + 512,
                    "{bits} {at} {len}"
                );
                assert_eq!((at + covered.0) % 512, 0);
            }
        }
        assert_eq!(L2Entry::of_compressed(FileOffset(0), Bytes(1024), 8), None);
        assert_eq!(L2Entry::of_compressed(FileOffset(0), Bytes(1025), 9), None);
        assert_eq!(
            L2Entry::of_compressed(FileOffset(1 << 49), Bytes(1), 21),
            None
        );
    }

    #[test]
    fn standard_entries_split_into_place_and_flags() {
        let entry = L2Entry(0x8000_0000_0005_0000);
        assert!(entry.is_copied() && !entry.reads_zero() && entry.reserved() == 0);
        assert_eq!(entry.cluster(), FileOffset(0x50000));
        assert_eq!(L2Entry::of_data(FileOffset(0x50000)), entry);
        assert!(L2Entry::ZERO.reads_zero() && L2Entry::ZERO.cluster() == FileOffset::ZERO);
        assert_eq!(
            L1Entry(0x0100_0000_0004_0001).reserved(),
            0x0100_0000_0000_0001
        );
        let halves = Subclusters::from_bits(0x0000_0010_0000_0003);
        assert_eq!((halves.allocated, halves.zero), (3, 16));
        assert_eq!(halves.bits(), 0x0000_0010_0000_0003);
    }
}
