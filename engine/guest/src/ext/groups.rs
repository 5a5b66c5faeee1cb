//! Group descriptors, where they stand, and which blocks the file system keeps for itself.

use imgdelta_core::record;

use super::{
    checksum::{crc16, raw_crc32c},
    layout::{compat, incompat, ro_compat},
    superblock::Superblock,
};
use crate::{
    fault::{Fault, Found},
    runs::{Run, Runs},
    window::{Window, le},
};

/// The block bitmap of the group is not on the disk: only metadata is in use.
const BLOCK_UNINIT: u16 = 2;
/// No inode of the group is in use.
const INODE_UNINIT: u16 = 1;

record! {
    /// The first half of a descriptor; the second one, with 64 bits, holds the high halves.
    struct Half: LittleEndian, 32 {
        /// The block of the block bitmap.
        0 => block_bitmap: u32,
        /// The block of the inode bitmap.
        4 => inode_bitmap: u32,
        /// The first block of the inode table.
        8 => inode_table: u32,
        /// Free clusters.
        12 => free_blocks: u16,
        /// Free inodes.
        14 => free_inodes: u16,
        /// Directories.
        16 => used_dirs: u16,
        /// [`BLOCK_UNINIT`] and others.
        18 => flags: u16,
        /// Not read.
        20 => exclude_bitmap: u32,
        /// Of the block bitmap, low half.
        24 => block_bitmap_csum: u16,
        /// Of the inode bitmap, low half.
        26 => inode_bitmap_csum: u16,
        /// Inodes at the table's end that were never used.
        28 => itable_unused: u16,
        /// Of the descriptor.
        30 => checksum: u16,
    }
}

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The block of the block bitmap; `None` if only metadata is in use.
    pub(super) bitmap: Option<u64>,
    /// The checksum of the block bitmap, and the bits of it that are known.
    pub(super) bitmap_csum: (u32, u32),
    /// Free clusters.
    pub(super) free: u64,
    /// The first block of the inode table.
    pub(super) inode_table: u64,
    /// How many inodes from the first on may be in use.
    pub(super) inodes: u64,
    /// The places of both bitmaps, as the descriptor has them.
    bitmaps: [u64; 2],
}

/// All groups, descriptors proven where they have checksums.
pub(super) fn read(volume: &Window<'_>, fs: &Superblock) -> Found<Vec<Group>> {
    let per_block = fs.block / fs.desc_size;
    let mut groups = Vec::new();
    for number in 0..fs.groups.div_ceil(per_block) {
        let at = descriptor_block(fs, number);
        let block = volume.bytes(at.saturating_mul(fs.block), fs.block, 65536)?;
        let size = usize::try_from(fs.desc_size).unwrap_or(usize::MAX);
        for bytes in block.chunks_exact(size) {
            let group = groups.len() as u64;
            if group < fs.groups {
                groups.push(parse(fs, group, bytes)?);
            }
        }
    }
    Ok(groups)
}

/// The block of descriptors with that number. \[fs/ext4/super.c: descriptor_loc\]
fn descriptor_block(fs: &Superblock, number: u64) -> u64 {
    // In blocks of 1 KiB the superblock is in block 1, also where bigalloc lets groups start at 0.
    let of_superblock = u64::from(fs.block == 1024);
    if !fs.has(incompat::META_BG) || number < u64::from(fs.raw.first_meta_bg) {
        return of_superblock + 1 + number;
    }
    let group = number.saturating_mul(fs.block / fs.desc_size);
    let skipped = u64::from(group == 0 && fs.block == 1024 && fs.raw.first_data_block == 0);
    let is_behind = u64::from(has_super(fs, group));
    fs.first_of(group).saturating_add(is_behind + skipped)
}

/// Reads and judges a descriptor.
fn parse(fs: &Superblock, group: u64, bytes: &[u8]) -> Found<Group> {
    let (Some(first), second) = (bytes.first_chunk(), bytes.get(32..64).unwrap_or_default()) else {
        return Err(Fault::unsound("a group descriptor is cut"));
    };
    let half = Half::parse(first);
    let checksum = checksum(fs, group, bytes);
    if checksum.is_some_and(|checksum| checksum != half.checksum) {
        return Err(Fault::Unsound(format!(
            "the checksum of the descriptor of group {group} is wrong"
        )));
    }
    let wide = |low: u32, at: usize| u64::from(le::<u32>(second, at)) << 32 | u64::from(low);
    let count = |low: u16, at: usize| u64::from(le::<u16>(second, at)) << 16 | u64::from(low);
    let bitmaps = [wide(half.block_bitmap, 0), wide(half.inode_bitmap, 4)];
    let inode_table = wide(half.inode_table, 8);
    // Flags mean something only where a checksum makes them certain.
    let flags = if checksum.is_some() { half.flags } else { 0 };
    let inodes = u64::from(fs.raw.inodes_per_group);
    let unused = match flags & INODE_UNINIT {
        0 if checksum.is_some() => count(half.itable_unused, 18),
        0 => 0,
        _ => inodes,
    };
    let (known, high) = if second.is_empty() {
        (0xffff, 0)
    } else {
        (!0, le::<u16>(second, 24))
    };
    let found = Group {
        bitmap: (flags & BLOCK_UNINIT == 0).then_some(bitmaps[0]),
        bitmap_csum: (
            u32::from(high) << 16 | u32::from(half.block_bitmap_csum),
            known,
        ),
        free: count(half.free_blocks, 12),
        inode_table,
        inodes: inodes.saturating_sub(unused),
        bitmaps,
    };
    let table_end = inode_table.saturating_add(table_blocks(fs));
    let first = u64::from(fs.raw.first_data_block);
    let are_inside = bitmaps.iter().all(|at| (first..fs.blocks).contains(at));
    if !are_inside || inode_table < first || table_end > fs.blocks {
        return Err(Fault::Unsound(format!(
            "the bitmaps or inodes of group {group} are not in the file system"
        )));
    }
    Ok(found)
}

