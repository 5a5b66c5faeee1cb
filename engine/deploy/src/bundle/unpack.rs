//! The files of an entry opened as a disk: the child over its base, or the whole image.
//!
//! The base is proven by content, at once or in the same pass in which the disk is written, so that it is read once.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{
    AtomicFile, Bytes, Error, FileVersion, Format, ImageWriter, Kind, Result, Source,
};
use imgdelta_delta::{Chain, Converted, ExecContext, Manifest, digest_cache::LeafWriter};
use imgdelta_operations::{
    Stage,
    received_image::{ReceivedFile, ReceivedImage},
};
use imgdelta_registry::Opened;
use imgdelta_repository::catalogue::{Record, Repository};

use super::{
    DeliveryContext,
    entry::{BundleEntry, EntryForm, faulty},
    piece_source,
};

/// The files of an entry, wherever they lie.
#[derive(Clone, Copy, Debug)]
pub struct EntryFiles<'a> {
    /// As it is listed.
    pub entry: &'a BundleEntry,
    /// The folder in which they lie under their names.
    pub folder: &'a Path,
    /// Further folders for those that are not there, where they lie on several media, or some were healed aside.
    pub others: &'a [PathBuf],
}

impl EntryFiles<'_> {
    /// What the child, or the whole image, is called.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.folder.join(self.entry.file.name.as_str())
    }

    /// It, open: whole, or in its pieces.
    ///
    /// # Errors
    /// Host, if the host cannot open it.
    pub(super) fn open(&self) -> Result<ReceivedFile> {
        let others = self.others.iter().map(PathBuf::as_path);
        let folders: Vec<&Path> = [self.folder].into_iter().chain(others).collect();
        piece_source::open(&self.entry.file, &folders)
    }

    /// The child's manifest.
    #[must_use]
    pub fn manifest(&self) -> Option<PathBuf> {
        let name = self.entry.manifest.as_ref()?.name.as_str();
        let others = self.others.iter().map(|folder| folder.join(name));
        let first = self.folder.join(name);
        let mut all = [first.clone()].into_iter().chain(others);
        let there = all.find(|place| place.symlink_metadata().is_ok());
        Some(there.unwrap_or(first))
    }
}

/// The base of an image at the site, open.
#[derive(Clone, Debug)]
pub struct BaseDisk {
    /// Its layers.
    chain: Chain,
    /// Which image of the repository it is; a step on the way to others is none.
    entered: Option<(Record, Opened)>,
}

impl BaseDisk {
    /// An image of the site.
    ///
    /// # Errors
    /// As [`Repository::open_disk`].
    pub fn of(site: &Repository, record: &Record) -> Result<Self> {
        let disk = site.open_disk(record)?;
        let top = disk.top.clone();
        Ok(Self {
            chain: disk.chain,
            entered: Some((record.clone(), top)),
        })
    }

    /// The record and the open image, if it is one of the site's own.
    pub(super) const fn entered(&self) -> Option<&(Record, Opened)> {
        self.entered.as_ref()
    }

    /// Its disk.
    pub(super) const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Whether it is stored in that file.
    pub(super) fn has_file(&self, file: &Path) -> bool {
        let layers = self.chain.layers().iter();
        let mut files = layers.flat_map(|layer| layer.image.metadata().files.iter());
        files.any(|one| one.path() == Some(file))
    }
}

/// What came, open as a disk.
#[derive(Debug)]
pub(super) struct TargetDisk<'a> {
    image: ReceivedImage,
    entry: &'a BundleEntry,
    /// What its base is here; of a whole image there is none.
    base_disk: Option<&'a BaseDisk>,
}

/// The image as a disk that is written nowhere: a step on the way to others. It is proven when it is used as their base.
///
/// # Errors
/// As `unpack` and `TargetDisk::prove_base`.
pub fn step(
    files: &EntryFiles<'_>,
    base_disk: Option<&BaseDisk>,
    context: &DeliveryContext<'_>,
) -> Result<BaseDisk> {
    let mut target = unpack(files, base_disk)?;
    target.prove_base(context)?;
    Ok(BaseDisk {
        chain: target.disk().clone(),
        entered: None,
    })
}

/// The disk that base and child make, or the whole image's.
///
/// # Errors
/// Chain, if the base is missing; Corrupt, if what came contradicts itself.
pub(super) fn unpack<'a>(
    files: &EntryFiles<'a>,
    base_disk: Option<&'a BaseDisk>,
) -> Result<TargetDisk<'a>> {
    let entry = files.entry;
    entry.validate()?;
    let size = Bytes(entry.size);
    let Some(base) = &entry.base else {
        return Ok(TargetDisk {
            image: ReceivedImage::whole(&files.open()?, entry.format, size)?,
            entry,
            base_disk: None,
        });
    };
    let base_disk = base_disk.ok_or_else(|| {
        let message = format!("its base '{}' is not here", base.name);
        Error::new(Kind::Chain, message).with_code("no_base")
    })?;
    let base = &base_disk.chain;
    let image = match entry.form {
        EntryForm::Windows => return Err(faulty("windows by themselves make no image")),
        EntryForm::Transport => {
            let accept = |promised: &Manifest| require_of_entry(entry, promised);
            ReceivedImage::of_transport(&files.open()?, size, base, accept)?
        }
        EntryForm::Image => {
            let promised = read_manifest(files)?;
            ReceivedImage::over(&files.open()?, entry.format, size, base, promised)?
        }
    };
    Ok(TargetDisk {
        image,
        entry,
        base_disk: Some(base_disk),
    })
}

