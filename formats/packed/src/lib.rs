//! What disks come packed in, and what is often found where a disk was expected: compressed files, archives, pieces, text.
//!
//! | module | holds |
//! |---|---|
//! | [`packing`] | compressed files and archives, by their first bytes and by their names |
//! | [`text`] | descriptors, pages and other text |
//! | [`piece`] | names of the pieces into which a disk was cut |
//!
//! None of these is a disk, so none may become a raw one. Which format an image has is not known here.

pub mod packing;
pub mod piece;
pub mod text;

pub use packing::Packing;
