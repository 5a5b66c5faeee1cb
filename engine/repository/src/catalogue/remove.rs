//! `repo remove`: an image goes. Only files that the repository made are deleted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, Kind, Result};

use super::{
    Repository, Run,
    journal::Change,
    listing::Listing,
    record::{Known, Parent, Record, StoredFile},
    rooms,
};

/// An image that was removed.
#[derive(Clone, Debug)]
pub struct Removed {
    /// What was known of it.
    pub record: Record,
    /// Files that were deleted.
    pub deleted: Vec<PathBuf>,
    /// Files that stay: the repository did not make them, or somebody has exchanged them for something else.
    pub kept: Vec<PathBuf>,
}

impl Repository {
    /// Removes an image. Images that were said to descend from it then descend from its parent.
    ///
    /// # Errors
    /// Usage, if there is no such image, or other images cannot be read without it; Busy; Host.
    pub fn remove(&self, word: &str, run: &Run<'_>) -> Result<Removed> {
        let mut change = self.change(run, "remove")?;
        let record = change.listing.find(word)?.clone();
        change.listing.refuse_needed(&record)?;
        adopt(&mut change, &record)?;
        let mut removed = Removed {
            deleted: Vec::new(),
            kept: Vec::new(),
            record,
        };
        // The record goes last: if this is cut short, the same command finishes it.
        for file in &removed.record.files {
            let place = self.rooms.folder.join(file.path.as_path());
            if removed.record.owned && self.is_ours(file, &place) {
                rooms::remove(&place)?;
                removed.deleted.push(place);
            } else if fs::symlink_metadata(&place).is_ok() {
                removed.kept.push(place);
            }
        }
        rooms::remove(&self.rooms.leaves(&removed.record.content_id))?;
        change.forget(&removed.record.id)?;
        Ok(removed)
    }

    /// Whether a file is the one that the repository made: below its folder, a regular file, as long as it was.
    pub(crate) fn is_ours(&self, file: &StoredFile, place: &Path) -> bool {
        let is_below = self.rooms.place(&file.path).is_ok();
        let metadata = fs::symlink_metadata(place);
        is_below
            && metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() == file.length)
    }
}

impl Listing {
    /// Refuses an image that others cannot be read without.
    ///
    /// # Errors
    /// Usage, if there are such.
    pub fn refuse_needed(&self, record: &Record) -> Result<()> {
        let children = self.children(&record.id);
        let needing: Vec<&str> = children
            .iter()
            .filter(|child| child.linked_parent().is_some())
            .map(|child| child.name.as_str())
            .collect();
        if needing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "'{}' is needed by {}, which cannot be read without it",
            record.name,
            needing.join(", ")
        );
        Err(Error::new(Kind::Usage, message)
            .with_code("has_children")
            .with_hint("remove its children first"))
    }
}

/// Gives the children of an image that goes to its parent.
fn adopt(change: &mut Change<'_>, record: &Record) -> Result<()> {
    let children = change.listing.children(&record.id);
    let children: Vec<Record> = children.into_iter().cloned().collect();
    for mut child in children {
        let heir = record.parent.as_ref().map(|parent| parent.id.clone());
        child.parent = heir.filter(|heir| *heir != child.id).map(|id| Parent {
            id,
            known: Known::Declared,
        });
        change.put(child)?;
    }
    Ok(())
}
