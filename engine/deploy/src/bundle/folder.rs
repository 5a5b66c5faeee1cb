//! A delivery on disk: a folder, a stick say, that is opened, added to, and checked.
//!
//! Everything in it is written whole or not at all, for a stick may be pulled out at any time; files of other programs are left alone.

mod signed;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use imgdelta_core::{
    AtomicFile, Error, Existing, FileLock, FileOffset, Kind, LockWait, Result, create_folders,
    fs::finish_commits,
};
use imgdelta_delta::Digest;
use imgdelta_operations::Stage;
use imgdelta_repository::catalogue::{Repository, RepositoryId};

use super::{
    DeliveryContext,
    entry::{BundleEntry, FileEntry, Recipient},
    hash::sha256,
    howto,
    index::{INDEX, Index, SCHEMA, SCHEMA_1, read_index},
    pack::{DiffInputs, Order, Packed},
    request::RequestedEntry,
    sweep::sweep,
};
use crate::space::{Space, SpaceNeed, explain_full};

/// The finer word for what is not what was put there.
pub(super) const DAMAGED: &str = "delivery_damaged";

/// A folder that holds what travels.
#[derive(Clone, Debug)]
pub struct Bundle {
    folder: PathBuf,
    index: Index,
    /// What the user should know of what was found there.
    notes: Vec<String>,
    /// Whether a signature went because the index is another one now.
    lost_signature: bool,
    /// The folder, open and locked, while something is added to it.
    _lock: Option<Arc<FileLock>>,
}

