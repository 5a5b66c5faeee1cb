//! `repo remove`: an image goes, for good. Only files that the repository made are deleted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, Kind, Removals, Result};

use super::{
    Repository, Run,
    journal::Change,
    listing::Listing,
    record::{Known, Parent, Record, StoredFile},
    rooms::is_missing,
    words::Name,
};

/// An image that was removed, or would be.
#[derive(Debug)]
pub struct Removed {
    /// What was known of it.
    pub record: Record,
    /// Files that were deleted.
    pub deleted: Vec<PathBuf>,
    /// How long they were together, in bytes.
    pub bytes: u64,
    /// Files that stay: the repository did not make them, or somebody has exchanged them for something else.
    pub kept: Vec<PathBuf>,
    /// Images that were said to descend from it, and descend from its parent now.
    pub orphans: Vec<Name>,
    /// What is known of the other images.
    pub listing: Listing,
}

/// What is to be done with one of an image's files.
enum File {
    /// It goes.
    Ours,
    /// It is not there; whoever deleted it may not have made that durable.
    Gone,
    /// It stays.
    Other,
}

impl Repository {
    /// Removes an image. Images that were said to descend from it then descend from its parent.
    ///
    /// # Errors
    /// Usage, if there is no such image, or other images cannot be read without it; Busy; Host.
    pub fn remove(&self, word: &str, run: &Run<'_>) -> Result<Removed> {
        let mut change = self.change(run, "remove")?;
        let removed = self.look_at(word, &change.listing)?;
        adopt(&mut change, &removed.record)?;
        // The record goes last: if this is cut short, the same command finishes it. And a file that came back without its record would be
        // nobody's, so it is gone for good before.
        let mut removals = Removals::default();
        for file in &removed.record.files {
            let place = self.rooms.folder.join(file.path.as_path());
            if removed.record.owned && !matches!(self.whose(file, &place), File::Other) {
                removals.remove_regular(&place)?;
            }
        }
        removals.remove(&self.rooms.leaves(&removed.record.content_id))?;
        removals.sync()?;
        change.forget(&removed.record.id)?;
        Ok(Removed {
            listing: change.listing,
            ..removed
        })
    }

    /// What [`remove`](Self::remove) would do now. Nothing is removed, and no lock is needed.
    ///
    /// # Errors
    /// Usage, as [`remove`](Self::remove); Host, if the records cannot be listed.
    pub fn foresee_remove(&self, word: &str) -> Result<Removed> {
        let listing = self.list()?;
        let removed = self.look_at(word, &listing)?;
        Ok(Removed { listing, ..removed })
    }

    /// Which image is meant, and what of it goes.
    fn look_at(&self, word: &str, listing: &Listing) -> Result<Removed> {
        let record = listing.find(word)?.clone();
        listing.refuse_needed(&record)?;
        let children = listing.children(&record.id).into_iter();
        let mut removed = Removed {
            deleted: Vec::new(),
            bytes: 0,
            kept: Vec::new(),
            orphans: children.map(|child| child.name.clone()).collect(),
            record,
            listing: Listing::default(),
        };
        for file in &removed.record.files {
            let place = self.rooms.folder.join(file.path.as_path());
            match self.whose(file, &place) {
                File::Ours if removed.record.owned => {
                    removed.deleted.push(place);
                    removed.bytes = removed.bytes.saturating_add(file.length);
                }
                File::Ours | File::Other => removed.kept.push(place),
                File::Gone => {}
            }
        }
        Ok(removed)
    }

    /// Whether a file is the one that was recorded: below the repository's folder, a regular file, as long as it was.
    fn whose(&self, file: &StoredFile, place: &Path) -> File {
        match fs::symlink_metadata(place) {
            Ok(metadata)
                if metadata.is_file()
                    && metadata.len() == file.length
                    && self.rooms.place(&file.path).is_ok() =>
            {
                File::Ours
            }
            Err(cause) if is_missing(&cause) => File::Gone,
            _ => File::Other,
        }
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
