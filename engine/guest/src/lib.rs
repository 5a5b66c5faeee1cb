//! What a guest's partition tables and file systems say of a disk: which volumes it has, which of their blocks nobody uses, and which file
//! each block belongs to.
//!
//! Nothing here writes, mounts or runs a program: each file system has a small reader of its own over [`Disk`], which is all that this crate
//! knows of images. A reader answers only what is certain. Where a volume was not left cleanly, where a structure is not sound, where a
//! feature is not known, or where two file systems claim the same place, all of it is in use, and the reason is told.
//!
//! | module | holds |
//! |---|---|
//! | [`disk`] | what is read |
//! | [`runs`] | runs of a disk, sorted and apart |
//! | [`partition`] | GPT, MBR with logical partitions, or a disk without a table |
//! | [`contents`] | which file system, or what else, a volume holds |
//! | [`survey`](mod@survey) | a whole disk: its volumes, and what of them is certainly unused |
//! | [`files`](mod@files), [`entry`] | the files of a volume with their extents |
//! | [`owners`], [`owner`] | runs of a disk, each with the file, or what else, that it belongs to |
//! | [`unused`] | what of a volume certainly nobody needs |
//!
//! Inside, one module a family: `ext` (ext2, ext3, ext4), `fat` (12, 16, 32), `exfat`, `ntfs`, `xfs`, `swap`.

pub mod contents;
pub mod disk;
pub mod entry;
mod exfat;
mod ext;
mod fat;
mod fault;
pub mod files;
mod ntfs;
pub mod owner;
pub mod owners;
pub mod partition;
pub mod runs;
pub mod survey;
mod swap;
pub mod unused;
mod walk;
mod window;
mod xfs;

pub use contents::Contents;
pub use disk::Disk;
pub use entry::{Entry, EntryKind};
pub use files::{Files, files};
pub use owner::{Owner, OwnerKind};
pub use owners::Owners;
pub use partition::{Layout, Table, Volume, volumes};
pub use runs::{Run, Runs};
pub use survey::{Survey, survey};
pub use unused::{Unused, Verdict};
