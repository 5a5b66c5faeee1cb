//! The files of an ext file system, directory by directory, and what it keeps for itself.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{
    directory::{self, Name},
    groups::{self, Group, Kept},
    inode::{self, Inode},
    mapping::{Blocks, Budget, extents},
    superblock::Superblock,
};
use crate::{
    entry::{Entry, EntryKind},
    fault::Found,
    runs::Run,
    window::Window,
};

/// How many blocks of inode tables are remembered.
const REMEMBERED: usize = 256;

/// All files of an ext file system.
pub(crate) fn files(volume: Window<'_>) -> Found<Walk<'_>> {
    let fs = Superblock::read(&volume)?;
    let groups = groups::read(&volume, &fs)?;
    let budget = Budget::of(&fs);
    let mut walk = Walk {
        volume,
        fs,
        groups,
        budget,
        seen: HashSet::new(),
        folders: vec![(inode::ROOT, String::new())],
        open: None,
        ready: VecDeque::new(),
        tables: HashMap::new(),
    };
    walk.metadata()?;
    Ok(walk)
}

/// The files, as they are met.
pub(crate) struct Walk<'d> {
    volume: Window<'d>,
    fs: Superblock,
    groups: Vec<Group>,
    budget: Budget,
    /// Directories, and files of several names, that were met.
    seen: HashSet<u32>,
    /// Directories that are yet to be read.
    folders: Vec<(u32, String)>,
    /// The directory that is read: its path, and its blocks from the last to the next one.
    open: Option<(String, Vec<Run>)>,
    ready: VecDeque<Entry>,
    /// Blocks of inode tables, by their place.
    tables: HashMap<u64, Vec<u8>>,
}

impl Walk<'_> {
    /// Makes ready what the file system keeps for itself.
    fn metadata(&mut self) -> Found<()> {
        let kept = Kept::of(&self.fs, &self.groups);
        let mut add = |path: &str, extents: Vec<Run>| {
            let extents = extents.into_iter().filter(|run| run.len.0 > 0).collect();
            self.ready.push_back(Entry {
                path: path.into(),
                kind: EntryKind::Metadata,
                extents,
            });
        };
        add("superblocks and group descriptors", kept.supers);
        add("bitmaps", kept.bitmaps);
        add("inode tables", kept.tables);
        let own = if self.fs.raw.rev_level == 0 {
            11
        } else {
            self.fs.raw.first_ino.min(64)
        };
        for number in (1..own).filter(|number| *number != inode::ROOT) {
            let inode = inode::read(&self.volume, &self.fs, &self.groups, number)?;
            let extents: Vec<_> = if number == inode::RESIZE {
                let block = inode::resize_block(&self.volume, &self.fs, &self.groups)?;
                block.into_iter().collect()
            } else {
                extents(&self.volume, &self.fs, &inode, &mut self.budget)?
                    .all()
                    .collect()
            };
            if !extents.is_empty() {
                let path = match number {
                    8 => "journal".into(),
                    inode::RESIZE => "resize inode".into(),
                    _ => format!("inode {number}"),
                };
                self.ready.push_back(Entry {
                    path,
                    kind: EntryKind::Metadata,
                    extents,
                });
            }
        }
        Ok(())
    }

    /// An inode, by way of the blocks that are remembered.
    fn inode(&mut self, number: u32) -> Found<Inode> {
        let at = inode::place(&self.fs, &self.groups, number)?;
        let block = at / self.fs.block * self.fs.block;
        if !self.tables.contains_key(&block) {
            if self.tables.len() >= REMEMBERED {
                self.tables.clear();
            }
            let bytes = self.volume.bytes(block, self.fs.block, 65536)?;
            self.tables.insert(block, bytes);
        }
        let inside = usize::try_from(at - block).unwrap_or(usize::MAX);
        let size = usize::try_from(self.fs.inode_size).unwrap_or(usize::MAX);
        let bytes = self
            .tables
            .get(&block)
            .and_then(|bytes| bytes.get(inside..inside + size));
        Ok(Inode(bytes.unwrap_or_default().to_vec()))
    }

    /// The blocks of an inode.
    fn blocks(&mut self, inode: &Inode) -> Found<Blocks> {
        extents(&self.volume, &self.fs, inode, &mut self.budget)
    }

    /// Makes ready what `names` in the directory `folder` lead to.
    fn enter(&mut self, folder: &str, names: Vec<Name>) -> Found<()> {
        for Name {
            inode: number,
            name,
        } in names
        {
            let inode = self.inode(number)?;
            let Some(kind) = inode.kind() else {
                continue;
            };
            let is_met_again = kind == EntryKind::Directory || inode.links() > 1;
            if is_met_again && !self.seen.insert(number) {
                continue;
            }
            let path = format!("{folder}/{name}");
            if kind == EntryKind::Directory {
                self.folders.push((number, path));
                continue;
            }
            let extents = self.blocks(&inode)?.all().collect();
            self.ready.push_back(Entry {
                path,
                kind,
                extents,
            });
        }
        Ok(())
    }

    /// Opens the next directory: `false` if there is none.
    fn open(&mut self) -> Found<bool> {
        let Some((number, path)) = self.folders.pop() else {
            return Ok(false);
        };
        self.seen.insert(number);
        let inode = self.inode(number)?;
        let blocks = self.blocks(&inode)?;
        let shown = if path.is_empty() {
            "/".to_owned()
        } else {
            path.clone()
        };
        let extents = blocks.all().collect();
        self.ready.push_back(Entry {
            path: shown,
            kind: EntryKind::Directory,
            extents,
        });
        if blocks.data.is_empty() {
            self.enter(&path, directory::inline_names(&inode))?;
        }
        self.open = Some((path, blocks.data.into_iter().rev().collect()));
        Ok(true)
    }

    /// Reads on until an entry is ready; `false` at the end.
    fn advance(&mut self) -> Found<bool> {
        while self.ready.is_empty() {
            let Some((path, mut runs)) = self.open.take() else {
                if !self.open()? {
                    return Ok(false);
                }
                continue;
            };
            let Some(run) = runs.pop() else {
                continue;
            };
            let at = run.start.0.saturating_sub(self.volume.start().0);
            let block = self.volume.bytes(at, self.fs.block, 65536)?;
            let left = run.len.0.saturating_sub(self.fs.block);
            if left > 0 {
                runs.push(Run::new(run.start.0.saturating_add(self.fs.block), left));
            }
            self.enter(&path, directory::names(&block))?;
            self.open = Some((path, runs));
        }
        Ok(true)
    }
}

impl Iterator for Walk<'_> {
    type Item = Found<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(false) => None,
            Ok(true) => self.ready.pop_front().map(Ok),
            Err(fault) => {
                // What is not sound is told once.
                (self.open, self.folders) = (None, Vec::new());
                self.ready.clear();
                Some(Err(fault))
            }
        }
    }
}
