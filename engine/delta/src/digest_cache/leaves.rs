//! Files of leaf digests: read and written in order, in bounded memory, zero runs as runs.
//!
//! ```text
//! version 2   magic "imgdelta leaves2" | size of the disk, u64 | CRC
//!             runs: 0, count, u64, CRC             so many whole zero windows
//!                   1, count, u64, digests, CRC    so many windows, at most 4096
//!                   2, content id, CRC             the end
//! version 1   magic "imgdelta leaves1", and no CRC anywhere
//! ```
//!
//! All numbers are little-endian. Each CRC is the CRC-32 of ISO 3309 (as in gzip) over what stands before it, from the tag or the magic on: damage is
//! found at the run, before a leaf of it is used. Version 2 is written, both are read. Which disk a file is of, and whether it is believed, is
//! the matter of whoever keeps it.

mod reader;
mod writer;

use imgdelta_core::{Bytes, Error, Kind};

pub use self::{reader::LeafReader, writer::LeafWriter};
use crate::tree::{Digest, RepeatedSubtrees};

/// The first bytes of the file; the last one is the version.
const MAGIC_1: &[u8; 16] = b"imgdelta leaves1";
/// Those of files whose parts carry a CRC.
const MAGIC_2: &[u8; 16] = b"imgdelta leaves2";
/// Magic and size.
const HEAD: Bytes = Bytes(24);
/// The tag of the end and the content id.
const TAIL: u64 = 33;
/// A CRC.
const CRC: u64 = 4;
const TAG_ZERO: u8 = 0;
const TAG_LEAVES: u8 = 1;
const TAG_END: u8 = 2;

/// Most leaves in one run of the file.
pub const LONGEST_RUN: u64 = 4096;

/// A run of leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafRun {
    /// So many whole zero windows.
    Zero(u64),
    /// These.
    Leaves(Vec<Digest>),
}

impl LeafRun {
    /// The leaves one by one; a zero run of whole windows as often as it is long.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = Digest> + '_> {
        match self {
            Self::Zero(count) => Box::new((0..*count).map(|_| RepeatedSubtrees::zero().leaf())),
            Self::Leaves(leaves) => Box::new(leaves.iter().copied()),
        }
    }

    /// How many there are.
    const fn count(&self) -> u64 {
        match self {
            Self::Zero(count) => *count,
            Self::Leaves(leaves) => leaves.len() as u64,
        }
    }
}

fn faulty(what: &str) -> Error {
    Error::new(Kind::Corrupt, format!("the file of leaf digests {what}")).with_code("leaves")
}
