//! What the manifest beside a child promises of the disk that it makes with its base, held against what is read.
//!
//! A base that was written to, or exchanged for another one of its size, is noticed by no format: the child opens over it, and reads as nobody's
//! disk. Where a manifest stands beside the child, that is found out.

use imgdelta_core::{Error, Kind, Result, fs::committed_at};
use imgdelta_delta::{
    self as delta, Chain, ContentId, Manifest, attach as engine, manifest::place_of,
};
use imgdelta_registry::OpenSpec;

use crate::{
    context::{Context, Ids},
    disk::Disk,
};

/// A child that was opened over its parents, and its manifest.
#[derive(Debug)]
pub(crate) struct Promise<'a> {
    disk: &'a Disk,
    base: Chain,
    manifest: Manifest,
    /// Whether the user takes the child over another base too.
    accepts: bool,
}

/// What stands beside a child.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// No manifest, or the image is no child.
    Nothing,
    /// A manifest.
    Promise(Box<Promise<'a>>),
    /// One that cannot be read: what to say of it.
    Unreadable(String),
}

impl<'a> Promise<'a> {
    /// The promise of the manifest beside the image that `spec` opened as `disk`.
    pub(crate) fn of(disk: &'a Disk, spec: &OpenSpec) -> Found<'a> {
        let place = place_of(&spec.path);
        let is_there = place.is_file() || committed_at(&place).is_some();
        let (true, None, Some(base)) = (is_there, &spec.snapshot, disk.below()) else {
            return Found::Nothing;
        };
        match Manifest::read(&place) {
            Ok(manifest) => Found::Promise(Box::new(Promise {
                disk,
                base,
                manifest,
                accepts: spec.policy.accept_parent_id,
            })),
            Err(error) => Found::Unreadable(format!("{error}: the base was not proven")),
        }
    }

    /// Whether reading the disk as it is shows its content id: a format may hold a disk of an odd size rounded up.
    pub(crate) fn is_whole_disk(&self) -> bool {
        self.disk.size().0 == self.manifest.result.size
    }

    /// The content id that is promised.
    pub(crate) fn result(&self) -> Option<String> {
        self.manifest.result_id().ok().map(|id| id.to_string())
    }

    /// Holds the content id of the disk, which was read, against what is promised; what to say if it is another disk and that is no fault of
    /// its base.
    ///
    /// # Errors
    /// Chain, with the first region that differs, if the base is another one; Digest, if child and base are what they were and the disk is not.
    pub(crate) fn hold(&self, found: &ContentId, context: &Context) -> Result<Option<String>> {
        if *found == self.manifest.result_id()? {
            return Ok(None);
        }
        self.explain(context)
    }

    /// As [`hold`](Self::hold), all being read for it but what is remembered of the base.
    ///
    /// # Errors
    /// As [`hold`](Self::hold); those of the images.
    pub(crate) fn prove(&self, context: &Context) -> Result<Option<String>> {
        match self.apply(context)?.prove_disk() {
            Ok(_) => Ok(None),
            Err(error) if matches!(error.kind(), Kind::Chain | Kind::Digest | Kind::Corrupt) => {
                self.explain(context)
            }
            Err(error) => Err(error),
        }
    }

    /// As [`prove`](Self::prove) where the base is remembered; else what to say.
    ///
    /// # Errors
    /// As [`prove`](Self::prove).
    pub(crate) fn recall(&self, context: &Context) -> Result<Option<String>> {
        let size = self.manifest.base.proof()?.size;
        match context.digest_cache().recall(&self.base.resized(size)) {
            Some(_) => self.prove(context),
            None => Ok(Some(format!(
                "{}: that its base is still the one of its manifest was not looked at; --prove does",
                self.disk.path()
            ))),
        }
    }

    fn apply<'b>(&'b self, context: &'b Context) -> Result<delta::Apply<'b>> {
        Ok(delta::Apply {
            base: &self.base,
            disk: &self.disk.chain,
            manifest: Some(&self.manifest),
            memory: context.digest_cache(),
            work: context.exec(Ids::OfContent)?,
        })
    }

    /// Why the disk is another one.
    fn explain(&self, context: &Context) -> Result<Option<String>> {
        let work = context.exec(Ids::OfContent)?;
        let child = &self.disk.top;
        let layer = engine::prove_layer(&*child.image, &self.manifest, work);
        let layer = match layer {
            Err(error) if error.kind() != Kind::Digest => return Err(error),
            other => other,
        };
        let base = self.apply(context)?.prove_base();
        match (layer, base) {
            (Ok(()), Ok(_)) => Err(Error::new(
                Kind::Digest,
                "the disk is not what its manifest promises, though base and child are",
            )
            .with_code("result_mismatch")
            .in_file(&child.path)),
            (Err(_), Ok(_)) => Ok(Some(format!(
                "{}: was written to since its manifest was made, its base was not: the disk is another one than was promised",
                self.disk.path()
            ))),
            (_, Err(error)) if error.kind() == Kind::Chain => self.other_base(error),
            (_, Err(error)) => Err(error),
        }
    }

    /// The base is not the one that the child was made from.
    fn other_base(&self, error: Error) -> Result<Option<String>> {
        let parent = self.disk.parents.first().unwrap_or(&self.disk.top);
        if self.accepts {
            return Ok(Some(format!(
                "{}: its base {} is not the one of its manifest: read all the same as --accept-parent-id says",
                self.disk.path(),
                parent.path.display()
            )));
        }
        let child = self.disk.path();
        Err(error
            .with_detail(format!(
                "{child} was made from {} ({})",
                self.manifest.base.name, self.manifest.base.format
            ))
            .with_hint(
                "--parent FILE names an unchanged copy of the base; --accept-parent-id reads the child over this one",
            )
            .in_file(&parent.path))
    }
}
