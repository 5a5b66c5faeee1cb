//! Inodes.

use super::{groups::Group, superblock::Superblock};
use crate::{
    entry::EntryKind,
    fault::{Fault, Found},
    runs::Run,
    window::{Window, le},
};

/// The inode of the root.
pub(super) const ROOT: u32 = 2;
/// Whose blocks are those that descriptors may grow into, counted with the descriptors.
pub(super) const RESIZE: u32 = 7;
/// The most bytes of an inode table that are read at once.
const MOST_TABLE: u64 = 1 << 16;

/// An inode, as many bytes as the file system has for one.
#[derive(Clone, Debug)]
pub(super) struct Inode(pub(super) Vec<u8>);

impl Inode {
    /// What it is; `None` if it is nothing that is known.
    pub(super) fn kind(&self) -> Option<EntryKind> {
        match le::<u16>(&self.0, 0) >> 12 {
            8 => Some(EntryKind::File),
            4 => Some(EntryKind::Directory),
            10 => Some(EntryKind::Symlink),
            1 | 2 | 6 | 12 => Some(EntryKind::Special),
            _ => None,
        }
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        u64::from(le::<u32>(&self.0, 108)) << 32 | u64::from(le::<u32>(&self.0, 4))
    }

    /// How many names it has; 0: it is deleted, or was never used.
    pub(super) fn links(&self) -> u16 {
        le(&self.0, 26)
    }

    /// Its blocks in units of 512 bytes, or of blocks: 0 where it has none.
    pub(super) fn blocks(&self) -> u64 {
        u64::from(le::<u16>(&self.0, 116)) << 32 | u64::from(le::<u32>(&self.0, 28))
    }

    /// Flags.
    pub(super) fn flags(&self) -> u32 {
        le(&self.0, 32)
    }

    /// The block of its attributes; 0 for none.
    pub(super) fn attributes(&self) -> u64 {
        u64::from(le::<u16>(&self.0, 118)) << 32 | u64::from(le::<u32>(&self.0, 104))
    }

    /// Its 60 bytes of block pointers, extents or data.
    pub(super) fn block(&self) -> &[u8] {
        self.0.get(40..100).unwrap_or_default()
    }
}

/// Reads an inode by its number, which counts from 1.
pub(super) fn read(
    volume: &Window<'_>,
    fs: &Superblock,
    groups: &[Group],
    number: u32,
) -> Found<Inode> {
    let at = place(fs, groups, number)?;
    Ok(Inode(volume.bytes(at, fs.inode_size, fs.block)?))
}

/// The one block of [`RESIZE`] that is not counted with the descriptors: it says where those are.
pub(super) fn resize_block(
    volume: &Window<'_>,
    fs: &Superblock,
    groups: &[Group],
) -> Found<Option<Run>> {
    let inode = read(volume, fs, groups, RESIZE)?;
    let block = u64::from(le::<u32>(inode.block(), 13 * 4));
    let is_there = block > 0 && block < fs.blocks;
    Ok(is_there.then(|| fs.run(block, 1)))
}

/// Where an inode stands in the volume.
pub(super) fn place(fs: &Superblock, groups: &[Group], number: u32) -> Found<u64> {
    let per_group = u64::from(fs.raw.inodes_per_group);
    let index = u64::from(number).checked_sub(1);
    let group = index.and_then(|index| groups.get(usize::try_from(index / per_group).ok()?));
    let (Some(index), Some(group)) = (index, group) else {
        return Err(Fault::Unsound(format!("there is no inode {number}")));
    };
    let table = group.inode_table.saturating_mul(fs.block);
    let inside = (index % per_group).saturating_mul(fs.inode_size);
    Ok(table.saturating_add(inside))
}

/// Hands each inode that has a name to `see`.
pub(super) fn each(
    volume: &Window<'_>,
    fs: &Superblock,
    groups: &[Group],
    mut see: impl FnMut(u64, &Inode) -> Found<()>,
) -> Found<()> {
    let per_group = u64::from(fs.raw.inodes_per_group);
    let size = usize::try_from(fs.inode_size).unwrap_or(usize::MAX);
    for (number, group) in (0_u64..).zip(groups) {
        let mut done = 0;
        while done < group.inodes {
            let count = (MOST_TABLE / fs.inode_size).max(1).min(group.inodes - done);
            let at = group.inode_table.saturating_mul(fs.block);
            let at = at.saturating_add(done.saturating_mul(fs.inode_size));
            let bytes = volume.bytes(at, count.saturating_mul(fs.inode_size), MOST_TABLE)?;
            for (index, bytes) in (done + 1..).zip(bytes.chunks_exact(size)) {
                let inode = Inode(bytes.to_vec());
                let number = number.saturating_mul(per_group).saturating_add(index);
                if inode.links() > 0 && number != u64::from(RESIZE) {
                    see(number, &inode)?;
                }
            }
            done = done.saturating_add(count);
        }
    }
    Ok(())
}
