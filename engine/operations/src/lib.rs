//! What imgdelta does with images: each call a builder with one `run`, its result plain data.
//!
//! | module | holds |
//! |---|---|
//! | [`context`] | what every call is given: threads, progress, cancellation, remembered digests |
//! | [`disk`] | an image with its parents, open |
//! | [`make`] | what of a target differs from a base, as a child with its manifest |
//! | [`transport`] | the same as a transport file, small and read over its base alone |
//! | [`expand`] | such a file and its base as a child |
//! | [`unneeded`], [`left_out`] | what certainly nobody needs of a disk, and a target without it |
//! | [`apply`], [`attach`] | a child and its base, proven: as a full image, or linked |
//! | [`convert`] | a disk as one image of any format |
//! | [`refilled_transport`] | a transport file that came damaged, with windows that came anew |
//! | [`sent_transport`] | a transport file that a deployment sends, in the making |
//! | [`stored_image`] | an image that a repository keeps or a deployment sends, in the making |
//! | [`restored_image`] | a damaged image whose bad windows are known by now, as it was |
//! | [`received_image`] | an image that came, as a disk over a base that is here |
//! | [`proof`] | what proves a disk to the repository that keeps it |
//! | [`block_owner`], [`changed_files`] | whose the bytes of a disk are; what differs, file by file |
//! | [`compare`], [`map`], [`info`], [`check`], [`digest`] | what a disk or an image is |
//!
//! Nothing here prints, reads arguments or ends the process. Depends on `imgdelta-delta` (whole disks), `imgdelta-guest` (what a
//! guest says of one) and `imgdelta-registry` (formats); repositories and deployments depend on it.

pub mod apply;
pub mod attach;
pub mod attach_all;
mod base_link;
pub mod block_owner;
pub mod changed_files;
pub mod check;
mod check_chain;
mod check_table;
pub mod child_pair;
pub mod compare;
pub mod context;
pub mod convert;
pub mod digest;
pub mod disk;
pub mod expand;
mod guest_disk;
pub mod info;
pub mod left_out;
pub mod make;
pub mod map;
mod nowhere;
mod output;
mod promise;
pub mod proof;
pub mod received_image;
pub mod refilled_transport;
pub mod restored_image;
pub mod salvage;
pub mod sent_transport;
mod space;
pub mod stored_image;
mod target;
pub mod transport;
mod transport_file;
pub mod unneeded;

pub use apply::{Apply, ApplyReport};
pub use attach::{Attach, AttachReport};
pub use attach_all::{AttachAll, AttachAllReport, LeftChild};
pub use base_link::UnlinkedBase;
pub use block_owner::BlockOwner;
pub use changed_files::{ChangedFiles, ChangedKind, ChangedOwner};
pub use check::{Check, CheckedImage, RepairInto, RepairReport};
pub use check_chain::{LinkInfo, StandsBy};
pub use child_pair::{Evidence, ProvenBy};
pub use compare::{Compare, CompareReport, DifferingRun};
pub use context::{Context, Ids, Stage};
pub use convert::{Convert, ConvertReport};
pub use digest::{Digest, DigestReport};
pub use disk::{Disk, DiskRef};
pub use expand::Expand;
pub use info::{ImageInfo, Info, InfoReport, PackageReport, ReferencesReport};
pub use left_out::Reduced;
pub use make::{ChildReport, Make};
pub use map::{Map, MapLayers, MapReport, MappedRun};
pub use salvage::{LostRun, Salvage, SalvageReport};
pub use transport::{MakeTransport, TransportReport};
pub use unneeded::{Unneeded, UnneededRuns, UnusedBytes};