impl TargetDisk<'_> {
    /// The disk.
    pub(super) const fn disk(&self) -> &Chain {
        self.image.disk()
    }

    /// Reads and proves the base, unless that is done.
    ///
    /// # Errors
    /// Chain, if it is another disk; Interrupted.
    pub(super) fn prove_base(&mut self, context: &DeliveryContext<'_>) -> Result<()> {
        if let (false, Some(base)) = (self.image.is_proven(), &self.entry.base) {
            (context.on_stage)(Stage::ProveBase(base.name.as_str()));
        }
        let proven = self.image.prove_base(context.run.work);
        proven.map_err(|error| self.explain(error))
    }

    /// Why its disk could not be read while it was written by others than [`write`](Self::write), with what helps.
    pub(super) fn doubt(&self, error: Error, context: &DeliveryContext<'_>) -> Error {
        self.explain(self.image.doubt(error, context.run.work))
    }

    /// How it is read: threads, memory, counters.
    pub(super) fn exec<'c>(&self, context: &DeliveryContext<'c>) -> ExecContext<'c> {
        self.image.exec(context.run.work)
    }

    /// The base's file as it was opened, if the base lies in it byte for byte: a clone of that is most of the image.
    pub(super) fn clonable(&self) -> Option<(&Arc<dyn Source>, &FileVersion)> {
        let base_disk = self.base_disk?;
        let (record, top) = base_disk.entered()?;
        let ([layer], Format::Raw) = (base_disk.chain.layers(), record.format) else {
            return None;
        };
        Some((top.image.metadata().files.first()?, layer.stamps().first()?))
    }

    /// Writes the disk as one image, its leaves beside it; a base that has not been proven is proven in the same pass. `is_clone`: the output
    /// began as a clone of the base's file.
    ///
    /// # Errors
    /// Chain, if the base is another disk; Digest, if the image is another one; those of the disk and of the writer; Interrupted.
    pub(super) fn write(
        &self,
        writer: Box<dyn ImageWriter>,
        leaves: LeafWriter,
        is_clone: bool,
        context: &DeliveryContext<'_>,
    ) -> Result<(Converted, AtomicFile)> {
        let written = self.image.write(writer, leaves, is_clone, context.run.work);
        written.map_err(|error| self.explain(error))
    }

    /// A refusal, with what helps.
    fn explain(&self, error: Error) -> Error {
        match (error.code(), self.base_disk) {
            ("result_mismatch", Some(_)) => not_promised(self.entry),
            ("base_mismatch" | "base_is_result", Some(base_disk)) => explain(error, base_disk),
            _ => error,
        }
    }
}

/// What came does not make the image that was promised.
pub(super) fn not_promised(entry: &BundleEntry) -> Error {
    let message = format!("what came does not make '{}'; it is damaged", entry.name);
    Error::new(Kind::Digest, message).with_code("result_mismatch")
}

/// The child's manifest, if it is of this entry.
fn read_manifest(files: &EntryFiles<'_>) -> Result<Manifest> {
    let entry = files.entry;
    let place = files.manifest().ok_or_else(|| {
        Error::new(
            Kind::Corrupt,
            "came without a manifest, so nothing can be proven",
        )
        .with_code("no_manifest")
        .in_file(&files.image())
    })?;
    let read = || {
        let promised = Manifest::read(&place)?;
        require_of_entry(entry, &promised).map(|()| promised)
    };
    read().map_err(|error| error.in_file(&place))
}

/// Makes sure that a manifest is of the entry's base and image.
fn require_of_entry(entry: &BundleEntry, promised: &Manifest) -> Result<()> {
    let base = promised.base.proof()?.id;
    let is_of_item = entry.base.as_ref().map(|base| base.content_id) == Some(base)
        && promised.result_id()? == entry.content_id
        && promised.result.size == entry.size;
    if is_of_item {
        return Ok(());
    }
    Err(faulty("the manifest is of another base or another image"))
}

/// A refusal of the base, with what helps.
fn explain(error: Error, base_disk: &BaseDisk) -> Error {
    let Some((_, top)) = &base_disk.entered else {
        return error;
    };
    let is_mismatch = error.code() == "base_mismatch";
    let error = error.in_file(&top.path);
    if is_mismatch {
        error.with_hint("'imgdelta repo verify' says what has changed")
    } else {
        error
    }
}
