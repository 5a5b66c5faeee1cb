//! The structures of a VHDX file, field by field, and their checksum. Bytes only: what is allowed is judged elsewhere.
//!
//! All integers are little-endian. GUIDs are kept as their sixteen bytes on the disk, of which the first three fields are little-endian.

use imgdelta_core::record;

/// What every file begins with.
pub const FILE_SIGNATURE: [u8; 8] = *b"vhdxfile";
/// The signature of a header.
pub const HEADER_SIGNATURE: [u8; 4] = *b"head";
/// The signature of a region table.
pub const REGION_SIGNATURE: [u8; 4] = *b"regi";
/// The signature of the metadata table.
pub const METADATA_SIGNATURE: [u8; 8] = *b"metadata";
/// The signature of a log entry.
pub const ENTRY_SIGNATURE: [u8; 4] = *b"loge";
/// The signature of a descriptor of a page of data.
pub const DATA_DESCRIPTOR: [u8; 4] = *b"desc";
/// The signature of a descriptor of zeros.
pub const ZERO_DESCRIPTOR: [u8; 4] = *b"zero";
/// The signature of a page of data in the log.
pub const DATA_PAGE: [u8; 4] = *b"data";

/// What log, regions, blocks and the file itself are multiples of, in bytes.
pub const MIB: u64 = 1 << 20;
/// Where header 1 and header 2 stand.
pub const HEADER_AT: [u64; 2] = [64 << 10, 128 << 10];
/// Where region table 1 and its copy stand.
pub const REGION_AT: [u64; 2] = [192 << 10, 256 << 10];
/// Bytes of a region table, all under its checksum.
pub const REGION_LEN: usize = 64 << 10;
/// The most entries that a region table can hold.
pub const REGION_ENTRIES: u32 = 2047;
/// Bytes of the metadata table; items stand behind it.
pub const METADATA_TABLE_LEN: usize = 64 << 10;
/// The most entries that the metadata table can hold.
pub const METADATA_ENTRIES: u16 = 2047;
/// A page of the log, and what replay writes at once, in bytes.
pub const PAGE: u64 = 4096;
/// Descriptors in the first page of a log entry, behind its header; later pages hold two more.
pub const FIRST_DESCRIPTORS: u32 = 126;
/// Sectors that a bitmap covers, whatever their size. \[VHDX\] 2.5
pub const BITMAP_SECTORS: u64 = 1 << 23;
/// Bytes of a bitmap.
pub const BITMAP_LEN: u64 = MIB;

/// The version of header and file that there is.
pub const VERSION: u16 = 1;
/// The version of the log that there is.
pub const LOG_VERSION: u16 = 0;
/// A GUID that names nothing.
pub const NO_GUID: [u8; 16] = [0; 16];

/// Region: the block allocation table. `2dc27766-f623-4200-9d64-115e9bfd4a08`
pub const BAT_REGION: [u8; 16] = 0x6677_c22d_23f6_0042_9d64_115e_9bfd_4a08_u128.to_be_bytes();
/// Region: the metadata. `8b7ca206-4790-4b9a-b8fe-575f050f886e`
pub const METADATA_REGION: [u8; 16] = 0x06a2_7c8b_9047_9a4b_b8fe_575f_050f_886e_u128.to_be_bytes();
/// Flag of a region: who does not know it must not open the file.
pub const REGION_REQUIRED: u32 = 1;

/// Item: block size, and whether there is a parent. `caa16737-fa36-4d43-b3b6-33f0aa44e76b`
pub const FILE_PARAMETERS: [u8; 16] = 0x3767_a1ca_36fa_434d_b3b6_33f0_aa44_e76b_u128.to_be_bytes();
/// Item: the size of the disk. `2fa54224-cd1b-4876-b211-5dbed83bf4b8`
pub const VIRTUAL_DISK_SIZE: [u8; 16] =
    0x2442_a52f_1bcd_7648_b211_5dbe_d83b_f4b8_u128.to_be_bytes();
