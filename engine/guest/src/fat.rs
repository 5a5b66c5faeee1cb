//! FAT12, FAT16 and FAT32. \[fatgen103\] Microsoft's FAT32 File System Specification; Linux's `fs/fat` where that leaves it open.

mod boot;
mod directory;
mod files;
mod free;
pub(crate) mod table;

pub(crate) use files::files;
pub(crate) use free::unused;
