//! `digest`: the content id of a disk, or the plain SHA-256 of its bytes.

use imgdelta_core::Result;
use imgdelta_delta as delta;
use serde::Serialize;

use super::{Outcome, Run, disk::Disk};
use crate::job::{self, Ids};

/// The digest of a disk.
#[derive(Debug, Serialize)]
pub(crate) struct Digested {
    /// The image.
    pub(crate) path: String,
    /// Its format.
    pub(crate) format: &'static str,
    /// The size of its disk in bytes.
    pub(crate) size: u64,
    /// The content id, or `sha256:` and the SHA-256 of the disk's bytes.
    pub(crate) digest: String,
    /// Whether it was remembered instead of read.
    pub(crate) from_memory: bool,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Outcome for Digested {
    const SCHEMA: &'static str = "imgdelta/digest/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Works out the digest of a disk, or recalls it.
pub(crate) fn digest(job: &job::Digest, run: &Run<'_>) -> Result<Digested> {
    job::refuse_stream(&job.image.path, "an image to be digested")?;
    let disk = Disk::open(&job.image)?;
    run.showing.phase(format!("digest {}", disk.path()));
    let work = run.work(Ids::OfContent)?;
    let (digest, from_memory) = if job.plain {
        (
            format!("sha256:{}", delta::plain_sha256(&disk.chain, work)?),
            false,
        )
    } else {
        let (proof, remembered) =
            delta::prove_or_recall(&disk.chain, &run.memory(job.memory), work)?;
        (proof.id.to_string(), remembered)
    };
    let mut notes = disk.notes();
    if from_memory {
        notes.push(format!(
            "{}: remembered, not read; --prove reads it anew",
            disk.path()
        ));
    }
    Ok(Digested {
        path: disk.path(),
        format: disk.facts().format.name(),
        size: disk.chain.size().0,
        digest,
        from_memory,
        notes,
    })
}
