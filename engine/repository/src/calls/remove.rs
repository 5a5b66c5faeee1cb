//! `remove`: an image goes, and those of its files that the repository made. Whether the user is sure is asked by whoever calls.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::Result;
use imgdelta_operations::Context;
use serde::Serialize;

use super::{
    image::{Image, shown},
    target::Target,
};
use crate::catalogue::remove::Kept;

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
    /// Files that stay: the repository did not make them, or they are not what it made any more.
    pub kept: Vec<String>,
    /// Images that descended from it, and are said to descend from its parent now.
    pub orphans: Vec<String>,
    /// Whether nothing was removed.
    pub dry_run: bool,
    /// What the user should know: why files stay that the repository made.
    pub notes: Vec<String>,
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
    /// As [`Repository::open`](crate::catalogue::Repository::open) and [`Listing::find`](crate::catalogue::Listing::find); Usage, if other images cannot be read without it
    /// (`has_children`); Busy, if another process changes the repository; Host; Interrupted.
    pub fn run(&self, context: &Context) -> Result<RemoveReport> {
        let repository = self.target.open(context)?;
        // Which image is meant is found out where it is removed.
        let removed = if self.target.dry_run {
            repository.foresee_remove(&self.image)?
        } else {
            repository.remove(&self.image, &self.target.run(context)?)?
        };
        let kept = removed.kept.iter();
        let notes =
            kept.filter_map(|(place, why)| Some(format!("{}: {}", place.display(), reason(*why)?)));
        Ok(RemoveReport {
            image: Image::of(&removed.record, &removed.listing),
            notes: notes.collect(),
            deleted: removed.deleted.iter().map(|place| shown(place)).collect(),
            bytes: removed.bytes,
            kept: removed.kept.iter().map(|(place, _)| shown(place)).collect(),
            orphans: removed.orphans.iter().map(ToString::to_string).collect(),
            dry_run: self.target.dry_run,
        })
    }
}

/// Why a file stays that the repository made.
const fn reason(why: Kept) -> Option<&'static str> {
    match why {
        Kept::NotMade => None,
        Kept::Changed => Some("was changed since the repository made it, and is kept"),
        Kept::Elsewhere => Some("is not the file that the repository made, and is kept"),
    }
}
