//! The bytes of a qcow image of version 1, as qemu's block/qcow.c declares them. All integers are big-endian.

use std::ops::RangeInclusive;

use imgdelta_core::record;

/// What every qcow file begins with, of whatever version: `QFI\xfb`.
pub const MAGIC: u32 = 0x5146_49fb;
/// The version.
pub const VERSION: u32 = 1;

/// `cluster_bits`: clusters have 512 bytes to 64 KiB.
pub const CLUSTER_BITS: RangeInclusive<u8> = 9..=16;
/// `l2_bits`: L2 tables have 512 bytes to 64 KiB, of 8 bytes an entry.
pub const L2_BITS: RangeInclusive<u8> = 6..=13;

/// `crypt_method`: none.
pub const CRYPT_NONE: u32 = 0;
/// `crypt_method`: AES, each sector by itself.
pub const CRYPT_AES: u32 = 1;

/// The longest name of a backing file.
pub const BACKING_NAME_LIMIT: u32 = 1023;

/// The bit of an L2 entry whose cluster is compressed.
pub const COMPRESSED: u64 = 1 << 63;

record! {
    /// The header.
    pub struct Header: BigEndian, 48 {
        /// [`MAGIC`].
        0 => magic: u32,
        /// [`VERSION`].
        4 => version: u32,
        /// Where the name of the backing file stands; 0: there is none.
        8 => backing_file_offset: u64,
        /// How long that name is.
        16 => backing_file_size: u32,
        /// When the backing file was changed last. qemu writes 0 and does not look at it.
        20 => mtime: u32,
        /// The size of the disk in bytes.
        24 => size: u64,
        /// A cluster has 2 to the power of this many bytes.
        32 => cluster_bits: u8,
        /// An L2 table has 2 to the power of this many entries.
        33 => l2_bits: u8,
        /// 0.
        34 => padding: u16,
        /// [`CRYPT_NONE`] or [`CRYPT_AES`].
        36 => crypt_method: u32,
        /// Where the L1 table stands, in bytes.
        40 => l1_table_offset: u64,
    }
}

/// Where compressed bytes start and how many there are, as the entry of a cluster of 2^`cluster_bits` bytes says it: the number of bytes
/// stands above the place.
#[must_use]
pub const fn compressed_place(entry: u64, cluster_bits: u8) -> (u64, u64) {
    let shift = 63_u32.saturating_sub(cluster_bits as u32);
    let place = entry & !COMPRESSED;
    let at = place & (1_u64 << shift).wrapping_sub(1);
    (at, place >> shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_compressed_bytes_stands_above_their_place() {
        assert_eq!(compressed_place(0x80b0_0000_0001_2000, 12), (0x12000, 0x16));
        assert_eq!(compressed_place(u64::MAX, 9), ((1 << 54) - 1, 511));
        assert_eq!(compressed_place(COMPRESSED, 16), (0, 0));
    }
}
