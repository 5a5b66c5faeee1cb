//! The extents of a fork: a list in the inode, or a tree.

use super::{
    inode::{Fork, Format},
    superblock::{Superblock, is_sealed},
};
use crate::{
    fault::{Fault, Found},
    runs::Run,
    window::{Window, be},
};

/// How high a tree is at most.
const HIGHEST: u16 = 9;

/// A run of a file's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first block in the file.
    pub(super) offset: u64,
    /// Where it is, in bytes of the volume.
    pub(super) at: u64,
    /// Bytes.
    pub(super) len: u64,
}

/// Reads forks; how many blocks of trees it may still read: no two inodes share one.
pub(super) struct Reader<'d> {
    pub(super) volume: Window<'d>,
    pub(super) fs: Superblock,
    left: u64,
}

/// What a fork has.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Its extents, in order.
    pub(super) extents: Vec<Extent>,
    /// The blocks of its tree.
    pub(super) tree: Vec<Run>,
    /// The first block of the file that was not told yet: extents are in order, so that no block of the tree is met twice.
    next: u64,
}

impl<'d> Reader<'d> {
    /// A reader of all forks of a file system.
    pub(super) fn new(volume: Window<'d>, fs: Superblock) -> Self {
        let left = fs.blocks;
        Self { volume, fs, left }
    }

    /// The extents of a fork.
    pub(super) fn blocks(&mut self, fork: &Fork<'_>) -> Found<Blocks> {
        let mut found = Blocks::default();
        match fork.format {
            Format::Local | Format::None => {}
            Format::Extents => {
                let records = fork.bytes.as_chunks::<16>().0;
                let count = usize::try_from(fork.extents).unwrap_or(usize::MAX);
                let records = records.get(..count);
                let records =
                    records.ok_or_else(|| Fault::unsound("an inode has more extents than fit"))?;
                records
                    .iter()
                    .try_for_each(|record| found.add(&self.fs, record))?;
            }
            Format::Tree => {
                let (level, count) = (
                    be::<u16>(fork.bytes, 0),
                    usize::from(be::<u16>(fork.bytes, 2)),
                );
                let room = fork.bytes.len().saturating_sub(4) / 16;
                if level == 0 || level > HIGHEST || count == 0 || count > room {
                    return Err(Fault::unsound("the tree of an inode is not sound"));
                }
                let pointers = fork.bytes.get(4 + room * 8..).unwrap_or_default();
                for pointer in pointers.as_chunks().0.iter().take(count) {
                    self.node(u64::from_be_bytes(*pointer), level - 1, &mut found)?;
                }
            }
        }
        Ok(found)
    }

    /// Reads a block of a tree.
    fn node(&mut self, number: u64, level: u16, found: &mut Blocks) -> Found<()> {
        let lie = || Fault::unsound("the trees of files have more blocks than there are");
        self.left = self.left.checked_sub(1).ok_or_else(lie)?;
        let at = self.fs.place(number, 1)?;
        let bytes = self.volume.bytes(at, self.fs.block, 65536)?;
        found.tree.push(self.fs.run(at, self.fs.block));
        let has_crcs = self.fs.has_crcs;
        let (head, magic) = if has_crcs {
            (72, b"BMA3")
        } else {
            (24, b"BMAP")
        };
        let count = usize::from(be::<u16>(&bytes, 6));
        let body = bytes.get(head..).unwrap_or_default();
        let is_sound = bytes.starts_with(magic)
            && be::<u16>(&bytes, 4) == level
            && (!has_crcs || is_sealed(&bytes, 64))
            && count > 0
            && count <= body.len() / 16;
        if !is_sound {
            return Err(Fault::unsound(
                "a block of the tree of an inode is not sound",
            ));
        }
        if level == 0 {
            let records = body.as_chunks::<16>().0.iter().take(count);
            return records
                .into_iter()
                .try_for_each(|record| found.add(&self.fs, record));
        }
        let pointers = body.get(body.len() / 16 * 8..).unwrap_or_default();
        for pointer in pointers.as_chunks().0.iter().take(count) {
            self.node(u64::from_be_bytes(*pointer), level - 1, found)?;
        }
        Ok(())
    }
}

impl Blocks {
    /// Adds an extent: flag, offset, block and length in 1, 54, 52 and 21 bits.
    fn add(&mut self, fs: &Superblock, record: &[u8; 16]) -> Found<()> {
        let bits = u128::from_be_bytes(*record);
        let part = |shift: u32, len: u32| {
            u64::try_from(bits >> shift & ((1 << len) - 1)).unwrap_or(u64::MAX)
        };
        let (offset, first, count) = (part(73, 54), part(21, 52), part(0, 21));
        if offset < self.next || count == 0 {
            return Err(Fault::unsound("the extents of an inode are not in order"));
        }
        self.next = offset.saturating_add(count);
        let at = fs.place(first, count)?;
        self.extents.push(Extent {
            offset,
            at,
            len: count.saturating_mul(fs.block),
        });
        Ok(())
    }

    /// All of it as runs of the disk.
    pub(super) fn runs(&self, fs: &Superblock) -> Vec<Run> {
        let extents = self.extents.iter().map(|one| fs.run(one.at, one.len));
        extents.chain(self.tree.iter().copied()).collect()
    }
}
