//! `repo tag`, `untag`, `golden`, `set-id`, `rename`: what is known of an image changes, the image does not.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::catalogue::{ImageId, Name, Record};
use serde::Serialize;

use super::Image;
use crate::{
    commands::{Outcome, Run},
    job::Editing,
};

/// An image of which something else is known now.
#[derive(Debug, Serialize)]
pub(crate) struct Edited {
    /// What it was called before.
    pub(crate) before: String,
    /// The image as it is now.
    pub(crate) image: Image,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
}

impl Outcome for Edited {
    const SCHEMA: &'static str = "imgdelta/repo-edit/1";
}

/// Changes what is known of an image. Which one is meant is found out where it is changed.
pub(crate) fn edit(job: &Editing, run: &Run<'_>) -> Result<Edited> {
    let repository = run.repository()?;
    let edited = if job.manner.dry_run {
        repository.foresee_edit(&job.image, &job.edit)?
    } else {
        repository.edit(&job.image, &job.edit, &run.catalogue(job.manner.wait)?)?
    };
    Ok(Edited {
        before: edited.before.name.to_string(),
        image: Image::of(&edited.record, &edited.listing),
        dry_run: job.manner.dry_run,
    })
}

/// Another image bears that name.
pub(super) fn name_taken(name: &Name, other: &Record) -> Error {
    let message = format!("the name '{name}' is taken by {}", other.id);
    Error::new(Kind::Usage, message)
        .with_code("name_taken")
        .with_hint("choose another one; 'repo add' takes it with --name")
}

/// Another image has that id.
pub(super) fn id_taken(id: &ImageId, other: &Record) -> Error {
    let message = format!("the id '{id}' is taken by '{}'", other.name);
    Error::new(Kind::Usage, message).with_code("id_taken")
}
