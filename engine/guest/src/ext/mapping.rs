//! Which blocks an inode has: extent trees, and the block maps of ext2.

use super::{inode::Inode, superblock::Superblock};
use crate::{
    entry::EntryKind,
    fault::{Fault, Found},
    runs::Run,
    window::{Window, le},
};

/// The inode's blocks are told by extents.
const EXTENTS: u32 = 0x8_0000;
/// The inode's contents stand in the inode.
const INLINE: u32 = 0x1000_0000;
/// What a node of a tree begins with.
const MAGIC: u16 = 0xf30a;
/// How deep a tree is at most. \[fs/ext4/ext4_extents.h: EXT4_MAX_EXTENT_DEPTH\]
const DEEPEST: u16 = 5;

/// How many blocks may still be claimed. No two files share one, so who claims more than there are lies: this ends every loop.
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Budget {
    /// Every block once, and something for attributes that files share.
    pub(super) fn of(fs: &Superblock) -> Self {
        Self(fs.blocks)
    }

    /// Takes blocks.
    fn take(&mut self, count: u64) -> Found<()> {
        let left = self.0.checked_sub(count);
        self.0 = left.ok_or_else(|| Fault::unsound("files claim more blocks than there are"))?;
        Ok(())
    }
}

/// The blocks of an inode as runs of the disk.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Its contents, in order.
    pub(super) data: Vec<Run>,
    /// What says where they are, and attributes.
    pub(super) mapping: Vec<Run>,
}

impl Blocks {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = Run> {
        self.data.iter().chain(&self.mapping).copied()
    }
}

/// The blocks of an inode.
pub(super) fn extents(
    volume: &Window<'_>,
    fs: &Superblock,
    inode: &Inode,
    budget: &mut Budget,
) -> Found<Blocks> {
    let mut reader = Reader {
        volume,
        fs,
        budget,
        found: Blocks::default(),
        next: 0,
    };
    let attributes = inode.attributes();
    if attributes != 0 {
        // Files may share it: it is not taken from the budget.
        let run = reader.inside(attributes, 1)?;
        reader.found.mapping.push(run);
    }
    let is_short = inode.kind() == Some(EntryKind::Symlink)
        && inode.len() < 60
        && inode.flags() & EXTENTS == 0;
    let has_none = match inode.kind() {
        None | Some(EntryKind::Special) => true,
        // Only the attributes' block, then.
        Some(_) => inode.flags() & INLINE != 0 || is_short || inode.blocks() == 0,
    };
    if !has_none && inode.flags() & EXTENTS != 0 {
        reader.node(inode.block(), None)?;
    } else if !has_none {
        reader.map(inode.block())?;
    }
    Ok(reader.found)
}

struct Reader<'a, 'd> {
    volume: &'a Window<'d>,
    fs: &'a Superblock,
    budget: &'a mut Budget,
    found: Blocks,
    /// The first block of the file that was not told yet: extents are told in order, so that no node is met twice.
    next: u64,
}

impl Reader<'_, '_> {
    /// Blocks as a run, if they are in the file system.
    fn inside(&self, first: u64, count: u64) -> Found<Run> {
        let end = first.checked_add(count);
        if first == 0 || end.is_none_or(|end| end > self.fs.blocks) {
            return Err(Fault::Unsound(format!(
                "an inode has block {first}, which is not in the file system"
            )));
        }
        Ok(self.fs.run(first, count))
    }

    /// Reads a block that says where others are.
    fn pointers(&mut self, at: u64) -> Found<Vec<u8>> {
        let run = self.inside(at, 1)?;
        self.budget.take(1)?;
        self.found.mapping.push(run);
        self.volume
            .bytes(at.saturating_mul(self.fs.block), self.fs.block, 65536)
    }

    /// Adds blocks of the contents, joined with those before where they follow.
    fn add(&mut self, first: u64, count: u64) -> Found<()> {
        let run = self.inside(first, count)?;
        self.budget.take(count)?;
        match self.found.data.last_mut() {
            Some(last) if last.end() == run.start.0 => {
                *last = Run::new(last.start.0, last.len.0.saturating_add(run.len.0));
            }
            _ => self.found.data.push(run),
        }
        Ok(())
    }

    /// Reads a node of an extent tree, `depth` levels above the leaves; `None` for the root, which says that itself.
    fn node(&mut self, node: &[u8], depth: Option<u16>) -> Found<()> {
        let (magic, count) = (le::<u16>(node, 0), usize::from(le::<u16>(node, 2)));
        let found = le::<u16>(node, 6);
        let is_sound =
            magic == MAGIC && found <= DEEPEST && depth.is_none_or(|depth| depth == found);
        let entries = node.get(12..).unwrap_or_default().as_chunks::<12>().0;
        let Some(entries) = entries.get(..count).filter(|_| is_sound) else {
            return Err(Fault::unsound("a node of an extent tree is not sound"));
        };
        for entry in entries {
            let first = u64::from(le::<u32>(entry, 0));
            if first < self.next {
                return Err(Fault::unsound("an extent tree is not in order"));
            }
            self.next = first;
            if found == 0 {
                // Lengths above 32768 are of extents that were allocated and not written.
                let len = le::<u16>(entry, 4);
                let len = u64::from(if len > 32768 { len - 32768 } else { len });
                let at = u64::from(le::<u16>(entry, 6)) << 32 | u64::from(le::<u32>(entry, 8));
                if len == 0 {
                    return Err(Fault::unsound("an extent has no blocks"));
                }
                self.add(at, len)?;
                self.next = first.saturating_add(len);
            } else {
                let at = u64::from(le::<u16>(entry, 8)) << 32 | u64::from(le::<u32>(entry, 4));
                let child = self.pointers(at)?;
                self.node(&child, Some(found - 1))?;
            }
        }
        Ok(())
    }

    /// Reads the 15 pointers of a block map: 12 to data, three to blocks of pointers of one, two and three levels.
    fn map(&mut self, pointers: &[u8]) -> Found<()> {
        for (number, pointer) in pointers.as_chunks().0.iter().enumerate() {
            let level = number.saturating_sub(11).min(3);
            self.pointer(u32::from_le_bytes(*pointer), level)?;
        }
        Ok(())
    }

    /// Follows a pointer over `level` blocks of pointers.
    fn pointer(&mut self, at: u32, level: usize) -> Found<()> {
        match (at, level) {
            (0, _) => Ok(()),
            (at, 0) => self.add(u64::from(at), 1),
            (at, level) => {
                let block = self.pointers(u64::from(at))?;
                let mut pointers = block.as_chunks().0.iter();
                pointers.try_for_each(|one| self.pointer(u32::from_le_bytes(*one), level - 1))
            }
        }
    }
}
