//! `digest`: the content id of a disk, or the plain SHA-256 of its bytes.

use imgdelta_core::Result;
use imgdelta_delta as delta;
use imgdelta_registry::OpenSpec;
use serde::Serialize;

use crate::{
    context::{Context, Ids, Stage},
    disk::Disk,
    promise::{Found, Promise},
};

/// How the digest of a disk is to be worked out.
#[derive(Clone, Debug)]
pub struct Digest {
    image: OpenSpec,
    plain: bool,
}

/// The digest of a disk.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DigestReport {
    /// The image.
    pub path: String,
    /// Its format.
    pub format: &'static str,
    /// The size of its disk in bytes.
    pub size: u64,
    /// The content id, or `sha256:` and the SHA-256 of the disk's bytes.
    pub digest: String,
    /// Whether it was remembered instead of read.
    pub from_memory: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Digest {
    /// The content id of an image's disk.
    #[must_use]
    pub const fn new(image: OpenSpec) -> Self {
        Self {
            image,
            plain: false,
        }
    }

    /// Whether it is the plain SHA-256 of the disk's bytes instead, as published checksums are.
    #[must_use]
    pub const fn plain(mut self, plain: bool) -> Self {
        self.plain = plain;
        self
    }

    /// Works it out, or recalls it where the context remembers digests.
    ///
    /// # Errors
    /// Those of the images; Host, if one changed meanwhile; Interrupted.
    pub fn run(&self, context: &Context) -> Result<DigestReport> {
        let disk = Disk::open(&self.image)?;
        context.begin(Stage::Digest(&disk.top.path));
        let work = context.exec(Ids::OfContent)?;
        let (digest, from_memory) = if self.plain {
            let sha256 = delta::plain_sha256(&disk.chain, work)?;
            (format!("sha256:{sha256}"), false)
        } else {
            let cache = context.digest_cache();
            let (proof, remembered) = delta::prove_or_recall(&disk.chain, cache, work)?;
            (proof.id.to_string(), remembered)
        };
        let mut notes = disk.notes();
        notes.extend(self.held(&disk, &digest));
        if from_memory {
            notes.push(format!(
                "{}: remembered, not read; --prove reads it anew",
                disk.path()
            ));
        }
        Ok(DigestReport {
            path: disk.path(),
            format: disk.metadata().format.name(),
            size: disk.chain.size().0,
            digest,
            from_memory,
            notes,
        })
    }

    /// What to say if the disk is not what the manifest beside a child promises.
    fn held(&self, disk: &Disk, digest: &str) -> Option<String> {
        let Found::Promise(promise) = Promise::of(disk, &self.image) else {
            return None;
        };
        let promised = promise.result()?;
        (!self.plain && promise.is_whole_disk() && promised != digest).then(|| {
            format!(
                "{}: its manifest promises {promised}: base or child is not what it was",
                disk.path()
            )
        })
    }
}
