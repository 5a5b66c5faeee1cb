//! The files of an XFS, and its inodes one by one.

use super::{
    btree::Tree as Btree,
    directory,
    fork::{Blocks, Reader},
    group::InodeHead,
    inode::{Format, Inode},
    superblock::Superblock,
};
use crate::{
    entry::{Entry, EntryKind},
    fault::{Fault, Found},
    runs::{Run, Runs},
    walk::{MOST_FOLDER, Seen, Tree, Walk},
    window::{Window, be},
};

/// Inodes are made and told 64 at a time.
const CHUNK: u64 = 64;
/// Where in a directory the blocks of names end and those of hashes begin, in bytes.
const HASHES: u64 = 1 << 35;

/// All files of an XFS.
pub(crate) fn files(volume: Window<'_>) -> Found<Walk<Xfs<'_>>> {
    let fs = Superblock::read(&volume)?;
    let mut metadata = Vec::new();
    let mut add = |path: &str, extents: Vec<Run>| {
        metadata.push(Entry {
            path: path.into(),
            kind: EntryKind::Metadata,
            extents,
        });
    };
    let (mut heads, mut chunks) = (Vec::new(), Vec::new());
    for group in 0..fs.groups {
        heads.push(fs.run(fs.in_group(group, 0, 1)?, 4 * fs.sector));
        chunks.extend(inodes(&volume, &fs, group, |_, _| Ok(()), |_, _| Ok(()))?);
    }
    add("heads of allocation groups", heads);
    add("inodes", chunks);
    add(
        "log",
        fs.log
            .map(|(at, len)| fs.run(at, len))
            .into_iter()
            .collect(),
    );
    let root = fs.root;
    let xfs = Xfs {
        reader: Reader::new(volume, fs),
    };
    Ok(Walk::new(xfs, root, metadata))
}

/// Hands each inode of a group that is in use to `see`, with its number, and of each that is free to `pass` where it stands: the blocks that inodes stand in.
pub(super) fn inodes(
    volume: &Window<'_>,
    fs: &Superblock,
    group: u32,
    mut see: impl FnMut(u64, &Inode) -> Found<()>,
    mut pass: impl FnMut(u64, u64) -> Found<()>,
) -> Found<Vec<Run>> {
    let head = InodeHead::read(volume, fs, group)?;
    let tree = Btree {
        volume,
        fs,
        group,
        magic: [*b"IABT", *b"IAB3"],
        record: 16,
        key: 4,
    };
    // In order, as the tree is.
    let mut found = Runs::default();
    let mut end = 0;
    let mut chunk = |record: &[u8]| {
        let first = u64::from(be::<u32>(record, 0));
        if first < end {
            return Err(Fault::unsound("a tree of inodes is not in order"));
        }
        end = first.saturating_add(CHUNK);
        // With sparse inodes a bit stands for four that are not there; without, the field is a count up to 64.
        let count = be::<u32>(record, 4);
        let holes = if count > 64 { be::<u16>(record, 4) } else { 0 };
        let free = be::<u64>(record, 8);
        for inside in 0..CHUNK {
            if holes >> (inside / 4) & 1 == 1 {
                continue;
            }
            let number = fs.inode_of(group, first.saturating_add(inside));
            let at = fs.inode_at(number)?;
            found.push(fs.run(at, fs.inode));
            match free >> inside & 1 {
                0 => see(number, &Inode::read(volume, fs, at)?)?,
                _ => pass(number, at)?,
            }
        }
        Ok(())
    };
    let mut blocks = Vec::new();
    tree.each(head.root, head.levels, &mut chunk, &mut |block| {
        blocks.push(block)
    })?;
    let mut found = found.as_slice().to_vec();
    for block in blocks {
        found.push(fs.run(fs.in_group(group, block, 1)?, fs.block));
    }
    Ok(found)
}

/// The blocks of an inode: contents, attributes, and what maps them.
pub(super) fn seen(reader: &mut Reader<'_>, inode: &Inode) -> Found<Vec<Run>> {
    let mut runs = Vec::new();
    for fork in inode.forks()? {
        let blocks = reader.blocks(&fork)?;
        runs.extend(blocks.runs(&reader.fs));
    }
    Ok(runs)
}

/// An XFS.
pub(crate) struct Xfs<'d> {
    reader: Reader<'d>,
}

impl Xfs<'_> {
    fn inode(&self, number: u64) -> Found<Inode> {
        let at = self.reader.fs.inode_at(number)?;
        Inode::read(&self.reader.volume, &self.reader.fs, at)
    }

    /// The bytes of a directory's blocks of names.
    fn folder(&self, blocks: &Blocks) -> Found<Vec<u8>> {
        let fs = &self.reader.fs;
        let mut bytes = Vec::new();
        let names = blocks
            .extents
            .iter()
            .filter(|one| one.offset < HASHES / fs.block);
        for extent in names {
            let left = MOST_FOLDER.saturating_sub(bytes.len() as u64);
            bytes.extend(self.reader.volume.bytes(extent.at, extent.len, left)?);
        }
        Ok(bytes)
    }
}

impl Tree for Xfs<'_> {
    type Place = u64;

    fn look(&mut self, place: &u64) -> Found<Option<Seen>> {
        let inode = self.inode(*place)?;
        let Some(kind) = inode.kind() else {
            return Err(Fault::unsound("a name leads to an inode that is free"));
        };
        let extents = seen(&mut self.reader, &inode)?;
        let is_met_again = kind == EntryKind::Directory || inode.has_names();
        Ok(Some(Seen {
            kind,
            extents,
            id: is_met_again.then_some(*place),
        }))
    }

    fn names(&mut self, place: &u64) -> Found<Vec<(String, u64)>> {
        let inode = self.inode(*place)?;
        let [fork, _] = inode.forks()?;
        if fork.format == Format::Local {
            return directory::short_names(&self.reader.fs, fork.bytes);
        }
        // The blocks of its tree were counted when it was met.
        let blocks = Reader::new(self.reader.volume, self.reader.fs.clone()).blocks(&fork)?;
        let size = usize::try_from(self.reader.fs.folder_block).unwrap_or(usize::MAX);
        let mut names = Vec::new();
        for block in self.folder(&blocks)?.chunks(size) {
            names.extend(directory::names(&self.reader.fs, block)?);
        }
        Ok(names)
    }
}
