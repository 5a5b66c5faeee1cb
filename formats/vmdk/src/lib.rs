//! VMDK images: hosted sparse, flat, split, streamOptimized, ESX's COWD and seSparse, each as a whole disk or as a child.
//!
//! ```text
//! a disk         descriptor (text) ──► extent │ extent │ extent ...     one behind the other
//!                in a file of its own,           each FLAT, SPARSE, VMFS, VMFSSPARSE, SESPARSE or ZERO
//!                or inside its only extent
//!
//! SPARSE         0        1            21                                            overhead
//!                | header | descriptor | redundant directory, | directory, | grains, 64 KiB each,
//!                |        | or nothing | its grain tables     | its tables | in any order
//!
//!                directory ──► table of 512 entries ──► a grain each: sector │ 0 absent │ 1 zeros
//!                two copies; where they say different things the sound one counts, and where nobody can tell the extent is damaged
//!
//! stream         | header | descriptor | marker+grain | marker+grain | ... | table | ... | directory | footer | end |
//!                each grain a zlib stream, each table behind its grains, the footer says where the directory is
//! ```
//!
//! All integers are little-endian, places are sectors of 512 bytes, nothing carries a checksum. A child names its parent by its
//! content id (CID), which a changed parent changes, and by a path; VirtualBox uses UUIDs in the descriptor's data base.
//!
//! One file each: `layout` the bytes, `image_kind` the start of a file, `descriptor` its text, `encoding` names in it, `kinds` and `unsupported_keys` what it
//! says of the disk, `link` how images are called, `disk` the extents and who opens them, `extent` an extent, `sparse`, `cowd`, `sesparse`
//! those with grains, `map` where a grain is, `grain` what a packed one holds, `caches` what all extents keep, `shared_grains` whether two grains
//! are in one place, `image` the layer, `create_options`, `descriptor_writer` and `write` new images, `relink` another parent. Sources: \[TN\] VMware's "Virtual Disk Format 5.0"; what qemu and VirtualBox do.

mod caches;
mod cowd;
mod create_options;
mod descriptor;
mod descriptor_writer;
mod disk;
mod encoding;
mod extent;
mod fault;
mod grain;
mod image;
mod image_kind;
mod info;
mod kinds;
pub mod layout;
mod link;
mod map;
mod relink;
mod sesparse;
mod shared_grains;
mod sparse;
mod unsupported_keys;
mod write;

use imgdelta_core::{ChildRule, Driver, Format, Sectors};

/// VMDK, as a table.
pub static DRIVER: Driver = Driver {
    format: Format::Vmdk,
    extensions: &["vmdk"],
    exclusive_extensions: &["vmdk"],
    folder_file: None,
    create_options: create_options::CREATE_OPTIONS,
    open_options: image::OPTIONS,
    // streamOptimized does; the others refuse.
    streams: true,
    sectors: Sectors::Fixed,
    probe: image_kind::probe,
    open: image::open,
    create: Some(write::create),
    check: image::check,
    repair: None,
    child: Some(ChildRule {
        same_format: true,
        same_size: true,
        searched: true,
        by_name: false,
        probed: true,
    }),
    relink: Some(relink::relink),
    references: image::references,
};
