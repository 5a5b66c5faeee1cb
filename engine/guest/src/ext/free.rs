//! The free map: block bitmaps, proven against their checksums and counts, and against what every inode says that it has.

use imgdelta_core::{BitOrder, Bytes};

use super::{
    checksum::raw_crc32c,
    groups::{self, Group, Kept},
    inode::{self, Inode},
    layout::{compat, ro_compat},
    mapping::{Budget, extents},
    superblock::Superblock,
};
use crate::{
    fault::{Fault, Found},
    runs::{Run, Runs},
    unused::Unused,
    window::{Window, be},
};

/// What of an ext file system is certainly unused.
pub(crate) fn unused(volume: &Window<'_>) -> Found<Unused> {
    let fs = Superblock::read(volume)?;
    fs.is_clean(volume)?;
    let groups = groups::read(volume, &fs)?;
    let free = free_map(volume, &fs, &groups)?;
    is_journal_empty(volume, &fs, &groups)?;
    nobody_has(volume, &fs, &groups, &free)?;
    Ok(Unused {
        free,
        ..Unused::default()
    })
}

/// The free blocks of all groups.
fn free_map(volume: &Window<'_>, fs: &Superblock, groups: &[Group]) -> Found<Runs> {
    let mut free = Runs::default();
    for (number, group) in (0..).zip(groups) {
        match group.bitmap {
            None => free.push(fs.run(fs.first_of(number), fs.blocks_of(number))),
            Some(at) => {
                let bitmap = volume.bytes(at.saturating_mul(fs.block), fs.block, 65536)?;
                prove(fs, number, group, &bitmap)?;
                add_free(fs, number, &bitmap, |run| free.push(run));
            }
        }
    }
    Ok(free.without(&Kept::of(fs, groups).runs(fs)))
}

/// Makes sure that a bitmap is as its descriptor says.
fn prove(fs: &Superblock, number: u64, group: &Group, bitmap: &[u8]) -> Found<()> {
    if fs.has_ro(ro_compat::METADATA_CSUM) {
        let len = u64::from(fs.raw.blocks_per_group) / fs.ratio / 8;
        let covered = bitmap.get(..Bytes(len).in_memory()).unwrap_or_default();
        let (found, known) = group.bitmap_csum;
        if raw_crc32c(fs.seed, covered) & known != found {
            return Err(Fault::Unsound(format!(
                "the checksum of the block bitmap of group {number} is wrong"
            )));
        }
    }
    let mut free = 0_u64;
    add_free(fs, number, bitmap, |run| {
        free = free.saturating_add(run.len.0.div_ceil(fs.block.saturating_mul(fs.ratio)));
    });
    if free != group.free {
        let said = group.free;
        return Err(Fault::Unsound(format!(
            "the bitmap of group {number} has {free} free clusters, its descriptor says {said}"
        )));
    }
    Ok(())
}

/// Hands the free blocks of a group to `add`.
fn add_free(fs: &Superblock, number: u64, bitmap: &[u8], mut add: impl FnMut(Run)) {
    let blocks = fs.blocks_of(number);
    let clusters = Bytes(blocks.div_ceil(fs.ratio)).in_memory();
    let mut at = 0;
    while at < clusters {
        let (is_used, count) = BitOrder::Lsb0.run(bitmap, at, clusters);
        if count == 0 {
            return;
        }
        if !is_used {
            let from = (at as u64).saturating_mul(fs.ratio);
            let count = (count as u64)
                .saturating_mul(fs.ratio)
                .min(blocks.saturating_sub(from));
            add(fs.run(fs.first_of(number).saturating_add(from), count));
        }
        at += count;
    }
}

/// Makes sure that the journal's own head agrees that there is nothing to replay.
fn is_journal_empty(volume: &Window<'_>, fs: &Superblock, groups: &[Group]) -> Found<()> {
    const MAGIC: u32 = 0xc03b_3998;
    if fs.raw.compat & compat::HAS_JOURNAL == 0 || fs.raw.journal_inum == 0 {
        return Ok(());
    }
    let inode = inode::read(volume, fs, groups, fs.raw.journal_inum)?;
    let first = extents(volume, fs, &inode, &mut Budget::of(fs))?;
    let Some(first) = first.data.first() else {
        return Err(Fault::unsound("its journal has no blocks"));
    };
    let at = first.start.0.saturating_sub(volume.start().0);
    let head = volume.array::<32>(at)?;
    if be::<u32>(&head, 0) != MAGIC || be::<u32>(&head, 28) != 0 {
        return Err(Fault::unsound("its journal is not empty"));
    }
    Ok(())
}

/// Makes sure that no inode with a name has a block that is called free.
fn nobody_has(volume: &Window<'_>, fs: &Superblock, groups: &[Group], free: &Runs) -> Found<()> {
    let mut budget = Budget::of(fs);
    let resize = inode::resize_block(volume, fs, groups)?;
    if resize.is_some_and(|run| free.meets(run)) {
        return Err(Fault::unsound(
            "its resize inode has a block that is called free",
        ));
    }
    inode::each(volume, fs, groups, |number, inode: &Inode| {
        let found = extents(volume, fs, inode, &mut budget)?;
        if found.all().any(|run| free.meets(run)) {
            return Err(Fault::Unsound(format!(
                "inode {number} has blocks that are called free"
            )));
        }
        Ok(())
    })
}
