//! `repo add`: images come in one after the other. One that fails does not stop the others.

use std::path::Path;

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::{DigestCache, prove};
use imgdelta_operations::Disk;
use imgdelta_repository::catalogue::{self, InsidePath, Listing, Name, Repository};
use serde::Serialize;

use super::{Failed, Image, failure};
use crate::{
    commands::{Outcome, Run, shown},
    job,
};

/// What became of images that were to be added.
#[derive(Debug, Serialize)]
pub(crate) struct Added {
    /// The repository's folder.
    pub(crate) repository: String,
    /// One by one, in the order in which they were given.
    pub(crate) images: Vec<One>,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// What became of one.
#[derive(Debug, Serialize)]
pub(crate) struct One {
    /// Its path, as it was given.
    pub(crate) path: String,
    /// Whether it was entered; if not, its content was there before or something failed.
    pub(crate) is_new: bool,
    /// The image in the repository; if its content was there before, that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<Image>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Failed>,
}

impl Outcome for Added {
    const SCHEMA: &'static str = "imgdelta/repo-add/1";

    fn exit(&self) -> u8 {
        let mut failed = self.images.iter().filter_map(|one| one.error.as_ref());
        failed.next().map_or(0, |failed| failed.exit)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Adds images.
pub(crate) fn add(job: &job::Add, run: &Run<'_>) -> Result<Added> {
    let repository = run.repository()?;
    let mut notes = Vec::new();
    let mut images = Vec::new();
    for add in &job.images {
        let path = &add.image.path;
        let done = job::refuse_stream(path, "an image to be added").and_then(|()| {
            run.showing.phase(format!("add {}", path.display()));
            add_one(&repository, add, job.manner, run, &mut notes)
        });
        let error = match done {
            Ok(one) => {
                images.push(one);
                continue;
            }
            // By itself, an error is the whole result.
            Err(error) if job.images.len() == 1 => return Err(error),
            Err(error) => error,
        };
        let is_last = error.kind() == Kind::Interrupted;
        if is_last && images.is_empty() {
            return Err(error);
        }
        images.push(One {
            path: shown(path),
            is_new: false,
            image: None,
            error: Some(failure(&error, run)),
        });
        if is_last {
            break;
        }
    }
    Ok(Added {
        repository: shown(repository.folder()),
        images,
        dry_run: job.manner.dry_run,
        notes,
    })
}

fn add_one(
    repository: &Repository,
    add: &catalogue::Add,
    manner: job::Manner,
    run: &Run<'_>,
    notes: &mut Vec<String>,
) -> Result<One> {
    let (image, is_new) = if manner.dry_run {
        foresee(repository, add, run)?
    } else {
        let added = repository.add(add, &run.catalogue(manner.wait)?)?;
        notes.extend(added.notes);
        let listing = repository.list()?;
        (Image::of(&added.record, &listing), added.is_new)
    };
    Ok(One {
        path: shown(&add.image.path),
        is_new,
        image: Some(image),
        error: None,
    })
}

/// What would become of an image: the same refusals, as far as nothing has to be written for them.
fn foresee(repository: &Repository, add: &catalogue::Add, run: &Run<'_>) -> Result<(Image, bool)> {
    let listing = repository.list()?;
    let disk = Disk::open(&add.image)?;
    let name = match &add.name {
        Some(name) => name.clone(),
        None => name_of(&add.image.path)?,
    };
    let parent = add.parent.as_ref().map(|word| listing.find(word));
    let parent = parent.transpose()?;
    if add.in_place {
        let real = |path: &Path| {
            std::fs::canonicalize(path)
                .map_err(|cause| Error::host("cannot find", cause).in_file(path))
        };
        InsidePath::between(&real(repository.folder())?, &real(&add.image.path)?)?;
    }
    let work = run.catalogue(std::time::Duration::ZERO)?.work;
    let proof = prove(&disk.chain, &DigestCache::none(), work)?;
    if let Some(known) = listing.by_content(&proof.id) {
        return Ok((Image::of(known, &listing), false));
    }
    refuse_taken(add, &name, &listing)?;
    let content_id = proof.id.to_string();
    let id = add.id.as_ref().map(ToString::to_string);
    let image = Image {
        name: name.to_string(),
        id: id.unwrap_or_else(|| content_id.clone()),
        content_id,
        size: proof.size.0,
        format: disk.top.driver.format.name(),
        parent: parent.map(|parent| imgdelta_repository::calls::Parent {
            id: parent.id.to_string(),
            name: Some(parent.name.to_string()),
            known: catalogue::Known::Declared,
        }),
        tags: add.tags.iter().map(ToString::to_string).collect(),
        golden: add.golden,
    };
    Ok((image, true))
}

/// Refuses a name or an id that another image has.
fn refuse_taken(add: &catalogue::Add, name: &Name, listing: &Listing) -> Result<()> {
    if let Some(other) = listing.by_name(name) {
        return Err(super::edit::name_taken(name, other));
    }
    match add
        .id
        .as_ref()
        .and_then(|id| Some((id, listing.by_id(id)?)))
    {
        Some((id, other)) => Err(super::edit::id_taken(id, other)),
        None => Ok(()),
    }
}

fn name_of(path: &Path) -> Result<Name> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.parse::<Name>();
    name.map_err(|error| error.in_file(path).with_hint("give one with --name"))
}
