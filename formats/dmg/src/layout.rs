//! The bytes of a UDIF image, as the readers of qemu and 7-Zip take them. All integers are big-endian.

use imgdelta_core::record;

/// What the trailer begins with.
pub const KOLY: [u8; 4] = *b"koly";
/// The version of the trailer.
pub const VERSION: u32 = 4;
/// What a table begins with.
pub const MISH: [u8; 4] = *b"mish";
/// What an encrypted image begins with.
pub const ENCRYPTED: [u8; 8] = *b"encrcdsa";
/// What an older encrypted image ends with.
pub const ENCRYPTED_OLD: [u8; 8] = *b"cdsaencr";

/// Kinds of chunks.
pub mod kind {
    /// Zeros.
    pub const ZERO: u32 = 0;
    /// As it is.
    pub const RAW: u32 = 1;
    /// Nobody has used it: it reads as zeros.
    pub const IGNORE: u32 = 2;
    /// Apple Data Compression.
    pub const ADC: u32 = 0x8000_0004;
    /// zlib, with its header.
    pub const ZLIB: u32 = 0x8000_0005;
    /// bzip2.
    pub const BZIP2: u32 = 0x8000_0006;
    /// LZFSE.
    pub const LZFSE: u32 = 0x8000_0007;
    /// LZMA, in an xz container.
    pub const LZMA: u32 = 0x8000_0008;
    /// No chunk: a remark.
    pub const COMMENT: u32 = 0x7fff_fffe;
    /// No chunk: the table ends.
    pub const END: u32 = 0xffff_ffff;
}

record! {
    /// The trailer: the last 512 bytes.
    pub struct Trailer: BigEndian, 512 {
        /// [`KOLY`].
        0 => signature: [u8; 4],
        /// [`VERSION`].
        4 => version: u32,
        /// 512.
        8 => header_size: u32,
        /// Bit 0: flattened.
        12 => flags: u32,
        /// Where this segment's data fork begins in that of all segments.
        16 => running_offset: u64,
        /// Where the data fork stands.
        24 => data_fork_offset: u64,
        /// How long it is.
        32 => data_fork_size: u64,
        /// Where the resource fork stands.
        40 => resource_fork_offset: u64,
        /// How long it is; 0: there is none.
        48 => resource_fork_size: u64,
        /// The number of this segment, from 1 on; or 0.
        56 => segment_number: u32,
        /// How many segments there are; 0 or 1: this one.
        60 => segment_count: u32,
        /// Which segments belong together.
        64 => segment_id: [u8; 16],
        /// The kind of the data fork's checksum: 2 is CRC-32.
        80 => checksum_type: u32,
        /// Its bits.
        84 => checksum_size: u32,
        /// It.
        88 => checksum: [u8; 128],
        /// Where the property list stands.
        216 => xml_offset: u64,
        /// How long it is; 0: there is none.
        224 => xml_size: u64,
        /// 0.
        232 => reserved: [u8; 120],
        /// The kind of the checksum of all tables' checksums.
        352 => master_type: u32,
        /// Its bits.
        356 => master_size: u32,
        /// It.
        360 => master: [u8; 128],
        /// 1: a whole device, 2: a partition.
        488 => variant: u32,
        /// Sectors of the disk.
        492 => sector_count: u64,
        /// 0.
        500 => reserved_end: [u8; 12],
    }
}

record! {
    /// What a table begins with.
    pub struct Mish: BigEndian, 204 {
        /// [`MISH`].
        0 => signature: [u8; 4],
        /// 1.
        4 => version: u32,
        /// The first sector that it covers.
        8 => first_sector: u64,
        /// How many it covers.
        16 => sector_count: u64,
        /// Where its chunks' bytes are counted from, in the data fork.
        24 => data_offset: u64,
        /// Sectors that a reader needs for a chunk.
        32 => buffers_needed: u32,
        /// Its number.
        36 => descriptor: u32,
        /// 0.
        40 => reserved: [u8; 24],
        /// The kind of the checksum of what it covers.
        64 => checksum_type: u32,
        /// Its bits.
        68 => checksum_size: u32,
        /// It.
        72 => checksum: [u8; 128],
        /// How many chunks follow.
        200 => chunk_count: u32,
    }
}

record! {
    /// A chunk.
    pub struct RawChunk: BigEndian, 40 {
        /// One of [`kind`].
        0 => kind: u32,
        /// A remark.
        4 => comment: u32,
        /// Its first sector, counted from the table's first.
        8 => sector: u64,
        /// Its sectors.
        16 => sector_count: u64,
        /// Where its bytes stand, counted from the table's data offset.
        24 => offset: u64,
        /// How many there are.
        32 => size: u64,
    }
}
