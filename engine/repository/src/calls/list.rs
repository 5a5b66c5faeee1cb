//! `list`: which images there are, as records say it, and whether a look at their files bears that out. No image is opened.

use std::path::PathBuf;

use imgdelta_core::Result;
use imgdelta_operations::Context;
use serde::Serialize;

use super::{
    failed::unreadable,
    image::{Image, shown},
    target::Target,
};
use crate::catalogue::Presence;

/// A list of a repository's images.
#[derive(Clone, Debug)]
pub struct List {
    target: Target,
}

/// The images of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListReport {
    /// The images, in order of name.
    pub images: Vec<Image>,
    /// The rest.
    #[serde(flatten)]
    pub summary: ListSummary,
}

/// What a list of images ends with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListSummary {
    /// The repository's folder.
    pub repository: String,
    /// Its id.
    pub id: String,
    /// The format of images that are made there.
    pub default_format: &'static str,
    /// How many images there are.
    pub count: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl List {
    /// The images of the repository in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            target: Target::of(folder),
        }
    }

    /// Lists them in order of name, each with what a look at its files says. Records that cannot be read are among the notes.
    ///
    /// # Errors
    /// As [`Repository::open`](crate::catalogue::Repository::open) and [`Repository::list`](crate::catalogue::Repository::list);
    /// Interrupted.
    pub fn run(&self, context: &Context) -> Result<ListReport> {
        let mut images = Vec::new();
        let summary = self.run_each(context, &mut |image| {
            images.push(image);
            Ok(())
        })?;
        Ok(ListReport { images, summary })
    }

    /// As [`run`](Self::run); each image is handed to `each` instead of being kept.
    ///
    /// # Errors
    /// As [`run`](Self::run); those of `each`, which end it.
    pub fn run_each(
        &self,
        context: &Context,
        each: &mut dyn FnMut(Image) -> Result<()>,
    ) -> Result<ListSummary> {
        let repository = self.target.open(context)?;
        let listing = repository.list()?;
        let look = repository.look(&listing);
        let mut changed = 0_usize;
        for record in listing.records() {
            changed = changed.saturating_add(usize::from(look.at(record) == Presence::Changed));
            each(Image::seen(record, &listing, &look))?;
        }
        let mut notes = unreadable(&listing);
        notes.extend((changed > 0).then(|| {
            "what is marked as changed is left out of inventories: 'imgdelta repo verify' takes back what was only touched".to_owned()
        }));
        Ok(ListSummary {
            repository: shown(repository.folder()),
            id: repository.about().id.to_string(),
            default_format: repository.about().default_format.name(),
            count: listing.len(),
            notes,
        })
    }
}
