//! How an image from elsewhere becomes a file of the repository: copied as it is, copied as a child of an image that is here, or written
//! anew as one file. Each is an ordinary image that opens with no options.

use std::{collections::HashSet, path::Path};

use imgdelta_core::{AtomicFile, Error, Existing, Format, Kind, Options, Result};
use imgdelta_delta::Proof;
use imgdelta_operations::{
    Disk,
    proof::{prove, prove_keeping},
    stored_image::{WholeImage, relinked, whole_copy},
};
use imgdelta_registry::{OpenSpec, Output, check_base_format, extension_of};

use super::{
    Repository, Run,
    import::ImageFiles,
    listing::Listing,
    names::{ImageId, InsidePath, Name},
    record::{ProvenanceKind, Record},
};

/// The image of the repository that a child names, and the file by which it does.
#[derive(Clone, Debug)]
pub(super) struct LinkedTo {
    /// The image.
    pub(super) id: ImageId,
    /// Its file.
    pub(super) file: Option<InsidePath>,
}

impl LinkedTo {
    /// A child of the image of `record`.
    pub(super) fn of(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            file: record.files.first().map(|file| file.path.clone()),
        }
    }
}

/// An image as the repository will hold it.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its files.
    pub(super) files: ImageFiles,
    /// Its format.
    pub(super) format: Format,
    /// What proves it.
    pub(super) proof: Proof,
    /// Its leaves.
    pub(super) leaves: AtomicFile,
    /// The image here whose child its file is.
    pub(super) link: Option<LinkedTo>,
    /// How it was made.
    pub(super) how: ProvenanceKind,
}

