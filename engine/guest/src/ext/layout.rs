//! The superblock's bytes, and the features that it names.

use imgdelta_core::record;

/// Incompatible features.
pub(super) mod incompat {
    pub(crate) const FILETYPE: u32 = 0x2;
    pub(crate) const RECOVER: u32 = 0x4;
    pub(crate) const META_BG: u32 = 0x10;
    pub(crate) const EXTENTS: u32 = 0x40;
    pub(crate) const BITS64: u32 = 0x80;
    pub(crate) const MMP: u32 = 0x100;
    pub(crate) const FLEX_BG: u32 = 0x200;
    pub(crate) const EA_INODE: u32 = 0x400;
    pub(crate) const CSUM_SEED: u32 = 0x2000;
    pub(crate) const LARGEDIR: u32 = 0x4000;
    pub(crate) const INLINE_DATA: u32 = 0x8000;
    pub(crate) const ENCRYPT: u32 = 0x1_0000;
    pub(crate) const CASEFOLD: u32 = 0x2_0000;
    /// All of them: compression, a journal device, data in directories and what is newer are not understood.
    pub(crate) const KNOWN: u32 = FILETYPE
        | RECOVER
        | META_BG
        | EXTENTS
        | BITS64
        | MMP
        | FLEX_BG
        | EA_INODE
        | CSUM_SEED
        | LARGEDIR
        | INLINE_DATA
        | ENCRYPT
        | CASEFOLD;
}

/// Features that a reader need not understand to read, and must to know what is free.
pub(super) mod ro_compat {
    pub(crate) const SPARSE_SUPER: u32 = 0x1;
    pub(crate) const GDT_CSUM: u32 = 0x10;
    pub(crate) const BIGALLOC: u32 = 0x200;
    pub(crate) const METADATA_CSUM: u32 = 0x400;
    pub(crate) const ORPHAN_PRESENT: u32 = 0x1_0000;
    /// All but snapshots (0x80), replicas (0x800) and shared blocks (0x4000).
    pub(crate) const KNOWN: u32 = 0x1_b77f;
}

/// Features that nobody must understand.
pub(super) mod compat {
    pub(crate) const HAS_JOURNAL: u32 = 0x4;
    pub(crate) const SPARSE_SUPER2: u32 = 0x200;
}

record! {
    /// The superblock.
    pub(super) struct RawSuperblock: LittleEndian, 1024 {
        /// Inodes of all groups.
        0 => inodes_count: u32,
        /// Blocks, low half.
        4 => blocks_count_lo: u32,
        /// Not read: reserved and free blocks, free inodes.
        8 => counts: [u32; 3],
        /// The block of the superblock: 1 in blocks of 1 KiB.
        20 => first_data_block: u32,
        /// Block size = 1024 << this.
        24 => log_block_size: u32,
        /// Cluster size = 1024 << this, with `bigalloc`.
        28 => log_cluster_size: u32,
        /// Blocks of a group.
        32 => blocks_per_group: u32,
        /// Clusters of a group.
        36 => clusters_per_group: u32,
        /// Inodes of a group.
        40 => inodes_per_group: u32,
        /// Not read: times, counts of mounts.
        44 => mounts: [u8; 12],
        /// 0xef53.
        56 => magic: u16,
        /// 1: left cleanly; 2: errors; 4: orphans are being recovered.
        58 => state: u16,
        /// Not read.
        60 => checks: [u8; 16],
        /// 0: no features, inodes of 128 bytes.
        76 => rev_level: u32,
        /// Not read.
        80 => owner: [u16; 2],
        /// The first inode that a file may have.
        84 => first_ino: u32,
        /// Bytes of an inode.
        88 => inode_size: u16,
        /// Not read.
        90 => block_group_nr: u16,
        /// See [`compat`].
        92 => compat: u32,
        /// See [`incompat`].
        96 => incompat: u32,
        /// See [`ro_compat`].
        100 => ro_compat: u32,
        /// Which file system this is.
        104 => uuid: [u8; 16],
        /// Not read: names.
        120 => names: [u8; 86],
        /// Blocks behind the descriptors that they may grow into.
        206 => reserved_gdt_blocks: u16,
        /// Not read.
        208 => journal_uuid: [u8; 16],
        /// The inode of the journal.
        224 => journal_inum: u32,
        /// Not read: an external journal's device.
        228 => journal_dev: u32,
        /// The first of a list of inodes that are to be deleted.
        232 => last_orphan: u32,
        /// Not read.
        236 => hash: [u8; 18],
        /// Bytes of a group descriptor, with 64 bits.
        254 => desc_size: u16,
        /// Not read.
        256 => default_mount_opts: u32,
        /// The first block of descriptors that `meta_bg` puts elsewhere.
        260 => first_meta_bg: u32,
        /// Not read: a copy of the journal's inode.
        264 => journal_backup: [u8; 72],
        /// Blocks, high half, with 64 bits.
        336 => blocks_count_hi: u32,
        /// Not read.
        340 => more_counts: [u8; 20],
        /// The block of the multiple mount protection.
        360 => mmp_block: u64,
        /// Not read.
        368 => raid_stripe_width: u32,
        /// Groups of a flexible group = 1 << this.
        372 => log_groups_per_flex: u8,
        /// 1: crc32c.
        373 => checksum_type: u8,
        /// Not read: statistics, errors, snapshots, quota.
        374 => statistics: [u8; 214],
        /// The groups with copies, with `sparse_super2`.
        588 => backup_bgs: [u32; 2],
        /// Not read.
        596 => encryption: [u8; 28],
        /// What checksums begin with, with `metadata_csum_seed`.
        624 => checksum_seed: u32,
        /// Not read.
        628 => reserved: [u8; 392],
        /// crc32c of all before it.
        1020 => checksum: u32,
    }
}
