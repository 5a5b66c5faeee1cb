//! `repo tag`, `untag`, `golden`, `set-id`, `rename`: what is known of an image changes, the image does not.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::catalogue::{ImageId, Listing, Name, Record};
use serde::Serialize;

use super::Image;
use crate::{
    commands::{Outcome, Run},
    job::{Edit, Editing},
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

/// Changes what is known of an image.
pub(crate) fn edit(job: &Editing, run: &Run<'_>) -> Result<Edited> {
    let repository = run.repository()?;
    let listing = repository.list()?;
    let before = listing.find(&job.image)?;
    let record = if job.manner.dry_run {
        foresee(before, &job.edit, &listing)?
    } else {
        let how = run.catalogue(job.manner.wait)?;
        // By its id: what was found a moment ago is what is changed.
        let word = before.id.as_str();
        match &job.edit {
            Edit::Tag(tags) => repository.tag(word, tags, &how),
            Edit::Untag(tags) => repository.untag(word, tags, &how),
            Edit::Golden(golden) => repository.set_golden(word, *golden, &how),
            Edit::Id(id) => repository.set_id(word, id, &how),
            Edit::Name(name) => repository.rename(word, name, &how),
        }?
    };
    Ok(Edited {
        before: before.name.to_string(),
        image: Image::of(&record, &listing),
        dry_run: job.manner.dry_run,
    })
}

/// The record as it would be.
fn foresee(before: &Record, edit: &Edit, listing: &Listing) -> Result<Record> {
    let mut record = before.clone();
    match edit {
        Edit::Tag(tags) => {
            record.tags.extend(tags.iter().cloned());
            // A record with too many cannot be read.
            Record::from_json(&record.to_json()?)
                .map_err(|error| Error::new(Kind::Usage, error.message().to_owned()))?;
        }
        Edit::Untag(tags) => record.tags.retain(|tag| !tags.contains(tag)),
        Edit::Golden(golden) => record.golden = *golden,
        Edit::Id(id) => {
            let other = listing.by_id(id).filter(|other| other.id != before.id);
            if let Some(other) = other {
                return Err(id_taken(id, other));
            }
            record.id = id.clone();
        }
        Edit::Name(name) => {
            let other = listing.by_name(name).filter(|other| other.id != before.id);
            if let Some(other) = other {
                return Err(name_taken(name, other));
            }
            record.name = name.clone();
        }
    }
    Ok(record)
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
