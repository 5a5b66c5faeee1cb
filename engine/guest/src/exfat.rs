//! exFAT. \[exFAT\] Microsoft's exFAT file system specification.

mod boot;
mod directory;
mod files;
mod free;

pub(crate) use files::files;
pub(crate) use free::unused;
