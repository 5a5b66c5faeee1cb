//! Where what a repository knows stands in its folder, and how small files there are read and written. What is in them, others know.
//!
//! ```text
//! FOLDER/.imgdelta/repository.json            its id, its default format
//!                  lock                       who is changing it
//!                  images/ID.json             a record an image; `~` stands for `:`
//!                  leaves/HEX.leaves          the leaf digests of a disk, by its content id
//!                  entering/ID.json           a change that is under way
//!                  incoming/                  what a deployment has received so far
//! ```

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use imgdelta_core::{AtomicFile, Error, Existing, FileOffset, Kind, Result, create_folders};
use imgdelta_delta::ContentId;
use rustix::fs::OFlags;

use super::words::{ImageId, InsidePath, OWN_FOLDER};

/// The places of one repository.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    /// The repository's folder, as the user calls it.
    pub(super) folder: PathBuf,
    /// The repository's own folder in it.
    own: PathBuf,
}

impl Rooms {
    /// Those of the repository in `folder`.
    pub(super) fn of(folder: &Path) -> Self {
        let folder = match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        };
        let own = folder.join(OWN_FOLDER);
        Self { folder, own }
    }

    /// What the repository says of itself.
    pub(super) fn about(&self) -> PathBuf {
        self.own.join("repository.json")
    }

    /// The lock.
    pub(super) fn lock(&self) -> PathBuf {
        self.own.join("lock")
    }

    /// The folder of the records.
    pub(super) fn images(&self) -> PathBuf {
        self.own.join("images")
    }

    /// The record of an image.
    pub(super) fn record(&self, id: &ImageId) -> PathBuf {
        self.images().join(format!("{}.json", id.stem()))
    }

    /// The folder of changes that are under way.
    pub(super) fn entering(&self) -> PathBuf {
        self.own.join("entering")
    }

    /// A change that is under way.
    pub(super) fn entry(&self, id: &ImageId) -> PathBuf {
        self.entering().join(format!("{}.json", id.stem()))
    }

    /// The folder of the leaf digests.
    pub(super) fn leaves_folder(&self) -> PathBuf {
        self.own.join("leaves")
    }

    /// The leaf digests of a disk. They are the same for every image of it, whatever its id.
    pub(super) fn leaves(&self, content: &ContentId) -> PathBuf {
        self.leaves_folder().join(format!("{}.leaves", content.0))
    }

    /// What a deployment has received so far.
    pub(super) fn incoming(&self) -> PathBuf {
        self.own.join("incoming")
    }

    /// The repository's own folder.
    pub(super) fn own_folder(&self) -> PathBuf {
        self.own.clone()
    }

    /// Refuses an own folder that is a link: what it leads to is somebody else's to change.
    ///
    /// # Errors
    /// Reference, if it is one.
    pub(super) fn refuse_link(&self) -> Result<()> {
        match fs::symlink_metadata(&self.own) {
            Ok(found) if found.is_symlink() => Err(Error::new(
                Kind::Reference,
                "is a link, and a repository's own folder is not",
            )
            .with_code("outside")
            .in_file(&self.own)),
            _ => Ok(()),
        }
    }

    /// Makes the repository's own folders, as far as they are not there. What is a link leads to what somebody else owns: files there would
    /// be deleted as the repository's.
    ///
    /// # Errors
    /// Reference, if one of them is a link; Host, if the host cannot.
    pub(super) fn make_folders(&self) -> Result<()> {
        let inner = [
            self.images(),
            self.entering(),
            self.leaves_folder(),
            self.incoming(),
        ];
        for folder in inner {
            create_folders(&folder)?;
            if fs::symlink_metadata(&folder).is_ok_and(|metadata| metadata.is_symlink()) {
                return Err(Error::new(
                    Kind::Reference,
                    "is a link in the repository's own folder",
                )
                .with_code("outside")
                .in_file(&folder));
            }
        }
        Ok(())
    }

    /// The repository's folder with all links followed.
    ///
    /// # Errors
    /// Host, if the host cannot tell.
    pub(super) fn real_folder(&self) -> Result<PathBuf> {
        fs::canonicalize(&self.folder)
            .map_err(|cause| Error::host("cannot find", cause).in_file(&self.folder))
    }

    /// Where the file at `inside` stands. A record comes from anywhere: no link on the way may lead out of the folder, or into what is
    /// the repository's own.
    ///
    /// # Errors
    /// Chain, if there is none; Reference, if it would lie elsewhere.
    pub(super) fn place(&self, inside: &InsidePath) -> Result<PathBuf> {
        let place = self.folder.join(inside.as_path());
        let real = match fs::canonicalize(&place) {
            Ok(real) => real,
            Err(cause) if is_missing(&cause) => {
                return Err(
                    Error::new(Kind::Chain, "the image is recorded, but not there")
                        .with_code("image_missing")
                        .in_file(&place),
                );
            }
            Err(cause) => return Err(Error::host("cannot find", cause).in_file(&place)),
        };
        let root = self.real_folder()?;
        let is_below = real.starts_with(&root) && !real.starts_with(root.join(OWN_FOLDER));
        if is_below {
            return Ok(place);
        }
        Err(Error::new(
            Kind::Reference,
            "leads out of the repository's folder by a symbolic link",
        )
        .with_code("outside")
        .in_file(&place))
    }
}

/// Whether nothing stands there.
pub(super) fn is_missing(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The content of a small file, `None` if there is none. Neither links nor pipes are followed: nobody but a repository writes here.
///
/// # Errors
/// Corrupt, if it is longer than `limit` or no regular file; Host, if the host cannot read.
pub(super) fn read_small(place: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(place);
    let file = match opened {
        Ok(file) => file,
        Err(cause) if is_missing(&cause) => return Ok(None),
        Err(cause) => return Err(Error::host("cannot open", cause).in_file(place)),
    };
    let metadata = file
        .metadata()
        .map_err(|cause| Error::host("cannot look at", cause).in_file(place))?;
    if !metadata.is_file() {
        return Err(Error::new(Kind::Corrupt, "is not a regular file").in_file(place));
    }
    // One byte more than it has, so that the end is seen at once.
    let expected = metadata.len().min(limit).saturating_add(1);
    let mut content = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    file.take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|cause| Error::host("cannot read", cause).in_file(place))?;
    if content.len() as u64 > limit {
        return Err(
            Error::new(Kind::Corrupt, format!("is longer than {limit} bytes")).in_file(place),
        );
    }
    Ok(Some(content))
}

/// Writes a small file, whole or not at all.
///
/// # Errors
/// Usage, if something stands there that may not be replaced; Host, if the host cannot.
pub(super) fn write_small(place: &Path, content: &[u8], existing: Existing) -> Result<()> {
    let draft = AtomicFile::create(place, existing)?;
    draft.sink().write_at(FileOffset::ZERO, content)?;
    draft.commit()
}
