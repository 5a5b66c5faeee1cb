//! `attach`: a child names the local copy of its base, after both were proven. Only its link fields change.

use std::sync::Arc;

use imgdelta_core::{
    AtomicFile, Attributes, Error, FileVersion, Kind, ParentSpec, Patch, Result, Source,
};
use imgdelta_delta::{self as delta, attach as engine};
use imgdelta_registry::{OpenSpec, child_rule, needs_search, new_parent, refuse_inputs};
use serde::Serialize;

use crate::{
    base_link::unlinked,
    child_pair::{ChildPair, Evidence, ProvenBy, distrust},
    context::{Context, Ids, Stage},
    disk::DiskRef,
    make::require_base_format,
    output::{lost_note, shown},
};

/// How a child is to be linked to its base.
#[derive(Clone, Debug)]
pub struct Attach {
    child: OpenSpec,
    base: OpenSpec,
    evidence: Evidence,
    attributes: Attributes,
    dry_run: bool,
}

/// A child that names its base.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AttachReport {
    /// The child.
    pub child: String,
    /// Its format.
    pub format: &'static str,
    /// The base that it names.
    pub base: DiskRef,
    /// The path that it records, from its own folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// What the link rests on.
    pub proven_by: ProvenBy,
    /// The digest of the child's own layer, proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer_digest: Option<String>,
    /// Whether the base's digests were remembered instead of read.
    pub base_from_memory: bool,
    /// Which folder must be searched to open the child by its link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Attach {
    /// The child names `base` as its parent; whom it names now does not matter.
    #[must_use]
    pub fn new(child: OpenSpec, base: OpenSpec) -> Self {
        Self {
            child,
            base,
            evidence: Evidence::default(),
            attributes: Attributes::Require,
            dry_run: false,
        }
    }

    /// What child and base are proven by; the manifest beside the child unless this says otherwise.
    #[must_use]
    pub fn evidence(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }

    /// Whether all is proven and nothing is written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Whether the child must keep its owner, group, access control list and extended attributes; it must, unless this says otherwise.
    #[must_use]
    pub const fn attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// Proves base, child and the disk that they make, then gives the child its link: a copy with other link fields takes its place.
    ///
    /// # Errors
    /// Chain, if the base is another disk or there is no manifest; Digest, if the child is not what the manifest promises; Unsupported, if the
    /// format has no such child or no link can name the base; Host, if the child changed meanwhile or cannot keep its attributes; those of the images; Interrupted.
    pub fn run(&self, context: &Context) -> Result<AttachReport> {
        if !self.dry_run {
            AtomicFile::settle(&self.child.path)?;
        }
        let pair = ChildPair::open(&self.child, &self.base, &self.evidence)?;
        let driver = pair.child.top.driver;
        child_rule(driver).map_err(|error| error.in_file(&self.child.path))?;
        self.require_link(&pair, context)?;
        require_base_format(driver, &pair.base)?;
        refuse_inputs(&self.child.path, &pair.base.versions())?;
        let parent = new_parent(&pair.base.top, &self.child.path)?;
        let patches = self.link(&pair, &parent)?;
        let (base_from_memory, lost) = if self.dry_run {
            (self.prove(&pair, context)?, None)
        } else {
            self.relink(&pair, &patches, context)?
        };
        let mut notes = pair.notes();
        notes.extend(lost);
        Ok(AttachReport {
            child: pair.child.path(),
            format: driver.format.name(),
            base: pair.named_base(),
            recorded: parent.relative,
            proven_by: pair.proven_by(base_from_memory),
            layer_digest: pair
                .manifest
                .as_ref()
                .map(|manifest| manifest.child.layer_digest.clone()),
            base_from_memory,
            search: needs_search(&self.child.path, &self.base.path).map(|folder| shown(&folder)),
            dry_run: self.dry_run,
            notes,
        })
    }

    /// Refuses a base whose file opens as another disk: that is what the link would lead to.
    fn require_link(&self, pair: &ChildPair, context: &Context) -> Result<()> {
        let Some(why) = unlinked(pair.child.top.driver, &self.base, &pair.base, context)? else {
            return Ok(());
        };
        let message = format!("a child cannot name it as its parent: it is {}", why.as_of);
        let error = Error::new(Kind::Unsupported, message).with_code("base_not_linkable");
        Err(why.hint(error, &self.base).in_file(&self.base.path))
    }

    /// Proves base, child and the disk that they make by the manifest, if there is one; true if the base's digests were remembered.
    fn prove(&self, pair: &ChildPair, context: &Context) -> Result<bool> {
        let work = context.exec(Ids::OfContent)?;
        let apply = delta::Apply {
            base: &pair.base.chain,
            disk: &pair.disk,
            manifest: pair.manifest.as_ref(),
            memory: context.digest_cache(),
            work,
        };
        let Some(manifest) = &pair.manifest else {
            return Ok(false);
        };
        let of_child = |error: Error| distrust(error.in_file(&self.child.path));
        context.begin(Stage::Prove(&pair.child.top.path));
        engine::prove_layer(&*pair.child.top.image, manifest, work).map_err(of_child)?;
        context.begin(Stage::Prove(&pair.base.top.path));
        apply.prove_disk().map_err(|error| match error.code() {
            "result_mismatch" | "size_mismatch" => of_child(error),
            _ => pair.explain(error, &self.child),
        })
    }

    /// The bytes of the child's file that name `parent`.
    fn link(&self, pair: &ChildPair, parent: &ParentSpec) -> Result<Vec<Patch>> {
        let driver = pair.child.top.driver;
        let relink = driver.relink.ok_or_else(|| {
            Error::new(
                Kind::Unsupported,
                format!("the link of a {} child cannot be changed", driver.format),
            )
            .in_file(&self.child.path)
        })?;
        if let Some(packing) = pair.child.top.within.first() {
            let message = format!("is packed ({packing}): no link can be written into it");
            return Err(Error::new(Kind::Unsupported, message)
                .with_code("packed")
                .with_hint("unpack it first, or use 'imgdelta apply', which reads it as it is")
                .in_file(&self.child.path));
        }
        let (file, _) = opened_file(pair)?;
        relink(file, parent).map_err(|error| error.in_file(&self.child.path))
    }

    /// Proves all, and writes the link into the very file that was opened: into a copy, which is made meanwhile. True if the base's digests were
    /// remembered, and what to say if the copy could not keep all that the child had.
    fn relink(
        &self,
        pair: &ChildPair,
        patches: &[Patch],
        context: &Context,
    ) -> Result<(bool, Option<String>)> {
        // The file itself, not a link to it, gets the new bytes.
        let place = std::fs::canonicalize(&self.child.path)
            .map_err(|cause| Error::host("cannot find", cause).in_file(&self.child.path))?;
        let (file, opened) = opened_file(pair)?;
        let child = delta::Replaced {
            place: &place,
            file,
            opened,
            attributes: self.attributes,
        };
        let (is_remembered, lost) = delta::relink(child, patches, || self.prove(pair, context))?;
        Ok((is_remembered, lost_note(&place, &lost)))
    }
}

/// The child's file, and the version in which it was opened.
fn opened_file(pair: &ChildPair) -> Result<(&Arc<dyn Source>, &FileVersion)> {
    let file = pair.child.metadata().files.first();
    file.zip(pair.child.top.stamp.as_ref())
        .ok_or_else(|| Error::new(Kind::Unsupported, "the child has no file"))
}
