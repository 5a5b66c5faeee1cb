//! `apply`: base and child together as a full image, both proven before it gets its name.

use imgdelta_core::{Kind, NewDisk, Result};
use imgdelta_delta as delta;
use serde::Serialize;

use super::{
    Outcome, Run,
    disk::Named,
    pair::{Pair, ProvenBy, distrust},
    writing::{self, Writing, format_of, shown},
};
use crate::job;

/// An image that came out of base and child.
#[derive(Debug, Serialize)]
pub(crate) struct Applied {
    /// Its path.
    pub(crate) output: String,
    /// Its format.
    pub(crate) format: &'static str,
    /// The size of its disk in bytes.
    pub(crate) size: u64,
    /// How long its file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_size: Option<u64>,
    /// Its content id, worked out from the bytes that were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_id: Option<String>,
    /// The child.
    pub(crate) child: String,
    /// The base.
    pub(crate) base: Named,
    /// What the result rests on.
    pub(crate) proven_by: ProvenBy,
    /// Whether the base's digests were remembered instead of read.
    pub(crate) base_from_memory: bool,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Outcome for Applied {
    const SCHEMA: &'static str = "imgdelta/apply/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Writes base and child as a full image.
pub(crate) fn apply(job: &job::Apply, run: &Run<'_>) -> Result<Applied> {
    let goal = &job.goal;
    job::refuse_stream(&goal.output.path, "the result of apply")?;
    let format = format_of(goal)?;
    let pair = Pair::open(&job.pair)?;
    let in_place = writing::is_in_place(goal);
    // What stands on a device is gone with the first write: its base is read, whatever is remembered.
    let memory = match run.memory(job.pair.memory) {
        memory if in_place => memory.refreshed(),
        memory => memory,
    };
    let apply = delta::Apply {
        base: &pair.base.chain,
        disk: &pair.disk,
        manifest: pair.manifest.as_ref(),
        memory: &memory,
        work: run.work(goal.ids)?,
    };
    let disk = NewDisk {
        size: apply.result_size(),
        ..pair.disk.disk()
    };
    // A place that cannot be is refused before a long proof; nothing is begun there, since it may be a device, on which the base must be proven
    // before the first write. A file appears only when all is proven, in one pass.
    writing::check_place(goal, &[&pair.child, &pair.base])?;
    let mut base_from_memory = false;
    if in_place {
        run.showing.phase(format!("prove {}", pair.base.path()));
        base_from_memory = apply
            .prove_base()
            .map_err(|error| pair.explain(error, &job.pair.child))?;
    }
    let writing = Writing::begin(goal, disk, None, &[&pair.child, &pair.base], run)?;
    let (writer, written) = writing.split();
    run.showing
        .phase(format!("apply {}", goal.output.path.display()));
    let applied = if in_place {
        apply.run(writer).map(|copied| (copied, base_from_memory))
    } else {
        apply.run_proving(writer)
    };
    let (copied, base_from_memory) = applied.map_err(|error| match error.kind() {
        Kind::Chain => pair.explain(error, &job.pair.child),
        _ => distrust(error.in_file(&pair.child.top.path)),
    })?;
    let file_size = written.file_size();
    let mut notes = pair.notes();
    notes.extend(written.commit()?);
    Ok(Applied {
        output: shown(&goal.output.path),
        format: format.name(),
        size: disk.size.0,
        file_size,
        content_id: copied.proof.map(|proof| proof.id.to_string()),
        child: pair.child.path(),
        base: pair.base.named(
            pair.manifest
                .as_ref()
                .map(|manifest| manifest.base.content_id.clone()),
        ),
        // What came out was hashed as it was written, whatever was believed of the base.
        proven_by: pair.proven_by(false),
        base_from_memory,
        dry_run: goal.dry_run,
        notes,
    })
}
