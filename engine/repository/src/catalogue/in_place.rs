//! An image that is taken in where it stands a second time: known, if nobody has written to it; known again, if its disk is what it was.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_operations::Disk;

use super::{Repository, Run, add::Add, lineage::row, listing::Listing, record::Record};
use crate::planning::{LeafStream, overlap};

impl Repository {
    /// Whether its leaves are there from the first to the last.
    fn has_leaves(&self, record: &Record) -> bool {
        let leaves = self.leaves(record).ok().flatten();
        leaves.is_some_and(|leaves| overlap(row(leaves), LeafStream::nothing()).is_ok())
    }

    /// The record of an image that is taken in a second time and has not changed since, unless its leaves are to be made anew.
    pub(super) fn known_in_place(
        &self,
        add: &Add,
        disk: &Disk,
        listing: &Listing,
        run: &Run<'_>,
    ) -> Result<Option<Record>> {
        let record = self.record_of(&add.image.path, listing);
        match record.filter(|_| add.in_place) {
            None => Ok(None),
            Some(record) if self.is_untouched(record, disk.top_versions()) => {
                Ok(self.has_leaves(record).then(|| record.clone()))
            }
            Some(record) => self.taken_back(record, disk, listing, run).map(Some),
        }
    }

    /// The record of an image whose file was written to or put there anew, if its disk is what it was: from now on it is known by the file
    /// that stands there, which is the user's.
    ///
    /// # Errors
    /// Digest, if it is another disk; those of the image; Busy; Host; Interrupted.
    pub(super) fn taken_back(
        &self,
        record: &Record,
        disk: &Disk,
        listing: &Listing,
        run: &Run<'_>,
    ) -> Result<Record> {
        let changed = || changed_since(record).in_file(&disk.top.path);
        if disk.chain.size() != record.disk_size() {
            return Err(changed());
        }
        let (proof, _) = self.prove(disk, listing, run)?;
        if proof.id != record.content_id {
            return Err(changed());
        }
        let files = self.stored_files(&disk.top.image.metadata().files, disk.top_versions())?;
        let mut change = self.change(run, "add")?;
        let there = change.listing.by_id(&record.id).cloned();
        let there = there.filter(|there| there.content_id == record.content_id);
        let there = there.ok_or_else(changed)?;
        change.put(self.with_permissions(Record {
            files,
            owned: false,
            ..there
        }))
    }
}

/// An image that was taken in is another one now.
pub(super) fn changed_since(record: &Record) -> Error {
    let message = format!("has changed since it was recorded as '{}'", record.name);
    Error::new(Kind::Digest, message)
        .with_code("image_changed")
        .with_hint(
            "'imgdelta repo verify' says where; 'imgdelta repo remove' and then 'imgdelta repo scan' take it in anew",
        )
}
