//! The bytes of a VDI, as VirtualBox's VDICore.h declares them. All integers are little-endian.

use imgdelta_core::record;

/// The only magic: it stands behind 64 bytes of text.
pub const SIGNATURE: u32 = 0xbeda_107f;
/// Version 1.1, that of all current files.
pub const VERSION_1_1: u32 = 0x0001_0001;
/// Version 0.2, before VirtualBox was published.
pub const VERSION_0: u32 = 0x0000_0002;

/// Where the header begins: behind the pre-header.
pub const HEADER_AT: u64 = PreHeader::SIZE as u64;

/// `imageType`: grows as it is written.
pub const NORMAL: u32 = 1;
/// `imageType`: allocated in full.
pub const FIXED: u32 = 2;
/// `imageType`: an undo image, the child of another.
pub const UNDO: u32 = 3;
/// `imageType`: a differencing image, the child of another.
pub const DIFFERENCING: u32 = 4;

/// A map entry of a block that is not there.
pub const FREE: u32 = 0xffff_ffff;
/// A map entry of a block that is zero, whatever a parent holds.
pub const ZERO: u32 = 0xffff_fffe;

record! {
    /// What every VDI begins with.
    pub struct PreHeader: LittleEndian, 72 {
        /// Text for people; nobody checks it.
        0 => text: [u8; 64],
        /// [`SIGNATURE`].
        64 => signature: u32,
        /// The version, its major number in the upper half.
        68 => version: u32,
    }
}

record! {
    /// The header of version 1.1, from [`HEADER_AT`] on. What is beyond it up to `header_size` is [`Lchs`] and then unknown.
    pub struct Header: LittleEndian, 384 {
        /// `cbHeader`: 384, 400 with [`Lchs`], or more.
        0 => header_size: u32,
        /// [`NORMAL`], [`FIXED`], [`UNDO`] or [`DIFFERENCING`].
        4 => image_type: u32,
        /// Bit 0: a fixed image that was filled with zeros when it was made.
        8 => flags: u32,
        /// UTF-8 up to the first NUL, or all of it.
        12 => comment: [u8; 256],
        /// `offBlocks`: where the block map stands, in bytes.
        268 => map_offset: u32,
        /// `offData`: where the first block stands, in bytes.
        272 => data_offset: u32,
        /// Cylinders of old files; 0 where nobody cares.
        276 => cylinders: u32,
        /// Heads of old files.
        280 => heads: u32,
        /// Sectors a track of old files.
        284 => sectors: u32,
        /// 512.
        288 => sector_size: u32,
        /// 0.
        292 => unused: u32,
        /// `cbDisk`: the size of the disk in bytes.
        296 => disk_size: u64,
        /// `cbBlock`: the bytes of a block's data.
        304 => block_size: u32,
        /// `cbBlockExtra`: bytes in front of every block's data.
        308 => block_extra: u32,
        /// `cBlocks`: entries of the map.
        312 => blocks: u32,
        /// `cBlocksAllocated`: blocks in the file.
        316 => blocks_allocated: u32,
        /// Which image this is.
        320 => uuid_create: [u8; 16],
        /// Which state of it this is: new whenever it was opened and written.
        336 => uuid_modify: [u8; 16],
        /// The parent's `uuid_create`.
        352 => uuid_linkage: [u8; 16],
        /// The parent's `uuid_modify`.
        368 => uuid_parent_modify: [u8; 16],
    }
}

record! {
    /// The geometry that the guest's BIOS sees, behind a header of 400 bytes or more. Zero: to be worked out.
    pub struct Lchs: LittleEndian, 16 {
        /// Cylinders.
        0 => cylinders: u32,
        /// Heads.
        4 => heads: u32,
        /// Sectors a track.
        8 => sectors: u32,
        /// 512; VirtualBox rejects anything else.
        12 => sector_size: u32,
    }
}

record! {
    /// The header of version 0.2, from [`HEADER_AT`] on. The map follows it, the blocks follow the map.
    pub struct HeaderV0: LittleEndian, 348 {
        /// As in [`Header`].
        0 => image_type: u32,
        /// As in [`Header`].
        4 => flags: u32,
        /// As in [`Header`].
        8 => comment: [u8; 256],
        /// Cylinders.
        264 => cylinders: u32,
        /// Heads.
        268 => heads: u32,
        /// Sectors a track.
        272 => sectors: u32,
        /// 512.
        276 => sector_size: u32,
        /// The size of the disk in bytes.
        280 => disk_size: u64,
        /// The bytes of a block.
        288 => block_size: u32,
        /// Entries of the map.
        292 => blocks: u32,
        /// Blocks in the file.
        296 => blocks_allocated: u32,
        /// As in [`Header`].
        300 => uuid_create: [u8; 16],
        /// As in [`Header`].
        316 => uuid_modify: [u8; 16],
        /// As in [`Header`].
        332 => uuid_linkage: [u8; 16],
    }
}
