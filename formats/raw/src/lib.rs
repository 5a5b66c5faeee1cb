//! Raw disk images and block devices.
//!
//! ```text
//!   0 ┌──────────────────────────┐
//!     │ the disk, byte for byte  │   file offset = guest address
//!     │ ( hole )                 │   a run that the host does not store reads as zero
//!     │ the disk                 │
//!     └──────────────────────────┘ file length = size of the disk, any number of bytes
//! ```
//!
//! There is no header, no table and no rule that a file could break, hence no `layout`, `table` or `fault`. Nothing in the bytes
//! says that they are raw either: [`DRIVER`] claims no file. That a file is raw follows from its name, or is said by the user.

mod check;
mod image;
mod meta;
mod write;

use imgdelta_core::{Driver, Format, ProbeResult, References, Sectors};

/// The format.
pub static DRIVER: Driver = Driver {
    format: Format::Raw,
    extensions: &["raw", "img", "bin", "dd"],
    exclusive_extensions: &["raw"],
    folder_file: None,
    create_options: &[],
    open_options: &[],
    streams: true,
    sectors: Sectors::Unsaid,
    // A guest can write any header to its disk: raw is what remains when nobody else claims the file, and the registry decides that.
    probe: |_| ProbeResult::No,
    open: image::open,
    create: Some(write::create),
    check: check::check,
    repair: None,
    child: None,
    relink: None,
    references: |_| Ok(References::default()),
};
