//! `show`: all that is known of one image, as its record says it. The image is not opened.

use std::path::PathBuf;

use imgdelta_core::Result;
use imgdelta_operations::Context;
use serde::Serialize;

use super::{image::Image, target::Target};
use crate::catalogue::ProvenanceKind;

/// An image that is to be shown.
#[derive(Clone, Debug)]
pub struct Show {
    target: Target,
    image: String,
}

/// All that is known of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShowReport {
    /// The image.
    #[serde(flatten)]
    pub image: Image,
    /// The images that descend from it, by name.
    pub children: Vec<String>,
    /// Its files, from the repository's folder; the image itself first.
    pub files: Vec<ImageFile>,
    /// Whether the repository made its files, and may delete them.
    pub owned: bool,
    /// Whether its leaf digests are there.
    pub leaves: bool,
    /// When it was entered.
    pub entered: String,
    /// By which program.
    pub tool: String,
    /// How it came here: `copied`, `relinked`, `difference`, `rewritten`, `in_place`, `received`.
    pub how: ProvenanceKind,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// One of an image's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageFile {
    /// Where it stands.
    pub path: String,
    /// How long it was when it was entered, in bytes.
    pub length: u64,
    /// Whether it is there.
    pub is_there: bool,
}

impl Show {
    /// The image that `image` names in the repository in `folder`: by its name, its id, or the first digits of that.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, image: impl Into<String>) -> Self {
        Self {
            target: Target::of(folder),
            image: image.into(),
        }
    }

    /// Says what is known of it.
    ///
    /// # Errors
    /// As [`Repository::open`](crate::catalogue::Repository::open) and [`Listing::find`](crate::catalogue::Listing::find);
    /// Interrupted.
    pub fn run(&self, context: &Context) -> Result<ShowReport> {
        let repository = self.target.open(context)?;
        let listing = repository.list()?;
        let record = listing.find(&self.image)?;
        let children = listing.children(&record.id).into_iter();
        let (leaves, notes) = match repository.leaves(record) {
            Ok(leaves) => (leaves.is_some(), Vec::new()),
            Err(error) => (
                false,
                vec![format!("its leaf digests are damaged: {error}")],
            ),
        };
        let files = record.files.iter().map(|file| ImageFile {
            path: file.path.to_string(),
            length: file.length,
            is_there: repository.folder().join(file.path.as_path()).is_file(),
        });
        Ok(ShowReport {
            image: Image::seen(record, &listing, &repository.look(&listing)),
            children: children.map(|child| child.name.to_string()).collect(),
            files: files.collect(),
            owned: record.owned,
            leaves,
            entered: record.provenance.when.clone(),
            tool: record.provenance.tool.clone(),
            how: record.provenance.how,
            notes,
        })
    }
}
