//! QED images, "QEMU enhanced disk": read only.
//!
//! ```text
//!         0 ┌──────────────────────────┐
//!           │ header                   │   64 bytes of header_size clusters
//!           │ backing file name        │   in the same clusters
//!           ├──────────────────────────┤ from here on in any order
//!           │ L1 table                 │   table_size clusters ──► an L2 table, or nothing
//!           │ L2 tables                │   table_size clusters ──► nothing │ zeros │ a cluster
//!           │ clusters                 │   4 KiB to 64 MiB each
//!           └──────────────────────────┘
//!
//!   guest address = L1 index │ L2 index │ offset in the cluster
//! ```
//!
//! All integers are little-endian. Nothing carries a checksum, nothing counts references: each cluster is one's own.
//!
//! One file each: `layout` the bytes, `validate` what the header says, `map` where a cluster is, `image` the layer, `check` whether clusters
//! share bytes. The source of all facts is qemu's docs/interop/qed_spec.txt and block/qed.c.

mod check;
mod fault;
mod image;
mod info;
pub mod layout;
mod map;
mod open_options;
mod probe;
mod validate;

use imgdelta_core::{Driver, Format, Sectors};

/// QED, as a table.
pub static DRIVER: Driver = Driver {
    format: Format::Qed,
    extensions: &["qed"],
    exclusive_extensions: &["qed"],
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
