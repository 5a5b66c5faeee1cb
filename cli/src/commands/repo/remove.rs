//! `repo remove`: an image goes, and those of its files that the repository made. Whether the user is sure is asked elsewhere.

use std::path::PathBuf;

use imgdelta_core::Result;
use serde::Serialize;

use super::Image;
use crate::{
    commands::{Outcome, Run, shown},
    job,
};

/// An image that was removed.
#[derive(Debug, Serialize)]
pub(crate) struct Removed {
    /// The image.
    pub(crate) image: Image,
    /// Files that were deleted.
    pub(crate) deleted: Vec<String>,
    /// How long they were together.
    pub(crate) bytes: u64,
    /// Files that stay: the repository did not make them, or somebody has exchanged them.
    pub(crate) kept: Vec<String>,
    /// Images that descended from it, and are said to descend from its parent now.
    pub(crate) orphans: Vec<String>,
    /// Whether nothing was removed.
    pub(crate) dry_run: bool,
}

impl Outcome for Removed {
    const SCHEMA: &'static str = "imgdelta/repo-remove/1";
}

/// Removes an image. Which one is meant is found out where it is removed.
pub(crate) fn remove(job: &job::Remove, run: &Run<'_>) -> Result<Removed> {
    let repository = run.repository()?;
    let removed = if job.manner.dry_run {
        repository.foresee_remove(&job.image)?
    } else {
        repository.remove(&job.image, &run.catalogue(job.manner.wait)?)?
    };
    let all = |places: &[PathBuf]| places.iter().map(|place| shown(place)).collect();
    Ok(Removed {
        image: Image::of(&removed.record, &removed.listing),
        bytes: removed.bytes,
        deleted: all(&removed.deleted),
        kept: all(&removed.kept),
        orphans: removed.orphans.iter().map(ToString::to_string).collect(),
        dry_run: job.manner.dry_run,
    })
}
