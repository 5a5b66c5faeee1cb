//! Outputs that appear whole or not at all: written beside their place under a temporary name, synced, renamed, folder synced.
//!
//! A full disk, a kill or a pulled stick leaves no file that looks finished. What an output replaces is what its user named: nothing that
//! somebody else put there meanwhile, no other version than the one that was opened, no device that is in use.

mod commit;
mod part;

pub use part::{part_of, remove_dead_part};

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    atomic_set::replaced,
    attributes,
    commit_record::RECORD,
    copy::copy_stored,
    device,
    draft::{ANYONE, OWNER, clear_kept, create_beside},
    draft_name::draft_kind,
    held::{HeldFolder, HeldPlace},
    immutable,
    ownership::Ownership,
    recovery::finish_at,
};
use crate::{Error, FileSink, FileSource, FileVersion, Kind, Result, Sink, Source};

/// A file in the making. Dropped before [`commit`](AtomicFile::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    sink: Arc<FileSink>,
    place: PathBuf,
    /// `None` for a device, which is written in place.
    temporary: Option<PathBuf>,
    replaces: bool,
    /// The file whose new version it is.
    original: Option<Original>,
    /// What it is to have beside its bytes.
    ownership: FileOwnership,
    /// The open folder that its paths lead through, if it is made in one.
    folder: Option<HeldFolder>,
}

/// What a file is to have beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
struct FileOwnership {
    /// That of the file that it replaces: as far as the host allows.
    kept: Ownership,
    /// What its user asked for.
    asked: Ownership,
}

/// A file that gets a new version, as it was opened.
#[derive(Debug)]
struct Original {
    file: File,
    opened: FileVersion,
    /// Whether the draft has all of its attributes that it can have.
    is_kept: bool,
}

/// Whether what already stands in an output's place may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It may not.
    Keep,
    /// It may.
    Replace,
}

/// What is done when a new version of a file cannot have its owner, its permissions or another attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// The file stays as it is.
    Require,
    /// It goes without.
    AsFarAsAllowed,
}

impl AtomicFile {
    /// Starts a file that will stand at `place`; or opens the block device there. What a killed run had committed there is finished first.
    ///
    /// # Errors
    /// Usage, if something stands there that may not be replaced; Busy, if it is a device that is in use; Host, if it is immutable, or the host
    /// cannot.
    pub fn create(place: &Path, existing: Existing) -> Result<Self> {
        finish_at(place)?;
        Self::check_place(place, existing)?;
        if fs::metadata(place).is_ok_and(|metadata| metadata.file_type().is_block_device()) {
            let file = device::open_unused(place)?;
            let sink = Arc::new(FileSink::new(file, place, true).written_back_early());
            return Ok(Self {
                sink,
                place: place.to_owned(),
                temporary: None,
                replaces: true,
                original: None,
                ownership: FileOwnership::default(),
                folder: None,
            });
        }
        let kept = match existing {
            Existing::Replace if immutable::is_immutable(place) => {
                return Err(immutable::refused(place));
            }
            Existing::Replace => Ownership::of(place),
            Existing::Keep => Ownership::default(),
        };
        Self::draft(place, place, existing, kept)
    }

