//! `attach`: a child that names the local copy of its base, after both were proven.

use imgdelta_core::{AtomicFile, Error, Kind, Result};
use imgdelta_delta::{self as delta, attach as engine};
use imgdelta_registry::{needs_search, new_parent, refuse_inputs};
use serde::Serialize;

use super::{
    Outcome, Run,
    disk::Named,
    make::require_format,
    pair::{Pair, ProvenBy, distrust},
    writing::{lost_note, shown},
};
use crate::job::{self, Ids};

/// A child that names its base.
#[derive(Debug, Serialize)]
pub(crate) struct Attached {
    /// The child.
    pub(crate) child: String,
    /// Its format.
    pub(crate) format: &'static str,
    /// The base that it names.
    pub(crate) base: Named,
    /// The path that it records, from its own folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recorded: Option<String>,
    /// What the link rests on.
    pub(crate) proven_by: ProvenBy,
    /// The digest of the child's own layer, proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layer_digest: Option<String>,
    /// Whether the base's digests were remembered instead of read.
    pub(crate) base_from_memory: bool,
    /// Which folder must be searched to open the child by its link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) search: Option<String>,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Outcome for Attached {
    const SCHEMA: &'static str = "imgdelta/attach/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Links a child to the local copy of its base.
pub(crate) fn attach(job: &job::Attach, run: &Run<'_>) -> Result<Attached> {
    let spec = &job.pair;
    if !job.dry_run {
        AtomicFile::settle(&spec.child.path)?;
    }
    let pair = Pair::open(spec)?;
    let driver = pair.child.top.driver;
    let (Some(rule), Some(relink)) = (driver.child, driver.relink) else {
        return Err(Error::new(
            Kind::Unsupported,
            format!("{} has no differencing disks", driver.format),
        )
        .with_code("no_children")
        .in_file(&spec.child.path));
    };
    if spec.base.snapshot.is_some() {
        return Err(Error::new(
            Kind::Unsupported,
            "a child cannot name a snapshot inside an image as its parent",
        )
        .with_hint(format!(
            "'imgdelta convert {} --snapshot NAME -o IMAGE' makes an image of its own of it",
            spec.base.path.display()
        ))
        .in_file(&spec.base.path));
    }
    require_format(driver, rule, &pair.base)?;
    refuse_inputs(&spec.child.path, &pair.base.stamps())?;
    let file = pair.child.facts().files.first();
    let (source, opened) = file
        .zip(pair.child.top.stamp.as_ref())
        .ok_or_else(|| Error::new(Kind::Unsupported, "the child has no file"))?;

    let memory = run.memory(spec.remembers);
    let work = run.work(Ids::OfContent)?;
    let proof = delta::Apply {
        base: &pair.base.chain,
        disk: &pair.disk,
        manifest: pair.manifest.as_ref(),
        memory: &memory,
        work,
    };
    run.showing.phase(format!("prove {}", pair.base.path()));
    let base_from_memory = proof
        .prove_base()
        .map_err(|error| pair.explain(error, &spec.child))?;
    if let Some(manifest) = &pair.manifest {
        run.showing.phase(format!("prove {}", pair.child.path()));
        engine::prove_layer(&*pair.child.top.image, manifest, work)
            .map_err(|error| distrust(error.in_file(&spec.child.path)))?;
    }

    let parent = new_parent(&pair.base.top, &spec.child.path)?;
    let patches = relink(source, &parent).map_err(|error| error.in_file(&spec.child.path))?;
    let mut notes = pair.notes();
    if !job.dry_run {
        // The file itself, not a link to it, gets the new bytes.
        let place = std::fs::canonicalize(&spec.child.path)
            .map_err(|cause| Error::host("cannot find", cause).in_file(&spec.child.path))?;
        let child = delta::Replaced {
            place: &place,
            file: source,
            opened,
            attributes: job.attributes,
        };
        notes.extend(lost_note(&place, &delta::relink(child, &patches)?));
    }
    Ok(Attached {
        child: pair.child.path(),
        format: driver.format.name(),
        base: pair.base.named(
            pair.manifest
                .as_ref()
                .map(|manifest| manifest.base.content_id.clone()),
        ),
        recorded: parent.relative.clone(),
        proven_by: pair.proven_by(),
        layer_digest: pair
            .manifest
            .as_ref()
            .map(|manifest| manifest.child.layer_digest.clone()),
        base_from_memory,
        search: needs_search(&spec.child.path, &spec.base.path).map(|folder| shown(&folder)),
        dry_run: job.dry_run,
        notes,
    })
}
