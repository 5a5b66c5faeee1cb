//! The superblock: geometry, features, and addresses.

use imgdelta_core::record;

use crate::{
    fault::{Fault, Found},
    runs::Run,
    window::{Window, le},
};

/// Version 5, incompatible: file types, sparse inodes, a UUID of its own, big times, many extents, exchanged ranges, parents.
const INCOMPAT: u32 = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80;
/// It must be repaired.
const NEEDS_REPAIR: u32 = 0x10;
/// Free inodes, reverse map, shared blocks, counts of trees.
const RO_COMPAT: u32 = 0xf;
/// Version 4, second set: directories know what a file is.
const FTYPE_4: u32 = 0x200;
/// More groups than this are not read.
const MOST_GROUPS: u32 = 1 << 20;

record! {
    /// The superblock, in the first sector of each group; that of the first one counts.
    struct Raw: BigEndian, 264 {
        /// `XFSB`.
        0 => magic: [u8; 4],
        /// Bytes of a block.
        4 => block: u32,
        /// Blocks.
        8 => blocks: u64,
        /// Not read: those of the real-time device.
        16 => real_time: [u64; 2],
        /// Which file system this is.
        32 => uuid: [u8; 16],
        /// The first block of the log; 0: it is on another device.
        48 => log_start: u64,
        /// The root directory.
        56 => root: u64,
        /// Not read.
        64 => real_time_inodes: [u64; 2],
        /// Not read.
        80 => real_time_extent: u32,
        /// Blocks of a group.
        84 => group_blocks: u32,
        /// Groups.
        88 => groups: u32,
        /// Not read.
        92 => real_time_bitmap: u32,
        /// Blocks of the log.
        96 => log_blocks: u32,
        /// 4 or 5 in the lowest four bits.
        100 => version: u16,
        /// Bytes of a sector.
        102 => sector: u16,
        /// Bytes of an inode.
        104 => inode: u16,
        /// Inodes of a block.
        106 => inodes_per_block: u16,
        /// Its name.
        108 => name: [u8; 12],
        /// Logarithms of the sizes: block, sector, inode.
        120 => logs: [u8; 3],
        /// That of the inodes of a block.
        123 => inodes_log: u8,
        /// That of the blocks of a group, rounded up.
        124 => group_log: u8,
        /// Not read.
        125 => real_time_log: u8,
        /// Not 0: mkfs was interrupted.
        126 => in_progress: u8,
        /// Not read: counts, quota, stripes.
        127 => counts: [u8; 65],
        /// Blocks of a directory's block = 1 << this.
        192 => folder_log: u8,
        /// Not read.
        193 => log_geometry: [u8; 7],
        /// Version 4: a second set of features.
        200 => features_2: u32,
        /// Its copy.
        204 => bad_features_2: u32,
        /// Version 5: features.
        208 => compat: u32,
        /// See [`RO_COMPAT`].
        212 => ro_compat: u32,
        /// See [`INCOMPAT`].
        216 => incompat: u32,
        /// What a log may hold that is to be replayed.
        220 => log_incompat: u32,
        /// crc32c of the sector, little-endian.
        224 => crc: [u8; 4],
        /// Not read.
        228 => rest: [u8; 36],
    }
}

/// A judged superblock.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    /// Bytes of a block.
    pub(super) block: u64,
    /// Blocks of a group, the last one apart.
    pub(super) group_blocks: u64,
    pub(super) groups: u32,
    /// All blocks.
    pub(super) blocks: u64,
    pub(super) sector: u64,
    /// Bytes of an inode.
    pub(super) inode: u64,
    inodes_log: u32,
    group_log: u32,
    /// The root directory.
    pub(super) root: u64,
    /// Where the log is, in bytes of the volume, and its length; `None`: on another device.
    pub(super) log: Option<(u64, u64)>,
    /// Bytes of a directory's block.
    pub(super) folder_block: u64,
    /// Whether structures have checksums: version 5.
    pub(super) has_crcs: bool,
    /// Whether directories know what a file is.
    pub(super) has_types: bool,
    /// Where the volume begins on the disk.
    start: u64,
}

