//! A delivery on disk: a folder, a stick say, that is opened, added to, and checked.
//!
//! Everything in it is written whole or not at all, for a stick may be pulled out at any time; files of other programs are left alone.

mod aside;
mod blocks;
mod cut;
mod medium;
mod parity;
mod signed;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use imgdelta_core::{
    AtomicFile, Error, Existing, FileLock, FileOffset, Kind, LockWait, Result, create_folders,
    fs::finish_commits,
};
use imgdelta_delta::Digest;
use imgdelta_operations::{Stage, received_image::ReceivedFile};
use imgdelta_repository::catalogue::{Name, Repository, RepositoryId};

pub(crate) use self::aside::Aside;
pub use self::cut::Piecing;
pub(in crate::bundle) use self::parity::RequireRoom;

use super::{
    DeliveryContext,
    entry::{BundleEntry, Recipient},
    file_entry::FileEntry,
    howto,
    index::{INDEX, Index, SCHEMA, SCHEMA_1, read_index},
    pack::{DiffInputs, Order, Packed},
    piece_list::whole_name,
    piece_source,
    request::RequestedEntry,
    stored_file::{Look, find, parts},
    sweep::sweep,
};
use crate::parity::Percent;

/// A folder that holds what travels.
#[derive(Clone, Debug)]
pub struct Bundle {
    folder: PathBuf,
    /// Further folders in which its files lie: other media of the same delivery.
    others: Vec<PathBuf>,
    index: Index,
    /// What the user should know of what was found there.
    notes: Vec<String>,
    /// Whether a signature went because the index is another one now.
    lost_signature: bool,
    /// How files are cut that are put there, if they may be.
    piecing: Option<Piecing>,
    /// How much parity is put beside files, if any is.
    percent: Option<Percent>,
    /// The folder, open and locked, while something is added to it.
    lock: Option<Arc<FileLock>>,
    /// Whether its folder was made to add to it.
    is_made: bool,
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
        let is_made = !folder.exists();
        create_folders(folder)?;
        let held = lock(folder, wait)?;
        finish_commits(folder)?;
        let found = read_index(folder)?;
        // Without a list nothing says that this is a delivery, and without a lock another process may be about to list what it has packed.
        let swept = found.as_ref().filter(|_| held.is_held());
        // Pieces stay until all is done: the run that goes on where another was interrupted keeps those that are right.
        let is_piece = |name: &str| whole_name(name).is_some();
        let notes = swept.map(|index| sweep(folder, index, is_piece));
        Ok(Self {
            folder: folder.to_owned(),
            others: Vec::new(),
            index: found.unwrap_or_default(),
            notes: notes.unwrap_or_default(),
            lost_signature: false,
            piecing: None,
            percent: None,
            lock: Some(Arc::new(held)),
            is_made,
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
        let is_other = |one: &&BundleEntry| !one.form.is_image() || one.file.pieces.is_some();
        let entry = self.index.items.iter().find(is_other);
        let Some(entry) = entry else {
            self.index.images_only = true;
            return Ok(());
        };
        let message = format!(
            "holds '{}' in the transport form, or in pieces, which the program of one of the sites does not read",
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
        let mut inputs = DiffInputs::open(headquarters, order)?.hashing_blocks();
        let known = self
            .index
            .items
            .iter()
            .find(|entry| entry.key() == inputs.key())
            .cloned();
        let is_whole = |entry: &BundleEntry| self.check_all(entry, context).is_ok();
        let mut packed = match known.clone().filter(is_whole) {
            Some(entry) => Packed {
                entry,
                is_new: false,
                left_out: inputs.left_out(),
                notes: inputs.notes(),
                blocks: None,
            },
            None => {
                context.run.work.progress.go_on()?;
                self.pack_new(headquarters, &mut inputs, order, context)?
            }
        };
        self.put_blocks(&mut packed, context)?;
        self.put_parity(&mut packed.entry, known.as_ref(), context)?;
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
        let inputs = DiffInputs::open(headquarters, &order)?.hashing_blocks();
        let packed = inputs.pack_windows(headquarters, &wanted, &self.folder, context);
        match packed.and_then(|packed| self.cut_where_it_lies(packed, &order, context)) {
            Ok(mut packed) => {
                self.put_blocks(&mut packed, context)?;
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

    /// A listed file, open: one that lies there whole, or its pieces as one.
    ///
    /// # Errors
    /// Corrupt, if it is not there; Reference, if it is no regular file; Host. A piece that is missing shows when it is read.
    pub(super) fn open_file(&self, file: &FileEntry) -> Result<ReceivedFile> {
        if file.pieces.is_none() {
            self.find(&file.name)?;
        }
        let folders: Vec<&Path> = self.all_folders().collect();
        piece_source::open(file, &folders)
    }

    /// Its folder, and those of other media of it.
    pub(super) fn folders(&self) -> (&Path, &[PathBuf]) {
        (&self.folder, &self.others)
    }

    fn all_folders(&self) -> impl Iterator<Item = &Path> {
        let others = self.others.iter().map(PathBuf::as_path);
        [self.folder.as_path()].into_iter().chain(others)
    }

    /// Where the file of that name lies.
    pub(super) fn find(&self, name: &Name) -> Result<PathBuf> {
        find(self.all_folders(), name)
    }

    /// Makes sure that an entry's files are what was put there.
    ///
    /// # Errors
    /// Corrupt, if one is missing or of another length; Digest, if its bytes are others; Host, if the host cannot read; Interrupted.
    pub fn check(&self, entry: &BundleEntry, context: &DeliveryContext<'_>) -> Result<()> {
        let mut files = entry.files();
        files.try_for_each(|file| self.check_file(file, false, context))
    }

    /// As [`check`](Self::check), also of what a site can do without.
    fn check_all(&self, entry: &BundleEntry, context: &DeliveryContext<'_>) -> Result<()> {
        let mut files = entry.files();
        files.try_for_each(|file| self.check_file(file, true, context))
    }

    /// Makes sure that one file is what was put there.
    fn check_file(
        &self,
        file: &FileEntry,
        is_all: bool,
        context: &DeliveryContext<'_>,
    ) -> Result<()> {
        let look = Look {
            is_on_medium: false,
            longest: &|| self.index.longest(),
            progress: context.run.work.progress,
            find: &|name| self.find(name),
            named: &|digest| self.index.file_of(digest),
        };
        for part in parts(file) {
            if !part.is_needed && !is_all {
                continue;
            }
            let place = self.find(&part.stored.name);
            let place = place.map_err(|error| part.with_range(error))?;
            (context.on_stage)(Stage::Check(&place));
            if let (_, Some(fault)) = part.fault(&place, &look)? {
                return Err(fault);
            }
        }
        Ok(())
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
