//! The bytes of VMDK extents that have a header: hosted sparse (`KDMV`), COWD and seSparse; and the markers of streams. All integers are
//! little-endian, places are counted in sectors of 512 bytes. \[TN\] is VMware's "Virtual Disk Format 5.0".

use imgdelta_core::record;

/// What a hosted sparse extent begins with: `KDMV`.
pub const SPARSE_MAGIC: u32 = 0x564d_444b;
/// What a COWD extent begins with.
pub const COWD_MAGIC: u32 = 0x4457_4f43;
/// What an seSparse extent begins with.
pub const SE_MAGIC: u64 = 0xcafe_babe;
/// What a `-ctk.vmdk` begins with: which blocks of a disk changed, and nothing of the disk.
pub const TRACKING_MAGIC: u32 = 0xf619_72a2;
/// What the second header of an seSparse extent begins with.
pub const SE_VOLATILE_MAGIC: u64 = 0xcafe_cafe;
/// The only version of seSparse, 2.1.
pub const SE_VERSION: u64 = 0x0000_0002_0000_0001;

/// `flags` of a hosted sparse header: the newline test means something.
pub const NEWLINE_TEST: u32 = 1;
/// `flags`: there is a redundant grain directory.
pub const REDUNDANT: u32 = 1 << 1;
/// `flags`: a grain table entry of 1 is a grain of zeros.
pub const ZEROED_GRAINS: u32 = 1 << 2;
/// `flags`: grains are compressed.
pub const COMPRESSED: u32 = 1 << 16;
/// `flags`: markers stand between them.
pub const MARKERS: u32 = 1 << 17;
/// `flags` of a hosted sparse header: all that are known.
pub const KNOWN_FLAGS: u32 = NEWLINE_TEST | REDUNDANT | ZEROED_GRAINS | COMPRESSED | MARKERS;

/// `gd_offset` of a stream: the grain directory stands at the end, where the footer says. \[TN\] `GD_AT_END`
pub const AT_END: u64 = u64::MAX;
/// What the newline test should read: `\n \r\n`.
pub const NEWLINES: [u8; 4] = *b"\n \r\n";
/// `compress_algorithm`: deflate.
pub const DEFLATE: u16 = 1;
/// A grain table entry of a grain of zeros.
pub const ZEROED: u32 = 1;
/// Entries of a hosted grain table.
pub const TABLE_ENTRIES: u32 = 512;
/// Entries of a COWD grain table.
pub const COWD_TABLE_ENTRIES: u64 = 4096;

/// Marker type: the end of the stream.
pub const END_OF_STREAM: u32 = 0;
/// Marker type: a grain table follows.
pub const GRAIN_TABLE: u32 = 1;
/// Marker type: the grain directory follows.
pub const GRAIN_DIRECTORY: u32 = 2;
/// Marker type: the footer follows, a header with the true `gd_offset`.
pub const FOOTER: u32 = 3;
/// Marker type: nothing that is needed follows; VirtualBox and open-vmdk write such.
pub const PROGRESS: u32 = 4;

record! {
    /// The header of a hosted sparse extent. \[TN\] "Hosted sparse extents"
    pub struct SparseHeader: LittleEndian, 512 {
        /// [`SPARSE_MAGIC`].
        0 => magic: u32,
        /// 1; 2 with zeroed grains; 3 for streams and changed-block tracking.
        4 => version: u32,
        /// See [`KNOWN_FLAGS`].
        8 => flags: u32,
        /// Sectors of the extent.
        12 => capacity: u64,
        /// Sectors of a grain.
        20 => grain_size: u64,
        /// The sector of the embedded descriptor; 0: there is none.
        28 => descriptor_offset: u64,
        /// Sectors of the embedded descriptor.
        36 => descriptor_size: u64,
        /// Entries of a grain table.
        44 => entries_per_table: u32,
        /// The sector of the redundant grain directory.
        48 => rgd_offset: u64,
        /// The sector of the grain directory, or [`AT_END`].
        56 => gd_offset: u64,
        /// Sectors in front of the first grain.
        64 => overhead: u64,
        /// 1 while the extent is open for writing.
        72 => unclean_shutdown: u8,
        /// [`NEWLINES`], unless a transfer as text changed them.
        73 => newlines: [u8; 4],
        /// 0, or [`DEFLATE`].
        77 => compress_algorithm: u16,
        /// 0.
        79 => padding: [u8; 433],
    }
}