/// Item: what the guest sees as the disk's serial number. `beca12ab-b2e6-4523-93ef-c309e000c746`
pub const PAGE_83_DATA: [u8; 16] = 0xab12_cabe_e6b2_2345_93ef_c309_e000_c746_u128.to_be_bytes();
/// Item: the sector that the guest sees. `8141bf1d-a96f-4709-ba47-f233a8faab5f`
pub const LOGICAL_SECTOR_SIZE: [u8; 16] =
    0x1dbf_4181_6fa9_0947_ba47_f233_a8fa_ab5f_u128.to_be_bytes();
/// Item: the sector that the guest had better use. `cda348c7-445d-4471-9cc9-e9885251c556`
pub const PHYSICAL_SECTOR_SIZE: [u8; 16] =
    0xc748_a3cd_5d44_7144_9cc9_e988_5251_c556_u128.to_be_bytes();
/// Item: who the parent is. `a8d35f2d-b30b-454d-abf7-d3d84834ab0c`
pub const PARENT_LOCATOR: [u8; 16] = 0x2d5f_d3a8_0bb3_4d45_abf7_d3d8_4834_ab0c_u128.to_be_bytes();
/// Item: the disk's geometry, which nobody needs. `da02d7bc-3d3a-423c-ac88-2a36ab21479b`
pub const GEOMETRY: [u8; 16] = 0xbcd7_02da_3a3d_3c42_ac88_2a36_ab21_479b_u128.to_be_bytes();
/// Item: a mark that the file is being copied and not whole. `71cc85f0-1b69-4e28-9558-c3bf83ae75d3`
pub const INCOMPLETE_FILE: [u8; 16] = 0xf085_cc71_691b_284e_9558_c3bf_83ae_75d3_u128.to_be_bytes();
/// Item: labels of a disk that is memory. `10e1ae8a-4b7e-4169-a40f-cd70de928393`
pub const PMEM_LABEL: [u8; 16] = 0x8aae_e110_7e4b_6941_a40f_cd70_de92_8393_u128.to_be_bytes();

/// Flag of an item: the user's, not the system's.
pub const IS_USER: u32 = 1;
/// Flag of an item: of the disk, not of the file.
pub const IS_VIRTUAL_DISK: u32 = 2;
/// Flag of an item: who does not know it must not open the file.
pub const IS_REQUIRED: u32 = 4;

/// Flag of the file parameters: blocks are never given back, as in a fixed image.
pub const LEAVE_BLOCKS_ALLOCATED: u32 = 1;
/// Flag of the file parameters: the image is a child.
pub const HAS_PARENT: u32 = 2;

/// The only type of locator that there is. `b04aefb7-d19e-4a81-b789-25b8e9445913`
pub const LOCATOR_TYPE: [u8; 16] = 0xb7ef_4ab0_9ed1_814a_b789_25b8_e944_5913_u128.to_be_bytes();

record! {
    /// The file type identifier, at 0. Never written again.
    pub struct FileId: LittleEndian, 520 {
        /// `vhdxfile`.
        0 => signature: [u8; 8],
        /// Which program made the file, UTF-16LE, padded with NULs.
        8 => creator: [u8; 512],
    }
}

record! {
    /// A header: which log is in use, and what the file is called. Two copies, the greater sequence number counts.
    pub struct Header: LittleEndian, 4096 {
        /// `head`.
        0 => signature: [u8; 4],
        /// See [`crate::layout::checksum`], over the 4096 bytes.
        4 => checksum: u32,
        /// Grows with every write of a header.
        8 => sequence_number: u64,
        /// Changes before anything in the file does.
        16 => file_write_guid: [u8; 16],
        /// Changes before the disk does: what a child names as its parent.
        32 => data_write_guid: [u8; 16],
        /// Which log entries count; zero: none, the file is whole.
        48 => log_guid: [u8; 16],
        /// Version of the log.
        64 => log_version: u16,
        /// Version of the file.
        66 => version: u16,
        /// Bytes of the log.
        68 => log_length: u32,
        /// Where the log stands.
        72 => log_offset: u64,
        /// Zero.
        80 => reserved: [u8; 4016],
    }
}

