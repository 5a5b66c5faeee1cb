//! What proves an image that comes in, and its leaves on their way. Of a child only what it changes is read, where its parent is here.

use std::{collections::HashSet, path::Path};

use imgdelta_core::{AtomicFile, Error, Existing, Kind, Result};
use imgdelta_delta::{Chain, Proof, digest_cache::LeafWriter};
use imgdelta_operations::{
    Disk,
    proof::{KnownBelow, prove, prove_keeping},
};

use super::{Repository, Run, listing::Listing, names::ImageId, record::Record};

impl Repository {
    /// What proves an image of the repository. What its parent holds is not read, if that one is here and nobody has written to it.
    pub(super) fn prove(
        &self,
        disk: &Disk,
        listing: &Listing,
        run: &Run<'_>,
    ) -> Result<(Proof, AtomicFile)> {
        let below = self.known_below(disk, listing)?;
        let below = below.and_then(|(disk, parent)| self.known_leaves(disk, parent));
        prove_keeping(disk, below, || self.new_leaves(), run.work)
    }

    /// As [`prove`](Self::prove), of a child that is entered over an image that is here: what its record says of that one is a memory, so it is
    /// read too, where it does not stand in `read` already.
    ///
    /// # Errors
    /// Digest, if that one is another disk by now; those of the image; Interrupted.
    pub(super) fn proven_disk(
        &self,
        disk: &Disk,
        listing: &Listing,
        read: &HashSet<ImageId>,
        run: &Run<'_>,
    ) -> Result<(Proof, AtomicFile)> {
        let parent = disk.parents.first();
        let parent = parent.and_then(|parent| self.record_of(&parent.path, listing));
        let unread = parent.filter(|parent| !read.contains(&parent.id));
        if let (Some(below), Some(parent)) = (disk.below(), unread)
            && prove(&below, run.work)?.id != parent.content_id
        {
            let place = self.paths.folder.join(parent.path()?.as_path());
            let message = format!(
                "is not the disk that was recorded as '{}', and what is made over it would be another one too",
                parent.name
            );
            return Err(Error::new(Kind::Digest, message)
                .with_code("image_changed")
                .in_file(&place)
                .with_hint("'imgdelta repo verify' says where"));
        }
        self.prove(disk, listing, run)
    }

    /// The disk of an image that is here with its leaves, if those are there and sound.
    #[must_use]
    pub fn known_leaves(&self, disk: Chain, record: &Record) -> Option<KnownBelow> {
        let leaves = self.leaves(record).ok().flatten()?;
        Some(KnownBelow { disk, leaves })
    }

    /// The disk below an image and its record, if all images below are recorded and untouched.
    pub(super) fn known_below<'a>(
        &self,
        disk: &Disk,
        listing: &'a Listing,
    ) -> Result<Option<(Chain, &'a Record)>> {
        let Some(below) = disk.below() else {
            return Ok(None);
        };
        let mut nearest = None;
        for (opened, layer) in disk.parents.iter().zip(below.layers()) {
            let record = self.record_of(&opened.path, listing);
            let Some(record) = record.filter(|one| self.is_untouched(one, layer.stamps())) else {
                return Ok(None);
            };
            nearest.get_or_insert(record);
        }
        Ok(nearest.map(|record| (below, record)))
    }

    /// The record of the image whose file that is.
    pub(super) fn record_of<'a>(&self, file: &Path, listing: &'a Listing) -> Option<&'a Record> {
        listing.by_path(&self.inside(file).ok()?)
    }

    /// A file of leaves in the making, below the repository's folder. Where it will stand is known when the disk is: see
    /// [`NewImage::leaves`](super::NewImage::leaves).
    ///
    /// # Errors
    /// Host, if the host cannot.
    pub fn new_leaves(&self) -> Result<LeafWriter> {
        let place = self.paths.new_leaves(None)?;
        AtomicFile::create_in(&place, Existing::Replace).map(LeafWriter::into_draft)
    }
}
