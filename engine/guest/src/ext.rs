//! ext2, ext3 and ext4. \[kernel\] Documentation/filesystems/ext4, fs/ext4/ext4.h; libext2fs where that is silent.

mod checksum;
mod directory;
mod files;
mod free;
mod groups;
mod inode;
mod layout;
mod mapping;
mod superblock;

pub(crate) use files::files;
pub(crate) use free::unused;
