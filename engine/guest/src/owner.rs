//! Who owns bytes of a disk.

use crate::entry::EntryKind;

/// Who owns bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// What it is.
    pub kind: OwnerKind,
    /// The number of its volume, as [`Volume::number`](crate::Volume); `None` outside of them.
    pub volume: Option<u32>,
    /// Its path from the volume's root; for metadata what it is called.
    pub path: Option<String>,
}

impl Owner {
    /// One without a path.
    pub(crate) const fn plain(kind: OwnerKind, volume: Option<u32>) -> Self {
        Self {
            kind,
            volume,
            path: None,
        }
    }
}

/// What owns bytes. The kinds stand in order: of bytes that have two owners, on two disks, the lesser kind is told first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OwnerKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe or a socket.
    Special,
    /// What a file system keeps for itself.
    Metadata,
    /// A volume of swap.
    Swap,
    /// It cannot be told.
    Unknown,
    /// No volume: the partition table, and what lies between volumes.
    Outside,
    /// Blocks that the file system calls free.
    Free,
}

impl OwnerKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::File,
        Self::Directory,
        Self::Symlink,
        Self::Special,
        Self::Metadata,
        Self::Swap,
        Self::Unknown,
        Self::Outside,
        Self::Free,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Special => "special",
            Self::Metadata => "metadata",
            Self::Swap => "swap",
            Self::Free => "free",
            Self::Outside => "outside",
            Self::Unknown => "unknown",
        }
    }
}

impl From<EntryKind> for OwnerKind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::File => Self::File,
            EntryKind::Directory => Self::Directory,
            EntryKind::Symlink => Self::Symlink,
            EntryKind::Special => Self::Special,
            EntryKind::Metadata => Self::Metadata,
        }
    }
}
