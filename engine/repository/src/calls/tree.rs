//! `tree`: the images, each followed by what descends from it, as records say it. No image is opened.

use std::path::PathBuf;

use imgdelta_core::Result;
use imgdelta_operations::Context;
use serde::Serialize;

use super::{
    failed::unreadable,
    image::{Image, shown},
    target::Target,
};

/// The trees of a repository's images.
#[derive(Clone, Debug)]
pub struct Tree {
    target: Target,
}

/// The images of a repository as trees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TreeReport {
    /// The images, each followed by what descends from it.
    pub images: Vec<TreeImage>,
    /// The rest.
    #[serde(flatten)]
    pub summary: TreeSummary,
}

/// An image in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TreeImage {
    /// How many images stand above it.
    pub depth: usize,
    /// Whether it names a parent that is not there, or that leads back to it.
    pub is_torn: bool,
    /// The image.
    #[serde(flatten)]
    pub image: Image,
}

/// What a tree of images ends with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TreeSummary {
    /// The repository's folder.
    pub repository: String,
    /// How many images there are.
    pub count: usize,
    /// How many of them descend from no other.
    pub roots: usize,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Tree {
    /// The images of the repository in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            target: Target::of(folder),
        }
    }

    /// Lists roots in order of name, each followed by what descends from it.
    ///
    /// # Errors
    /// As [`List::run`](super::List::run).
    pub fn run(&self, context: &Context) -> Result<TreeReport> {
        let mut images = Vec::new();
        let summary = self.run_each(context, &mut |image| {
            images.push(image);
            Ok(())
        })?;
        Ok(TreeReport { images, summary })
    }

    /// As [`run`](Self::run); each image is handed to `each` instead of being kept.
    ///
    /// # Errors
    /// As [`run`](Self::run); those of `each`, which end it.
    pub fn run_each(
        &self,
        context: &Context,
        each: &mut dyn FnMut(TreeImage) -> Result<()>,
    ) -> Result<TreeSummary> {
        let repository = self.target.open(context)?;
        let listing = repository.list()?;
        let look = repository.look(&listing);
        let mut roots = 0;
        for branch in listing.tree() {
            roots += usize::from(branch.depth == 0);
            each(TreeImage {
                depth: branch.depth,
                is_torn: branch.is_torn,
                image: Image::seen(branch.record, &listing, &look),
            })?;
        }
        Ok(TreeSummary {
            repository: shown(repository.folder()),
            count: listing.len(),
            roots,
            notes: unreadable(&listing),
        })
    }
}