    /// Starts a file that will stand at a place in a folder that is held open, and is made in that folder whatever its path leads to meanwhile. A
    /// link there is replaced, never followed.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_in(place: &HeldPlace, existing: Existing) -> Result<Self> {
        let shown = place.path();
        let path = place
            .through()
            .map_err(|cause| Error::host("cannot create", cause).in_file(&shown))?;
        let kept = match (existing, place.open_to_read()) {
            (Existing::Replace, Ok(file)) => Ownership::of_file(&file),
            _ => Ownership::default(),
        };
        let begin = || {
            finish_at(&path)?;
            Self::check_place(&path, existing)?;
            Self::draft(&path, &shown, existing, kept)
        };
        let mut draft = begin().map_err(|error| place.folder().named(error))?;
        draft.folder = Some(place.folder().clone());
        Ok(draft)
    }

    /// The draft of a file that will stand at `place`, which is no device; messages speak of `shown`.
    fn draft(place: &Path, shown: &Path, existing: Existing, kept: Ownership) -> Result<Self> {
        let (temporary, file) = create_beside(place, ANYONE)?;
        Ok(Self {
            sink: Arc::new(FileSink::new(file, shown, false).written_back_early()),
            place: place.to_owned(),
            temporary: Some(temporary),
            replaces: existing == Existing::Replace,
            original: None,
            ownership: FileOwnership {
                kept,
                asked: Ownership::default(),
            },
            folder: None,
        })
    }

    /// Asks for owner, group or permissions; else it has those of the file that it replaces, as far as the host allows. A device keeps its own.
    #[must_use]
    pub fn owned(mut self, ownership: Ownership) -> Self {
        self.ownership.asked = ownership;
        self
    }

    /// Refuses a place where something stands that may not be replaced, before any work is done.
    ///
    /// # Errors
    /// Usage, if so.
    pub fn check_place(place: &Path, existing: Existing) -> Result<()> {
        if place.file_name().is_some_and(is_reserved) {
            let message = "is a name of imgdelta's own, for files that are not finished";
            return Err(Error::new(Kind::Usage, message)
                .with_code("reserved_name")
                .in_file(place)
                .with_hint("choose another name"));
        }
        let Ok(metadata) = fs::symlink_metadata(place) else {
            return Ok(());
        };
        if metadata.is_dir() {
            return Err(Error::new(Kind::Usage, "is a folder, not a file")
                .with_code("exists")
                .in_file(place));
        }
        if existing == Existing::Replace {
            return Ok(());
        }
        let what = if metadata.file_type().is_block_device() {
            "is a block device"
        } else {
            "already exists"
        };
        Err(Error::new(Kind::Usage, what)
            .with_code("exists")
            .in_file(place)
            .with_hint("use --force to replace it, or -o with another name"))
    }

    /// Finishes what a run that was killed had committed, if the file at `place`, or the one that a link there leads to, was part of it, and
    /// takes away second names of it: for runs that will change that file, before they open it.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub fn settle(place: &Path) -> Result<()> {
        finish_at(place)?;
        let real = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        finish_at(&real)?;
        clear_kept(&real);
        Ok(())
    }

    /// Takes away what a run that was killed has left beside `place`: for runs that find nothing to write there.
    ///
    /// # Errors
    /// Host, if the host does not let anything be written there.
    pub fn clear(place: &Path) -> Result<()> {
        Self::settle(place)?;
        let (temporary, _locked) = create_beside(place, OWNER)?;
        fs::remove_file(&temporary)
            .map_err(|cause| Error::host("cannot delete", cause).in_file(&temporary))
    }

    /// Starts a file that holds what `source` holds; holes stay holes. What it replaces passes its permissions on.
    ///
    /// # Errors
    /// As [`create`](AtomicFile::create); Usage, if it is a device; Host, if `source` cannot be read.
    pub fn holding(place: &Path, existing: Existing, source: &dyn Source) -> Result<Self> {
        let draft = Self::create(place, existing)?;
        if draft.sink.needs_zeroing() {
            return Err(a_file_is_required(place));
        }
        copy_stored(source, &*draft.sink, place)?;
        if let Ok(metadata) = fs::metadata(place) {
            let _ = fs::set_permissions(draft.written_at(), metadata.permissions());
        }
        Ok(draft)
    }

    /// Writes all that `source` holds to it; holes stay holes.
    ///
    /// # Errors
    /// Host, if there is no room, or the host cannot.
    pub fn fill(&self, source: &dyn Source) -> Result<()> {
        copy_stored(source, &*self.sink, &self.place).map_err(|error| self.named(error))
    }

    /// Starts a new version of the file at `place`, which is open as `original` and was in the version `opened` when that was done. It holds
    /// what `content` holds: the file itself, or what is read through it. The bytes of the file are shared where the file system can do
    /// that; holes stay holes. The path is not opened again: another file may have taken it.
    ///
    /// # Errors
    /// Usage, if it is a device; Host, if the file was changed since, is immutable, or cannot be read.
    pub fn of_existing(
        place: &Path,
        original: &dyn Source,
        opened: &FileVersion,
        content: &dyn Source,
    ) -> Result<Self> {
        let file = original.file().filter(|_| !opened.is_device);
        let file = file.ok_or_else(|| a_file_is_required(place))?;
        if FileVersion::of_file(file).as_ref() != Some(opened) {
            return Err(replaced(place));
        }
        // Before it is copied: a disk may be long.
        if immutable::is_open_immutable(file) {
            return Err(immutable::refused(place));
        }
        let file = file
            .try_clone()
            .map_err(|cause| Error::host("cannot open", cause).in_file(place))?;
        let (temporary, draft) = create_beside(place, OWNER)?;
        let draft = Self {
            sink: Arc::new(FileSink::new(draft, place, false).written_back_early()),
            place: place.to_owned(),
            temporary: Some(temporary),
            replaces: true,
            original: Some(Original {
                file,
                opened: opened.clone(),
                is_kept: false,
            }),
            ownership: FileOwnership::default(),
            folder: None,
        };
        if !content.file().is_some_and(|file| draft.sink.share(file)) {
            copy_stored(content, &*draft.sink, place)?;
        }
        Ok(draft)
    }

    /// Has it hold what `original` holds before anything is written to it, the blocks being shared; false, and nothing is done, where the
    /// file system cannot, or where that is no open file, or not in the version any more in which it was `opened`.
    #[must_use]
    pub fn share(&self, original: &dyn Source, opened: &FileVersion) -> bool {
        let is_same = |file: &&File| FileVersion::of_file(file).as_ref() == Some(opened);
        let original = original.file().filter(is_same);
        original.is_some_and(|original| self.sink.share(original))
    }

    /// Where to write to.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.sink) as Arc<dyn Sink>
    }

    /// Where it will stand.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Where its bytes stand until then: to be read back before it is committed.
    #[must_use]
    pub fn written_at(&self) -> &Path {
        self.temporary.as_deref().unwrap_or(&self.place)
    }

    /// What is written so far, read through the open draft: whatever stands under its name.
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub fn read_back(&self) -> Result<FileSource> {
        let shown = match &self.folder {
            Some(folder) => folder
                .path()
                .join(self.place.file_name().unwrap_or_default()),
            None => self.place.clone(),
        };
        let file = self.sink.file().try_clone();
        let file = file.map_err(|cause| Error::host("cannot open", cause).in_file(&shown))?;
        FileSource::of(file, &shown)
    }

    /// Gives a new version the owner, group, permissions, access control list and extended attributes of the file that it will replace; what
    /// it cannot have, in a few words each. To be called when all is written: some of them go with a write.
    ///
    /// # Errors
    /// Host, if it cannot have all and they are required, or if the host cannot say what there is.
    pub fn keep_attributes(&mut self, wanted: Attributes) -> Result<Vec<String>> {
        let Some(original) = &mut self.original else {
            return Ok(Vec::new());
        };
        let lost = attributes::copy(&original.file, self.sink.file()).map_err(|cause| {
            Error::host("cannot read its attributes", cause).in_file(&self.place)
        })?;
        if wanted == Attributes::Require && !lost.is_empty() {
            let lost = lost.join(", ");
            let message = format!("a new version of it would lose: {lost}");
            return Err(Error::new(Kind::Host, message)
                .with_code("attributes_lost")
                .in_file(&self.place)
                .with_hint("run it as the file's owner or as root, or --force to go without"));
        }
        original.is_kept = true;
        Ok(lost)
    }

    /// The error, of the file as its user calls it.
    fn named(&self, error: Error) -> Error {
        match &self.folder {
            Some(folder) => folder.named(error),
            None => error,
        }
    }
}

/// Whether files of that name are taken for drafts, or for the record of a commit.
fn is_reserved(name: &OsStr) -> bool {
    name == RECORD || draft_kind(name).is_some()
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

fn a_file_is_required(place: &Path) -> Error {
    Error::new(Kind::Usage, "is a block device, a file is required").in_file(place)
}

#[cfg(test)]
mod tests;
