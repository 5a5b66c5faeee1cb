//! XFS, versions 4 and 5. \[XFS\] XFS Algorithms & Data Structures, 3rd edition; Linux's `fs/xfs/libxfs/xfs_format.h`.

mod btree;
mod directory;
mod files;
mod fork;
mod free;
mod group;
mod inode;
mod log;
mod superblock;

pub(crate) use files::files;
pub(crate) use free::unused;
