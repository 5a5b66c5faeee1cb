//! NAME images: read only.
//!
//! ```text
//!         0 ┌──────────────────────────┐
//!           │ header                   │   64 bytes
//!           ├──────────────────────────┤ from here on in any order
//!           │ block table              │   8 bytes a block: where it is; 0: nowhere
//!           │ blocks                   │   block_size bytes each
//!           └──────────────────────────┘
//! ```
//!
//! All integers are little-endian. TODO: what the format really is, and the source of that.
//!
//! One file each, in the order of reading: `layout` the bytes, `fault` what may be wrong, `open_options` what the user may say, `probe` whether a
//! file is of the format, `validate` what the header says, `map` where a block is, `image` the layer, `info` what is shown, `check` what opening
//! does not ask.

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

/// NAME, as a table.
pub static DRIVER: Driver = Driver {
    format: Format::TYPE,
    extensions: &["NAME"],
    exclusive_extensions: &["NAME"],
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
