//! A repository on disk: a folder of images and what is known of them.
//!
//! What it knows stands in plain files under `.imgdelta/`, each written whole or not at all; `layout` shows them. Which base is best for
//! an image is the matter of [`planning`](crate::planning).
//!
//! | module | what it does |
//! |---|---|
//! | [`names`] | ids, names, tags, paths: looked at where they are made |
//! | [`record`] | what is known of one image |
//! | [`listing`], [`tree`] | all records at once: found, as a tree |
//! | [`add`], [`import`], [`scan`] | images come in |
//! | [`dedup`] | as what differs from one that is here |
//! | [`change`], [`remove`](mod@remove), [`gc`](mod@gc) | records change, images go |
//! | [`presence`] | a look at the files of images, before a record is believed |
//! | [`verify`], [`repair`](mod@repair) | every image against its content id; made so again |
//! | [`verdict`] | what was found of an image, and what became of it |
//! | [`inventory`] | the list that another site reads |
//! | [`disk`] | an image of a repository, open |
//! | [`facts`] | leaf digests and allocations, as planning asks for them |
//! | [`lineage`] | whether an image descends from another; leaves as they are weighed |
//!
//! Inside:
//!
//! | module | what it does |
//! |---|---|
//! | `layout`, `places` | where its own files stand, and those of new images |
//! | `lock`, `lock_file`, `lock_owner`, `lock_beat` | what keeps two changes apart |
//! | `journal`, `pending` | changes of several files, and what a killed process left of them |
//! | `reduced`, `reduced_image` | what was sent of images but for what nobody needs of them |
//! | `seal` | digests of records |
//! | `protect`, `immutable` | golden images as read-only files, and as files that not even root writes to |
//! | `store`, `proof`, `renew` | how images are copied, and proven; records of what is proven to be what they say |
//! | `in_place`, `restore_missing`, `kinship` | images that stand here already, that come back, and whose children they are |
//! | `depth`, `suggest`, `timestamps` | how long the chain of an image is, which name was meant, how times are written |
//!
//! ```
//! use std::time::Duration;
//!
//! use imgdelta_core::{Format, Result};
//! use imgdelta_delta::{RunProgress, ExecContext};
//! use imgdelta_registry::OpenSpec;
//! use imgdelta_repository::catalogue::{Add, Repository, Run};
//!
//! # fn main() -> Result<()> {
//! # let place = tempfile::tempdir().expect("a place");
//! # let image = place.path().join("golden.raw");
//! # std::fs::write(&image, vec![7; 100_000]).expect("room");
//! # let folder = place.path().join("hq");
//! let progress = RunProgress::default();
//! let work = ExecContext::new(4, &progress);
//! let run = Run { work, wait: Duration::from_secs(60) };
//!
//! let repository = Repository::init(&folder, Format::Qcow2)?;
//! let add = Add { image: OpenSpec::of(&image), golden: true, ..Add::default() };
//! let added = repository.add(&add, &run)?;
//! assert!(added.is_new);
//! assert_eq!(repository.show("golden")?.content_id, added.record.content_id);
//!
//! let sound = repository.verify(&[], &run, |_| ())?;
//! assert!(sound.iter().all(|image| image.is_sound()));
//! repository.inventory()?.write(&folder.join("hq.inv"), imgdelta_core::Existing::Keep)?;
//! # Ok(())
//! # }
//! ```

pub mod about;
pub mod add;
pub mod change;
pub mod dedup;
mod depth;
pub mod disk;
pub mod facts;
pub mod gc;
mod immutable;
pub mod import;
mod in_place;
pub mod inventory;
mod journal;
mod kinship;
mod layout;
pub mod lineage;
pub mod listing;
mod lock;
mod lock_beat;
mod lock_file;
mod lock_owner;
pub mod names;
mod pending;
mod places;
pub mod presence;
mod proof;
mod protect;
pub mod record;
pub mod reduced;
pub mod reduced_image;
pub mod remove;
mod renew;
pub mod repair;
mod restore_missing;
pub mod scan;
mod seal;
pub mod signer;
mod store;
mod suggest;
pub mod text;
mod timestamps;
pub mod tree;
pub mod verdict;
pub mod verify;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use imgdelta_core::{Error, Existing, Format, HeldFolder, Kind, Result};
use imgdelta_delta::{ExecContext, digest_cache::LeafReader};
use imgdelta_registry::driver_of_new;

pub use self::{
    about::About,
    add::{Add, Added},
    change::{Edit, Edited},
    gc::Swept,
    import::{ImageFiles, NewImage},
    inventory::Inventory,
    listing::Listing,
    names::{ImageId, InsidePath, Name, RepositoryId, Tag},
    presence::{Look, Presence},
    record::{Parent, ParentEvidence, ProvenanceKind, Record},
    reduced::Reduction,
    reduced_image::ReducedImage,
    remove::Removed,
    repair::Repair,
    scan::Scanned,
    signer::Signer,
    tree::Branch,
    verdict::{MendedBy, Mending, Provider, Verdict, Verified},
};
use self::{
    journal::Transaction,
    layout::{RepoPaths, is_missing, write_small},
};

/// How an operation is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Threads, counters, and the time to record.
    pub work: ExecContext<'a>,
    /// How long to wait while another process changes the repository.
    pub wait: Duration,
}

/// A folder of images and what is known of them.
#[derive(Clone, Debug)]
pub struct Repository {
    paths: RepoPaths,
    about: About,
}

