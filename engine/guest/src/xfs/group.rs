//! Allocation groups: the sectors that say where the trees of free blocks and of inodes are.

use super::superblock::{Superblock, is_sealed};
use crate::{
    fault::{Fault, Found},
    window::{Window, be},
};

/// The head of the free blocks of a group.
#[derive(Debug)]
pub(super) struct FreeHead {
    /// The root of the tree by block number, and its height.
    pub(super) root: u64,
    pub(super) levels: u32,
    /// Free blocks in the tree.
    pub(super) free: u64,
    /// The list of free blocks that trees may take: the first and the last place in it, and how many there are.
    list: [u32; 3],
}

/// The head of the inodes of a group.
#[derive(Debug)]
pub(super) struct InodeHead {
    /// The root of the tree, and its height.
    pub(super) root: u64,
    pub(super) levels: u32,
}

impl FreeHead {
    /// That of a group.
    pub(super) fn read(volume: &Window<'_>, fs: &Superblock, group: u32) -> Found<Self> {
        let bytes = sector(volume, fs, group, 1, *b"XAGF", 216)?;
        Ok(Self {
            root: u64::from(be::<u32>(&bytes, 16)),
            levels: be(&bytes, 28),
            free: u64::from(be::<u32>(&bytes, 52)),
            list: [be(&bytes, 40), be(&bytes, 44), be(&bytes, 48)],
        })
    }

    /// The blocks of the group's list, a ring in its fourth sector. They hold nothing.
    pub(super) fn listed(
        &self,
        volume: &Window<'_>,
        fs: &Superblock,
        group: u32,
    ) -> Found<Vec<u64>> {
        let at = fs.in_group(group, 0, 1)?.saturating_add(3 * fs.sector);
        let bytes = volume.bytes(at, fs.sector, 32768)?;
        let head = if fs.has_crcs { 36 } else { 0 };
        let ring = bytes.get(head..).unwrap_or_default().as_chunks::<4>().0;
        let [first, last, count] = self
            .list
            .map(|one| usize::try_from(one).unwrap_or(usize::MAX));
        let lie = || {
            Fault::Unsound(format!(
                "the list of free blocks of group {group} is not sound"
            ))
        };
        if fs.has_crcs && (!bytes.starts_with(b"XAFL") || !is_sealed(&bytes, 32)) {
            return Err(lie());
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        if first >= ring.len() || last >= ring.len() {
            return Err(lie());
        }
        let places = if first <= last {
            last - first + 1
        } else {
            ring.len() - first + last + 1
        };
        if places != count {
            return Err(lie());
        }
        let blocks = ring.iter().cycle().skip(first).take(count);
        Ok(blocks
            .map(|one| u64::from(u32::from_be_bytes(*one)))
            .collect())
    }
}

impl InodeHead {
    /// That of a group.
    pub(super) fn read(volume: &Window<'_>, fs: &Superblock, group: u32) -> Found<Self> {
        let bytes = sector(volume, fs, group, 2, *b"XAGI", 312)?;
        Ok(Self {
            root: u64::from(be::<u32>(&bytes, 20)),
            levels: be(&bytes, 24),
        })
    }
}

/// A head of a group, judged: magic, checksum, which group it is of and how long that is.
fn sector(
    volume: &Window<'_>,
    fs: &Superblock,
    group: u32,
    number: u64,
    magic: [u8; 4],
    crc: usize,
) -> Found<Vec<u8>> {
    let at = fs.in_group(group, 0, 1)?.saturating_add(number * fs.sector);
    let bytes = volume.bytes(at, fs.sector, 32768)?;
    let is_sound = bytes.starts_with(&magic)
        && be::<u32>(&bytes, 4) == 1
        && be::<u32>(&bytes, 8) == group
        && u64::from(be::<u32>(&bytes, 12)) == fs.blocks_of(group)
        && (!fs.has_crcs || is_sealed(&bytes, crc));
    if !is_sound {
        let magic = String::from_utf8_lossy(&magic);
        return Err(Fault::Unsound(format!(
            "the {magic} of group {group} is not sound"
        )));
    }
    Ok(bytes)
}
