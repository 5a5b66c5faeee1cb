//! The vocabulary of imgdelta.
//!
//! A *disk* is what a guest sees: an array of bytes with a size. An *image* stores a disk or a *layer* of one; layers, top first,
//! make a *chain*, whose union is a disk. This crate holds what formats and engine say to each other, and nothing that knows
//! a format:
//!
//! | module | holds |
//! |---|---|
//! | [`units`] | addresses and lengths: guest and file never mistaken for one another |
//! | [`extent`] | what a layer says of a run: absent, zero, data, packed |
//! | [`image`] | one open layer, and how it names its parent |
//! | [`layer_id`] | which layer that is: what two openings of one disk have in common |
//! | [`writer`] | what the engine tells a format to write |
//! | [`format`](mod@format), [`driver`] | the formats by name, and each as a table |
//! | [`source`], [`sink`], [`fs`] | files: read by address, written by address, whole or not at all |
//! | [`aligned_buffer`] | memory that can be written past the page cache |
//! | [`table`] | tables in files, read in pages |
//! | [`cache`] | the blocks that were used last |
//! | [`contexts`] | codecs' contexts that wait to be used again |
//! | [`reservation`] | room that the host makes ahead of what is written |
//! | [`bitmap`] | bitmaps in files, in either order of bits |
//! | [`bitset`] | which of many places are taken |
//! | [`claims`] | runs of a file that two take for their own |
//! | [`record`](mod@record) | on-disk structures, declared once |
//! | [`equality`] | whether bytes are equal, or zero |
//! | [`error`] | one error: kind, place, found and required, next step |
//! | [`options`] | `key=value` |
//! | [`parallel`] | loops over what is independent, on the caller's threads |
//! | [`threads`] | a thread beside the caller's |
//! | [`partition_table`] | partition tables, as they stand on a disk |
//! | [`percent`] | percent-encoded text, decoded strictly |
//! | [`xml`] | small XML documents, no entity of which is expanded |

pub use byteorder;

pub mod aligned_buffer;
pub mod bitmap;
pub mod bitset;
pub mod cache;
pub mod claims;
pub mod contexts;
pub mod driver;
pub mod equality;
pub mod error;
pub mod extent;
pub mod format;
pub mod fs;
pub mod image;
pub mod layer_id;
pub mod options;
pub mod parallel;
pub mod partition_table;
pub mod percent;
pub mod record;
pub mod reservation;
pub mod sink;
pub mod source;
pub mod table;
pub mod threads;
pub mod units;
pub mod writer;
pub mod xml;

pub use aligned_buffer::AlignedBuffer;
pub use bitmap::BitOrder;
pub use bitset::BitSet;
pub use cache::BlockCache;
pub use claims::{Claimed, overlaps};
pub use contexts::ContextPool;
pub use driver::{
    AuxFiles, CheckReport, ChildRule, Create, DiskSpec, Driver, NoAuxFiles, OneOutput, Open,
    Outputs, ParentSpec, Patch, ProbeResult, ProbeWindow, References, Relink, Repair, Sectors,
};
pub use equality::{is_same, is_zero};
pub use error::{Error, ErrorLocation, Fault, Kind, Result};
pub use extent::{Extent, State};
pub use format::Format;
pub use fs::{
    AtomicFile, Attributes, Existing, FileLock, FileSystem, FileVersion, FreeSpace, HeldFolder,
    HeldPlace, LockAttempt, LockWait, Ownership, Removals, create_folders, has_no_locks,
    sync_folder, try_lock,
};
pub use image::{Hint, HintKind, Identity, Image, ImageMetadata, ParentLink, Snapshot};
pub use layer_id::LayerId;
pub use options::{Options, parse_size};
pub use percent::{PercentError, percent_decode};
pub use record::{Field, OnDisk};
pub use reservation::Reservation;
pub use sink::{DIRECT_UNIT, FileSink, MemSink, PipeSink, Sink, write_pages, write_without_zeros};
pub use source::{AllocatedRange, FileSource, MemSource, Source, read_array, read_vec};
pub use table::{PageCache, PagedTable};
pub use units::{Bytes, FileOffset, SECTOR, VirtOffset};
pub use writer::{
    BlockState, Encoded, Encoder, FinishParams, ImageWriter, Payload, Placement, PlainEncoder,
    ReadsAs, Unit, UnitCoding, WriterLayout,
};
