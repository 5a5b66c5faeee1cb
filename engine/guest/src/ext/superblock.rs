//! The superblock: features understood or refused, geometry, and whether the file system was left cleanly.

use super::{
    checksum::raw_crc32c,
    layout::{RawSuperblock, incompat, ro_compat},
};
use crate::{
    fault::{Fault, Found},
    runs::Run,
    window::Window,
};

/// Where it stands in the volume.
const AT: u64 = 1024;
/// More groups than this are not read: 128 TiB in blocks of 4 KiB.
const MOST_GROUPS: u64 = 1 << 20;

/// A judged superblock.
#[derive(Debug)]
pub(super) struct Superblock {
    pub(super) raw: RawSuperblock,
    /// Bytes of a block.
    pub(super) block: u64,
    /// Blocks.
    pub(super) blocks: u64,
    /// Blocks of a cluster, the unit of the bitmaps: 1 without `bigalloc`.
    pub(super) ratio: u64,
    /// Groups.
    pub(super) groups: u64,
    /// Bytes of a group descriptor.
    pub(super) desc_size: u64,
    /// Bytes of an inode.
    pub(super) inode_size: u64,
    /// What checksums begin with.
    pub(super) seed: u32,
    /// Where the volume starts on the disk.
    start: u64,
}

impl RawSuperblock {
    const fn has(&self, feature: u32) -> bool {
        self.incompat & feature != 0
    }

    /// How many blocks there are.
    fn blocks(&self) -> u64 {
        let high = if self.has(incompat::BITS64) {
            self.blocks_count_hi
        } else {
            0
        };
        u64::from(high) << 32 | u64::from(self.blocks_count_lo)
    }

    /// The bytes of an inode.
    fn inode_len(&self) -> u64 {
        match self.rev_level {
            0 => 128,
            _ => u64::from(self.inode_size),
        }
    }

    /// The bytes of a group's descriptor, and the fewest that it may have.
    fn descriptor_len(&self) -> (u64, u64) {
        match self.has(incompat::BITS64) {
            true => (u64::from(self.desc_size), 64),
            false => (32, 32),
        }
    }

    /// What checksums begin with.
    fn seed(&self) -> u32 {
        match self.has(incompat::CSUM_SEED) {
            true => self.checksum_seed,
            false => raw_crc32c(!0, &self.uuid),
        }
    }
}

impl Superblock {
    /// Reads and judges it; not whether it is clean.
    pub(super) fn read(volume: &Window<'_>) -> Found<Self> {
        let bytes = volume.array::<1024>(AT)?;
        let raw = RawSuperblock::parse(&bytes);
        let refuse = |why: String| Err(Fault::Unsound(why));
        if raw.magic != 0xef53 {
            return refuse("its superblock is missing".into());
        }
        let unknown = (
            raw.incompat & !incompat::KNOWN,
            raw.ro_compat & !ro_compat::KNOWN,
        );
        if unknown != (0, 0) || raw.rev_level > 1 {
            let (incompat, ro_compat) = unknown;
            return refuse(format!(
                "its features {incompat:#x} (incompat) and {ro_compat:#x} (ro_compat) are not known"
            ));
        }
        let has_checksums = raw.ro_compat & ro_compat::METADATA_CSUM != 0;
        if has_checksums {
            let covered = bytes.get(..1020).unwrap_or_default();
            if raw.checksum_type != 1 || raw_crc32c(!0, covered) != raw.checksum {
                return refuse("the checksum of its superblock is wrong".into());
            }
        }
        let this = Self::geometry(raw, volume)?;
        if this
            .blocks
            .checked_mul(this.block)
            .is_none_or(|len| len > volume.len())
        {
            let (blocks, block) = (this.blocks, this.block);
            return refuse(format!(
                "it has {blocks} blocks of {block} bytes, more than the volume"
            ));
        }
        Ok(this)
    }

