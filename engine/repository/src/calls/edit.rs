//! `tag`, `untag`, `golden`, `set-id`, `rename`: what is known of an image changes, the image does not.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_operations::Context;
use serde::Serialize;

use super::{image::Image, target::Target};
use crate::catalogue::{
    ImageId, Listing, Name, Record, Tag,
    enter::{id_taken, name_taken},
    record::check_tags,
};

/// An image of which something else is known now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EditReport {
    /// What it was called before.
    pub before: String,
    /// The image as it is now.
    pub image: Image,
    /// Whether nothing was written.
    pub dry_run: bool,
}

/// What is changed of a record.
#[derive(Clone, Debug)]
enum Edit {
    Tag(Vec<Tag>),
    Untag(Vec<Tag>),
    Golden(bool),
    Id(ImageId),
    Name(Name),
}

/// An image of which something is to be changed.
#[derive(Clone, Debug)]
struct Editing {
    target: Target,
    image: String,
    edit: Edit,
}

impl Editing {
    fn new(folder: impl Into<PathBuf>, image: impl Into<String>, edit: Edit) -> Self {
        Self {
            target: Target::of(folder),
            image: image.into(),
            edit,
        }
    }

    /// Changes what is known of the image.
    fn run(&self, context: &Context) -> Result<EditReport> {
        let repository = self.target.open(context)?;
        let listing = repository.list()?;
        let before = listing.find(&self.image)?;
        let record = if self.target.dry_run {
            foresee(before, &self.edit, &listing)?
        } else {
            let how = self.target.run(context)?;
            // By its id: what was found a moment ago is what is changed.
            let word = before.id.as_str();
            match &self.edit {
                Edit::Tag(tags) => repository.tag(word, tags, &how),
                Edit::Untag(tags) => repository.untag(word, tags, &how),
                Edit::Golden(golden) => repository.set_golden(word, *golden, &how),
                Edit::Id(id) => repository.set_id(word, id, &how),
                Edit::Name(name) => repository.rename(word, name, &how),
            }?
        };
        Ok(EditReport {
            before: before.name.to_string(),
            image: Image::of(&record, &listing),
            dry_run: self.target.dry_run,
        })
    }
}

/// The record as it would be.
fn foresee(before: &Record, edit: &Edit, listing: &Listing) -> Result<Record> {
    let mut record = before.clone();
    match edit {
        Edit::Tag(tags) => {
            record.tags.extend(tags.iter().cloned());
            check_tags(&record.tags)?;
        }
        Edit::Untag(tags) => record.tags.retain(|tag| !tags.contains(tag)),
        Edit::Golden(golden) => record.golden = *golden,
        Edit::Id(id) if *id == before.id => {}
        Edit::Id(id) => match listing.by_id(id) {
            Some(other) if other.id != before.id => return Err(id_taken(id, other)),
            Some(_) => {
                let message = format!("the id is '{}': case makes no difference", before.id);
                return Err(Error::new(Kind::Usage, message).with_code("id_taken"));
            }
            None => record.id = id.clone(),
        },
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

/// What every such call has.
macro_rules! edit_call {
    ($call:ident) => {
        impl $call {
            /// How long to wait while another process changes the repository; not at all, unless this is said.
            #[must_use]
            pub const fn wait(mut self, wait: Duration) -> Self {
                self.0.target.wait = wait;
                self
            }

            /// Whether it is only worked out and nothing is written.
            #[must_use]
            pub const fn dry_run(mut self, dry_run: bool) -> Self {
                self.0.target.dry_run = dry_run;
                self
            }

            /// Changes the record.
            ///
            /// # Errors
            /// As [`Repository::open`](crate::catalogue::Repository::open) and [`Listing::find`]; Usage, if it cannot be (`name_taken`,
            /// `id_taken`, `tags`); Busy, if another process changes the repository; Host; Interrupted.
            pub fn run(&self, context: &Context) -> Result<EditReport> {
                self.0.run(context)
            }
        }
    };
}

/// Tags that are to be hung on an image.
#[derive(Clone, Debug)]
pub struct AddTags(Editing);

/// Tags that are to be taken off an image.
#[derive(Clone, Debug)]
pub struct RemoveTags(Editing);

/// Whether an image is to be golden.
#[derive(Clone, Debug)]
pub struct SetGolden(Editing);

/// Another id for an image.
#[derive(Clone, Debug)]
pub struct SetId(Editing);

/// Another name for an image.
#[derive(Clone, Debug)]
pub struct Rename(Editing);

edit_call!(AddTags);
edit_call!(RemoveTags);
edit_call!(SetGolden);
edit_call!(SetId);
edit_call!(Rename);

impl AddTags {
    /// These tags for `image` (its name, its id, or the first digits of that) of the repository in `folder`; one that is there already
    /// is no error.
    #[must_use]
    pub fn new(
        folder: impl Into<PathBuf>,
        image: impl Into<String>,
        tags: impl IntoIterator<Item = Tag>,
    ) -> Self {
        let tags = Edit::Tag(tags.into_iter().collect());
        Self(Editing::new(folder, image, tags))
    }
}

impl RemoveTags {
    /// These tags of `image` (its name, its id, or the first digits of that) of the repository in `folder`; one that is not there is no
    /// error.
    #[must_use]
    pub fn new(
        folder: impl Into<PathBuf>,
        image: impl Into<String>,
        tags: impl IntoIterator<Item = Tag>,
    ) -> Self {
        let tags = Edit::Untag(tags.into_iter().collect());
        Self(Editing::new(folder, image, tags))
    }
}

impl SetGolden {
    /// Whether others are to be made from `image` (its name, its id, or the first digits of that) of the repository in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, image: impl Into<String>, golden: bool) -> Self {
        Self(Editing::new(folder, image, Edit::Golden(golden)))
    }
}

impl SetId {
    /// `id` for `image` (its name, its id, or the first digits of that) of the repository in `folder`: a claim that it is the disk that
    /// is known by that id elsewhere. Its children follow.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, image: impl Into<String>, id: ImageId) -> Self {
        Self(Editing::new(folder, image, Edit::Id(id)))
    }
}

impl Rename {
    /// `name` for `image` (its name, its id, or the first digits of that) of the repository in `folder`. Its file keeps its own, for its
    /// children know it.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, image: impl Into<String>, name: Name) -> Self {
        Self(Editing::new(folder, image, Edit::Name(name)))
    }
}
