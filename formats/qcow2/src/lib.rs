//! qcow2 images, versions 2 and 3.
//!
//! ```text
//!         0 ┌──────────────────────────┐ first cluster
//!           │ header                   │   72 bytes; version 3: 104 or more
//!           │ header extensions        │   backing format, feature names, bitmaps, data file
//!           │ backing file name        │
//!           ├──────────────────────────┤ from here on clusters in any order, 512 B to 2 MiB each
//!           │ refcount table           │──► refcount blocks ──► one number a host cluster
//!           │ L1 table                 │──► L2 tables ──► an entry a guest cluster:
//!           │                          │      nothing │ zeros │ host cluster │ compressed data
//!           │ snapshot table           │──► an L1 table a snapshot, which shares L2 tables and data
//!           │ bitmap directory         │──► a table a bitmap ──► bits
//!           │ data clusters            │    or all of them in another file
//!           └──────────────────────────┘
//!
//!   guest address   = L1 index │ L2 index │ offset in the cluster
//!   L2 entry          8 bytes, or 16 with a bitmap of 32 subclusters (extended L2)
//! ```
//!
//! One file each: `layout` the bytes, `header`, `backing`, `extension`, `snapshot`, `bitmap` and `validate` what they say, `geometry`
//! and `cluster_mapping` what is true of them, `map` where a guest cluster is, `compressed` and `image` its bytes, `refcount`, `check_walk`, `refcount_census`
//! and `check` whether all of it agrees, `write` how an image is made.

mod backing;
mod bitmap;
mod check;
mod check_walk;
mod cluster_mapping;
mod compressed;
mod extension;
mod fault;
mod geometry;
mod header;
mod image;
mod info;
pub mod layout;
mod map;
mod open_options;
mod probe;
mod refcount;
mod refcount_census;
mod relink;
mod snapshot;
mod validate;
mod write;

use imgdelta_core::{ChildRule, Driver, Format, Sectors};

/// qcow2, as the registry knows it.
pub static DRIVER: Driver = Driver {
    format: Format::Qcow2,
    extensions: &["qcow2", "qcow"],
    exclusive_extensions: &["qcow2"],
    folder_file: None,
    create_options: write::OPTIONS,
    open_options: open_options::OPEN_OPTIONS,
    streams: false,
    sectors: Sectors::Unsaid,
    probe: probe::probe,
    open: image::open,
    create: Some(write::create),
    check: check::check,
    repair: None,
    child: Some(ChildRule {
        same_format: false,
        same_size: false,
        searched: false,
        by_name: true,
        probed: false,
    }),
    relink: Some(relink::relink),
    references: image::references,
};