record! {
    /// The head of a region table; its entries follow.
    pub struct RegionHead: LittleEndian, 16 {
        /// `regi`.
        0 => signature: [u8; 4],
        /// See [`crate::layout::checksum`], over the 64 KiB of the table.
        4 => checksum: u32,
        /// How many entries follow.
        8 => entry_count: u32,
        /// Zero.
        12 => reserved: u32,
    }
}

record! {
    /// Where a region stands.
    pub struct RegionEntry: LittleEndian, 32 {
        /// Which region.
        0 => guid: [u8; 16],
        /// Where it starts in the file.
        16 => file_offset: u64,
        /// Its bytes.
        24 => length: u32,
        /// Bit 0: required.
        28 => flags: u32,
    }
}

record! {
    /// The head of the metadata table; its entries follow.
    pub struct MetadataHead: LittleEndian, 32 {
        /// `metadata`.
        0 => signature: [u8; 8],
        /// Zero.
        8 => reserved: u16,
        /// How many entries follow.
        10 => entry_count: u16,
        /// Zero.
        12 => reserved_tail: [u8; 20],
    }
}

record! {
    /// Where a metadata item stands.
    pub struct MetadataEntry: LittleEndian, 32 {
        /// Which item.
        0 => item_id: [u8; 16],
        /// Where it starts, from the start of the region.
        16 => offset: u32,
        /// Its bytes.
        20 => length: u32,
        /// Bit 0: the user's; bit 1: of the disk; bit 2: required.
        24 => flags: u32,
        /// Zero.
        28 => reserved: u32,
    }
}

record! {
    /// The item [`FILE_PARAMETERS`].
    pub struct FileParameters: LittleEndian, 8 {
        /// Bytes of a block.
        0 => block_size: u32,
        /// Bit 0: blocks stay allocated; bit 1: there is a parent.
        4 => flags: u32,
    }
}

record! {
    /// The head of the item [`PARENT_LOCATOR`]; its entries follow.
    pub struct LocatorHead: LittleEndian, 20 {
        /// [`LOCATOR_TYPE`].
        0 => locator_type: [u8; 16],
        /// Zero.
        16 => reserved: u16,
        /// How many entries follow.
        18 => key_value_count: u16,
    }
}

record! {
    /// A key and its value, both UTF-16LE without a NUL, somewhere in the item.
    pub struct LocatorEntry: LittleEndian, 12 {
        /// Where the key starts, from the start of the item.
        0 => key_offset: u32,
        /// Where the value starts, from the start of the item.
        4 => value_offset: u32,
        /// Bytes of the key.
        8 => key_length: u16,
        /// Bytes of the value.
        10 => value_length: u16,
    }
}

record! {
    /// The head of a log entry; its descriptors follow, then its pages of data.
    pub struct LogEntry: LittleEndian, 64 {
        /// `loge`.
        0 => signature: [u8; 4],
        /// See [`crate::layout::checksum`], over the whole entry.
        4 => checksum: u32,
        /// Bytes of the entry.
        8 => entry_length: u32,
        /// Where, in the log, the oldest entry stands that is still needed.
        12 => tail: u32,
        /// One more than that of the entry before.
        16 => sequence_number: u64,
        /// How many descriptors follow.
        24 => descriptor_count: u32,
        /// Zero.
        28 => reserved: u32,
        /// The header's.
        32 => log_guid: [u8; 16],
        /// How long the file was, at least, when the entry was written.
        48 => flushed_file_offset: u64,
        /// How long the file must be once it is replayed.
        56 => last_file_offset: u64,
    }
}

