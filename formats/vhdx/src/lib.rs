//! VHDX images: fixed, dynamic, differencing, with their log.
//!
//! ```text
//!  | file id | header | header | regions | regions |      | log ....... | metadata .. | BAT ....... | blocks and bitmaps ......... |
//!  |         | 1      | 2      | 1       | 2       |      | a ring of   | table,      | u64 a block | each at a multiple of 1 MiB  |
//!  |         |        |        |         |         |      | 4 KiB pages | then items  |             |                              |
//!  0         64K      128K     192K      256K      320K   1M ^            ^             ^             ^
//!                                                            wherever the header and the region table say
//!
//!  BAT (ratio = 2^23 sectors / block size, blocks that share a bitmap)
//!  | block 0 | block 1 | ... | block ratio-1 | bitmap 0 | block ratio | ... | block 2*ratio-1 | bitmap 1 | ...
//!
//!  an entry       | MiB in the file : 44 bits | reserved : 17 | state : 3 |
//!
//!  a bitmap       | 1 MiB: one bit a sector of its blocks, the lowest bit first; 1: here, 0: the parent's |
//! ```
//!
//! All numbers are little-endian. Headers, region tables and log entries carry a CRC-32C, nothing else does. Of the two headers the one
//! with the greater sequence number counts; while its log GUID is not zero, the log holds pages that the file does not have yet.

mod bitmap;
mod check;
mod create_options;
mod fault;
mod header;
mod identity;
mod image;
mod info;
pub mod layout;
mod link;
mod locator;
mod log;
mod map;
mod metadata;
mod open_options;
mod region;
mod relink;
mod repair;
mod validate;
mod write;

use imgdelta_core::{ChildRule, Driver, Format, Sectors};

/// VHDX, as a table.
pub static DRIVER: Driver = Driver {
    format: Format::Vhdx,
    extensions: &["vhdx", "avhdx"],
    exclusive_extensions: &["vhdx", "avhdx"],
    folder_file: None,
    create_options: create_options::CREATE_OPTIONS,
    open_options: open_options::OPEN_OPTIONS,
    // The tables in front are known last.
    streams: false,
    sectors: Sectors::Recorded,
    probe: header::probe,
    open: image::open,
    create: Some(write::create),
    check: check::check,
    repair: Some(repair::repair),
    child: Some(ChildRule {
        same_format: true,
        same_size: false,
        searched: true,
        by_name: false,
        probed: true,
    }),
    relink: Some(relink::relink),
    references: validate::references,
};
