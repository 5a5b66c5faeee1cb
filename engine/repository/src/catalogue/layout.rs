//! Where what a repository knows stands in its folder: each place is reached from the open handle of the repository's own folder.
//!
//! Who may write in the repository's folder can swap what stands there for a link at any moment. So `.imgdelta` is opened once, and all that is in it
//! is opened beneath that handle: no link is followed at any depth, and nothing outside is read, written or deleted.
//!
//! ```text
//! FOLDER/.imgdelta/repository.json            its id, its default format
//!                  lock                       who is changing it
//!                  images/ID.json             a record an image; `~` stands for `:`
//!                  leaves/HEX.leaves          the leaf digests of a disk, by its content id
//!                  reduced/HEX.json           what was sent of an image but for what nobody needs of it, by its content id
//!                  entering/ID.json           a change that is under way
//!                  incoming/                  what a deployment has received so far
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use imgdelta_core::{
    AtomicFile, Error, Existing, FileOffset, HeldFolder, HeldPlace, Kind, Result, create_folders,
};
use imgdelta_delta::ContentId;

use super::names::{ImageId, InsidePath, OWN_FOLDER};

/// The folder of the records.
const IMAGES: &str = "images";
/// The folder of the leaf digests.
const LEAVES: &str = "leaves";
/// The folder of what is known of reduced images.
const REDUCED: &str = "reduced";
/// The folder of changes that are under way.
const ENTERING: &str = "entering";
/// The folder of what deployments have received so far.
const INCOMING: &str = "incoming";

/// The places of one repository.
#[derive(Clone, Debug)]
pub(super) struct RepoPaths {
    /// The repository's folder, as the user calls it.
    pub(super) folder: PathBuf,
    /// The repository's own folder in it, open.
    own: HeldFolder,
}

impl RepoPaths {
    /// Those of the repository in `folder`; `None`, if it has no own folder.
    ///
    /// # Errors
    /// Reference, if that is a link; Host, if the host cannot open it.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>> {
        let folder = named(folder);
        match HeldFolder::open(&folder) {
            Ok(outer) => {
                let own = opened(&outer.place(OWN_FOLDER), OWN_IS_LINK)?;
                Ok(own.map(|own| Self { folder, own }))
            }
            Err(cause) if is_missing(&cause) => Ok(None),
            Err(cause) => Err(Error::host("cannot open", cause).in_file(&folder)),
        }
    }

    /// Those of the repository in `folder`; the folder and its own folders are made, as far as they are not there.
    ///
    /// # Errors
    /// Reference, if one of its own folders is a link; Host, if the host cannot.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let folder = named(folder);
        create_folders(&folder)?;
        let outer = HeldFolder::open(&folder);
        let outer = outer.map_err(|cause| Error::host("cannot open", cause).in_file(&folder))?;
        let own = made(&outer.place(OWN_FOLDER), OWN_IS_LINK)?;
        let paths = Self { folder, own };
        paths.make_folders()?;
        Ok(paths)
    }

    /// What the repository says of itself.
    pub(super) fn about(&self) -> HeldPlace {
        self.own.place("repository.json")
    }

    /// The lock.
    pub(super) fn lock(&self) -> HeldPlace {
        self.own.place("lock")
    }

    /// The folder of the records; `None`, if there is none.
    ///
    /// # Errors
    /// Reference, if it is a link; Host, if the host cannot open it.
    pub(super) fn images(&self) -> Result<Option<HeldFolder>> {
        self.inner(IMAGES)
    }

    /// The record of an image.
    ///
    /// # Errors
    /// Reference, if its folder is a link; Host, if the host cannot open or make that.
    pub(super) fn record(&self, id: &ImageId) -> Result<HeldPlace> {
        let folder = self.made(IMAGES)?;
        Ok(folder.place(format!("{}.json", id.stem())))
    }

    /// The folder of changes that are under way; `None`, if there is none.
    ///
    /// # Errors
    /// Reference, if it is a link; Host, if the host cannot open it.
    pub(super) fn entering(&self) -> Result<Option<HeldFolder>> {
        self.inner(ENTERING)
    }

    /// A change that is under way.
    ///
    /// # Errors
    /// Reference, if its folder is a link; Host, if the host cannot open or make that.
    pub(super) fn entry(&self, id: &ImageId) -> Result<HeldPlace> {
        let folder = self.made(ENTERING)?;
        Ok(folder.place(format!("{}.json", id.stem())))
    }

    /// The folder of the leaf digests; `None`, if there is none.
    ///
    /// # Errors
    /// Reference, if it is a link; Host, if the host cannot open it.
    pub(super) fn leaves_folder(&self) -> Result<Option<HeldFolder>> {
        self.inner(LEAVES)
    }

    /// The leaf digests of a disk, which are the same for every image of it, whatever its id; `None`, if their folder is not there.
    ///
    /// # Errors
    /// Reference, if their folder is a link; Host, if the host cannot open that.
    pub(super) fn leaves(&self, content: &ContentId) -> Result<Option<HeldPlace>> {
        let folder = self.leaves_folder()?;
        Ok(folder.map(|folder| folder.place(leaves_name(content))))
    }

    /// Where the leaf digests of a disk are to stand; `None`: those of a disk whose content id is not known yet.
    ///
    /// # Errors
    /// Reference, if their folder is a link; Host, if the host cannot open or make that.
    pub(super) fn new_leaves(&self, content: Option<&ContentId>) -> Result<HeldPlace> {
        let name = content.map_or_else(|| "new".to_owned(), leaves_name);
        Ok(self.made(LEAVES)?.place(name))
    }

    /// The folder of what is known of reduced images; `None`, if there is none: it is made with the first of them.
    ///
    /// # Errors
    /// Reference, if it is a link; Host, if the host cannot open it.
    pub(super) fn reduced_folder(&self) -> Result<Option<HeldFolder>> {
        self.inner(REDUCED)
    }

    /// Where what is known of a reduced image is to stand.
    ///
    /// # Errors
    /// Reference, if its folder is a link; Host, if the host cannot open or make that.
    pub(super) fn new_reduced(&self, content: &ContentId) -> Result<HeldPlace> {
        Ok(self.made(REDUCED)?.place(reduced_name(content)))
    }

    /// Where stands what deployments have received so far.
    pub(super) fn incoming_path(&self) -> PathBuf {
        self.own.path().join(INCOMING)
    }

    /// The folder of what deployments have received so far.
    ///
    /// # Errors
    /// Reference, if it is a link; Host, if the host cannot open or make it.
    pub(super) fn incoming(&self) -> Result<HeldFolder> {
        self.made(INCOMING)
    }

    /// As [`incoming`](Self::incoming), and nothing is made; `None`, if there is none.
    ///
    /// # Errors
    /// As [`incoming`](Self::incoming).
    pub(super) fn incoming_there(&self) -> Result<Option<HeldFolder>> {
        self.inner(INCOMING)
    }

    /// The repository's own folder.
    pub(super) const fn own_folder(&self) -> &HeldFolder {
        &self.own
    }

    /// Makes the repository's own folders, as far as they are not there. What is a link leads to what somebody else owns: files there would
    /// be deleted as the repository's.
    ///
    /// # Errors
    /// Reference, if one of them is a link; Host, if the host cannot.
    pub(super) fn make_folders(&self) -> Result<()> {
        let inner = [IMAGES, ENTERING, LEAVES, INCOMING];
        inner.iter().try_for_each(|name| self.made(name).map(drop))
    }

    fn inner(&self, name: &str) -> Result<Option<HeldFolder>> {
        opened(&self.own.place(name), INNER_IS_LINK)
    }

    fn made(&self, name: &str) -> Result<HeldFolder> {
        made(&self.own.place(name), INNER_IS_LINK)
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

const OWN_IS_LINK: &str = "is a link, and a repository's own folder is not";
const INNER_IS_LINK: &str = "is a link in the repository's own folder";

/// The folder as the user calls it: nothing is the one that the process is in.
fn named(folder: &Path) -> PathBuf {
    match folder.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => folder.to_owned(),
    }
}