record! {
    /// What a log entry writes: a page of data, or zeros.
    pub struct Descriptor: LittleEndian, 32 {
        /// `desc` or `zero`.
        0 => signature: [u8; 4],
        /// `desc`: the last four bytes of the page; `zero`: reserved.
        4 => trailing: [u8; 4],
        /// `desc`: the first eight bytes of the page; `zero`: how many bytes, little-endian.
        8 => leading: [u8; 8],
        /// Where in the file it is written.
        16 => file_offset: u64,
        /// The entry's.
        24 => sequence_number: u64,
    }
}

record! {
    /// A page of data in the log, without the bytes that its descriptor keeps.
    pub struct DataPage: LittleEndian, 4096 {
        /// `data`.
        0 => signature: [u8; 4],
        /// The upper half of the entry's sequence number.
        4 => sequence_high: u32,
        /// All of the page but its first eight and last four bytes.
        8 => bytes: [u8; 4084],
        /// The lower half of the entry's sequence number.
        4092 => sequence_low: u32,
    }
}

/// The CRC-32C of `bytes`, of which the four at 4 count as zero: there it stands itself, in headers, region tables and log entries.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    let (head, rest) = bytes.split_at(bytes.len().min(4));
    let (_, tail) = rest.split_at(rest.len().min(4));
    let sum = crc32c::crc32c_append(crc32c::crc32c(head), &[0; 4]);
    crc32c::crc32c_append(sum, tail)
}

impl Header {
    /// The checksum that it ought to have.
    #[must_use]
    pub fn computed_checksum(&self) -> u32 {
        checksum(&self.emit())
    }

    /// The same header with the checksum that it ought to have.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.checksum = self.computed_checksum();
        self
    }
}

/// An entry of the BAT: what is in a block or a bitmap, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatEntry(pub u64);

impl BatEntry {
    /// Nothing: the parent's, or zero without one.
    pub const NOT_PRESENT: u64 = 0;
    /// Anything: zero.
    pub const UNDEFINED: u64 = 1;
    /// Zero.
    pub const ZERO: u64 = 2;
    /// Given back: zero.
    pub const UNMAPPED: u64 = 3;
    /// All of the block is here, or the bitmap is.
    pub const FULLY_PRESENT: u64 = 6;
    /// The bitmap says which sectors are here.
    pub const PARTIALLY_PRESENT: u64 = 7;

    /// The entry of what stands at `at`, which must be a multiple of 1 MiB.
    #[must_use]
    pub const fn new(state: u64, at: u64) -> Self {
        Self(at & !(MIB - 1) | state & 7)
    }

    /// What is there.
    #[must_use]
    pub const fn state(self) -> u64 {
        self.0 & 7
    }

    /// Where it stands in the file, in bytes.
    #[must_use]
    pub const fn at(self) -> u64 {
        self.0 & !(MIB - 1)
    }

    /// Whether it is that of a block which has no data and keeps its room in the file all the same. What other states without data name as
    /// their place means nothing. MS-VHDX 2.5.1.1
    #[must_use]
    pub const fn keeps_room(self) -> bool {
        matches!(self.state(), Self::UNDEFINED | Self::UNMAPPED) && self.at() != 0
    }

    /// The bits between state and place, which ought to be zero.
    #[must_use]
    pub const fn reserved(self) -> u64 {
        self.0 & (MIB - 1) & !7
    }
}

/// How the BAT is laid out: payload blocks, and behind every `ratio` of them a place for their bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatShape {
    /// Blocks of the disk.
    pub blocks: u64,
    /// Blocks that share a bitmap; never 0.
    pub ratio: u64,
}