/// The checksum of a descriptor, if there are any.
fn checksum(fs: &Superblock, group: u64, bytes: &[u8]) -> Option<u16> {
    let [a, b, c, d, ..] = group.to_le_bytes();
    let number = [a, b, c, d];
    let (before, after) = (bytes.get(..30)?, bytes.get(32..)?);
    if fs.has_ro(ro_compat::METADATA_CSUM) {
        let crc = raw_crc32c(raw_crc32c(fs.seed, &number), before);
        let crc = raw_crc32c(raw_crc32c(crc, &[0, 0]), after);
        return u16::try_from(crc & 0xffff).ok();
    }
    fs.has_ro(ro_compat::GDT_CSUM).then(|| {
        let crc = crc16(crc16(!0, &fs.raw.uuid), &number);
        crc16(crc16(crc, before), after)
    })
}

/// How many blocks the inode table of a group has.
fn table_blocks(fs: &Superblock) -> u64 {
    let inodes = u64::from(fs.raw.inodes_per_group);
    inodes.saturating_mul(fs.inode_size).div_ceil(fs.block)
}

/// Whether a group begins with a copy of the superblock.
fn has_super(fs: &Superblock, group: u64) -> bool {
    let is_power = |base: u64| {
        let mut power = base;
        while power < group {
            power = power.saturating_mul(base);
        }
        power == group
    };
    if group == 0 {
        return true;
    }
    if fs.raw.compat & compat::SPARSE_SUPER2 != 0 {
        return fs.raw.backup_bgs.iter().any(|one| u64::from(*one) == group);
    }
    let is_sparse = fs.has_ro(ro_compat::SPARSE_SUPER);
    !is_sparse || group == 1 || is_power(3) || is_power(5) || is_power(7)
}

/// What the file system keeps for itself.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Superblocks, descriptors, and the blocks that descriptors may grow into.
    pub(super) supers: Vec<Run>,
    /// Block and inode bitmaps.
    pub(super) bitmaps: Vec<Run>,
    /// Inode tables.
    pub(super) tables: Vec<Run>,
}

impl Kept {
    /// That of all groups.
    pub(super) fn of(fs: &Superblock, groups: &[Group]) -> Self {
        let mut kept = Self::default();
        kept.supers
            .push(fs.run(0, u64::from(fs.raw.first_data_block)));
        for (number, group) in (0..).zip(groups) {
            supers(fs, number, &mut kept.supers);
            kept.bitmaps.extend(group.bitmaps.map(|at| fs.run(at, 1)));
            kept.tables
                .push(fs.run(group.inode_table, table_blocks(fs)));
        }
        kept
    }

    /// All of it, in whole clusters.
    pub(super) fn runs(&self, fs: &Superblock) -> Runs {
        let cluster = fs.block.saturating_mul(fs.ratio);
        let start = fs.run(u64::from(fs.raw.first_data_block), 0).start.0;
        let all = [&self.supers, &self.bitmaps, &self.tables];
        let runs = all.into_iter().flatten().map(|run| {
            let from = run.start.0.saturating_sub(start) / cluster * cluster;
            let end = run
                .end()
                .saturating_sub(start)
                .div_ceil(cluster)
                .saturating_mul(cluster);
            Run::new(start.saturating_add(from), end.saturating_sub(from))
        });
        Runs::of(runs.collect())
    }
}

/// Adds what a group has of superblocks and descriptors. \[libext2fs: ext2fs_super_and_bgd_loc2\]
fn supers(fs: &Superblock, group: u64, kept: &mut Vec<Run>) {
    let per_block = fs.block / fs.desc_size;
    let mut first = fs.first_of(group);
    if first == 0 && fs.block == 1024 {
        kept.push(fs.run(0, 1));
        first = 1;
    }
    let is_copy = has_super(fs, group);
    if is_copy {
        kept.push(fs.run(first, 1));
    }
    let is_meta = fs.has(incompat::META_BG);
    if is_meta && group / per_block >= u64::from(fs.raw.first_meta_bg) {
        let inside = group % per_block;
        if inside <= 1 || inside == per_block - 1 {
            kept.push(fs.run(first.saturating_add(u64::from(is_copy)), 1));
        }
    } else if is_copy {
        let blocks = if is_meta {
            u64::from(fs.raw.first_meta_bg)
        } else {
            let reserved = u64::from(fs.raw.reserved_gdt_blocks);
            fs.groups.div_ceil(per_block).saturating_add(reserved)
        };
        kept.push(fs.run(first.saturating_add(1), blocks));
    }
}
