//! Folders that are held open, and the files in them: each is reached from the open folder, never by a path again.
//!
//! Who may write beside a folder can swap it for a link between a look at its path and the next use of that. A folder that is open stays the
//! one that was opened. A name here is one component, and no link is followed at it: so no link is followed at any depth below the folder that
//! was opened first, on every kernel, without openat2.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io::{self, Read},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{
        AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, linkat, mkdirat, openat, renameat,
        renameat_with, unlinkat,
    },
    io::{Errno, retry_on_intr},
};

use super::folder::sync_opened;
use crate::{Error, Kind, Result};

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

impl HeldPlace {
    /// The place that `path` leads to: links to the folder are followed, as its user named it.
    ///
    /// # Errors
    /// That of the host; InvalidInput, if the path has no name at its end.
    pub fn at(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(HeldFolder::open(super::folder::folder_of(path))?.place(name))
    }

    /// What messages call it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path.join(&self.name)
    }

    /// Its name in the folder.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The folder.
    #[must_use]
    pub const fn folder(&self) -> &HeldFolder {
        &self.folder
    }

    /// Another place in the same folder.
    #[must_use]
    pub fn sibling(&self, name: impl AsRef<OsStr>) -> Self {
        self.folder.place(name)
    }

    /// What stands there, a link itself.
    ///
    /// # Errors
    /// That of the host.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.open(OFlags::PATH)?.metadata()
    }

    /// Opens what stands there for reading. Nothing waits, and a link is not followed: whether it is a regular file is yet to be seen.
    ///
    /// # Errors
    /// That of the host.
    pub fn open_to_read(&self) -> io::Result<File> {
        self.open(OFlags::RDONLY | OFlags::NONBLOCK)
    }

    /// As [`open_to_read`](Self::open_to_read), for writing too.
    ///
    /// # Errors
    /// That of the host.
    pub fn open_to_write(&self) -> io::Result<File> {
        self.open(OFlags::RDWR | OFlags::NONBLOCK)
    }

    /// As [`open_to_write`](Self::open_to_write); a file is made, if nothing stands there.
    ///
    /// # Errors
    /// That of the host.
    pub fn open_or_create(&self) -> io::Result<File> {
        self.open(OFlags::RDWR | OFlags::NONBLOCK | OFlags::CREATE)
    }

    /// Makes a file, where nothing stands, and opens it for writing.
    ///
    /// # Errors
    /// That of the host.
    pub fn create_new(&self) -> io::Result<File> {
        self.open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens the folder that stands there. A link is none.
    ///
    /// # Errors
    /// That of the host: NotADirectory, where a link stands.
    pub fn open_folder(&self) -> io::Result<HeldFolder> {
        let name = self.component()?;
        let flags = FOLDER | OFlags::NOFOLLOW;
        HeldFolder::open_at(&self.folder, name, flags, &self.path())
    }

    /// As [`open_folder`](Self::open_folder); the folder is made, durably, if nothing stands there.
    ///
    /// # Errors
    /// That of the host: NotADirectory, where a link stands.
    pub fn make_folder(&self) -> io::Result<HeldFolder> {
        match self.open_folder() {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let all = Mode::RWXU | Mode::RWXG | Mode::RWXO;
        match mkdirat(&self.folder, self.component()?, all) {
            Ok(()) => sync_opened(&self.folder.handle)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.open_folder()
    }

    /// Makes a folder, where nothing stands, and opens it. Not durable yet.
    ///
    /// # Errors
    /// That of the host: AlreadyExists, if something stands there.
    pub fn make_new_folder(&self) -> io::Result<HeldFolder> {
        let all = Mode::RWXU | Mode::RWXG | Mode::RWXO;
        mkdirat(&self.folder, self.component()?, all)?;
        self.open_folder()
    }

    /// The content of the regular file that stands there; `None`, if nothing does.
    ///
    /// # Errors
    /// Corrupt, if it is longer than `limit` bytes or no regular file; Host, if the host cannot read.
    pub fn read(&self, limit: u64) -> Result<Option<Vec<u8>>> {
        let failed = |what, cause| Error::host(what, cause).in_file(&self.path());
        let file = match self.open_to_read() {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(failed("cannot open", cause)),
        };
        let metadata = file.metadata();
        let metadata = metadata.map_err(|cause| failed("cannot look at", cause))?;
        if !metadata.is_file() {
            return Err(Error::new(Kind::Corrupt, "is not a regular file").in_file(&self.path()));
        }
        // One byte more than it has, so that the end is seen at once.
        let expected = metadata.len().min(limit).saturating_add(1);
        let mut content = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
        file.take(limit.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(|cause| failed("cannot read", cause))?;
        if content.len() as u64 > limit {
            let message = format!("is longer than {limit} bytes");
            return Err(Error::new(Kind::Corrupt, message).in_file(&self.path()));
        }
        Ok(Some(content))
    }

    /// Deletes what stands there, which is no folder; a link goes, and not where it leads. Not durable yet.
    ///
    /// # Errors
    /// That of the host.
    pub fn remove(&self) -> io::Result<()> {
        Ok(unlinkat(&self.folder, self.component()?, AtFlags::empty())?)
    }

    /// Deletes what stands there, durably; false, if nothing did.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub fn remove_for_good(&self) -> Result<bool> {
        let was_there = match self.remove() {
            Ok(()) => true,
            // Another run may have deleted it and not synced.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => false,
            Err(cause) => return Err(Error::host("cannot remove", cause).in_file(&self.path())),
        };
        self.folder.sync()?;
        Ok(was_there)
    }

    /// Deletes the folder that stands there, if it is empty.
    ///
    /// # Errors
    /// That of the host.
    pub fn remove_folder(&self) -> io::Result<()> {
        Ok(unlinkat(
            &self.folder,
            self.component()?,
            AtFlags::REMOVEDIR,
        )?)
    }

    /// Gives what stands there another name, over what has that.
    ///
    /// # Errors
    /// That of the host.
    pub fn rename(&self, to: &Self) -> io::Result<()> {
        let (from, to_name) = (self.component()?, to.component()?);
        Ok(renameat(&self.folder, from, &to.folder, to_name)?)
    }

    /// Gives what stands there another name, if nothing has that.
    ///
    /// # Errors
    /// That of the host: AlreadyExists, if something has it.
    pub fn rename_new(&self, to: &Self) -> io::Result<()> {
        let (from, to_name) = (self.component()?, to.component()?);
        let flags = RenameFlags::NOREPLACE;
        Ok(renameat_with(
            &self.folder,
            from,
            &to.folder,
            to_name,
            flags,
        )?)
    }

    /// Gives what stands there a second name, if nothing has that. A link is named itself.
    ///
    /// # Errors
    /// That of the host: AlreadyExists, if something has it.
    pub fn link(&self, to: &Self) -> io::Result<()> {
        let (from, to_name) = (self.component()?, to.component()?);
        let flags = AtFlags::empty();
        Ok(linkat(&self.folder, from, &to.folder, to_name, flags)?)
    }

    /// A path that leads to it [through](HeldFolder::through) the open folder.
    pub(crate) fn through(&self) -> io::Result<PathBuf> {
        Ok(self.folder.through().join(self.component()?))
    }

    /// Its name, if that is one component: nothing else stays in the folder.
    fn component(&self) -> io::Result<&OsStr> {
        let bytes = self.name.as_bytes();
        let leaves = matches!(bytes, b"" | b"." | b"..") || bytes.contains(&b'/');
        match leaves {
            true => Err(io::ErrorKind::InvalidInput.into()),
            false => Ok(&self.name),
        }
    }

    fn open(&self, flags: OFlags) -> io::Result<File> {
        let name = self.component()?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        let mode = Mode::from_bits_truncate(0o666);
        let opened = retry_on_intr(|| openat(&self.folder, name, flags, mode));
        Ok(File::from(opened?))
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
