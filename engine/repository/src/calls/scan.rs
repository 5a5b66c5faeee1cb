//! `scan`: the images that stand in the repository's folder are taken in as they are.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::Result;
use imgdelta_operations::{Context, Stage};
use serde::Serialize;

use super::{
    failed::Failed,
    image::{Image, shown},
    target::Target,
};
use crate::catalogue::{Listing, Repository, Scanned};

/// A folder whose images are to be taken in.
#[derive(Clone, Debug)]
pub struct Scan {
    target: Target,
}

/// What was found in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ScanReport {
    /// The repository's folder.
    pub repository: String,
    /// Images that were taken in.
    pub added: Vec<Image>,
    /// How many were recorded before and have not changed since.
    pub known: usize,
    /// Files whose disk is that of another image.
    pub same: Vec<SameDisk>,
    /// What could not be taken in.
    pub failed: Vec<FailedFile>,
    /// After a dry run: the files that would be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<String>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A file whose disk is that of another image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SameDisk {
    /// The file.
    pub path: String,
    /// The name of the image.
    pub image: String,
}

/// A file that looks like an image and could not be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FailedFile {
    /// The file.
    pub path: String,
    /// Why.
    pub error: Failed,
}

impl Scan {
    /// The images that stand in the repository in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            target: Target::of(folder),
        }
    }

    /// How long to wait while another process changes the repository; not at all, unless this is said.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.target.wait = wait;
        self
    }

    /// Whether the files are only found, and none is taken in.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.target.dry_run = dry_run;
        self
    }

    /// Takes in what no record names. What is wrong with one image is a finding, not a failure.
    ///
    /// # Errors
    /// As [`Repository::open`] and [`Repository::scan`]. Images that were entered before an error stay: the context has heard of
    /// [`Stage::Enter`] then.
    pub fn run(&self, context: &Context) -> Result<ScanReport> {
        let repository = self.target.open(context)?;
        context.begin(Stage::Scan(repository.folder()));
        if self.target.dry_run {
            return foresee(&repository);
        }
        let before = repository.list()?.len();
        let scanned = repository.scan(&self.target.run(context)?);
        let listing = repository.list()?;
        if listing.len() > before {
            context.begin(Stage::Enter(repository.folder()));
        }
        Ok(report(&repository, &listing, &scanned?))
    }
}

/// What would be looked at.
fn foresee(repository: &Repository) -> Result<ScanReport> {
    let found = repository.unrecorded()?;
    Ok(ScanReport {
        repository: shown(repository.folder()),
        known: repository.list()?.len(),
        found: found.iter().map(|path| shown(path)).collect(),
        dry_run: true,
        ..ScanReport::default()
    })
}

fn report(repository: &Repository, listing: &Listing, scanned: &Scanned) -> ScanReport {
    let added = scanned.added.iter();
    let same = scanned.same.iter().map(|(path, record)| SameDisk {
        path: shown(path),
        image: record.name.to_string(),
    });
    let failed = scanned.faults.iter().map(|(path, error)| FailedFile {
        path: shown(path),
        error: Failed::of(error),
    });
    ScanReport {
        repository: shown(repository.folder()),
        added: added.map(|record| Image::of(record, listing)).collect(),
        known: scanned.known.len(),
        same: same.collect(),
        failed: failed.collect(),
        found: Vec::new(),
        dry_run: false,
        notes: scanned.notes.clone(),
    }
}
