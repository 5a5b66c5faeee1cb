//! VDI images: dynamic, fixed, differencing, undo.
//!
//! ```text
//! 0          72        456       472          offBlocks            offData
//! | text,    | header  | LCHS    |            | block map          | block | block | ....
//! | signature| sizes,  | since   |            | u32 a block:       | 1 MiB each, in the order in
//! | version  | UUIDs   | 2010    |            | index, FREE, ZERO  | which they were first written
//!
//! version 0.2: header of 348 bytes, the map right behind it, the blocks right behind the map
//!
//! a block    | extra bytes | data |     a block is all there or not at all
//! ```
//!
//! All integers are little-endian, nothing carries a checksum. `FREE` is the parent's, or zero where there is none; `ZERO` is zero
//! whatever the parent holds. A child names its parent by two UUIDs, which image and which state of it, and by no path.
//!
//! One file each: `layout` the bytes, `validate` what the header says, `identity` the UUIDs, `map` the map, `image` the layer, `check`
//! whether all agrees, `create_options` and `write` new images, `relink` another parent. The source of all facts is VirtualBox's VDICore.h and VDI.cpp:
//! there is no other specification.

mod check;
mod create_options;
mod fault;
mod identity;
mod image;
mod info;
pub mod layout;
mod map;
mod open_options;
mod probe;
mod relink;
mod validate;
mod write;

use imgdelta_core::{ChildRule, Driver, Format, Sectors};

/// VDI, as a table.
pub static DRIVER: Driver = Driver {
    format: Format::Vdi,
    extensions: &["vdi"],
    exclusive_extensions: &["vdi"],
    folder_file: None,
    create_options: create_options::CREATE_OPTIONS,
    open_options: open_options::OPEN_OPTIONS,
    // The map in front is known last.
    streams: false,
    sectors: Sectors::Fixed,
    probe: probe::probe,
    open: image::open,
    create: Some(write::create),
    check: check::check,
    repair: None,
    child: Some(ChildRule {
        same_format: true,
        // VirtualBox grows children: beyond the parent's end they are zero.
        same_size: false,
        searched: true,
        by_name: false,
        probed: true,
    }),
    relink: Some(relink::relink),
    references: image::references,
};
