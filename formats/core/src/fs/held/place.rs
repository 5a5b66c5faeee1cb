//! What is done at a name in a folder that is held open.

use std::{
    ffi::OsStr,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, Mode, OFlags, RenameFlags, linkat, mkdirat, openat, renameat, renameat_with,
        unlinkat,
    },
    io::{Errno, retry_on_intr},
};

use super::{FOLDER, HeldFolder, HeldPlace};
use crate::{
    Error, Kind, Result,
    fs::folder::{folder_of, sync_opened},
};

impl HeldPlace {
    /// The place that `path` leads to: links to the folder are followed, as its user named it.
    ///
    /// # Errors
    /// That of the host; InvalidInput, if the path has no name at its end.
    pub fn at(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(HeldFolder::open(folder_of(path))?.place(name))
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
