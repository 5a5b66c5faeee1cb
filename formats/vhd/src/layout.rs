//! The structures of a VHD file, field by field, and their checksum. Bytes only: what is allowed is judged in `validate`.
//!
//! All integers are big-endian. Offsets are bytes from the start of the file, except in the BAT, which counts sectors.

use imgdelta_core::record;

/// The cookie of a footer.
pub const FOOTER_COOKIE: [u8; 8] = *b"conectix";
/// The cookie of a dynamic header.
pub const HEADER_COOKIE: [u8; 8] = *b"cxsparse";
/// What XenServer writes over the cookie of a disk that must not be used.
pub const POISON_COOKIE: [u8; 8] = *b"v_poison";
/// The cookie of tapdisk's batmap.
pub const BATMAP_COOKIE: [u8; 8] = *b"tdbatmap";

/// Version 1.0 of footer and header.
pub const VERSION: u32 = 0x0001_0000;
/// A data offset that leads nowhere. The specification prints 32 bits; Microsoft's tools want all 64.
pub const NOWHERE: u64 = u64::MAX;
/// A BAT entry that names no block.
pub const UNALLOCATED: u32 = u32::MAX;
/// Bytes in a footer as images from before Virtual PC 2004 have it: the last reserved byte is missing.
pub const SHORT_FOOTER: usize = 511;
/// The disk that a footer of type 2 ends: raw bytes.
pub const FIXED: u32 = 2;
/// The disk that a footer of type 3 ends: blocks on demand.
pub const DYNAMIC: u32 = 3;
/// The disk that a footer of type 4 ends: sectors on demand over a parent.
pub const DIFFERENCING: u32 = 4;
/// Seconds from 1970-01-01 to 2000-01-01, where VHD time stamps start.
pub const EPOCH: u64 = 946_684_800;

/// Platform code of a relative Windows path, UTF-16LE.
pub const W2RU: [u8; 4] = *b"W2ru";
/// Platform code of an absolute Windows path, UTF-16LE.
pub const W2KU: [u8; 4] = *b"W2ku";
/// Platform code of a relative Windows path in the writer's code page (deprecated).
pub const WI2R: [u8; 4] = *b"Wi2r";
/// Platform code of an absolute Windows path in the writer's code page (deprecated).
pub const WI2K: [u8; 4] = *b"Wi2k";
/// Platform code of a file URL, UTF-8.
pub const MACX: [u8; 4] = *b"MacX";

record! {
    /// The footer: the last 512 bytes of every image, and a copy at 0 of those that are not fixed.
    pub struct Footer: BigEndian, 512 {
        /// `conectix`.
        0 => cookie: [u8; 8],
        /// Bit 0: temporary; bit 1: always set.
        8 => features: u32,
        /// Version of this structure: major, minor.
        12 => file_format_version: u32,
        /// Where the dynamic header stands; all ones in fixed images.
        16 => data_offset: u64,
        /// When the image was made, in seconds since 2000-01-01 00:00:00 UTC.
        24 => time_stamp: u32,
        /// Which program made it, four letters.
        28 => creator_application: [u8; 4],
        /// Its version: major, minor.
        32 => creator_version: u32,
        /// Which system it ran on, four letters.
        36 => creator_host_os: [u8; 4],
        /// The disk's size when it was made, in bytes.
        40 => original_size: u64,
        /// The disk's size, in bytes.
        48 => current_size: u64,
        /// Cylinders of the disk's geometry.
        56 => cylinders: u16,
        /// Heads of the disk's geometry.
        58 => heads: u8,
        /// Sectors per track of the disk's geometry.
        59 => sectors_per_track: u8,
        /// 2 fixed, 3 dynamic, 4 differencing.
        60 => disk_type: u32,
        /// See [`checksum`].
        64 => checksum: u32,
        /// What a child names as its parent.
        68 => unique_id: [u8; 16],
        /// 1: a virtual machine was saved while it used the disk.
        84 => saved_state: u8,
        /// Reserved by the specification; tapdisk: 1 hides the disk from users.
        85 => hidden: u8,
        /// Zero.
        86 => reserved: [u8; 426],
    }
}

record! {
    /// One of the eight places where a child says who its parent is.
    pub struct ParentLocator: BigEndian, 24 {
        /// How the data are coded, four letters; 0: unused.
        0 => platform_code: [u8; 4],
        /// Room kept for the data: bytes by most writers, sectors by the specification.
        4 => platform_data_space: u32,
        /// Bytes of data.
        8 => platform_data_length: u32,
        /// Zero.
        12 => reserved: u32,
        /// Where the data stand.
        16 => platform_data_offset: u64,
    }
}

record! {
    /// The dynamic header, which dynamic and differencing images have.
    pub struct DynamicHeader: BigEndian, 1024 {
        /// `cxsparse`.
        0 => cookie: [u8; 8],
        /// Unused: all ones.
        8 => data_offset: u64,
        /// Where the BAT stands.
        16 => table_offset: u64,
        /// Version of this structure: major, minor.
        24 => header_version: u32,
        /// Entries of the BAT.
        28 => max_table_entries: u32,
        /// Data bytes in a block, without its bitmap.
        32 => block_size: u32,
        /// See [`checksum`].
        36 => checksum: u32,
        /// The parent's `unique_id`; zero in dynamic images.
        40 => parent_unique_id: [u8; 16],
        /// When the parent was last changed, in seconds since 2000; Windows writes 0.
        56 => parent_time_stamp: u32,
        /// Zero.
        60 => reserved: u32,
        /// The parent's name in UTF-16BE, padded with NULs.
        64 => parent_unicode_name: [u8; 512],
        /// Where the parent is.
        576 => parent_locators: [ParentLocator; 8],
        /// Zero.
        768 => reserved_tail: [u8; 256],
    }
}