impl Repository {
    /// Makes `folder` a repository; the folder is made if it is not there. What stands in it is left alone.
    ///
    /// # Errors
    /// Usage, if it is one already; Unsupported, if that format is not written; Host, if the host cannot.
    pub fn init(folder: &Path, default_format: Format) -> Result<Self> {
        Self::init_requiring(folder, default_format, None)
    }

    /// As [`init`](Self::init), and from the beginning nothing is received from a medium whose list `signer` has not signed.
    ///
    /// # Errors
    /// As [`init`](Self::init); Usage, if a file of keys is not there (`no_signers`).
    pub fn init_requiring(
        folder: &Path,
        default_format: Format,
        signer: Option<Signer>,
    ) -> Result<Self> {
        driver_of_new(default_format)?;
        signer.as_ref().map_or(Ok(()), Signer::require_files)?;
        let paths = RepoPaths::make(folder)?;
        let about = About::new(default_format).with_signer(signer);
        write_small(&paths.about(), &about.to_json()?, Existing::Keep).map_err(
            |error| match error.kind() {
                Kind::Usage => Error::new(Kind::Usage, "is a repository already")
                    .with_code("exists")
                    .in_file(folder),
                _ => error,
            },
        )?;
        Ok(Self { paths, about })
    }

    /// Opens the repository in `folder`. Nothing is written, so that it may lie on a read-only medium.
    ///
    /// # Errors
    /// Usage, if it is none; Reference, if its own folder is a link; Corrupt or Unsupported, if what it says of itself is damaged or of another
    /// version.
    pub fn open(folder: &Path) -> Result<Self> {
        let none = || {
            let folder = match folder.as_os_str().is_empty() {
                true => Path::new("."),
                false => folder,
            };
            Error::new(Kind::Usage, "is not a repository")
                .with_code("no_repository")
                .in_file(folder)
                .with_hint("'imgdelta repo init FOLDER' makes one; --repo FOLDER or IMGDELTA_REPO names it")
        };
        let paths = RepoPaths::open(folder)?.ok_or_else(none)?;
        let place = paths.about();
        let json = place.read(about::LONGEST)?.ok_or_else(none)?;
        let about = About::from_json(&json).map_err(|error| error.in_file(&place.path()))?;
        Ok(Self { paths, about })
    }

    /// Its folder, as it was named.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.paths.folder
    }

    /// What it says of itself.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// The folder for what a deployment has received so far, under (base, image). Files there are dropped by [`gc`](Self::gc) after a
    /// week.
    #[must_use]
    pub fn incoming(&self) -> PathBuf {
        self.paths.incoming_path()
    }

    /// As [`incoming`](Self::incoming), held open: what is done in it is done there, whoever swaps its path for a link meanwhile. It is made, if it is
    /// not there.
    ///
    /// # Errors
    /// Reference, if it is a link; Host, if the host cannot open or make it.
    pub fn incoming_folder(&self) -> Result<HeldFolder> {
        self.paths.incoming()
    }

    /// All records, as they are now. A change that a killed process left half done is seen as whoever changes the repository next will finish
    /// it; nothing is written.
    ///
    /// # Errors
    /// Host, if the host cannot list them.
    pub fn list(&self) -> Result<Listing> {
        Listing::read(&self.paths)
    }

    /// As [`list`](Self::list), for those who are about to change it: what a killed process left half done is finished first, unless
    /// another process is changing the repository at this moment, which has done or will do that.
    ///
    /// # Errors
    /// As [`list`](Self::list); Host, if what was left cannot be finished.
    pub fn list_finished(&self, run: &Run<'_>) -> Result<Listing> {
        let listing = self.list()?;
        if listing.is_settled() {
            return Ok(listing);
        }
        let at_once = Run {
            wait: Duration::ZERO,
            ..*run
        };
        match self.change(&at_once, "recover") {
            Ok(change) => Ok(change.listing),
            Err(error) if error.kind() == Kind::Busy => Ok(listing),
            Err(error) => Err(error),
        }
    }

    /// As [`list`](Self::list), once nobody is changing it: who finds a file that has no record may wait for whoever is about to write
    /// that. What a killed process left half done is finished first.
    ///
    /// # Errors
    /// As [`list`](Self::list); Busy, if another process goes on changing it.
    pub fn list_settled(&self, run: &Run<'_>) -> Result<Listing> {
        Ok(self.change(run, "look")?.listing)
    }

    /// The image that the user means, see [`Listing::find`].
    ///
    /// # Errors
    /// As [`Listing::find`] and [`list`](Self::list).
    pub fn show(&self, word: &str) -> Result<Record> {
        self.list()?.find(word).cloned()
    }

    /// The leaf digests of an image; `None` if there are none.
    ///
    /// # Errors
    /// Corrupt, if they are damaged or of another disk.
    pub fn leaves(&self, record: &Record) -> Result<Option<LeafReader>> {
        let Some(place) = self.paths.leaves(&record.content_id)? else {
            return Ok(None);
        };
        let file = match place.open_to_read() {
            Ok(file) => file,
            Err(cause) if is_missing(&cause) => return Ok(None),
            Err(cause) => return Err(Error::host("cannot open", cause).in_file(&place.path())),
        };
        let leaves = LeafReader::of(file, &place.path())?;
        if (leaves.id(), leaves.size()) == (record.content_id, record.disk_size()) {
            return Ok(Some(leaves));
        }
        Err(
            Error::new(Kind::Corrupt, "the file of leaf digests is of another disk")
                .with_code("leaves")
                .in_file(&place.path()),
        )
    }

    /// The right to change it. What a killed process left half done is finished first.
    fn change(&self, run: &Run<'_>, what: &str) -> Result<Transaction<'_>> {
        Transaction::begin(&self.paths, run.wait, what)
    }
}
