//! The bytes of an image. All integers are little-endian. What is allowed is judged in `validate`.

use std::ops::RangeInclusive;

use imgdelta_core::record;

/// What every image begins with. TODO
pub const MAGIC: u64 = 0x3130_444d_4152_4146;
/// The sizes that a block may have, in bytes: powers of two. TODO: the specification's.
pub const BLOCK_SIZE: RangeInclusive<u32> = 4 << 10..=64 << 20;
/// The most entries that a table may have: what is read of it in pages stays small, what is counted does not.
pub const MOST_BLOCKS: u64 = 1 << 32;

record! {
    /// The header.
    pub struct Header: LittleEndian, 64 {
        /// [`MAGIC`].
        0 => magic: u64,
        /// The bytes of a block.
        8 => block_size: u32,
        /// Reserved, zero.
        12 => reserved: u32,
        /// The size of the disk in bytes.
        16 => disk_size: u64,
        /// Where the block table stands, in bytes.
        24 => table_offset: u64,
        /// Reserved, zero.
        32 => rest: [u8; 32],
    }
}