record! {
    /// The header of tapdisk's batmap, which says of each block whether all its sectors are present; behind the BAT.
    pub struct BatmapHeader: BigEndian, 512 {
        /// `tdbatmap`.
        0 => cookie: [u8; 8],
        /// Where the map stands.
        8 => batmap_offset: u64,
        /// Its sectors.
        16 => batmap_size: u32,
        /// Its version: major, minor.
        20 => version: u32,
        /// See [`checksum`], over the map.
        24 => checksum: u32,
        /// tapdisk's own.
        28 => marker: u8,
        /// 1: a key hash follows, the disk is encrypted.
        29 => keyhash_cookie: u8,
        /// The key hash's nonce.
        30 => keyhash_nonce: [u8; 32],
        /// The key hash.
        62 => keyhash: [u8; 32],
        /// Zero.
        94 => reserved: [u8; 418],
    }
}

/// The complement of the sum of `bytes`. In a footer or header the four bytes of the checksum itself count as zero.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .map(|byte| u32::from(*byte))
        .fold(0, u32::wrapping_add)
}

impl Footer {
    /// The checksum that it ought to have.
    #[must_use]
    pub fn computed_checksum(&self) -> u32 {
        let mut bare = self.clone();
        bare.checksum = 0;
        checksum(&bare.emit())
    }

    /// The same footer with the checksum that it ought to have.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.checksum = self.computed_checksum();
        self
    }
}

impl DynamicHeader {
    /// The checksum that it ought to have.
    #[must_use]
    pub fn computed_checksum(&self) -> u32 {
        let mut bare = self.clone();
        bare.checksum = 0;
        checksum(&bare.emit())
    }

    /// The same header with the checksum that it ought to have.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.checksum = self.computed_checksum();
        self
    }
}

impl ParentLocator {
    /// An entry that says nothing.
    pub const UNUSED: Self = Self {
        platform_code: [0; 4],
        platform_data_space: 0,
        platform_data_length: 0,
        reserved: 0,
        platform_data_offset: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The unique id of the published vectors.
    const ID: [u8; 16] = [
        0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
        0xff,
    ];

    fn footer(size: u64, geometry: (u16, u8, u8)) -> Footer {
        Footer {
            cookie: FOOTER_COOKIE,
            features: 2,
            file_format_version: VERSION,
            data_offset: NOWHERE,
            time_stamp: 0,
            creator_application: *b"imgd",
            creator_version: 0x0001_0000,
            creator_host_os: *b"Wi2k",
            original_size: size,
            current_size: size,
            cylinders: geometry.0,
            heads: geometry.1,
            sectors_per_track: geometry.2,
            disk_type: FIXED,
            checksum: 0,
            unique_id: ID,
            saved_state: 0,
            hidden: 0,
            reserved: [0; 426],
        }
    }

    #[test]
    fn the_fixed_footer_of_the_sheet_has_its_bytes() {
        let bytes = footer(1 << 20, (30, 4, 17)).sealed().emit();
        let hex: String = bytes[..84]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "636f6e65637469780000000200010000ffffffffffffffff00000000696d6764000100005769326b\
             00000000001000000000000000100000001e041100000002ffffe95b00112233445566778899aabbccddeeff"
        );
        assert!(bytes[84..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn the_dynamic_footers_of_the_sheet_have_their_checksums() {
        let mut dynamic = footer(1 << 30, (2080, 16, 63));
        dynamic.creator_application = *b"win ";
        dynamic.data_offset = 512;
        dynamic.disk_type = DYNAMIC;
        assert_eq!(dynamic.computed_checksum(), 0xffff_f0df);
        dynamic.unique_id = [0; 16];
        assert_eq!(dynamic.computed_checksum(), 0xffff_f8d7);
    }

    #[test]
    fn the_dynamic_headers_of_the_sheet_have_their_checksums() {
        let header = |entries, block_size| DynamicHeader {
            cookie: HEADER_COOKIE,
            data_offset: NOWHERE,
            table_offset: 1536,
            header_version: VERSION,
            max_table_entries: entries,
            block_size,
            checksum: 0,
            parent_unique_id: [0; 16],
            parent_time_stamp: 0,
            reserved: 0,
            parent_unicode_name: [0; 512],
            parent_locators: [const { ParentLocator::UNUSED }; 8],
            reserved_tail: [0; 256],
        };
        for (entries, sum) in [
            (1, 0xffff_f476),
            (5, 0xffff_f472),
            (126, 0xffff_f3f9),
            (512, 0xffff_f475),
            (4097, 0xffff_f466),
            (65024, 0xffff_f379),
        ] {
            assert_eq!(
                header(entries, 2 << 20).computed_checksum(),
                sum,
                "{entries} entries"
            );
        }
        assert_eq!(header(2048, 512 << 10).computed_checksum(), 0xffff_f487);
    }

    #[test]
    fn every_bit_of_every_structure_survives() {
        let bytes: [u8; 1024] = std::array::from_fn(|at| (at * 7 + at / 256) as u8);
        assert_eq!(DynamicHeader::parse(&bytes).emit(), bytes);
        let sector: [u8; 512] = std::array::from_fn(|at| (at * 5 + 1) as u8);
        assert_eq!(Footer::parse(&sector).emit(), sector);
        assert_eq!(BatmapHeader::parse(&sector).emit(), sector);
    }
}
