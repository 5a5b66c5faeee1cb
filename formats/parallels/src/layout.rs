//! The bytes of an expanding file, as docs/interop/parallels.rst declares them. All integers are little-endian.

use imgdelta_core::record;

/// The magic of files whose BAT counts sectors.
pub const MAGIC_OLD: [u8; 16] = *b"WithoutFreeSpace";
/// The magic of files whose BAT counts blocks.
pub const MAGIC_EXT: [u8; 16] = *b"WithouFreSpacExt";
/// The version.
pub const VERSION: u32 = 2;

/// `in_use`: somebody has it open, or had it when the power went.
pub const IN_USE_OPEN: u32 = 0x746f_6e59;
/// `in_use`: it was closed.
pub const IN_USE_CLOSED: u32 = 0x312e_3276;

record! {
    /// The header.
    pub struct Header: LittleEndian, 64 {
        /// [`MAGIC_OLD`] or [`MAGIC_EXT`].
        0 => magic: [u8; 16],
        /// [`VERSION`].
        16 => version: u32,
        /// Heads of the geometry.
        20 => heads: u32,
        /// Cylinders of the geometry.
        24 => cylinders: u32,
        /// Sectors of a block: the name is older than the meaning.
        28 => tracks: u32,
        /// Entries of the BAT.
        32 => nb_bat_entries: u32,
        /// Sectors of the disk; with the old magic the lower 32 bits alone.
        36 => nb_sectors: u64,
        /// [`IN_USE_OPEN`], [`IN_USE_CLOSED`], or 0 of old software.
        44 => in_use: u32,
        /// Where the first block stands, in sectors; with the old magic 0 is right behind the BAT.
        48 => data_off: u32,
        /// Bit 0: the disk is empty.
        52 => flags: u32,
        /// Where the cluster of format extensions stands, in sectors; 0: there is none.
        56 => ext_off: u64,
    }
}
