//! `apply`: base and child together as a full image, both proven before it gets its name.

use imgdelta_core::{DiskSpec, Error, Kind, Result};
use imgdelta_delta::{self as delta, DigestCache};
use imgdelta_registry::{OpenSpec, OutputSpec};
use serde::Serialize;

use crate::{
    child_pair::{ChildPair, Evidence, ProvenBy, distrust},
    context::{Context, Ids, Stage},
    disk::DiskRef,
    output::{ImageOutput, shown},
    space::{explain, require_room},
    target::Target,
};

/// How base and child are to be made one image.
#[derive(Clone, Debug)]
pub struct Apply {
    child: OpenSpec,
    base: OpenSpec,
    evidence: Evidence,
    output: Target,
}

/// An image that came out of base and child.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ApplyReport {
    /// Its path.
    pub output: String,
    /// Its format.
    pub format: &'static str,
    /// The size of its disk in bytes.
    pub size: u64,
    /// How long its file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_size: Option<u64>,
    /// What that takes on the host, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_disk: Option<u64>,
    /// Its content id, worked out from the bytes that were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    /// The child.
    pub child: String,
    /// The base.
    pub base: DiskRef,
    /// What the result rests on.
    pub proven_by: ProvenBy,
    /// Whether the base's digests were remembered instead of read.
    pub base_from_memory: bool,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Apply {
    /// The full image at `output` of `child` over `base`, in whatever formats the three are.
    #[must_use]
    pub fn new(child: OpenSpec, base: OpenSpec, output: OutputSpec) -> Self {
        Self {
            child,
            base,
            evidence: Evidence::default(),
            output: Target::of(output),
        }
    }

    /// What child and base are proven by; the manifest beside the child unless this says otherwise.
    #[must_use]
    pub fn evidence(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }

    /// Whether all is worked out and nothing is written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.output.dry_run = dry_run;
        self
    }

    /// What the image's ids are made of.
    #[must_use]
    pub const fn ids(mut self, ids: Ids) -> Self {
        self.output.ids = ids;
        self
    }

    /// Makes the image, durable and in its place. A file appears only when base and result are proven; on a block device the base is proven before
    /// the first write.
    ///
    /// # Errors
    /// Chain, if the base is another disk or there is no manifest; Digest, if the result is not what the manifest promises; Usage, if the output may
    /// not be replaced or is an input; those of the images; Host, if an input changed meanwhile; Interrupted.
    pub fn run(&self, context: &Context) -> Result<ApplyReport> {
        let path = &self.output.spec.path;
        // What no format holds is refused before anything is opened.
        let target = self.output.resolve_image()?;
        let pair = ChildPair::open(&self.child, &self.base, &self.evidence)?;
        let in_place = self.output.is_in_place();
        let cache = cache(context, in_place);
        let apply = delta::Apply {
            base: &pair.base.chain,
            disk: &pair.disk,
            manifest: pair.manifest.as_ref(),
            memory: &cache,
            work: pair.exec(context, self.output.ids)?,
        };
        let disk = DiskSpec {
            size: apply.result_size(),
            ..pair.disk.disk()
        };
        let inputs = [&pair.child, &pair.base];
        // A place that cannot be is refused before a long proof; nothing is begun there, since it may be a device.
        self.output.check_place(&inputs)?;
        let mut base_from_memory = false;
        if in_place {
            context.begin(Stage::Prove(&pair.base.top.path));
            base_from_memory = apply
                .prove_base()
                .map_err(|error| pair.explain(error, &self.child))?;
        }
        let may_not_fit = require_room(&target, &pair.disk, context)?;
        let output = ImageOutput::begin(&target, disk, None, &inputs, context)?;
        let format = output.driver.format;
        let is_clone = pair.manifest.is_some() && output.share(&pair.base);
        let (writer, written) = output.split();
        context.begin(Stage::Apply(path));
        let applied = if is_clone {
            let copied = apply.run_onto_base(writer);
            copied.map(|copied| (copied, false))
        } else if in_place {
            apply.run(writer).map(|copied| (copied, base_from_memory))
        } else {
            apply.run_proving(writer)
        };
        let (copied, base_from_memory) =
            applied.map_err(|error| self.explain(&pair, pair.doubt(error, context)))?;
        let (file_size, on_disk) = (written.file_size(), written.on_disk()?);
        let mut notes = pair.notes();
        notes.extend(may_not_fit);
        notes.extend(written.commit()?);
        Ok(ApplyReport {
            output: shown(path),
            format: format.name(),
            size: disk.size.0,
            file_size,
            on_disk,
            content_id: copied.proof.map(|proof| proof.id.to_string()),
            child: pair.child.path(),
            base: pair.named_base(),
            // What came out was hashed as it was written, whatever was believed of the base.
            proven_by: pair.proven_by(false),
            base_from_memory,
            dry_run: self.output.dry_run,
            notes,
        })
    }

    /// Why it cannot be, with what helps.
    fn explain(&self, pair: &ChildPair, error: Error) -> Error {
        match error.kind() {
            Kind::Chain => pair.explain(error, &self.child),
            _ => distrust(explain(error, &pair.disk).in_file(&pair.child.top.path)),
        }
    }
}

/// The remembered digests that may be believed. What stands on a device is gone with the first write: its base is read, whatever is remembered.
fn cache(context: &Context, in_place: bool) -> DigestCache {
    let cache = context.digest_cache().clone();
    if in_place { cache.refreshed() } else { cache }
}
