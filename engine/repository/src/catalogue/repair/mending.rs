//! The right bytes are written to new files, read back and proven: in a copy of the damaged file, or where that does not do, all anew.

use std::{path::Path, sync::Arc};

use imgdelta_core::{AtomicFile, DiskSpec, Error, Kind, Result};
use imgdelta_delta::ContentId;
use imgdelta_operations::{
    Disk,
    proof::{prove, prove_keeping},
    restored_image::{Patched, Rewritten, Windows, patched, restored},
};
use imgdelta_registry::OpenSpec;

use super::{
    Job,
    entering::{refuse_strangers, require_id, version_of},
};
use crate::catalogue::{MendedBy, Record, Repository, Run, kinship::Link, record::StoredFile};

impl Repository {
    /// Writes what is mended, proves it and lets it take its place: the right bytes in a copy, or where that does not do, all anew.
    pub(super) fn mend(&self, job: &Job<'_>, notes: &mut Vec<String>) -> Result<MendedBy> {
        let windows: Arc<dyn Windows> = job.windows.clone();
        let size = job.record.disk_size();
        if let Some(disk) = job.disk.filter(|disk| disk.size() == size)
            && let Some(Patched { drafts, lost }) = patched(disk, &windows, job.run.work)?
            && self.is_mended(disk, &drafts, job)?
        {
            self.enter_patched(disk, drafts, job)?;
            notes.extend(lost.into_iter().map(|lost| format!("it lost: {lost}")));
            return Ok(MendedBy::Patching);
        }
        self.rewrite_damaged(job, &windows, notes)?;
        Ok(MendedBy::Rewriting)
    }

    /// Whether a patched copy is the disk that was recorded.
    fn is_mended(
        &self,
        disk: &Disk,
        drafts: &[(usize, AtomicFile)],
        job: &Job<'_>,
    ) -> Result<bool> {
        let alone = disk.metadata().files.len() == 1;
        if !alone && !disk.metadata().variant.contains("Flat") {
            return Ok(false);
        }
        let proof = match drafts.first() {
            // What names several files would open the damaged ones: of flat ones nothing but the windows changes.
            Some((_, draft)) if alone => {
                let copy = Disk::open(&self.spec_of_draft(draft.written_at(), job.record))?;
                self.proven_with_leaves(&copy, job)?
            }
            _ => {
                let windows: Arc<dyn Windows> = job.windows.clone();
                let new = restored(Some(&disk.chain), disk.chain.disk(), &windows)?;
                prove(&new, job.run.work)?.id
            }
        };
        Ok(proof == job.record.content_id)
    }

    /// Writes the disk anew in place of the damaged image.
    fn rewrite_damaged(
        &self,
        job: &Job<'_>,
        windows: &Arc<dyn Windows>,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let record = job.record;
        let listing = self.list()?;
        let parent = record.linked_parent().map(|id| {
            listing
                .by_id(id)
                .ok_or_else(|| Error::new(Kind::Chain, format!("its parent '{id}' is not here")))
        });
        let base = parent.transpose()?.map(|parent| self.open_disk(parent));
        let base = base.transpose()?;
        let chain = job.disk.map(|disk| &disk.chain);
        let new_disk = chain.map_or(DiskSpec::from(record.disk_size()), |chain| DiskSpec {
            size: record.disk_size(),
            ..chain.disk()
        });
        let disk = restored(chain, new_disk, windows)?;
        let image = job.disk.map(|disk| &*disk.top.image);
        let draft = Rewritten {
            place: &job.place,
            format: record.format,
            image,
            disk: &disk,
            below: base.as_ref().map(|base| (&base.chain, &base.top)),
            exec: job.run.work,
        }
        .write()?;
        let copy = Disk::open(&self.spec_of_draft(draft.written_at(), record))?;
        let id = self.proven_with_leaves(&copy, job)?;
        require_id(record, id == record.content_id)?;
        let is_called_so =
            image.is_some_and(|image| image.metadata().identity == copy.metadata().identity);
        if !is_called_so && copy.metadata().identity.is_some() {
            refuse_strangers(record, &listing)?;
        }
        let version = version_of(draft.written_at())?;
        let files = vec![StoredFile::new(record.path()?.clone(), &version)];
        self.enter_mended(job, files, || draft.commit())?;
        if !is_called_so {
            self.lead_children_here(record, job.run, notes)?;
        }
        Ok(())
    }

    /// Lets the children of an image that was written anew, and is called otherwise now, lead to it again.
    fn lead_children_here(
        &self,
        record: &Record,
        run: &Run<'_>,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let listing = self.list()?;
        let Some(parent) = listing.by_id(&record.id) else {
            return Ok(());
        };
        for child in listing.children(&record.id) {
            if child.linked_parent().is_none() {
                continue;
            }
            match self.mend_link(child, parent, &listing, run) {
                Ok(Link::Right) => {}
                Ok(Link::Mended) => notes.push(format!("'{}' was linked to it anew", child.name)),
                Ok(Link::Left(how)) => notes.push(how),
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => notes.push(format!("'{}' was not linked anew: {error}", child.name)),
            }
        }
        Ok(())
    }

    /// How a copy is opened that will stand where the image does.
    fn spec_of_draft(&self, written_at: &Path, record: &Record) -> OpenSpec {
        OpenSpec {
            format: Some(record.format),
            policy: self.policy(),
            ..OpenSpec::of(written_at)
        }
    }

    /// The content id of a copy, read. Where the image's own leaves are of no use, those that are found are kept.
    fn proven_with_leaves(&self, copy: &Disk, job: &Job<'_>) -> Result<ContentId> {
        if job.has_leaves {
            return Ok(prove(&copy.chain, job.run.work)?.id);
        }
        let (proof, leaves) = prove_keeping(copy, None, || self.new_leaves(), job.run.work)?;
        if proof.id == job.record.content_id {
            self.settle_leaves(&leaves, &proof.id)?.commit()?;
        }
        Ok(proof.id)
    }
}