impl Bundle {
    /// Opens the delivery in `folder`, which may lie on a read-only medium.
    ///
    /// # Errors
    /// Usage, if there is none; Corrupt or Unsupported, if its index is damaged or of another version; Host, if the host cannot read.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_signed(folder, [])
    }

    /// Opens the delivery in `folder` to add to it; the folder is made if it is not there. While another process adds to it, waits at most
    /// so long. Files that an interrupted run left there and that nothing lists are deleted.
    ///
    /// # Errors
    /// As [`open`](Self::open), but that there may be none yet; Busy.
    pub fn begin(folder: &Path, wait: Duration) -> Result<Self> {
        create_folders(folder)?;
        let lock = lock(folder, wait)?;
        finish_commits(folder)?;
        let found = read_index(folder)?;
        // Without a list nothing says that this is a delivery, and without a lock another process may be about to list what it has packed.
        let swept = found.as_ref().filter(|_| lock.is_held());
        let notes = swept.map(|index| sweep(folder, index));
        Ok(Self {
            folder: folder.to_owned(),
            index: found.unwrap_or_default(),
            notes: notes.unwrap_or_default(),
            lost_signature: false,
            _lock: Some(Arc::new(lock)),
        })
    }

    /// What the user should know of what was found there; once.
    pub fn take_notes(&mut self) -> Vec<String> {
        self.tell_lost_signature();
        std::mem::take(&mut self.notes)
    }

    /// What is added from now on is for sites too whose programs know version 1 alone: it is listed in that form.
    pub fn keep_version_1(&mut self) {
        SCHEMA_1.clone_into(&mut self.index.schema);
    }

    /// Whether what is added may be in the transport form: a list of version 1 cannot tell of it, and what is there may be for sites that do not read it.
    #[must_use]
    pub fn may_hold_transport(&self) -> bool {
        self.index.schema == SCHEMA && !self.index.images_only
    }

    /// What is added from now on is for sites too whose programs do not know the transport form: nothing is put there in it, now or later.
    ///
    /// # Errors
    /// Usage (`delivery_form`), if something lies there in that form.
    pub fn keep_to_images(&mut self) -> Result<()> {
        let entry = self.index.items.iter().find(|one| !one.form.is_image());
        let Some(entry) = entry else {
            self.index.images_only = true;
            return Ok(());
        };
        let message = format!(
            "holds '{}' in the transport form, which the program of one of the sites does not read",
            entry.name
        );
        Err(Error::new(Kind::Usage, message)
            .with_code("delivery_form")
            .in_file(&self.folder)
            .with_hint("choose another folder for that site"))
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it holds.
    #[must_use]
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// Puts an image into it. What lies in it already, whole, is only marked for more sites.
    ///
    /// # Errors
    /// As [`pack`](super::pack()).
    pub fn pack(
        &mut self,
        headquarters: &Repository,
        order: &Order,
        context: &DeliveryContext<'_>,
    ) -> Result<Packed> {
        let mut inputs = DiffInputs::open(headquarters, order)?;
        let known = self
            .index
            .items
            .iter()
            .find(|entry| entry.key() == inputs.key())
            .cloned();
        let is_whole = |entry: &BundleEntry| self.check(entry, context).is_ok();
        let mut packed = match known.clone().filter(is_whole) {
            Some(entry) => Packed {
                entry,
                is_new: false,
                left_out: inputs.left_out(),
                notes: inputs.notes(),
            },
            None => {
                context.run.work.progress.go_on()?;
                self.pack_new(headquarters, &mut inputs, order, context)?
            }
        };
        if let Some(known) = known {
            packed.entry.add_recipients(&known.sites);
        }
        packed.entry.add_recipients(&order.sites);
        self.add(packed.entry.clone())?;
        Ok(packed)
    }

    /// Puts into it what a site asks for once more: of a transport file those windows, or all of it where this release makes other windows.
    ///
    /// # Errors
    /// Usage (`no_such_image`), if headquarters does not have the image or its base; Corrupt, if the request contradicts itself; as
    /// [`pack`](Self::pack).
    pub fn refill(
        &mut self,
        headquarters: &Repository,
        (requested, site): (&RequestedEntry, &RepositoryId),
        context: &DeliveryContext<'_>,
    ) -> Result<Packed> {
        let mut listing = headquarters.list()?;
        headquarters.know_reduced(&mut listing, requested.contents());
        let order = requested.order(&listing, site)?;
        let Some(wanted) = requested.wanted()? else {
            return self.pack(headquarters, &order, context);
        };
        let inputs = DiffInputs::open(headquarters, &order)?;
        match inputs.pack_windows(headquarters, &wanted, &self.folder, context) {
            Ok(mut packed) => {
                packed.entry.add_recipients(&order.sites);
                self.add(packed.entry.clone())?;
                Ok(packed)
            }
            Err(error) if error.kind() == Kind::Unsupported => {
                let mut packed = self.pack(headquarters, &order, context)?;
                packed.notes.push(format!("all of it is sent: {error}"));
                Ok(packed)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes the files of an image of which nothing whole lies here.
    fn pack_new(
        &self,
        headquarters: &Repository,
        inputs: &mut DiffInputs,
        order: &Order,
        context: &DeliveryContext<'_>,
    ) -> Result<Packed> {
        let need = SpaceNeed::of_estimate(order.bytes);
        let what = format!("'{}'", inputs.name());
        let shown = self.folder.display().to_string();
        need.require(&what, Space::at(&self.folder), &shown)?;
        let left = "what was put there before is whole, and nothing of it is left";
        inputs
            .pack(headquarters, &self.folder, context)
            .map_err(|error| explain_full(error, &what, need, &self.folder, left))
    }

    /// Says of what it holds that it is for these sites too.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn is_also_for(&mut self, entry: &BundleEntry, sites: &[Recipient]) -> Result<()> {
        let mut listed = self.index.items.iter();
        let listed = listed.find(|one| one.key() == entry.key());
        let mut entry = listed.unwrap_or(entry).clone();
        entry.add_recipients(sites);
        self.add(entry)
    }

    /// Lists an entry whose files lie here; it takes the place of the one of the same base, image and format. Index and how-to are written
    /// anew.
    ///
    /// # Errors
    /// Corrupt, if the entry contradicts itself; Host, if the host cannot write.
    pub fn add(&mut self, entry: BundleEntry) -> Result<()> {
        entry.validate()?;
        let mut index = self.index.clone();
        super::TOOL.clone_into(&mut index.tool);
        match index.items.iter_mut().find(|one| one.key() == entry.key()) {
            Some(there) => *there = entry,
            None => index.items.push(entry),
        }
        self.list(index)
    }

    /// Lists what that index lists, and nothing else. The how-to goes before it.
    pub(super) fn list(&mut self, mut index: Index) -> Result<()> {
        index.require_forms();
        // Version 1 has no such key, and is for such sites anyway.
        index.images_only &= !index.items.is_empty() && index.schema != SCHEMA_1;
        let text = howto::text(&index);
        let digest = Digest::plain(text.as_bytes());
        index.howto = Some(digest).filter(|_| index.schema != SCHEMA_1);
        write(&self.folder.join(howto::HOWTO), text.as_bytes())?;
        self.write_index(&index)?;
        self.index = index;
        Ok(())
    }

    /// Where a file of the delivery lies.
    ///
    /// # Errors
    /// Corrupt, if it is not there; Reference, if it is no regular file.
    pub fn place(&self, file: &FileEntry) -> Result<PathBuf> {
        let place = self.folder.join(file.name.as_str());
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_file() => Ok(place),
            Ok(_) => Err(Error::new(Kind::Reference, "is not a regular file")
                .with_code("not_a_file")
                .in_file(&place)
                .with_hint(
                    "nothing of it is read; deploy once more onto this medium, or copy it again",
                )),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Err(damaged(Kind::Corrupt, "is listed, but not there", &place))
            }
            Err(cause) => Err(Error::host("cannot look at", cause).in_file(&place)),
        }
    }

    /// Makes sure that an entry's files are what was put there.
    ///
    /// # Errors
    /// Corrupt, if one is missing or of another length; Digest, if its bytes are others; Host, if the host cannot read; Interrupted.
    pub fn check(&self, entry: &BundleEntry, context: &DeliveryContext<'_>) -> Result<()> {
        entry
            .files()
            .try_for_each(|file| self.check_file(file, context))
    }

    /// Makes sure that one file is what was put there.
    fn check_file(&self, file: &FileEntry, context: &DeliveryContext<'_>) -> Result<()> {
        let place = self.place(file)?;
        (context.on_stage)(Stage::Check(&place));
        let length = fs::metadata(&place)
            .map_err(|cause| Error::host("cannot look at", cause).in_file(&place))?
            .len();
        if length != file.length {
            let message = format!("has {length} bytes, {} were put there", file.length);
            return Err(damaged(Kind::Corrupt, &message, &place));
        }
        let (_, found) = sha256(&place, context.run.work.progress)?;
        if found == file.sha256 {
            return Ok(());
        }
        let error = damaged(Kind::Digest, "is not what was put there", &place);
        Err(error
            .with_detail(format!("promised sha256 {}", file.sha256))
            .with_detail(format!("found    sha256 {found}")))
    }
}

