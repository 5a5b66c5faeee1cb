//! Partition tables as they stand on a disk: bytes only, no judgement. \[UEFI\] 5.2 and 5.3

use crate::record;

/// Where the entries of a master boot record stand in its sector.
pub const MBR_ENTRIES: usize = 446;
/// The kind of the entry that keeps a GPT disk from looking empty.
pub const PROTECTIVE: u8 = 0xee;
/// What the header of a GPT begins with.
pub const GPT_SIGNATURE: [u8; 8] = *b"EFI PART";
/// Version 1.0, the only one there is.
pub const GPT_REVISION: u32 = 0x0001_0000;

record! {
    /// An entry of a master boot record.
    pub struct MbrEntry: LittleEndian, 16 {
        /// 0x80 where a BIOS boots from it, else 0.
        0 => status: u8,
        /// The first block as cylinder, head, sector.
        1 => start_chs: [u8; 3],
        /// What it is for; 0: not used.
        4 => kind: u8,
        /// The last block as cylinder, head, sector.
        5 => end_chs: [u8; 3],
        /// The first block.
        8 => start: u32,
        /// How many blocks.
        12 => sectors: u32,
    }
}

record! {
    /// The header of a GPT, or of its backup. Blocks are counted from 0.
    pub struct GptHeader: LittleEndian, 92 {
        /// [`GPT_SIGNATURE`].
        0 => signature: [u8; 8],
        /// [`GPT_REVISION`].
        8 => revision: u32,
        /// How many bytes the checksum covers.
        12 => header_size: u32,
        /// CRC-32 of the header, this field being 0.
        16 => header_crc: u32,
        /// 0.
        20 => reserved: u32,
        /// The block where it stands.
        24 => my_lba: u64,
        /// The block where the other header stands.
        32 => alternate_lba: u64,
        /// The first block that a partition may take.
        40 => first_usable: u64,
        /// The last one.
        48 => last_usable: u64,
        /// Which disk this is.
        56 => disk_guid: [u8; 16],
        /// The block where the entries begin.
        72 => entries_lba: u64,
        /// How many entries there are.
        80 => entry_count: u32,
        /// The bytes of an entry.
        84 => entry_size: u32,
        /// CRC-32 of all entries.
        88 => entries_crc: u32,
    }
}

record! {
    /// What an entry of a GPT begins with: all of it where entries have 128 bytes.
    pub struct GptEntry: LittleEndian, 128 {
        /// What the partition is for; 0: not used.
        0 => kind: [u8; 16],
        /// Which partition this is.
        16 => guid: [u8; 16],
        /// Its first block.
        32 => first: u64,
        /// Its last block.
        40 => last: u64,
        /// Flags.
        48 => attributes: u64,
        /// Its name, UTF-16, ended by 0.
        56 => name: [u16; 36],
    }
}
