//! Inodes.

use super::superblock::{Superblock, is_sealed};
use crate::{
    entry::EntryKind,
    fault::{Fault, Found},
    window::{Window, be},
};

/// The extents are counted in 64 bits.
const MANY_EXTENTS: u64 = 1 << 4;

/// How a fork holds what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// In the inode itself.
    Local,
    /// A list of extents.
    Extents,
    /// A tree of extents.
    Tree,
    /// It holds nothing, or what is not in blocks.
    None,
}

/// A part of an inode that holds contents or attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fork<'a> {
    pub(super) format: Format,
    pub(super) bytes: &'a [u8],
    /// How many extents it has.
    pub(super) extents: u64,
}

/// An inode.
#[derive(Debug)]
pub(super) struct Inode(Vec<u8>);

impl Inode {
    /// Reads one that is at `at` of the volume; judged by its magic, and by its checksum.
    pub(super) fn read(volume: &Window<'_>, fs: &Superblock, at: u64) -> Found<Self> {
        Self::of(fs, volume.bytes(at, fs.inode, 2048)?)
    }

    /// The inode in `bytes`.
    pub(super) fn of(fs: &Superblock, bytes: Vec<u8>) -> Found<Self> {
        let is_sound = bytes.starts_with(b"IN") && (!fs.has_crcs || is_sealed(&bytes, 100));
        if !is_sound {
            return Err(Fault::unsound("an inode is not sound"));
        }
        Ok(Self(bytes))
    }

    /// What it is; `None` if it is nothing that is known, or free.
    pub(super) fn kind(&self) -> Option<EntryKind> {
        match be::<u16>(&self.0, 2) >> 12 {
            8 => Some(EntryKind::File),
            4 => Some(EntryKind::Directory),
            10 => Some(EntryKind::Symlink),
            1 | 2 | 6 | 12 => Some(EntryKind::Special),
            _ => None,
        }
    }

    /// Whether it has more names than one.
    pub(super) fn has_names(&self) -> bool {
        be::<u32>(&self.0, 16) > 1
    }

    /// Whether its contents are on the real-time device.
    fn is_real_time(&self) -> bool {
        be::<u16>(&self.0, 90) & 1 != 0
    }

    /// Contents and attributes.
    pub(super) fn forks(&self) -> Found<[Fork<'_>; 2]> {
        let is_new = self.0.get(4).is_some_and(|version| *version >= 3);
        let core = if is_new { 176 } else { 100 };
        let body = self.0.get(core..).unwrap_or_default();
        let offset = usize::from(self.0.get(82).copied().unwrap_or_default()) * 8;
        let Some((data, attributes)) =
            body.split_at_checked(if offset == 0 { body.len() } else { offset })
        else {
            return Err(Fault::unsound("the forks of an inode are not inside it"));
        };
        let has_many = is_new && be::<u64>(&self.0, 120) & MANY_EXTENTS != 0;
        let counts = if has_many {
            [be::<u64>(&self.0, 24), u64::from(be::<u32>(&self.0, 76))]
        } else {
            [
                u64::from(be::<u32>(&self.0, 76)),
                u64::from(be::<u16>(&self.0, 80)),
            ]
        };
        let format = |at: usize| match self.0.get(at) {
            Some(1) => Format::Local,
            Some(2) => Format::Extents,
            Some(3) => Format::Tree,
            _ => Format::None,
        };
        let elsewhere = self.is_real_time() && self.kind() == Some(EntryKind::File);
        let first = if elsewhere { Format::None } else { format(5) };
        let second = if offset == 0 {
            Format::None
        } else {
            format(83)
        };
        let [first_count, second_count] = counts;
        Ok([
            Fork {
                format: first,
                bytes: data,
                extents: first_count,
            },
            Fork {
                format: second,
                bytes: attributes,
                extents: second_count,
            },
        ])
    }
}
