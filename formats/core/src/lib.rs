//! The vocabulary of imgdelta.
//!
//! A *disk* is what a guest sees: an array of bytes with a size. An *image* stores a disk or a *layer* of one; layers, top first,
//! make a *chain*, whose union is a disk. This crate holds what formats and engine say to each other, and nothing that knows
//! a format:
//!
//! | room | holds |
//! |---|---|
//! | [`units`] | addresses and lengths: guest and file never mistaken for one another |
//! | [`extent`] | what a layer says of a run: absent, zero, data, packed |
//! | [`image`] | one open layer, and how it names its parent |
//! | [`writer`] | what the engine tells a format to write |
//! | [`driver`] | a format as a table |
//! | [`source`], [`sink`], [`fs`] | files: read by address, written by address, whole or not at all |
//! | [`table`] | tables in files, read in pages |
//! | [`ahead`] | room that the host makes ahead of what is written |
//! | [`marks`] | which of many places are taken |
//! | [`record`] | on-disk structures, declared once |
//! | [`error`] | one error: kind, place, found and required, next step |
//! | [`options`] | `key=value` |
//! | [`parallel`] | loops over what is independent, on the caller's threads |

pub use byteorder;

pub mod ahead;
pub mod driver;
pub mod error;
pub mod extent;
pub mod fs;
pub mod image;
pub mod marks;
pub mod options;
pub mod parallel;
pub mod record;
pub mod sink;
pub mod source;
pub mod table;
pub mod units;
pub mod writer;

pub use ahead::Ahead;
pub use driver::{
    CheckReport, ChildRule, Claim, Companions, Create, Driver, Format, NewDisk, NewParent,
    NoCompanions, OneOutput, Open, Outputs, Patch, Peek, References, Relink, Repair, Sectors,
};
pub use error::{Error, Fault, Kind, Place, Result};
pub use extent::{Extent, State};
pub use fs::{AtomicFile, Existing, has_no_locks};
pub use image::{Facts, Hint, HintKind, Identity, Image, ParentLink, Snapshot};
pub use marks::Marks;
pub use options::{Options, parse_size};
pub use record::{Field, Wire};
pub use sink::{DIRECT_UNIT, FileSink, MemSink, PipeSink, Sink};
pub use source::{FileSource, FileVersion, MemSource, Source, Stored, read_array, read_vec};
pub use table::PagedTable;
pub use units::{Bytes, FileOffset, SECTOR, VirtOffset};
pub use writer::{Encoded, Encoder, Grain, ImageWriter, Placed, PlainEncoder, Seal, Shape, Unit};