    /// What its numbers say, if they can be.
    fn geometry(raw: RawSuperblock, volume: &Window<'_>) -> Found<Self> {
        let refuse = |what: &str| {
            Err(Fault::Unsound(format!(
                "its superblock has an impossible {what}"
            )))
        };
        if raw.log_block_size > 6 {
            return refuse("block size");
        }
        let block = 1024_u64 << raw.log_block_size;
        let has_clusters = raw.ro_compat & ro_compat::BIGALLOC != 0;
        let ratio = match raw.log_cluster_size.checked_sub(raw.log_block_size) {
            _ if !has_clusters => 1,
            Some(shift @ 0..=16) => 1_u64 << shift,
            _ => return refuse("cluster size"),
        };
        let blocks = raw.blocks();
        let first = u64::from(raw.first_data_block);
        let per_group = u64::from(raw.blocks_per_group);
        let clusters = u64::from(raw.clusters_per_group);
        let bits = block * 8;
        let is_sound = per_group != 0
            && per_group.is_multiple_of(ratio)
            && per_group / ratio <= bits
            && (!has_clusters || clusters == per_group / ratio)
            && (first == 0 || first == 1 && block == 1024)
            && first < blocks;
        if !is_sound {
            return refuse("number of blocks");
        }
        let groups = (blocks - first).div_ceil(per_group);
        let inodes = u64::from(raw.inodes_per_group);
        if groups > MOST_GROUPS
            || inodes == 0
            || inodes > bits
            || groups.checked_mul(inodes) != Some(u64::from(raw.inodes_count))
        {
            return refuse("number of groups or inodes");
        }
        let inode_size = raw.inode_len();
        if !inode_size.is_power_of_two() || inode_size < 128 || inode_size > block {
            return refuse("inode size");
        }
        let (desc_size, least) = raw.descriptor_len();
        if !desc_size.is_power_of_two() || !(least..=1024).contains(&desc_size) {
            return refuse("size of descriptors");
        }
        let seed = raw.seed();
        Ok(Self {
            raw,
            block,
            blocks,
            ratio,
            groups,
            desc_size,
            inode_size,
            seed,
            start: volume.start().0,
        })
    }

    /// Whether it has that feature of [`incompat`].
    pub(super) const fn has(&self, feature: u32) -> bool {
        self.raw.incompat & feature != 0
    }

    /// Whether it has that feature of [`ro_compat`].
    pub(super) const fn has_ro(&self, feature: u32) -> bool {
        self.raw.ro_compat & feature != 0
    }

    /// Makes sure that it was left cleanly: nothing is to be replayed, checked or deleted.
    pub(super) fn is_clean(&self, volume: &Window<'_>) -> Found<()> {
        const MMP_CLEAN: [u8; 8] = [0x50, 0x4d, 0x4d, 0, 0x50, 0x4d, 0x4d, 0xff];
        if self.has(incompat::RECOVER) {
            return Err(Fault::unsound("its journal must be replayed"));
        }
        if self.raw.state != 1 {
            let state = self.raw.state;
            return Err(Fault::Unsound(format!(
                "it was not left cleanly: its state is {state}, 1 is clean"
            )));
        }
        if self.raw.last_orphan != 0 || self.has_ro(ro_compat::ORPHAN_PRESENT) {
            return Err(Fault::unsound("it has files that are yet to be deleted"));
        }
        if self.has(incompat::MMP) {
            let at = self.raw.mmp_block.saturating_mul(self.block);
            if volume.array::<8>(at)? != MMP_CLEAN {
                return Err(Fault::unsound("it is mounted, says its protection"));
            }
        }
        Ok(())
    }

    /// Blocks from `first` on as a run of the disk.
    pub(super) const fn run(&self, first: u64, count: u64) -> Run {
        let at = first.saturating_mul(self.block);
        Run::new(
            self.start.saturating_add(at),
            count.saturating_mul(self.block),
        )
    }

    /// The first block of a group.
    pub(super) fn first_of(&self, group: u64) -> u64 {
        let before = group.saturating_mul(u64::from(self.raw.blocks_per_group));
        before.saturating_add(u64::from(self.raw.first_data_block))
    }

    /// How many blocks a group has.
    pub(super) fn blocks_of(&self, group: u64) -> u64 {
        let left = self.blocks.saturating_sub(self.first_of(group));
        left.min(u64::from(self.raw.blocks_per_group))
    }
}
