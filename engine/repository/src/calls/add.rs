//! `add`: images come in one after the other, parents before what is made from them. One that fails does not stop the others.

mod order;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_operations::{Context, Ids, Stage, proof::prove};
use serde::Serialize;

use self::order::order_of;
use super::{
    failed::Failed,
    image::{Image, ImageParent, shown},
    target::Target,
};
pub use crate::catalogue::Add as AddSpec;
use crate::catalogue::{
    Listing, Name, ParentEvidence, Presence, Repository,
    add::name_of,
    import::{id_taken, name_taken},
    record::check_tags,
};

/// Images that are to come into a repository.
#[derive(Clone, Debug)]
pub struct Add {
    target: Target,
    images: Vec<AddSpec>,
}

/// What became of images that were to be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AddReport {
    /// The repository's folder.
    pub repository: String,
    /// One by one, in the order in which they were given.
    pub images: Vec<AddedImage>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AddedImage {
    /// Its path, as it was given.
    pub path: String,
    /// Whether it was entered; if not, its content was there before or something failed.
    pub is_new: bool,
    /// The image in the repository; if its content was there before, that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The image that was given beside it and whose file it is: it is none by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failed>,
}

impl AddedImage {
    /// One that failed.
    fn failed(path: &Path, error: &Error) -> Self {
        Self {
            path: shown(path),
            is_new: false,
            image: None,
            part_of: None,
            error: Some(Failed::of(error)),
        }
    }
}

impl Add {
    /// These images for the repository in `folder`, in this order.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, images: impl IntoIterator<Item = AddSpec>) -> Self {
        Self {
            target: Target::of(folder),
            images: images.into_iter().collect(),
        }
    }

    /// How long to wait while another process changes the repository; not at all, unless this is said.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.target.wait = wait;
        self
    }

    /// Whether all is worked out and nothing is written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.target.dry_run = dry_run;
        self
    }

    /// Adds the images: those that others are children of come first, in whatever order they are given, and a file that is a part of another one
    /// of them, as an extent of a VMDK, is no image. One that fails is reported beside the others; when the run is stopped, the report ends with the image that was
    /// stopped, if others came in before.
    ///
    /// # Errors
    /// As [`Repository::open`]. Of an only image, its own error: Usage, if its name or id is taken (`name_taken`, `id_taken`), or there
    /// is no such parent; Digest, if it is not what was promised; those of the image; Busy; Host; Interrupted.
    pub fn run(&self, context: &Context) -> Result<AddReport> {
        let repository = self.target.open(context)?;
        let mut notes = Vec::new();
        let mut images: Vec<(usize, AddedImage)> = Vec::new();
        let order = order_of(&self.images);
        for part in &order.parts {
            if let Some(spec) = self.images.get(part.number) {
                images.push((part.number, part.report(&spec.image.path)));
            }
        }
        for number in order.images {
            let Some(spec) = self.images.get(number) else {
                continue;
            };
            let path = &spec.image.path;
            context.begin(Stage::Add(path));
            let error = match self.add_one(&repository, spec, context, &mut notes) {
                Ok(one) => {
                    images.push((number, one));
                    continue;
                }
                // By itself, an error is the whole result.
                Err(error) if self.images.len() == 1 => return Err(of_folder(path, error)),
                Err(error) => of_folder(path, error),
            };
            let is_last = error.kind() == Kind::Interrupted;
            if is_last && images.is_empty() {
                return Err(error);
            }
            images.push((number, AddedImage::failed(path, &error)));
            if is_last {
                break;
            }
        }
        images.sort_by_key(|(number, _)| *number);
        Ok(AddReport {
            repository: shown(repository.folder()),
            images: images.into_iter().map(|(_, image)| image).collect(),
            dry_run: self.target.dry_run,
            notes,
        })
    }

    fn add_one(
        &self,
        repository: &Repository,
        spec: &AddSpec,
        context: &Context,
        notes: &mut Vec<String>,
    ) -> Result<AddedImage> {
        let (image, is_new) = if self.target.dry_run {
            foresee(repository, spec, context)?
        } else {
            let added = repository.add(spec, &self.target.run(context)?)?;
            notes.extend(added.notes);
            let listing = repository.list()?;
            (Image::of(&added.record, &listing), added.is_new)
        };
        Ok(AddedImage {
            path: shown(&spec.image.path),
            is_new,
            image: Some(image),
            part_of: None,
            error: None,
        })
    }
}

/// What went wrong with an image, and what to do where it is a folder of images.
fn of_folder(path: &Path, error: Error) -> Error {
    if error.kind() != Kind::Host || !path.is_dir() {
        return error;
    }
    error.with_hint("name the images in it, one or many: 'imgdelta repo add FOLDER/*'")
}

/// What would become of an image: the same refusals, as far as nothing has to be written for them.
fn foresee(repository: &Repository, spec: &AddSpec, context: &Context) -> Result<(Image, bool)> {
    let listing = repository.list()?;
    let spec = &AddSpec {
        image: repository.as_added(spec, &listing),
        ..spec.clone()
    };
    let (disk, _) = repository.open_to_add(spec, &listing)?;
    let name = match &spec.name {
        Some(name) => name.clone(),
        None => name_of(&spec.image.path)?,
    };
    let parent = spec.parent.as_ref().map(|word| listing.find(word));
    let parent = parent.transpose()?;
    if spec.in_place {
        repository.inside(&spec.image.path)?;
    }
    check_tags(&spec.tags)?;
    let work = context.exec(Ids::OfContent)?;
    let proof = prove(&disk.chain, work)?;
    let known = listing.by_content(&proof.id);
    let known = known.map(|known| (repository.presence(known, &listing), known));
    if let Some((Presence::Present, known)) = known {
        return Ok((Image::of(known, &listing), false));
    }
    if let Some((_, known)) = known {
        // Its file is to be brought back.
        return Ok((Image::of(known, &listing), true));
    }
    refuse_taken(spec, &name, &listing)?;
    let content_id = proof.id.to_string();
    let id = spec.id.as_ref().map(ToString::to_string);
    let image = Image {
        name: name.to_string(),
        id: id.unwrap_or_else(|| content_id.clone()),
        content_id,
        size: proof.size.0,
        format: disk.top.driver.format.name(),
        parent: parent.map(|parent| ImageParent {
            id: parent.id.to_string(),
            name: Some(parent.name.to_string()),
            known: ParentEvidence::Declared,
        }),
        tags: spec.tags.iter().map(ToString::to_string).collect(),
        golden: spec.golden,
        immutable: spec.immutable,
        presence: Presence::Present,
    };
    Ok((image, true))
}

/// Refuses a name or an id that another image has.
fn refuse_taken(spec: &AddSpec, name: &Name, listing: &Listing) -> Result<()> {
    if let Some(other) = listing.by_name(name) {
        return Err(name_taken(name, other));
    }
    let id = spec.id.as_ref();
    match id.and_then(|id| Some((id, listing.by_id(id)?))) {
        Some((id, other)) => Err(id_taken(id, other)),
        None => Ok(()),
    }
}