/// Nothing is listed there.
fn no_delivery(folder: &Path) -> Error {
    Error::new(Kind::Usage, "is not a delivery")
        .with_code("no_delivery")
        .in_file(folder)
        .with_hint(format!(
            "the folder that 'imgdelta deploy -o' has written holds {INDEX}; where the site has all of it already, none is written"
        ))
}

/// Locks the folder itself, so that no file of the lock stays on the medium. Where a file system knows no locks, two that add to one delivery at
/// once are not kept apart: the one that lists its items last is listed alone.
fn lock(folder: &Path, wait: Duration) -> Result<FileLock> {
    let failed = |cause| Error::host("cannot open the folder", cause).in_file(folder);
    let file = File::open(folder).map_err(failed)?;
    FileLock::acquire(file, folder, LockWait::at_most(wait), || {
        Error::new(Kind::Busy, "another process is adding to this delivery")
            .with_code("locked")
            .in_file(folder)
            .with_hint("wait with --wait 5m")
    })
}

/// Writes a small file, whole or not at all.
fn write(place: &Path, content: &[u8]) -> Result<()> {
    let draft = AtomicFile::create(place, Existing::Replace)?;
    draft.sink().write_at(FileOffset::ZERO, content)?;
    draft.commit()
}

/// Something that lies in a delivery is not what was put there.
pub(super) fn damaged(kind: Kind, what: &str, place: &Path) -> Error {
    Error::new(kind, what)
        .with_code(DAMAGED)
        .in_file(place)
        .with_hint("nothing of it is used; deploy once more onto this medium, or copy it again")
}
