//! A file of a volume with its extents.

use crate::runs::Run;

/// What has blocks on a volume, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the volume's root, `/` first and between names; what is not Unicode in a name is replaced. For metadata what it is called.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its blocks in bytes of the disk, in the order of its contents: data, and the blocks that say where the data is. Empty where the
    /// contents stand in the metadata.
    pub extents: Vec<Run>,
}

/// What has blocks on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe or a socket.
    Special,
    /// What the file system keeps for itself.
    Metadata,
}
