//! The free map: the tree of free blocks of each group, which no inode may contradict.

use super::{
    btree::Tree,
    files::{inodes, seen},
    fork::Reader,
    group::FreeHead,
    inode::Inode,
    log,
    superblock::Superblock,
};
use crate::{
    fault::{Fault, Found},
    runs::{Run, Runs},
    unused::Unused,
    window::{Window, be},
};

/// What of an XFS is certainly unused.
pub(crate) fn unused(volume: &Window<'_>) -> Found<Unused> {
    let fs = Superblock::read(volume)?;
    log::is_empty(volume, &fs)?;
    let mut free = Runs::default();
    let (mut kept, mut listed) = (Vec::new(), Vec::new());
    for group in 0..fs.groups {
        let head = FreeHead::read(volume, &fs, group)?;
        kept.extend(free_map(volume, &fs, group, &head, &mut free)?);
        for block in head.listed(volume, &fs, group)? {
            listed.push(fs.run(fs.in_group(group, block, 1)?, fs.block));
        }
    }
    if listed.iter().any(|run| free.meets(*run)) {
        return Err(Fault::unsound(
            "blocks of the list of free blocks are in the tree of them, too",
        ));
    }
    let free = free.with(&Runs::of(listed));
    kept.extend(fs.log.map(|(at, len)| fs.run(at, len)));
    if kept.iter().any(|run| free.meets(*run)) {
        return Err(Fault::unsound("its log, heads or trees are called free"));
    }
    let mut reader = Reader::new(*volume, fs.clone());
    for group in 0..fs.groups {
        let see = |number, inode: &Inode| {
            let found = seen(&mut reader, inode)?;
            if found.iter().any(|run| free.meets(*run)) {
                return Err(Fault::Unsound(format!(
                    "inode {number} has blocks that are called free"
                )));
            }
            Ok(())
        };
        let chunks = inodes(volume, &fs, group, see, |number, at| {
            is_free(volume, number, at)
        })?;
        if chunks.iter().any(|run| free.meets(*run)) {
            return Err(Fault::unsound("blocks of inodes are called free"));
        }
    }
    Ok(Unused {
        free,
        ..Unused::default()
    })
}

/// Makes sure that an inode is free which its tree calls so: it is nothing, and has no blocks that somebody could miss.
fn is_free(volume: &Window<'_>, number: u64, at: u64) -> Found<()> {
    let bytes = volume.array::<4>(at)?;
    match bytes.starts_with(b"IN") && be::<u16>(&bytes, 2) != 0 {
        false => Ok(()),
        true => Err(Fault::Unsound(format!(
            "inode {number} is in use, and its tree calls it free"
        ))),
    }
}

/// Adds the free blocks of a group: where its heads are, and the blocks of the tree.
fn free_map(
    volume: &Window<'_>,
    fs: &Superblock,
    group: u32,
    head: &FreeHead,
    free: &mut Runs,
) -> Found<Vec<Run>> {
    let tree = Tree {
        volume,
        fs,
        group,
        magic: [*b"ABTB", *b"AB3B"],
        record: 8,
        key: 8,
    };
    let (mut sum, mut end) = (0_u64, 0);
    let mut see = |record: &[u8]| {
        let (first, count) = (
            u64::from(be::<u32>(record, 0)),
            u64::from(be::<u32>(record, 4)),
        );
        if first < end || count == 0 {
            return Err(Fault::unsound("a tree of free blocks is not in order"));
        }
        (sum, end) = (sum.saturating_add(count), first.saturating_add(count));
        let at = fs.in_group(group, first, count)?;
        free.push(fs.run(at, count.saturating_mul(fs.block)));
        Ok(())
    };
    let mut own = Vec::new();
    tree.each(head.root, head.levels, &mut see, &mut |block| {
        own.push(block)
    })?;
    if sum != head.free {
        let said = head.free;
        return Err(Fault::Unsound(format!(
            "group {group} has {sum} free blocks, its head says {said}"
        )));
    }
    let mut kept = vec![fs.run(fs.in_group(group, 0, 1)?, 4 * fs.sector)];
    for block in own {
        kept.push(fs.run(fs.in_group(group, block, 1)?, fs.block));
    }
    Ok(kept)
}
