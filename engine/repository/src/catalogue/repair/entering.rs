//! What is mended takes the place of the damaged image, under the lock and by the journal: who is killed leaves the one or the other.

use std::path::Path;

use imgdelta_core::{AtomicFile, Error, FileVersion, Kind, Result};
use imgdelta_operations::Disk;

use super::Job;
use crate::catalogue::{Listing, Record, Repository, record::StoredFile};

impl Repository {
    /// Lets patched copies take the places of an image's files.
    pub(super) fn enter_patched(
        &self,
        disk: &Disk,
        drafts: Vec<(usize, AtomicFile)>,
        job: &Job<'_>,
    ) -> Result<()> {
        let mut files = self.stored_files(&disk.metadata().files, disk.top_versions())?;
        for (number, draft) in &drafts {
            if let Some(file) = files.get_mut(*number) {
                *file = StoredFile::new(file.path.clone(), &version_of(draft.written_at())?);
            }
        }
        let drafts = drafts.into_iter().map(|(_, draft)| draft);
        self.enter_mended(job, files, || AtomicFile::commit_all(drafts))
    }

    /// Lets what is mended take its place, and records it.
    pub(super) fn enter_mended(
        &self,
        job: &Job<'_>,
        mut files: Vec<StoredFile>,
        commit: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let record = job.record;
        let mut change = self.change(job.run, &format!("mend {}", record.name))?;
        if change.listing.by_id(&record.id) != Some(record) {
            let message = "its record was changed while it was mended: it stays as it is";
            return Err(Error::new(Kind::Busy, message)
                .with_code("record_changed")
                .in_file(&job.place));
        }
        for (new, old) in files.iter_mut().zip(&record.files) {
            new.mode = old.mode;
        }
        let new = Record {
            files,
            refuted: false,
            ..record.clone()
        };
        let entered = change.enter(new, commit)?;
        self.protect_again(&entered);
        Ok(())
    }
}

/// The version of a file that is written.
pub(super) fn version_of(written_at: &Path) -> Result<FileVersion> {
    FileVersion::at(written_at)
        .ok_or_else(|| Error::new(Kind::Host, "vanished while it was written").in_file(written_at))
}

/// Refuses to give an image another identity that children need which are not the repository's to write to.
pub(super) fn refuse_strangers(record: &Record, listing: &Listing) -> Result<()> {
    let children = listing.children(&record.id);
    let strange = children
        .iter()
        .filter(|child| child.linked_parent().is_some() && !child.owned);
    let names: Vec<&str> = strange.map(|child| child.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let message = format!(
        "it would have to be written anew and be called otherwise, and {} would not lead to it any more",
        names.join(", ")
    );
    Err(Error::new(Kind::Usage, message)
        .with_code("has_children")
        .with_hint("'imgdelta repo remove' and 'imgdelta repo add' make a child the repository's own, which is linked anew"))
}

/// Refuses what was mended and is another disk.
pub(super) fn require_id(record: &Record, is_it: bool) -> Result<()> {
    if is_it {
        return Ok(());
    }
    let message = format!(
        "what was mended is not the disk that was recorded as '{}'",
        record.name
    );
    Err(Error::new(Kind::Digest, message).with_code("content_mismatch"))
}
