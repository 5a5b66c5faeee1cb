//! `repo remove`: an image goes, for good. Only files that are exactly what the repository made are deleted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, FileVersion, Kind, Removals, Result};
use imgdelta_operations::proof::prove;

use super::{
    Repository, Run,
    journal::Transaction,
    layout::is_missing,
    listing::Listing,
    names::Name,
    record::{Parent, ParentEvidence, Record, StoredFile},
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
    /// Files that stay, and why.
    pub kept: Vec<(PathBuf, Kept)>,
    /// Images that were said to descend from it, and descend from its parent now.
    pub orphans: Vec<Name>,
    /// What is known of the other images.
    pub listing: Listing,
}

/// Why a file of an image that is removed stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// The repository did not make it.
    NotMade,
    /// Somebody has written to it since, or put another one there.
    Changed,
    /// It is no regular file below the repository's folder.
    Elsewhere,
}

/// What is to be done with one of an image's files.
enum File {
    /// It goes.
    Ours,
    /// It has the length and the time of the one that was made, and is another inode: it goes if its disk is the image's.
    Twin,
    /// It is not there; whoever deleted it may not have made that durable.
    Gone,
    /// It stays.
    Other(Kept),
}

impl Repository {
    /// Removes an image. Images that were said to descend from it then descend from its parent.
    ///
    /// # Errors
    /// Usage, if there is no such image, or other images cannot be read without it; Busy; Host.
    pub fn remove(&self, word: &str, run: &Run<'_>) -> Result<Removed> {
        let mut change = self.change(run, "remove")?;
        let mut removed = self.look_at(word, &change.listing)?;
        self.keep_strange_twins(&mut removed, run)?;
        self.lift_immutable(&removed.record)?;
        adopt(&mut change, &removed.record)?;
        // The record goes last: if this is cut short, the same command finishes it. And a file that came back without its record would be
        // nobody's, so it is gone for good before.
        let mut removals = Removals::default();
        // What stays is the user's; and some file systems delete nothing that is read-only.
        self.with_permissions(Record {
            golden: false,
            ..removed.record.clone()
        });
        let is_kept = |place: &PathBuf| removed.kept.iter().any(|(kept, _)| kept == place);
        for file in &removed.record.files {
            let place = self.paths.folder.join(file.path.as_path());
            let is_ours = !matches!(self.whose(file, &place), File::Other(_));
            if removed.record.owned && is_ours && !is_kept(&place) {
                removals.remove_regular(&place)?;
            }
        }
        removals.sync()?;
        if let Some(leaves) = self.paths.leaves(&removed.record.content_id)? {
            leaves.remove_for_good()?;
        }
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
            let place = self.paths.folder.join(file.path.as_path());
            match self.whose(file, &place) {
                File::Ours | File::Twin if removed.record.owned => {
                    removed.deleted.push(place);
                    removed.bytes = removed.bytes.saturating_add(file.length);
                }
                File::Other(why) if removed.record.owned => removed.kept.push((place, why)),
                File::Gone => {}
                _ => removed.kept.push((place, Kept::NotMade)),
            }
        }
        Ok(removed)
    }

    /// Whether a file is the one that was recorded: below the repository's folder, a regular file, as long as it was, and written to last when
    /// it was made.
    fn whose(&self, file: &StoredFile, place: &Path) -> File {
        match fs::symlink_metadata(place) {
            Ok(found) if found.is_file() && self.paths.place(&file.path).is_ok() => {
                let now = FileVersion::at(place);
                match now.filter(|now| file.is_unchanged(now)) {
                    None => File::Other(Kept::Changed),
                    Some(now) if file.inode.is_some_and(|inode| inode != now.inode) => File::Twin,
                    Some(_) => File::Ours,
                }
            }
            Err(cause) if is_missing(&cause) => File::Gone,
            _ => File::Other(Kept::Elsewhere),
        }
    }

    /// Keeps what only looks like what the repository made, as in a copy of it: if the disk is another one, all files stay.
    fn keep_strange_twins(&self, removed: &mut Removed, run: &Run<'_>) -> Result<()> {
        let record = &removed.record;
        let is_twin = |file: &StoredFile| {
            let place = self.paths.folder.join(file.path.as_path());
            matches!(self.whose(file, &place), File::Twin)
        };
        if !record.owned || !record.files.iter().any(is_twin) {
            return Ok(());
        }
        let proven = self
            .open_disk(record)
            .and_then(|disk| prove(&disk.chain, run.work));
        match proven {
            Ok(proof) if proof.id == record.content_id => {}
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            _ => {
                let kept = removed.deleted.drain(..);
                removed
                    .kept
                    .extend(kept.map(|place| (place, Kept::Changed)));
                removed.bytes = 0;
            }
        }
        Ok(())
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
            .with_hint("it goes when its children have gone: 'imgdelta repo tree' shows them"))
    }
}

/// Gives the children of an image that goes to its parent.
fn adopt(change: &mut Transaction<'_>, record: &Record) -> Result<()> {
    let children = change.listing.children(&record.id);
    let children: Vec<Record> = children.into_iter().cloned().collect();
    for mut child in children {
        let heir = record.parent.as_ref().map(|parent| parent.id.clone());
        child.parent = heir.filter(|heir| *heir != child.id).map(|id| Parent {
            id,
            known: ParentEvidence::Declared,
        });
        change.put(child)?;
    }
    Ok(())
}
