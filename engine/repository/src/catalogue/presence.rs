//! Whether images still are what their records say, as far as a look at their files tells: a record is a memory, the file is the truth.
//!
//! No image is opened and nothing of it is read: whether the file is there, how long it is and when it was written to last. What looks right here
//! may still have rotted, which [`verify`](super::verify) finds out; what looks wrong here is believed by nobody.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use imgdelta_core::FileVersion;
use serde::Serialize;

use super::{
    Repository,
    layout::{RepoPaths, is_missing},
    listing::Listing,
    names::OWN_FOLDER,
    record::{Record, StoredFile},
};

/// How deep parents are followed: as deep as a chain may be.
const DEEPEST: usize = 256;

/// What a look at an image's files says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Presence {
    /// Its files stand as they were when the image was proven.
    Present,
    /// An image that it cannot be read without is missing or has changed.
    Broken,
    /// One of its files was written to, or is another one.
    Changed,
    /// One of its files is not there, or not below the repository's folder.
    Missing,
}

impl Presence {
    /// Whether the image can be counted on.
    #[must_use]
    pub const fn is_present(self) -> bool {
        matches!(self, Self::Present)
    }

    /// As JSON and lists have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Broken => "broken",
            Self::Changed => "changed",
            Self::Missing => "missing",
        }
    }
}

/// Looks at the files of images. Each folder on the way is looked at once, each image too.
#[derive(Debug)]
pub struct Look<'a> {
    paths: &'a RepoPaths,
    listing: &'a Listing,
    /// The repository's folder with all links followed, if the host can tell.
    root: OnceCell<Option<PathBuf>>,
    /// Whether a folder lies below it, and not among the repository's own files.
    folders: RefCell<HashMap<PathBuf, bool>>,
    /// What was seen of images, by their ids without regard to case; parents aside.
    seen: RefCell<HashMap<String, Presence>>,
}

impl Repository {
    /// A look at the files of the images that `listing` knows.
    #[must_use]
    pub fn look<'a>(&'a self, listing: &'a Listing) -> Look<'a> {
        Look {
            paths: &self.paths,
            listing,
            root: OnceCell::new(),
            folders: RefCell::default(),
            seen: RefCell::default(),
        }
    }

    /// What a look at the files of one image, and of those that it cannot be read without, says.
    #[must_use]
    pub fn presence(&self, record: &Record, listing: &Listing) -> Presence {
        self.look(listing).at(record)
    }
}

impl<'a> Look<'a> {
    /// What is seen of an image and of those that it cannot be read without.
    #[must_use]
    pub fn at(&self, record: &Record) -> Presence {
        let own = self.alone(record);
        if !own.is_present() {
            return own;
        }
        let mut child = record;
        for _ in 0..DEEPEST {
            let Some(parent) = child.linked_parent() else {
                return Presence::Present;
            };
            match self.listing.by_id(parent) {
                Some(parent) if self.alone(parent).is_present() => child = parent,
                _ => return Presence::Broken,
            }
        }
        // Longer than any chain that opens, or a circle.
        Presence::Broken
    }

    /// The images that can be counted on, in order of name.
    pub fn present(&self) -> impl Iterator<Item = &'a Record> + '_ {
        let records = self.listing.records().into_iter();
        records.filter(|record| self.at(record).is_present())
    }

    /// The images that cannot, with what is seen of them, in order of name.
    pub fn absent(&self) -> impl Iterator<Item = (&'a Record, Presence)> + '_ {
        let records = self.listing.records().into_iter();
        let seen = records.map(|record| (record, self.at(record)));
        seen.filter(|(_, presence)| !presence.is_present())
    }

    /// What is seen of an image's own files.
    fn alone(&self, record: &Record) -> Presence {
        let id = record.id.folded();
        if let Some(seen) = self.seen.borrow().get(&id) {
            return *seen;
        }
        let files = record.files.iter().map(|file| self.file(file));
        let seen = match files.max().unwrap_or(Presence::Missing) {
            Presence::Present if record.refuted => Presence::Changed,
            seen => seen,
        };
        self.seen.borrow_mut().insert(id, seen);
        seen
    }

    /// What is seen of one file.
    fn file(&self, file: &StoredFile) -> Presence {
        let place = self.paths.folder.join(file.path.as_path());
        let folder = place.parent().unwrap_or(&self.paths.folder);
        if !self.is_inside(folder) {
            return Presence::Missing;
        }
        let found = match fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() => return self.behind_link(file),
            Ok(found) => found,
            Err(cause) if is_missing(&cause) => return Presence::Missing,
            Err(_) => return Presence::Changed,
        };
        let modified = nanoseconds(found.mtime(), found.mtime_nsec());
        match found.is_file() && file.fits(found.len(), modified) {
            true => Presence::Present,
            false => Presence::Changed,
        }
    }

    /// What is seen of a file to which a link leads, which may not leave the folder.
    fn behind_link(&self, file: &StoredFile) -> Presence {
        let found = self.paths.place(&file.path).ok();
        let found = found.and_then(|place| FileVersion::at(&place));
        match found {
            None => Presence::Missing,
            Some(found) if file.is_unchanged(&found) => Presence::Present,
            Some(_) => Presence::Changed,
        }
    }

    /// Whether a folder lies below the repository's, links followed, and not among the repository's own files.
    fn is_inside(&self, folder: &Path) -> bool {
        if let Some(known) = self.folders.borrow().get(folder) {
            return *known;
        }
        let root = self.root.get_or_init(|| self.paths.real_folder().ok());
        let real = fs::canonicalize(folder).ok();
        let is_inside = root.as_ref().zip(real).is_some_and(|(root, real)| {
            real.starts_with(root) && !real.starts_with(root.join(OWN_FOLDER))
        });
        let folder = folder.to_owned();
        self.folders.borrow_mut().insert(folder, is_inside);
        is_inside
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}