impl Repository {
    /// Makes the file of an image from elsewhere, under a name that nobody bears.
    ///
    /// # Errors
    /// Usage, if a file stands in its place; Host, if the image changed meanwhile, or the host cannot; those of the image; Interrupted.
    pub(super) fn store(
        &self,
        disk: &Disk,
        spec: &OpenSpec,
        name: &Name,
        listing: &Listing,
        run: &Run<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Stored> {
        let top = &disk.top;
        let is_one_file = top.image.metadata().files.len() == 1
            && disk.top_versions().iter().all(|stamp| !stamp.is_device)
            && spec.options == Options::default()
            && spec.snapshot.is_none();
        if is_one_file && disk.parents.is_empty() {
            return self.copy(disk, name, listing, run);
        }
        if is_one_file && let Some(parent) = self.parent_here(disk, listing, run)? {
            match self.copy_child(disk, &parent, name, listing, run) {
                Ok(stored) => return Ok(stored),
                // A host that fails here fails a longer copy too, or would store it longer for no reason of the image's. And a parent that
                // has rotted is to be told of.
                Err(error)
                    if matches!(error.kind(), Kind::Interrupted | Kind::Host)
                        || error.code() == "image_changed" =>
                {
                    return Err(error);
                }
                Err(error) => notes.push(format!(
                    "written anew, for it cannot be stored as a child of '{}': {error}",
                    parent.name
                )),
            }
        }
        // In the repository's own format, if its own is only read.
        let own = disk.top.driver;
        let format = match own.create {
            Some(_) => own.format,
            None => self.about().default_format,
        };
        self.rewrite(disk, format, name, listing, run)
    }

    /// Takes in an image that stands below the repository's folder. What it is a child of is read too, unless it was `read` before.
    ///
    /// # Errors
    /// Usage, if it does not, or would have to be opened with options; those of the image; Interrupted.
    pub(super) fn take_in(
        &self,
        disk: &Disk,
        spec: &OpenSpec,
        listing: &Listing,
        read: &HashSet<ImageId>,
        run: &Run<'_>,
    ) -> Result<Stored> {
        let top = &disk.top;
        if spec.options != Options::default() || spec.snapshot.is_some() {
            return Err(Error::new(
                Kind::Usage,
                "an image that is read with options or as of a snapshot cannot be taken in where it stands",
            )
            .in_file(&spec.path)
            .with_hint("without --in-place it is copied"));
        }
        let files = self.stored_files(&top.image.metadata().files, disk.top_versions())?;
        let (proof, leaves) = self.proven_disk(disk, listing, read, run)?;
        let parent = disk.parents.first();
        let link = parent.and_then(|parent| self.record_of(&parent.path, listing));
        Ok(Stored {
            files: ImageFiles::There(files),
            format: top.driver.format,
            proof,
            leaves,
            link: link.map(LinkedTo::of),
            how: ProvenanceKind::InPlace,
        })
    }

    /// Copies an image that is one file.
    fn copy(&self, disk: &Disk, name: &Name, listing: &Listing, run: &Run<'_>) -> Result<Stored> {
        let top = &disk.top;
        let (path, draft) = self.copied(disk, name, listing)?;
        let copied = Disk::open(&OpenSpec {
            path: draft.written_at().to_owned(),
            format: Some(top.driver.format),
            ..OpenSpec::default()
        })?;
        let (proof, leaves) = prove_keeping(&copied, None, || self.new_leaves(), run.work)?;
        Ok(Stored {
            files: ImageFiles::AtomicFile(path, draft),
            format: top.driver.format,
            proof,
            leaves,
            link: None,
            how: ProvenanceKind::Copied,
        })
    }

    /// Copies a child whose parent's disk is here as `parent`, and lets the copy name that one.
    fn copy_child(
        &self,
        disk: &Disk,
        parent: &Record,
        name: &Name,
        listing: &Listing,
        run: &Run<'_>,
    ) -> Result<Stored> {
        let driver = disk.top.driver;
        let base = self.open_disk(parent)?;
        let (path, draft) = self.copied(disk, name, listing)?;
        let copied = relinked(&draft, driver, &base.top)?;
        let (proof, leaves) = self.proven_disk(&copied, listing, &HashSet::new(), run)?;
        Ok(Stored {
            files: ImageFiles::AtomicFile(path, draft),
            format: driver.format,
            proof,
            leaves,
            link: Some(LinkedTo::of(parent)),
            how: ProvenanceKind::Relinked,
        })
    }

    /// Writes the disk anew as one file of that format.
    pub(super) fn rewrite(
        &self,
        disk: &Disk,
        format: Format,
        name: &Name,
        listing: &Listing,
        run: &Run<'_>,
    ) -> Result<Stored> {
        let disk = &disk.chain;
        let whole = WholeImage::begin(format, disk.disk(), |format| {
            self.new_place(name, extension_of(format), listing)
        })?;
        whole.require_room(disk, run.work)?;
        let Output { writer, drafts } = whole.output;
        let copy = whole_copy(disk, run.work);
        let (copied, leaves) = copy.run_keeping(writer, self.new_leaves()?)?;
        let proof = copied
            .proof
            .ok_or_else(|| Error::new(Kind::Host, "the copy was not proven"))?;
        Ok(Stored {
            files: ImageFiles::AtomicFileSet(whole.place, drafts),
            format: whole.format,
            proof,
            leaves,
            link: None,
            how: ProvenanceKind::Rewritten,
        })
    }

    /// The image's file as a draft here: its bytes are shared with it where the file system can do that.
    fn copied(
        &self,
        disk: &Disk,
        name: &Name,
        listing: &Listing,
    ) -> Result<(InsidePath, AtomicFile)> {
        let top = &disk.top;
        let file = top
            .image
            .metadata()
            .files
            .first()
            .ok_or_else(|| Error::new(Kind::Usage, "the image has no file"))?;
        let (path, place) = self.new_place(name, extension(&top.path, top.driver), listing)?;
        let draft = AtomicFile::create(&place, Existing::Keep)?;
        let opened = top.stamp.as_ref();
        let draft = if opened.is_some_and(|opened| draft.share(&**file, opened)) {
            draft
        } else {
            drop(draft);
            AtomicFile::holding(&place, Existing::Keep, &**file)?
        };
        disk.chain.prove_unchanged()?;
        Ok((path, draft))
    }

    /// The image here that holds the disk of the image's parent, if a child of it can be stored.
    fn parent_here(&self, disk: &Disk, listing: &Listing, run: &Run<'_>) -> Result<Option<Record>> {
        let (Some(below), Some(parent)) = (disk.below(), disk.parents.first()) else {
            return Ok(None);
        };
        if let Some(record) = self.record_of(&parent.path, listing) {
            return Ok(Some(record.clone()));
        }
        let driver = disk.top.driver;
        let fits = |record: &Record| {
            record.disk_size() == below.size() && check_base_format(driver, record.format).is_ok()
        };
        if !listing.records().into_iter().any(fits) {
            return Ok(None);
        }
        let proof = prove(&below, run.work)?;
        let found = listing.by_content(&proof.id);
        Ok(found.filter(|record| fits(record)).cloned())
    }
}

/// The extension of a copy: the original's, if it is one of its format.
fn extension<'a>(original: &Path, driver: &'a imgdelta_core::Driver) -> &'a str {
    let own = original.extension().and_then(|own| own.to_str());
    let known = own.and_then(|own| {
        let mut known = driver.extensions.iter();
        known.find(|known| known.eq_ignore_ascii_case(own))
    });
    known
        .copied()
        .unwrap_or_else(|| extension_of(driver.format))
}
