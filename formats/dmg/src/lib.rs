//! Apple disk images, UDIF: read only.
//!
//! ```text
//! 0                     data fork                         XML or resource fork          end - 512
//! | chunks, one behind the other: as they are, or         | "blkx": a table for each    | trailer "koly":  |
//! | compressed with zlib, bzip2, LZFSE or ADC             | partition, type "mish"      | where all of it  |
//!
//! a table: header of 204 bytes, 40 bytes a chunk: its kind, its sectors, where its bytes stand
//! ```
//!
//! Integers are big-endian. A chunk is up to some MiB of the disk and is decoded as a whole; what no chunk covers is zero. A read-write
//! `.dmg` has no trailer: it is a raw disk.
//!
//! One file each: `layout` the bytes, `trailer` where the tables are, `property_list` and `resource_fork` how they are wrapped, `map` what
//! they say of the disk, `codec` and `adc` a chunk's bytes, `image` the layer, `check` whether every chunk decodes, `checksum` the
//! sums that are held against that. The sources of all facts
//! are the dmg readers of qemu and 7-Zip: Apple has published none.

mod adc;
mod check;
mod checksum;
mod chunk;
mod codec;
mod fault;
mod fork_checks;
mod image;
mod info;
pub mod layout;
mod map;
mod probe;
mod property_list;
mod raw_table;
mod resource_fork;
mod trailer;

use imgdelta_core::{Driver, Format, Sectors};

/// UDIF, as a table.
pub static DRIVER: Driver = Driver {
    format: Format::Dmg,
    extensions: &["dmg"],
    // A read-write one is a raw disk.
    exclusive_extensions: &[],
    folder_file: None,
    create_options: &[],
    open_options: image::OPTIONS,
    streams: false,
    sectors: Sectors::Unsaid,
    probe: probe::probe,
    open: image::open,
    create: None,
    check: check::check,
    repair: None,
    child: None,
    relink: None,
    references: image::references,
};
