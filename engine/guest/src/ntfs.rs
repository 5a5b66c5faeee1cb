//! NTFS. \[linux-ntfs\] the NTFS documentation of the Linux-NTFS project, and ntfs-3g's `include/ntfs-3g/layout.h`.

mod attribute;
mod boot;
mod clean;
mod files;
mod free;
mod record;
mod shadow;
mod volume;

pub(crate) use files::files;
pub(crate) use free::unused;
