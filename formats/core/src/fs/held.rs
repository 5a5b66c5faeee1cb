//! Folders that are held open, and the files in them: each is reached from the open folder, never by a path again.
//!
//! Who may write beside a folder can swap it for a link between a look at its path and the next use of that. A folder that is open stays the
//! one that was opened. A name here is one component, and no link is followed at it: so no link is followed at any depth below the folder that
//! was opened first, on every kernel, without openat2.

mod place;

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{CWD, Dir, Mode, OFlags, openat},
    io::retry_on_intr,
};

use super::folder::sync_opened;
use crate::{Error, Result};

/// How folders are opened: to be listed and synced.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// A folder that is held open. Clones share it.
#[derive(Clone, Debug)]
pub struct HeldFolder {
    handle: Arc<File>,
    /// Where it stood when it was opened: for messages alone.
    path: PathBuf,
}

/// A place in a folder that is held open: one name in it, whatever stands there.
#[derive(Clone, Debug)]
pub struct HeldPlace {
    folder: HeldFolder,
    name: OsString,
}

impl HeldFolder {
    /// Opens the folder at `path`, as its user named it: links on the way are followed.
    ///
    /// # Errors
    /// That of the host.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_at(CWD, path, FOLDER, path)
    }

    /// Opens a folder in this one. A link is none.
    ///
    /// # Errors
    /// That of the host: NotADirectory, where a link stands.
    pub fn inner(&self, name: &str) -> io::Result<Self> {
        self.place(name).open_folder()
    }

    /// As [`inner`](Self::inner); the folder is made, durably, if nothing stands there.
    ///
    /// # Errors
    /// That of the host: NotADirectory, where a link stands.
    pub fn make_inner(&self, name: &str) -> io::Result<Self> {
        self.place(name).make_folder()
    }

    /// Where it stood when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The place of that name in it.
    #[must_use]
    pub fn place(&self, name: impl AsRef<OsStr>) -> HeldPlace {
        HeldPlace {
            folder: self.clone(),
            name: name.as_ref().to_owned(),
        }
    }

    /// What stands in it, in order of name.
    ///
    /// # Errors
    /// That of the host.
    pub fn places(&self) -> io::Result<Vec<HeldPlace>> {
        let mut places = Vec::new();
        for entry in Dir::read_from(self)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                places.push(self.place(name));
            }
        }
        places.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(places)
    }

    /// Makes durable what stands in it and what does not any more.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub fn sync(&self) -> Result<()> {
        sync_opened(&self.handle)
            .map_err(|cause| Error::host("cannot sync the folder", cause).in_file(&self.path))
    }

    /// A path that leads to this folder as it is open here, whatever stands at its path by now: for what works by paths. It holds as long as the
    /// folder is open. Where the host mounts no `/proc`, the path that it was opened by.
    #[must_use]
    pub fn through(&self) -> PathBuf {
        let through = PathBuf::from(format!("/proc/self/fd/{}", self.handle.as_raw_fd()));
        let identity = |found: io::Result<Metadata>| {
            let found = found.ok();
            found.map(|found| (found.dev(), found.ino()))
        };
        let ours = identity(self.handle.metadata());
        match ours.is_some() && identity(std::fs::metadata(&through)) == ours {
            true => through,
            false => self.path.clone(),
        }
    }

    /// The error, of the folder and the files in it as they were called before the way led [through](Self::through) the open folder.
    #[must_use]
    pub fn named(&self, error: Error) -> Error {
        let through = self.through();
        let (by, path) = (through.to_string_lossy(), self.path.to_string_lossy());
        let error = error.map_words(|words| renamed(words, &by, &path));
        error.map_file(|file| match file.strip_prefix(&through) {
            Ok(inside) if inside.as_os_str().is_empty() => self.path.clone(),
            Ok(inside) => self.path.join(inside),
            Err(_) => file,
        })
    }

    fn open_at(
        at: impl AsFd + Copy,
        name: impl rustix::path::Arg + Copy,
        flags: OFlags,
        path: &Path,
    ) -> io::Result<Self> {
        let handle = retry_on_intr(|| openat(at, name, flags, Mode::empty()))?;
        Ok(Self {
            handle: Arc::new(File::from(handle)),
            path: path.to_owned(),
        })
    }
}

impl AsFd for HeldFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// The words, with a path in them called otherwise; a longer number is another open folder.
fn renamed(words: &str, from: &str, to: &str) -> String {
    let mut parts = words.split(from);
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_other = part.starts_with(|c: char| c.is_ascii_digit());
        all.push_str(if is_other { from } else { to });
        all.push_str(part);
    }
    all
}

#[cfg(test)]
mod tests;
