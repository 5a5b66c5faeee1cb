//! `remove`: an image goes, and those of its files that the repository made. Whether the user is sure is asked by whoever calls.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use imgdelta_core::Result;
use imgdelta_operations::Context;
use serde::Serialize;

use super::{
    image::{Image, shown},
    target::Target,
};
use crate::catalogue::{Record, Repository};

/// An image that is to go.
#[derive(Clone, Debug)]
pub struct Remove {
    target: Target,
    image: String,
}

/// An image that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RemoveReport {
    /// The image.
    pub image: Image,
    /// Files that were deleted.
    pub deleted: Vec<String>,
    /// How long they were together, in bytes.
    pub bytes: u64,
    /// Files that stay: the repository did not make them, or somebody has exchanged them.
    pub kept: Vec<String>,
    /// Images that descended from it, and are said to descend from its parent now.
    pub orphans: Vec<String>,
    /// Whether nothing was removed.
    pub dry_run: bool,
}

impl Remove {
    /// The image that `image` names (its name, its id, or the first digits of that) in the repository in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, image: impl Into<String>) -> Self {
        Self {
            target: Target::of(folder),
            image: image.into(),
        }
    }

    /// How long to wait while another process changes the repository; not at all, unless this is said.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.target.wait = wait;
        self
    }

    /// Whether it is only worked out what would go.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.target.dry_run = dry_run;
        self
    }

    /// Removes the image, and its files if the repository made them.
    ///
    /// # Errors
    /// As [`Repository::open`] and [`Listing::find`](crate::catalogue::Listing::find); Usage, if other images cannot be read without it
    /// (`has_children`); Busy, if another process changes the repository; Host; Interrupted.
    pub fn run(&self, context: &Context) -> Result<RemoveReport> {
        let repository = self.target.open(context)?;
        let listing = repository.list()?;
        let record = listing.find(&self.image)?;
        listing.refuse_needed(record)?;
        let children = listing.children(&record.id).into_iter();
        let orphans = children.map(|child| child.name.to_string()).collect();
        let (deleted, kept) = if self.target.dry_run {
            foresee(&repository, record)
        } else {
            let how = self.target.run(context)?;
            let removed = repository.remove(record.id.as_str(), &how)?;
            (removed.deleted, removed.kept)
        };
        let all = |places: &[PathBuf]| places.iter().map(|place| shown(place)).collect();
        let is_deleted = |path: &Path| deleted.contains(&repository.folder().join(path));
        let files = record.files.iter();
        let gone = files.filter(|file| is_deleted(file.path.as_path()));
        Ok(RemoveReport {
            image: Image::of(record, &listing),
            bytes: gone.fold(0, |sum, file| sum.saturating_add(file.length)),
            deleted: all(&deleted),
            kept: all(&kept),
            orphans,
            dry_run: self.target.dry_run,
        })
    }
}

/// The files that would be deleted, and those that would stay.
fn foresee(repository: &Repository, record: &Record) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for file in &record.files {
        let place = repository.folder().join(file.path.as_path());
        if record.owned && repository.is_ours(file, &place) {
            deleted.push(place);
        } else if fs::symlink_metadata(&place).is_ok() {
            kept.push(place);
        }
    }
    (deleted, kept)
}
