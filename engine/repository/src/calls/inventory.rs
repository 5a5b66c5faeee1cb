//! `inventory`: the list of a repository's images that another site reads.

use std::path::PathBuf;

use imgdelta_core::{AtomicFile, Existing, Result};
use imgdelta_operations::Context;
use serde::Serialize;

use super::{
    failed::{left_out, unreadable},
    image::shown,
    target::Target,
};

/// An inventory that is to be written.
#[derive(Clone, Debug)]
pub struct WriteInventory {
    target: Target,
    output: PathBuf,
    existing: Existing,
}

/// An inventory that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InventoryReport {
    /// Where it stands.
    pub output: String,
    /// The repository's id.
    pub repository: String,
    /// How many images it names.
    pub images: usize,
    /// How long it is, in bytes.
    pub bytes: usize,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl WriteInventory {
    /// What the repository in `folder` has, to be written to the file `output`, which must not be there.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Self {
            target: Target::of(folder),
            output: output.into(),
            existing: Existing::Keep,
        }
    }

    /// Whether it may replace a file.
    #[must_use]
    pub const fn existing(mut self, existing: Existing) -> Self {
        self.existing = existing;
        self
    }

    /// Whether all is worked out and nothing is written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.target.dry_run = dry_run;
        self
    }

    /// Writes the inventory, whole or not at all.
    ///
    /// # Errors
    /// As [`Repository::open`](crate::catalogue::Repository::open); Usage, if something stands there that may not be replaced; Host;
    /// Interrupted.
    pub fn run(&self, context: &Context) -> Result<InventoryReport> {
        let repository = self.target.open(context)?;
        let listing = repository.list()?;
        let look = repository.look(&listing);
        let inventory = repository.inventory_of(&look);
        let bytes = inventory.to_json()?.len();
        AtomicFile::check_place(&self.output, self.existing)?;
        if !self.target.dry_run {
            inventory.write(&self.output, self.existing)?;
        }
        Ok(InventoryReport {
            output: shown(&self.output),
            repository: inventory.repository.to_string(),
            images: inventory.images.len(),
            bytes,
            dry_run: self.target.dry_run,
            notes: unreadable(&listing)
                .into_iter()
                .chain(left_out(&look))
                .collect(),
        })
    }
}
