//! `tag`, `untag`, `golden`, `set-id`, `rename`: what is known of an image changes, the image does not.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::Result;
use imgdelta_operations::Context;
use serde::Serialize;

use super::{image::Image, target::Target};
use crate::catalogue::{Edit, ImageId, Name, Tag};

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
        // Which image is meant is found out where it is changed.
        let edited = if self.target.dry_run {
            repository.foresee_edit(&self.image, &self.edit)?
        } else {
            repository.edit(&self.image, &self.edit, &self.target.run(context)?)?
        };
        Ok(EditReport {
            before: edited.before.name.to_string(),
            image: Image::of(&edited.record, &edited.listing),
            dry_run: self.target.dry_run,
        })
    }
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
            /// As [`Repository::open`](crate::catalogue::Repository::open) and [`Listing::find`](crate::catalogue::Listing::find); Usage, if it cannot be (`name_taken`,
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

impl SetGolden {
    /// `image` (its name, its id, or the first digits of that) of the repository in `folder` golden, and its files immutable as long as it is: nobody,
    /// not even root, writes to them. The host and the file system must let it.
    #[must_use]
    pub fn immutable(folder: impl Into<PathBuf>, image: impl Into<String>) -> Self {
        Self(Editing::new(folder, image, Edit::Immutable))
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
