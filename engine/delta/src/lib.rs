//! The engine: whole disks. It sees layers through `imgdelta-core`'s traits and knows no format.
//!
//! | module | holds |
//! |---|---|
//! | [`chain`] | layers, top first, whose union is a disk |
//! | [`make`] | what of a target differs from a base, as a child |
//! | [`convert`] | a disk as one whole image: `convert`, `apply` |
//! | [`apply`] | base and child as a full image, both proven |
//! | [`attach`] | a child that names the local copy of its base |
//! | [`compare`] | are two disks equal, and where are they not |
//! | [`kept`] | a disk that keeps in some runs what another one has |
//! | [`gpt`] | the partition table of a disk that gets another size |
//! | [`digest`], [`tree`], [`disk_hasher`](mod@disk_hasher) | content ids |
//! | [`layer`] | what proves a child's own layer |
//! | [`manifest`] | the file beside a child |
//! | [`digest_cache`] | leaf digests kept between runs |
//! | [`exec`], [`progress`] | threads, memory, counters, and the word to stop |
//!
//! Inside, `planner` cuts disks into tasks that say where every byte stands, `pipeline` does them on all cores and commits them in order,
//! and `unit_writer` hands units to a writer; `seed` says beforehand what ids will be made of; `base_check` proves a base while it is copied.

pub mod apply;
pub mod attach;
mod base_check;
mod buffer;
pub mod chain;
pub mod compare;
pub mod convert;
pub mod digest;
pub mod digest_cache;
pub mod disk_hasher;
pub mod exec;
pub mod gpt;
pub mod kept;
pub mod layer;
mod leaf_batch;
pub mod make;
pub mod manifest;
mod null_writer;
pub mod patch;
mod pipeline;
mod planner;
pub mod progress;
mod seed;
pub mod tree;
mod unit_writer;

pub use apply::Apply;
pub use chain::{Chain, Cursor, Layer, Origin};
pub use compare::{Compare, Difference};
pub use convert::{Convert, Converted};
pub use digest::{plain_sha256, prove, prove_or_recall};
pub use digest_cache::DigestCache;
pub use disk_hasher::Proof;
pub use exec::{ExecContext, Pool};
pub use kept::keep;
pub use layer::layer_digest;
pub use make::{Made, Make};
pub use manifest::{LayerDigest, Manifest};
pub use patch::{Replaced, mend, mend_in_place, relink};
pub use progress::RunProgress;
pub use tree::{ContentId, Digest, WINDOW};