impl BatShape {
    /// The layout for a disk of `size` bytes in blocks of `block_size` and sectors of `sector` bytes.
    #[must_use]
    pub fn new(size: u64, block_size: u64, sector: u64) -> Self {
        let chunk = BITMAP_SECTORS.saturating_mul(sector);
        Self {
            blocks: if block_size == 0 {
                0
            } else {
                size.div_ceil(block_size)
            },
            ratio: chunk.checked_div(block_size).unwrap_or(1).max(1),
        }
    }

    /// Bitmaps that a differencing image has places for.
    #[must_use]
    pub const fn chunks(&self) -> u64 {
        self.blocks.div_ceil(self.ratio)
    }

    /// Entries of the BAT. An image without a parent leaves out the bitmap behind its last blocks.
    #[must_use]
    pub const fn entries(&self, has_parent: bool) -> u64 {
        if has_parent {
            self.chunks().saturating_mul(self.ratio + 1)
        } else {
            self.blocks
                .saturating_add(self.blocks.saturating_sub(1) / self.ratio)
        }
    }

    /// The entry of `block`.
    #[must_use]
    pub const fn block_index(&self, block: u64) -> u64 {
        block.saturating_add(block / self.ratio)
    }

    /// The entry of the bitmap of chunk `chunk`.
    #[must_use]
    pub const fn bitmap_index(&self, chunk: u64) -> u64 {
        chunk
            .saturating_mul(self.ratio + 1)
            .saturating_add(self.ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guid(text: &str) -> [u8; 16] {
        uuid::Uuid::try_parse(text)
            .expect("it is a GUID")
            .to_bytes_le()
    }

    #[test]
    fn guids_stand_as_windows_keeps_them() {
        for (bytes, text) in [
            (BAT_REGION, "2dc27766-f623-4200-9d64-115e9bfd4a08"),
            (METADATA_REGION, "8b7ca206-4790-4b9a-b8fe-575f050f886e"),
            (FILE_PARAMETERS, "caa16737-fa36-4d43-b3b6-33f0aa44e76b"),
            (VIRTUAL_DISK_SIZE, "2fa54224-cd1b-4876-b211-5dbed83bf4b8"),
            (PAGE_83_DATA, "beca12ab-b2e6-4523-93ef-c309e000c746"),
            (LOGICAL_SECTOR_SIZE, "8141bf1d-a96f-4709-ba47-f233a8faab5f"),
            (PHYSICAL_SECTOR_SIZE, "cda348c7-445d-4471-9cc9-e9885251c556"),
            (PARENT_LOCATOR, "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"),
            (GEOMETRY, "da02d7bc-3d3a-423c-ac88-2a36ab21479b"),
            (INCOMPLETE_FILE, "71cc85f0-1b69-4e28-9558-c3bf83ae75d3"),
            (PMEM_LABEL, "10e1ae8a-4b7e-4169-a40f-cd70de928393"),
            (LOCATOR_TYPE, "b04aefb7-d19e-4a81-b789-25b8e9445913"),
        ] {
            assert_eq!(bytes, guid(text), "{text}");
        }
    }

    #[test]
    fn headers_of_the_sheet_have_their_checksums() {
        let id = guid("83ed0ec3-24c8-49a6-a959-5e4bf1288bfb");
        let header = |file, data| Header {
            signature: HEADER_SIGNATURE,
            checksum: 0,
            sequence_number: 1,
            file_write_guid: file,
            data_write_guid: data,
            log_guid: NO_GUID,
            log_version: 0,
            version: VERSION,
            log_length: 1 << 20,
            log_offset: 1 << 20,
            reserved: [0; 4016],
        };
        assert_eq!(header(id, id).computed_checksum(), 0x24ee_3091);
        let file = guid("81302b13-c7aa-47cd-8f27-96d4c46bf8ea");
        let data = guid("fd03891c-29e5-4ad6-8ee1-7198d3b1e263");
        assert_eq!(header(file, data).sealed().checksum, 0x0f5c_f62b);
    }

    #[test]
    fn the_region_tables_of_the_sheet_have_their_checksums() {
        let table = |entries: &[([u8; 16], u64, u32)]| {
            let mut bytes = vec![0; REGION_LEN];
            let head = RegionHead {
                signature: REGION_SIGNATURE,
                checksum: 0xdead_beef,
                entry_count: entries.len() as u32,
                reserved: 0,
            };
            bytes[..16].copy_from_slice(&head.emit());
            for (place, (guid, at, flags)) in bytes[16..].chunks_mut(32).zip(entries) {
                let entry = RegionEntry {
                    guid: *guid,
                    file_offset: *at,
                    length: 1 << 20,
                    flags: *flags,
                };
                place.copy_from_slice(&entry.emit());
            }
            checksum(&bytes)
        };
        let (bat, meta) = (BAT_REGION, METADATA_REGION);
        let (two, three) = (2 << 20, 3 << 20);
        assert_eq!(table(&[(bat, two, 0), (meta, three, 0)]), 0x2c6f_ce83);
        assert_eq!(table(&[(bat, three, 1), (meta, two, 1)]), 0xc66b_8cae);
        assert_eq!(table(&[(meta, two, 1), (bat, three, 1)]), 0x1c14_2859);
    }

    #[test]
    fn the_bat_has_the_shapes_of_the_sheet() {
        const GIB: u64 = 1 << 30;
        for (size, block, blocks, ratio, chunks, dynamic, child) in [
            (5 * GIB, MIB, 5120, 4096, 2, 5121, 8194),
            (GIB, 32 * MIB, 32, 128, 1, 32, 129),
            (10 * GIB, 4 * MIB, 2560, 1024, 3, 2562, 3075),
            (
                65536 * GIB,
                32 * MIB,
                2_097_152,
                128,
                16384,
                2_113_535,
                2_113_536,
            ),
            (8 * GIB, 2 * MIB, 4096, 2048, 2, 4097, 4098),
        ] {
            let shape = BatShape::new(size, block, 512);
            assert_eq!((shape.blocks, shape.ratio), (blocks, ratio));
            assert_eq!(shape.chunks(), chunks);
            assert_eq!(shape.entries(false), dynamic);
            assert_eq!(shape.entries(true), child);
        }
        let shape = BatShape::new(1 << 40, 32 * MIB, 512);
        assert_eq!(shape.block_index(127), 127);
        assert_eq!(shape.block_index(128), 129);
        assert_eq!((shape.bitmap_index(0), shape.bitmap_index(1)), (128, 257));
        assert_eq!(BatShape::new(GIB, 256 * MIB, 512).ratio, 16);
    }

    #[test]
    fn entries_of_the_bat_read_as_the_sheet_says() {
        assert_eq!(BatEntry::new(6, 4 << 20).0, 0x40_0006);
        assert_eq!(BatEntry(0x50_0007).at(), 5 << 20);
        assert_eq!(BatEntry(0x50_0007).state(), BatEntry::PARTIALLY_PRESENT);
        assert_eq!(BatEntry(0x50_000f).reserved(), 8);
    }

    #[test]
    fn every_bit_of_every_structure_survives() {
        let bytes: [u8; 4096] = std::array::from_fn(|at| (at * 7 + at / 256) as u8);
        assert_eq!(Header::parse(&bytes).emit(), bytes);
        assert_eq!(DataPage::parse(&bytes).emit(), bytes);
        let entry: [u8; 64] = std::array::from_fn(|at| (at * 5 + 1) as u8);
        assert_eq!(LogEntry::parse(&entry).emit(), entry);
        let small: [u8; 32] = std::array::from_fn(|at| (at * 3 + 1) as u8);
        assert_eq!(Descriptor::parse(&small).emit(), small);
        assert_eq!(MetadataHead::parse(&small).emit(), small);
        assert_eq!(RegionEntry::parse(&small).emit(), small);
        assert_eq!(MetadataEntry::parse(&small).emit(), small);
    }
}
