//! Parity: a file beside another one from which damaged parts of that one are worked out again, for media on which single sectors go bad.
//!
//! A file is looked at in shards of 64 KiB (shorter ones where it is short), which are dealt out to groups: shard 0 to the first, shard 1 to the second, and so
//! on round. So a run of bad sectors takes little from each group. For each group there are recovery shards (Reed-Solomon, crate `reed-solomon-simd`): any
//! shards of a group that are lost, up to as many, are worked out from the others. A short digest of every shard says which are lost; a shard that the host
//! cannot read is lost too.
//!
//! Nothing of it is trusted: what was worked out counts only when it has the SHA-256 that the list of the delivery says. One group is in memory at a time:
//! at most 64 MiB, 32 MiB for what this program writes, and 16 bytes for each shard beside it.
//!
//! | module | holds |
//! |---|---|
//! | [`shape`] | how a file is dealt out, and where all of it stands |
//! | `head` | the header, as it is on disk |
//! | `writer` | a parity file made |
//! | `reader` | a parity file read, shards looked at and worked out |

mod head;
mod reader;
pub mod shape;
mod writer;

pub use self::{
    reader::{Parity, Survey},
    shape::{Percent, Shape},
    writer::write,
};
