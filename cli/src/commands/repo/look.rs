//! `repo list`, `repo tree`, `repo show`: what is known, as records say it. No image is opened.

use imgdelta_core::Result;
use imgdelta_repository::catalogue::How;
use serde::Serialize;

use super::{Image, unreadable};
use crate::commands::{Outcome, Run};

/// What a list of images ends with.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    /// The repository's folder.
    pub(crate) repository: String,
    /// Its id.
    pub(crate) id: String,
    /// The format of images that are made there.
    pub(crate) default_format: &'static str,
    /// How many images there are.
    pub(crate) count: usize,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Outcome for Listed {
    const SCHEMA: &'static str = "imgdelta/repo-list/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Lists the images in order of name; each is handed to `row`.
pub(crate) fn list(run: &Run<'_>, row: &mut dyn FnMut(Image) -> Result<()>) -> Result<Listed> {
    run.signals.may_end_at_once(true);
    let repository = run.repository()?;
    let listing = repository.list()?;
    for record in listing.records() {
        row(Image::of(record, &listing))?;
    }
    Ok(Listed {
        repository: crate::commands::shown(repository.folder()),
        id: repository.about().id.to_string(),
        default_format: repository.about().default_format.name(),
        count: listing.len(),
        notes: unreadable(&listing),
    })
}

/// An image in the tree.
#[derive(Debug, Serialize)]
pub(crate) struct Branch {
    /// How many images stand above it.
    pub(crate) depth: usize,
    /// Whether it names a parent that is not there, or that leads back to it.
    pub(crate) is_torn: bool,
    /// The image.
    #[serde(flatten)]
    pub(crate) image: Image,
}

/// What a tree of images ends with.
#[derive(Debug, Serialize)]
pub(crate) struct Tree {
    /// The repository's folder.
    pub(crate) repository: String,
    /// How many images there are.
    pub(crate) count: usize,
    /// How many of them descend from no other.
    pub(crate) roots: usize,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Outcome for Tree {
    const SCHEMA: &'static str = "imgdelta/repo-tree/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Lists the images, each followed by what descends from it; each is handed to `row`.
pub(crate) fn tree(run: &Run<'_>, row: &mut dyn FnMut(Branch) -> Result<()>) -> Result<Tree> {
    run.signals.may_end_at_once(true);
    let repository = run.repository()?;
    let listing = repository.list()?;
    let mut roots = 0;
    for branch in listing.tree() {
        roots += usize::from(branch.depth == 0);
        row(Branch {
            depth: branch.depth,
            is_torn: branch.is_torn,
            image: Image::of(branch.record, &listing),
        })?;
    }
    Ok(Tree {
        repository: crate::commands::shown(repository.folder()),
        count: listing.len(),
        roots,
        notes: unreadable(&listing),
    })
}

/// All that is known of an image.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// The image.
    #[serde(flatten)]
    pub(crate) image: Image,
    /// The images that descend from it, by name.
    pub(crate) children: Vec<String>,
    /// Its files, from the repository's folder; the image itself first.
    pub(crate) files: Vec<File>,
    /// Whether the repository made its files, and may delete them.
    pub(crate) owned: bool,
    /// Whether its leaf digests are there.
    pub(crate) leaves: bool,
    /// When it was entered.
    pub(crate) entered: String,
    /// By which program.
    pub(crate) tool: String,
    /// How it came here: `copied`, `relinked`, `difference`, `rewritten`, `in_place`, `received`.
    pub(crate) how: How,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// One of an image's files.
#[derive(Debug, Serialize)]
pub(crate) struct File {
    /// Where it stands.
    pub(crate) path: String,
    /// How long it was when it was entered.
    pub(crate) length: u64,
    /// Whether it is there.
    pub(crate) is_there: bool,
}

impl Outcome for Shown {
    const SCHEMA: &'static str = "imgdelta/repo-show/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Says what is known of an image.
pub(crate) fn show(word: &str, run: &Run<'_>) -> Result<Shown> {
    run.signals.may_end_at_once(true);
    let repository = run.repository()?;
    let listing = repository.list()?;
    let record = listing.find(word)?;
    let children = listing.children(&record.id).into_iter();
    let (leaves, notes) = match repository.leaves(record) {
        Ok(leaves) => (leaves.is_some(), Vec::new()),
        Err(error) => (
            false,
            vec![format!("its leaf digests are damaged: {error}")],
        ),
    };
    let files = record.files.iter().map(|file| File {
        path: file.path.to_string(),
        length: file.length,
        is_there: repository.folder().join(file.path.as_path()).is_file(),
    });
    Ok(Shown {
        image: Image::of(record, &listing),
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
