//! Records of images that were read and are what they say, though a look at their files says otherwise: somebody touched them, or put the same
//! disk there anew, or an earlier deployment found wrong what is right by now. They count as changed, and no inventory has them, until their
//! records are renewed.

use imgdelta_core::{Kind, Result};
use imgdelta_operations::Disk;

use super::{
    Repository, Run,
    record::{Record, StoredFile},
    verdict::Verified,
};

impl Repository {
    /// The files of an open image as its record should have them, if it does not.
    pub(super) fn files_to_renew(&self, record: &Record, disk: &Disk) -> Option<Vec<StoredFile>> {
        let versions = disk.top_versions();
        if self.is_untouched(record, versions) {
            return None;
        }
        let mut files = self.stored_files(&disk.metadata().files, versions).ok()?;
        for file in &mut files {
            let mut known = record.files.iter();
            let known = known.find(|known| known.path == file.path);
            file.mode = known.and_then(|known| known.mode);
        }
        Some(files)
    }

    /// Renews the record of an image that was proven to be what it says. Where that cannot be now, the image is no less sound.
    ///
    /// # Errors
    /// Interrupted.
    pub(super) fn renew(&self, verified: &mut Verified, run: &Run<'_>) -> Result<()> {
        let Some(files) = verified.proven.take() else {
            return Ok(());
        };
        match self.renewed(&verified.record, files, run) {
            Ok(Some(record)) => {
                let why = if verified.record.refuted {
                    "it was marked as another disk, and is what it was: the mark was taken off"
                } else {
                    "its file was only touched, and its disk is what it was: its record was renewed"
                };
                verified.notes.push(why.to_owned());
                verified.record = record;
            }
            // Somebody else has changed it since.
            Ok(None) => {}
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => verified.notes.push(format!(
                "its file was only touched, and its record could not be renewed, so that it is left out of inventories: {error}"
            )),
        }
        Ok(())
    }

    fn renewed(
        &self,
        record: &Record,
        files: Vec<StoredFile>,
        run: &Run<'_>,
    ) -> Result<Option<Record>> {
        let mut change = self.change(run, "verify")?;
        if change.listing.by_id(&record.id) != Some(record) {
            return Ok(None);
        }
        // What was put there anew is the user's.
        let inodes = |files: &[StoredFile]| -> Vec<Option<u64>> {
            files.iter().map(|file| file.inode).collect()
        };
        let is_same = record.files.iter().all(|file| file.inode.is_none())
            || inodes(&record.files) == inodes(&files);
        let renewed = Record {
            files,
            refuted: false,
            owned: record.owned && is_same,
            ..record.clone()
        };
        change.put(self.with_permissions(renewed)).map(Some)
    }
}
