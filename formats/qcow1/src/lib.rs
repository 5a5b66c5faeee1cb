//! qcow images of version 1, which qemu wrote before qcow2: read only.
//!
//! ```text
//!         0 ┌──────────────────────────┐
//!           │ header                   │   48 bytes
//!           │ backing file name        │   where the header says
//!           │ L1 table                 │──► an L2 table, or nothing
//!           ├──────────────────────────┤ from here on in any order
//!           │ L2 tables                │──► an entry a cluster: nothing │ host cluster │ compressed bytes
//!           │ clusters                 │   512 B to 64 KiB each; compressed ones as long as they are
//!           └──────────────────────────┘
//!
//!   guest address = L1 index │ L2 index │ offset in the cluster
//! ```
//!
//! All integers are big-endian. Nothing carries a checksum, nothing counts references, and no entry says "zero". The name of the backing file
//! comes without its format.
//!
//! One file each: `layout` the bytes, `validate` what the header says, `map` where a cluster is, `compressed` its bytes, `image` the layer,
//! `check` whether clusters share bytes. The source of all facts is qemu's block/qcow.c: there is no other specification.

mod check;
mod compressed;
mod fault;
mod image;
mod info;
pub mod layout;
mod map;
mod open_options;
mod probe;
mod validate;

use imgdelta_core::{Driver, Format, Sectors};

/// qcow version 1, as a table.
pub static DRIVER: Driver = Driver {
    format: Format::Qcow1,
    extensions: &["qcow"],
    // Both versions share their magic, and files of the first are called after the second too.
    exclusive_extensions: &["qcow", "qcow2"],
    folder_file: None,
    create_options: &[],
    open_options: open_options::OPEN_OPTIONS,
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
