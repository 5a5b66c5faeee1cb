//! What a site has taken from some media of a delivery that lies on several, until the last of them has come: a folder of the site's own for it.

use std::path::{Path, PathBuf};

use imgdelta_core::{Error, HeldFolder, HeldPlace, Result};
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::Repository;

/// What the folder's name begins with.
const PREFIX: &str = "media-";

/// How many digits of the delivery's digest stand in it.
const DIGITS: usize = 32;

/// The folder, open: whatever is put in the place of it or of a folder above it, all is done in this one.
#[derive(Debug)]
pub(super) struct StagedMedia {
    folder: HeldFolder,
    place: HeldPlace,
    /// The path that leads through it.
    through: PathBuf,
}

impl StagedMedia {
    /// That of the delivery, if something of it was taken before. Nothing is made.
    ///
    /// # Errors
    /// Reference, if the repository's own folder leads elsewhere; Host.
    pub(super) fn find(site: &Repository, set: &Digest) -> Result<Option<Self>> {
        let there = site.incoming().join(name(set));
        if !there.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return Ok(None);
        }
        let place = site.incoming_folder()?.place(name(set));
        let folder = place
            .open_folder()
            .map_err(|cause| Error::host("cannot open the folder", cause).in_file(&place.path()))?;
        Ok(Some(Self::of(folder, place)))
    }

    /// That of the delivery; it is made if it is not there.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub(super) fn make(site: &Repository, set: &Digest) -> Result<Self> {
        let place = site.incoming_folder()?.place(name(set));
        let folder = place.make_folder().map_err(|cause| {
            Error::host("cannot create the folder", cause).in_file(&place.path())
        })?;
        Ok(Self::of(folder, place))
    }

    fn of(folder: HeldFolder, place: HeldPlace) -> Self {
        Self {
            through: folder.through(),
            folder,
            place,
        }
    }

    /// The path to it.
    pub(super) fn folder(&self) -> &Path {
        &self.through
    }

    /// An error, of the file as its user finds it.
    pub(super) fn named(&self, error: Error) -> Error {
        self.folder.named(error)
    }

    /// All has come: it goes. What cannot be removed stays for `gc`.
    pub(super) fn clear(&self) {
        for place in self.folder.places().unwrap_or_default() {
            let _ = place.remove();
        }
        let _ = self.place.remove_folder();
    }
}

fn name(set: &Digest) -> String {
    let digits: String = set.to_string().chars().take(DIGITS).collect();
    format!("{PREFIX}{digits}")
}
