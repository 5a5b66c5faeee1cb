//! Parallels hard disks: read only, one expanding file or a folder of them.
//!
//! ```text
//! an expanding file (.hds, .hdd)             a folder (.hdd)
//! 0        64                data_off        | DiskDescriptor.xml    the disk: its size, its storages, its tree of snapshots
//! | header | BAT: u32 a      | block | block | NAME.GUID.hds         a file for each storage and snapshot: expanding, or plain (raw)
//! |        | block; 0: none  |       |       |
//! ```
//!
//! Integers are little-endian, nothing carries a checksum. What a BAT entry counts depends on the magic: sectors with the old one
//! (`WithoutFreeSpace`), blocks with the new one (`WithouFreSpacExt`). A block that is in no file of a snapshot is that of the snapshot before.
//! The file of a snapshot does not name the one below it: only the descriptor does.
//!
//! One file each: `layout` the bytes, `validate` what a header says, `map` the BAT, `expanding` one file as a layer; `descriptor` what the XML
//! says, `bundle` the files that it names as a layer, `part` one of these; `check` whether all agrees. The sources of all facts are qemu's
//! docs/interop/parallels.rst and prl-xml.rst, and block/parallels.c.

mod bundle;
mod check;
mod descriptor;
mod expanding;
mod fault;
mod file_check;
mod image;
mod info;
pub mod layout;
mod map;
mod open_options;
mod part;
mod probe;
mod validate;

use imgdelta_core::{Driver, Format, Sectors};

/// Parallels hard disks, as a table.
pub static DRIVER: Driver = Driver {
    format: Format::Parallels,
    extensions: &["hds", "hdd"],
    exclusive_extensions: &["hds"],
    folder_file: Some(descriptor::NAME),
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
