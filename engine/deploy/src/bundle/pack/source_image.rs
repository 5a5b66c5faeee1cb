//! An image of headquarters that is about to be packed, open: what its record says, what its leaves say, and whether it still is that.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::{Proof, digest_cache::LeafReader, manifest::LeftOut};
use imgdelta_operations::Disk;
use imgdelta_repository::catalogue::{ImageId, Listing, Record, ReducedImage, Repository};

use crate::bundle::entry::ImageRef;

/// An image of headquarters, open.
#[derive(Debug)]
pub(super) struct SourceImage {
    pub(super) record: Record,
    pub(super) disk: Disk,
    /// What it is but for what is left out, if it is reduced.
    pub(super) reduced: Option<ReducedImage>,
}

impl SourceImage {
    /// Opens the image of that id.
    pub(super) fn open(headquarters: &Repository, listing: &Listing, id: &ImageId) -> Result<Self> {
        let record = listing.by_id(id).cloned().ok_or_else(|| {
            Error::new(Kind::Usage, format!("there is no image '{id}' to send"))
                .with_code("no_such_image")
        })?;
        let disk = headquarters.open_listed(&record, listing)?;
        let reduced = listing.reduced(id).cloned();
        Ok(Self {
            record,
            disk,
            reduced,
        })
    }

    /// What is left out of it where it travels from that base.
    pub(super) fn left_out(&self, base: &Self) -> &[LeftOut] {
        let reduced = self.reduced.as_ref();
        reduced.map_or(&[], |reduced| reduced.left_out(&base.record.content_id))
    }

    /// Its leaves, if they are known and it stands as it was proven.
    pub(super) fn leaves(&self, headquarters: &Repository) -> Option<LeafReader> {
        headquarters.standing_leaves(&self.record, &self.disk)
    }

    /// Makes sure that what was read is the image of the record.
    pub(super) fn require(&self, found: Option<&Proof>) -> Result<()> {
        if found.is_some_and(|found| found.id == self.record.content_id) {
            return Ok(());
        }
        let message = format!(
            "'{}' is not what its record says any more",
            self.record.name
        );
        let error = Error::new(Kind::Digest, message)
            .with_code("image_changed")
            .with_hint("'imgdelta repo verify' says where");
        Err(error.in_file(&self.disk.top.path))
    }

    /// What an entry says of it.
    pub(super) fn image_ref(&self) -> ImageRef {
        ImageRef::of(&self.record)
    }
}
