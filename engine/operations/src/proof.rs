//! What proves a disk to the repository that keeps it: its content id, and its leaves in a file of their own.
//!
//! A repository remembers an image by its leaves, so nothing here asks the digest cache: what proves an image is read.

use imgdelta_core::{AtomicFile, Result};
use imgdelta_delta::{
    Chain, ContentId, DigestCache, ExecContext, Proof,
    digest::{self, Verdict, prove_over},
    digest_cache::{LeafReader, LeafWriter},
};

use crate::disk::Disk;

/// The disk below an image, and its leaves: what the image itself does not say need not be read.
#[derive(Debug)]
pub struct KnownBelow {
    /// Its disk.
    pub disk: Chain,
    /// Its leaves, which are believed.
    pub leaves: LeafReader,
}

/// The content id of a disk, read.
///
/// # Errors
/// Those of the images; Host, if one changed meanwhile; Interrupted.
pub fn prove(disk: &Chain, exec: ExecContext<'_>) -> Result<Proof> {
    digest::prove(disk, &DigestCache::none(), exec)
}

/// The content id of a disk and its leaves, in a file that is complete, but neither durable nor in its place. Where the disk `below` is known
/// only the rest is read; if those leaves turn out damaged, everything is. `new_leaves` starts a file of leaves.
///
/// # Errors
/// Those of `new_leaves`; as [`prove`].
pub fn prove_keeping(
    disk: &Disk,
    below: Option<KnownBelow>,
    new_leaves: impl Fn() -> Result<LeafWriter>,
    exec: ExecContext<'_>,
) -> Result<(Proof, AtomicFile)> {
    if let Some(KnownBelow {
        disk: base,
        leaves: known,
    }) = below
    {
        match prove_over(&disk.chain, &base, known, Some(new_leaves()?), exec) {
            Err(error) if error.code() == "leaves" => {}
            Ok((proof, Some(leaves))) => return Ok((proof, leaves)),
            other => drop(other?),
        }
    }
    digest::prove_keeping(&disk.chain, new_leaves()?, exec)
}

/// The content id of the disk whose leaves these are, worked out from all of them.
///
/// # Errors
/// Corrupt with the code `leaves`, if they are damaged.
pub fn id_of_leaves(leaves: LeafReader) -> Result<ContentId> {
    digest::id_of(leaves)
}

/// Reads a disk and holds it against its leaves: its content id, and where it differs from them.
///
/// # Errors
/// Corrupt with the code `leaves`, if they are damaged; as [`prove`].
pub fn verify(disk: &Disk, leaves: LeafReader, exec: ExecContext<'_>) -> Result<(Proof, Verdict)> {
    digest::verify(&disk.chain, leaves, exec)
}
