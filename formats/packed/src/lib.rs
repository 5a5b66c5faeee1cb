//! What disks come packed in, and what is often found where a disk was expected: compressed files, archives, pieces, packages, text.
//!
//! | module | holds |
//! |---|---|
//! | [`packing`] | compressed files and archives, by their first bytes and by their names |
//! | [`codec`] | the compressions that are unpacked here |
//! | [`unpacked`] | a compressed file, unpacked into a sparse file without a name |
//! | [`archive`] | the members of a tar archive, read where they stand |
//! | [`ovf`] | descriptors of virtual machines: which disks there are, in which files |
//! | [`digests`] | the `.mf` of a package |
//! | [`piece`] | names of the pieces into which a disk was cut |
//! | [`joined`], [`window`] | pieces as one file, and a part of a file as a file |
//! | [`text`] | descriptors, pages and other text |
//!
//! None of these is a disk, so none may become a raw one. Which format an image has is not known here, and no file is opened by its name.

pub mod archive;
pub mod codec;
pub mod digests;
pub mod joined;
pub mod ovf;
pub mod packing;
pub mod piece;
mod reader;
pub mod text;
pub mod unpacked;
pub mod window;

pub use archive::Archive;
pub use packing::Packing;
