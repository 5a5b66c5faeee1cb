//! Files that go for good: deleted, and their folders synced, so that no power cut brings them back.
//!
//! A file system keeps a deletion in memory for seconds or minutes. A command that has said that something is gone must not find it there
//! again. What nobody is told of (drafts, what remains of a delivery that has served) needs none of this: it is deleted again.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::folder::{folder_of, sync_folder};
use crate::{Error, Result};

/// Deletions that hold once they are synced: several in one folder cost one sync.
#[derive(Debug, Default)]
pub struct Removals {
    folders: BTreeSet<PathBuf>,
}

impl Removals {
    /// Deletes what stands at `place`, which is no folder; a link goes, and not where it leads. False, if nothing is there: another run may
    /// have deleted it and not synced, so its folder counts all the same.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub fn remove(&mut self, place: &Path) -> Result<bool> {
        match fs::remove_file(place) {
            Ok(()) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                self.folders.insert(folder_of(place).to_owned());
                return Ok(false);
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotADirectory => return Ok(false),
            Err(cause) => return Err(Error::host("cannot remove", cause).in_file(place)),
        }
        self.folders.insert(folder_of(place).to_owned());
        Ok(true)
    }

    /// As [`remove`](Self::remove), if a regular file stands there; else nothing goes.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub fn remove_regular(&mut self, place: &Path) -> Result<bool> {
        match fs::symlink_metadata(place) {
            Ok(metadata) if !metadata.is_file() => Ok(false),
            _ => self.remove(place),
        }
    }

    /// Deletes a folder if it is empty; whether it has gone.
    pub fn remove_empty_folder(&mut self, folder: &Path) -> bool {
        let is_gone = fs::remove_dir(folder).is_ok();
        if is_gone {
            self.folders.remove(folder);
            self.folders.insert(folder_of(folder).to_owned());
        }
        is_gone
    }

    /// Makes all of them durable.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub fn sync(&mut self) -> Result<()> {
        while let Some(folder) = self.folders.pop_first() {
            sync_folder(&folder)?;
        }
        Ok(())
    }
}

/// Deletes what stands at `place`, durably; false, if nothing was there.
///
/// # Errors
/// Host, if the host cannot.
pub fn remove(place: &Path) -> Result<bool> {
    let mut removals = Removals::default();
    let is_gone = removals.remove(place)?;
    removals.sync()?;
    Ok(is_gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_and_a_link_goes_without_what_it_leads_to() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "1").expect("room");
        std::os::unix::fs::symlink(at("file"), at("link")).expect("links");
        let mut removals = Removals::default();
        assert!(!removals.remove_regular(&at("link"))?, "no regular file");
        assert!(removals.remove(&at("link"))? && at("file").exists());
        assert!(removals.remove_regular(&at("file"))?);
        assert!(!removals.remove(&at("file"))?, "twice is harmless");
        assert!(!removals.remove(&at("file").join("below"))?);
        removals.sync()?;
        assert!(!remove(&at("file"))?);
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
        Ok(())
    }

    #[test]
    fn a_folder_goes_only_if_it_is_empty_and_is_not_synced_then() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("room");
        fs::write(inner.join("file"), "1").expect("room");
        let mut removals = Removals::default();
        assert!(!removals.remove_empty_folder(&inner));
        assert!(removals.remove(&inner.join("file"))?);
        assert!(removals.remove_empty_folder(&inner));
        assert_eq!(removals.folders, BTreeSet::from([folder.path().to_owned()]));
        removals.sync()?;
        Ok(())
    }

    #[test]
    fn a_folder_is_no_file_to_be_removed() {
        let folder = tempfile::tempdir().expect("a place");
        assert!(remove(folder.path()).is_err());
        assert!(folder.path().exists());
    }
}
