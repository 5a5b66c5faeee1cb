//! Drafts made durable and given their names, one or several together.

use super::{AtomicFile, Attributes, FileOwnership};
use crate::{
    Result, Sink,
    fs::atomic_set::{self, Failed, Whole},
};

impl AtomicFile {
    /// Makes it durable and gives it its name.
    ///
    /// # Errors
    /// As [`commit_all`](AtomicFile::commit_all).
    pub fn commit(self) -> Result<()> {
        let folder = self.folder.clone();
        Self::commit_all([self]).map_err(|error| match folder {
            Some(folder) => folder.named(error),
            None => error,
        })
    }

    /// Makes several durable and gives them their names, in this order, all or none: also if the process is killed meanwhile, a reader
    /// finds all old files or all new ones, and the next run that writes there finishes or undoes it.
    ///
    /// # Errors
    /// Host, if the host cannot, or if a file is not the one any more whose new version is to replace it, or cannot pass its attributes on;
    /// Usage, if something took a place meanwhile; Busy, if another process does the same at this moment and does not end. What stood in the
    /// places stands there again then, as far as the host still lets us.
    pub fn commit_all(drafts: impl IntoIterator<Item = Self>) -> Result<()> {
        let mut drafts: Vec<Self> = drafts.into_iter().collect();
        for draft in &mut drafts {
            if draft
                .original
                .as_ref()
                .is_some_and(|original| !original.is_kept)
            {
                draft.keep_attributes(Attributes::Require)?;
            }
            if draft.temporary.is_some() && draft.original.is_none() {
                let FileOwnership { kept, asked } = draft.ownership;
                kept.pass_on(draft.sink.file(), &draft.place)?;
                asked.give(draft.sink.file(), &draft.place)?;
            }
            draft.sink.sync()?;
        }
        let whole: Vec<Whole> = drafts.iter().filter_map(Self::whole).collect();
        let (leaves_drafts, done) = match atomic_set::commit(&whole) {
            Ok(()) => (true, Ok(())),
            Err(Failed {
                error,
                is_committed: true,
            }) => (true, Err(error.with_code("commit_unfinished"))),
            Err(Failed { error, .. }) => (false, Err(error)),
        };
        if leaves_drafts {
            drafts.iter_mut().for_each(|draft| draft.temporary = None);
        }
        done
    }

    /// Itself as what gets a name; `None` for a device, which has it already.
    fn whole(&self) -> Option<Whole> {
        Some(Whole {
            draft: self.temporary.clone()?,
            place: self.place.clone(),
            replaces: self.replaces,
            over: self
                .original
                .as_ref()
                .map(|original| original.opened.clone()),
        })
    }
}
