//! VHD images: fixed, dynamic, differencing.
//!
//! ```text
//! fixed          | the disk, byte for byte ................................... | footer |
//!                0                                                             EOF-512
//!
//! dynamic        | footer | dynamic | BAT        | block | block | ......... | footer |
//!                | (copy) | header  | u32/block  |       |       |           |        |
//!                0        512       1536                                      EOF-512
//!
//! differencing   | footer | dynamic | BAT        | W2ru | W2ku | block | ... | footer |
//!                | (copy) | header  |            | paths of the  |           |        |
//!                |        | names   |            | parent        |           |        |
//!
//! a block        | bitmap    | data                                          |
//!                | 1 bit a   | block_size bytes, whole even where            |
//!                | sector    | the disk ends inside                          |
//!                ^ the sector that the BAT's entry names; ffffffff: none
//! ```
//!
//! All numbers are big-endian, only the paths in `W2ru` and `W2ku` are little-endian UTF-16. Footer and dynamic header carry a
//! checksum, nothing else does. In a dynamic image a sector whose bit is not set is zero; in a differencing one it is the parent's.

mod batmap;
mod bitmap;
mod check;
mod create_options;
mod fault;
mod footer;
mod geometry;
mod header;
mod identity;
mod image;
mod info;
pub mod layout;
mod locator;
mod map;
mod open_options;
mod relink;
mod validate;
mod write;

use imgdelta_core::{ChildRule, Driver, Format, Sectors};

/// VHD, as a table.
pub static DRIVER: Driver = Driver {
    format: Format::Vhd,
    extensions: &["vhd", "avhd", "vud"],
    exclusive_extensions: &["vhd", "avhd", "vud"],
    folder_file: None,
    create_options: create_options::CREATE_OPTIONS,
    open_options: open_options::OPEN_OPTIONS,
    // The tables in front are known last.
    streams: false,
    sectors: Sectors::Fixed,
    probe: footer::probe,
    open: image::open,
    create: Some(write::create),
    check: check::check,
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