impl Superblock {
    /// Reads and judges it.
    pub(super) fn read(volume: &Window<'_>) -> Found<Self> {
        let raw = Raw::parse(&volume.array::<264>(0)?);
        let refuse = |what: &str| {
            Err(Fault::Unsound(format!(
                "its superblock has an impossible {what}"
            )))
        };
        let (block, sector) = (u64::from(raw.block), u64::from(raw.sector));
        if !block.is_power_of_two() || !(512..=65536).contains(&block) {
            return refuse("block size");
        }
        if !sector.is_power_of_two() || !(512..=32768).contains(&sector) || sector > block.max(512)
        {
            return refuse("sector size");
        }
        let has_crcs = judge(volume, &raw, sector)?;
        let (group_blocks, blocks) = (u64::from(raw.group_blocks), raw.blocks);
        let is_inside = blocks
            .checked_mul(block)
            .is_some_and(|len| len <= volume.len());
        let is_sound = raw.group_log < 32
            && group_blocks.checked_next_power_of_two() == Some(1 << raw.group_log)
            && group_blocks * block >= 4 * sector
            && raw.groups <= MOST_GROUPS
            && u64::from(raw.groups) == blocks.div_ceil(group_blocks.max(1));
        if !is_inside || !is_sound {
            return refuse("number of blocks or groups");
        }
        let inode = u64::from(raw.inode);
        let inodes_log = u32::from(raw.inodes_log);
        if !(256..=2048).contains(&inode) || inodes_log > 8 || inode << inodes_log != block {
            return refuse("inode size");
        }
        let folder_block = block << raw.folder_log.min(16);
        if raw.folder_log > 8 || folder_block > 65536 {
            return refuse("size of directory blocks");
        }
        let mut this = Self {
            block,
            group_blocks,
            groups: raw.groups,
            blocks,
            sector,
            inode,
            inodes_log,
            group_log: u32::from(raw.group_log),
            root: raw.root,
            log: None,
            folder_block,
            has_crcs,
            has_types: has_types(&raw, has_crcs),
            start: volume.start().0,
        };
        if raw.log_start != 0 {
            let len = u64::from(raw.log_blocks);
            this.log = Some((this.place(raw.log_start, len)?, len * block));
        }
        Ok(this)
    }

    /// Blocks of that group.
    pub(super) fn blocks_of(&self, group: u32) -> u64 {
        let before = u64::from(group).saturating_mul(self.group_blocks);
        self.blocks.saturating_sub(before).min(self.group_blocks)
    }

    /// Where blocks of a group are, in bytes of the volume.
    pub(super) fn in_group(&self, group: u32, first: u64, count: u64) -> Found<u64> {
        let end = first.checked_add(count);
        if group >= self.groups || end.is_none_or(|end| end > self.blocks_of(group)) {
            return Err(Fault::Unsound(format!(
                "{count} blocks from {first} on are named, which group {group} does not have"
            )));
        }
        let number = u64::from(group)
            .saturating_mul(self.group_blocks)
            .saturating_add(first);
        Ok(number.saturating_mul(self.block))
    }

    /// Where blocks are, in bytes of the volume: their number holds the group in its high bits.
    pub(super) fn place(&self, first: u64, count: u64) -> Found<u64> {
        let group = u32::try_from(first >> self.group_log).unwrap_or(u32::MAX);
        self.in_group(group, first & ((1 << self.group_log) - 1), count)
    }

    /// Where an inode is, in bytes of the volume: its number holds group, block and place.
    pub(super) fn inode_at(&self, number: u64) -> Found<u64> {
        let block = self.place(number >> self.inodes_log, 1)?;
        let inside = number & ((1 << self.inodes_log) - 1);
        Ok(block.saturating_add(inside.saturating_mul(self.inode)))
    }

    /// The number of an inode of a group.
    pub(super) fn inode_of(&self, group: u32, inside: u64) -> u64 {
        u64::from(group) << (self.group_log + self.inodes_log) | inside
    }

    /// Bytes of the volume as a run of the disk.
    pub(super) fn run(&self, at: u64, len: u64) -> Run {
        Run::new(self.start.saturating_add(at), len)
    }
}

/// Makes sure that version and features are known, and that the checksum is right: whether there are checksums.
fn judge(volume: &Window<'_>, raw: &Raw, sector: u64) -> Found<bool> {
    if raw.in_progress != 0 {
        return Err(Fault::unsound("its making was interrupted"));
    }
    match raw.version & 0xf {
        4 => return Ok(false),
        5 => {}
        version => return Err(Fault::Unsound(format!("it is of version {version}"))),
    }
    let bytes = volume.bytes(0, sector, 32768)?;
    if !is_sealed(&bytes, 224) {
        return Err(Fault::unsound("the checksum of its superblock is wrong"));
    }
    if raw.incompat & NEEDS_REPAIR != 0 {
        return Err(Fault::unsound("it says that it must be repaired"));
    }
    let unknown = (
        raw.incompat & !INCOMPAT,
        raw.ro_compat & !RO_COMPAT,
        raw.log_incompat,
    );
    if unknown != (0, 0, 0) {
        return Err(Fault::Unsound(format!(
            "its features {unknown:x?} are not known"
        )));
    }
    Ok(true)
}

/// Whether the crc32c at `at` is that of all other bytes.
pub(super) fn is_sealed(bytes: &[u8], at: usize) -> bool {
    let (Some(before), Some(after)) = (bytes.get(..at), bytes.get(at + 4..)) else {
        return false;
    };
    let crc = crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]);
    crc32c::crc32c_append(crc, after) == le::<u32>(bytes, at)
}

/// Whether directories say of each entry what it is.
const fn has_types(raw: &Raw, has_crcs: bool) -> bool {
    if has_crcs {
        raw.incompat & 1 != 0
    } else {
        raw.features_2 & FTYPE_4 != 0
    }
}