fn leaves_name(content: &ContentId) -> String {
    format!("{}.leaves", content.0)
}

/// What the file of a reduced image is called.
pub(super) fn reduced_name(content: &ContentId) -> String {
    format!("{}.json", content.0)
}

/// Opens an own folder; `None`, if there is none.
fn opened(place: &HeldPlace, is_link: &str) -> Result<Option<HeldFolder>> {
    match place.open_folder() {
        Ok(folder) => Ok(Some(folder)),
        Err(cause) if is_missing(&cause) => match linked(place, is_link) {
            Some(error) => Err(error),
            None => Ok(None),
        },
        Err(cause) => Err(Error::host("cannot open", cause).in_file(&place.path())),
    }
}

/// Opens an own folder, which is made if it is not there.
fn made(place: &HeldPlace, is_link: &str) -> Result<HeldFolder> {
    place.make_folder().map_err(|cause| {
        linked(place, is_link).unwrap_or_else(|| {
            Error::host("cannot create the folder", cause).in_file(&place.path())
        })
    })
}

/// What to say of a link that stands where a folder is to be: it was not opened.
fn linked(place: &HeldPlace, is_link: &str) -> Option<Error> {
    let found = place.metadata().ok()?;
    found.is_symlink().then(|| {
        Error::new(Kind::Reference, is_link)
            .with_code("outside")
            .in_file(&place.path())
    })
}

/// Whether nothing stands there.
pub(super) fn is_missing(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Writes a small file, whole or not at all.
///
/// # Errors
/// Usage, if something stands there that may not be replaced; Host, if the host cannot.
pub(super) fn write_small(place: &HeldPlace, content: &[u8], existing: Existing) -> Result<()> {
    let draft = AtomicFile::create_in(place, existing)?;
    draft.sink().write_at(FileOffset::ZERO, content)?;
    draft.commit()
}
