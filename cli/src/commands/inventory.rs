//! `inventory`: the list of a repository's images that another site reads.

use std::path::Path;

use imgdelta_core::{AtomicFile, Result};
use serde::Serialize;

use super::{Outcome, Run, repo::unreadable, shown};
use crate::job;

/// An inventory that was written.
#[derive(Debug, Serialize)]
pub(crate) struct Inventoried {
    /// Where it stands.
    pub(crate) output: String,
    /// The repository's id.
    pub(crate) repository: String,
    /// How many images it names.
    pub(crate) images: usize,
    /// How long it is.
    pub(crate) bytes: usize,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Outcome for Inventoried {
    const SCHEMA: &'static str = "imgdelta/inventory-written/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Writes the inventory to `output`.
pub(crate) fn inventory(job: &job::Inventory, output: &Path, run: &Run<'_>) -> Result<Inventoried> {
    let repository = run.repository()?;
    let inventory = repository.inventory()?;
    let bytes = inventory.to_json()?.len();
    AtomicFile::check_place(output, job.existing)?;
    if !job.dry_run {
        inventory.write(output, job.existing)?;
    }
    Ok(Inventoried {
        output: shown(output),
        repository: inventory.repository.to_string(),
        images: inventory.images.len(),
        bytes,
        dry_run: job.dry_run,
        notes: unreadable(&repository.list()?),
    })
}

/// The inventory as bytes, to be written to standard output.
pub(crate) fn inventory_bytes(run: &Run<'_>) -> Result<Vec<u8>> {
    run.signals.may_end_at_once(true);
    run.repository()?.inventory()?.to_json()
}
