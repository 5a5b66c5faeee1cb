//! Files that have just got their names, until it is sure that they keep them: what stood there before can be put back.
//!
//! Writing them is the matter of [`AtomicFile`](crate::AtomicFile).

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// A draft that has its name, and what stood there before.
#[derive(Debug)]
pub(crate) struct Rollback {
    place: PathBuf,
    /// Whether something stood there.
    is_over: bool,
    /// A second name for what stood there, until nobody needs it. File systems without hard links have none.
    old: Option<PathBuf>,
}

impl Rollback {
    /// Keeps what stands at `place`, where the draft at `temporary` is about to go.
    pub(crate) fn over(place: &Path, temporary: &Path, is_over: bool) -> Self {
        let old = Self::clear(temporary);
        let is_kept = is_over && fs::hard_link(place, &old).is_ok();
        Self {
            place: place.to_owned(),
            is_over,
            old: is_kept.then_some(old),
        }
    }

    /// Takes away what a run that was killed has left of this kind; where that would stand. The draft's lock says that it is ours.
    pub(crate) fn clear(temporary: &Path) -> PathBuf {
        let mut name = temporary.as_os_str().to_owned();
        name.push("-old");
        let old = PathBuf::from(name);
        let _ = fs::remove_file(&old);
        old
    }

    /// Makes the name durable.
    pub(crate) fn sync_folder(&self) -> Result<()> {
        let folder = match self.place.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let opened = File::open(folder)
            .map_err(|cause| Error::host("cannot open the folder", cause).in_file(folder))?;
        match opened.sync_all() {
            // Some network and FUSE file systems know no sync of a folder.
            Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => Ok(()),
            Err(cause) => Err(Error::host("cannot sync the folder", cause).in_file(folder)),
            Ok(()) => Ok(()),
        }
    }

    /// Puts back what stood there.
    pub(crate) fn undo(&self) -> io::Result<()> {
        match &self.old {
            Some(old) => fs::rename(old, &self.place),
            None if self.is_over => Err(io::ErrorKind::NotFound.into()),
            None => fs::remove_file(&self.place),
        }
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        if let Some(old) = &self.old {
            let _ = fs::remove_file(old);
        }
    }
}