record! {
    /// What stands in front of everything in a stream. A `size` that is not 0 makes it a grain's, and `kind` is the start of its data.
    pub struct Marker: LittleEndian, 16 {
        /// A grain's first sector on the disk; sectors of what follows.
        0 => value: u64,
        /// Bytes of a grain's data; 0 in other markers.
        8 => size: u32,
        /// What follows.
        12 => kind: u32,
    }
}

record! {
    /// The header of an ESX copy-on-write extent.
    pub struct CowdHeader: LittleEndian, 2048 {
        /// [`COWD_MAGIC`].
        0 => magic: u32,
        /// 1.
        4 => version: u32,
        /// 3.
        8 => flags: u32,
        /// Sectors of the extent.
        12 => capacity: u32,
        /// Sectors of a grain.
        16 => grain_size: u32,
        /// The sector of the grain directory.
        20 => gd_offset: u32,
        /// Entries of the grain directory.
        24 => gd_entries: u32,
        /// The next sector that is free.
        28 => free_sector: u32,
        /// Geometry, or the parent's name and generation.
        32 => parent_or_geometry: [u8; 1028],
        /// How often it was written.
        1060 => generation: u32,
        /// Its name.
        1064 => name: [u8; 60],
        /// Its description.
        1124 => description: [u8; 512],
        /// How often it was saved.
        1636 => saved_generation: u32,
        /// 0.
        1640 => reserved: [u8; 8],
        /// Not 0 while it is open for writing; older writers have no such field.
        1648 => unclean_shutdown: u32,
        /// 0.
        1652 => padding: [u8; 396],
    }
}

record! {
    /// The header of an ESXi seSparse extent that never changes. Places and sizes in sectors.
    pub struct SeHeader: LittleEndian, 512 {
        /// [`SE_MAGIC`].
        0 => magic: u64,
        /// [`SE_VERSION`].
        8 => version: u64,
        /// Sectors of the extent.
        16 => capacity: u64,
        /// Sectors of a grain: 8.
        24 => grain_size: u64,
        /// Sectors of a grain table: 64.
        32 => table_size: u64,
        /// 0.
        40 => flags: u64,
        /// 0.
        48 => reserved: [u64; 4],
        /// Where [`SeVolatile`] stands.
        80 => volatile_offset: u64,
        /// 1.
        88 => volatile_size: u64,
        /// The journal's header.
        96 => journal_header_offset: u64,
        /// Its size.
        104 => journal_header_size: u64,
        /// The journal.
        112 => journal_offset: u64,
        /// Its size.
        120 => journal_size: u64,
        /// The grain directory.
        128 => directory_offset: u64,
        /// Its size.
        136 => directory_size: u64,
        /// The grain tables, one behind the other.
        144 => tables_offset: u64,
        /// Their size.
        152 => tables_size: u64,
        /// The free bitmap.
        160 => free_bitmap_offset: u64,
        /// Its size.
        168 => free_bitmap_size: u64,
        /// The back map.
        176 => backmap_offset: u64,
        /// Its size.
        184 => backmap_size: u64,
        /// The grains.
        192 => grains_offset: u64,
        /// Their size.
        200 => grains_size: u64,
        /// 0.
        208 => padding: [u8; 304],
    }
}

record! {
    /// The header of an seSparse extent that changes.
    pub struct SeVolatile: LittleEndian, 512 {
        /// [`SE_VOLATILE_MAGIC`].
        0 => magic: u64,
        /// The next free grain table.
        8 => free_table: u64,
        /// The next transaction.
        16 => next_transaction: u64,
        /// Not 0: the journal must be replayed.
        24 => replay_journal: u64,
        /// 0.
        32 => padding: [u8; 480],
    }
}
