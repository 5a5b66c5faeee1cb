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

/// Removes an image.
pub(crate) fn remove(job: &job::Remove, run: &Run<'_>) -> Result<Removed> {
    let repository = run.repository()?;
    let listing = repository.list()?;
    let record = listing.find(&job.image)?;
    listing.refuse_needed(record)?;
    let children = listing.children(&record.id).into_iter();
    let orphans = children.map(|child| child.name.to_string()).collect();
    let (deleted, kept) = if job.manner.dry_run {
        let files = record.files.iter();
        let files = files.map(|file| (repository.folder().join(file.path.as_path()), file.length));
        let there = files.filter(|(place, _)| std::fs::symlink_metadata(place).is_ok());
        let (deleted, kept): (Vec<_>, Vec<_>) = there.partition(|(place, length)| {
            let found = std::fs::symlink_metadata(place);
            let is_same = found.is_ok_and(|found| found.is_file() && found.len() == *length);
            record.owned && is_same
        });
        let places =
            |files: Vec<(PathBuf, u64)>| files.into_iter().map(|(place, _)| place).collect();
        (places(deleted), places(kept))
    } else {
        let how = run.catalogue(job.manner.wait)?;
        let removed = repository.remove(record.id.as_str(), &how)?;
        (removed.deleted, removed.kept)
    };
    let all = |places: &Vec<PathBuf>| places.iter().map(|place| shown(place)).collect();
    let is_deleted = |path: &std::path::Path| deleted.contains(&repository.folder().join(path));
    let gone = record
        .files
        .iter()
        .filter(|file| is_deleted(file.path.as_path()));
    Ok(Removed {
        image: Image::of(record, &listing),
        bytes: gone.fold(0, |sum, file| sum.saturating_add(file.length)),
        deleted: all(&deleted),
        kept: all(&kept),
        orphans,
        dry_run: job.manner.dry_run,
    })
}
