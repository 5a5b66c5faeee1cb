//! The undo of a rename: what stood in a draft's place can be put back until it is sure that the draft keeps its name.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{draft_name::kept_of, placement};

/// A draft that has its name, and what stood there before.
#[derive(Debug)]
pub(crate) struct Rollback {
    place: PathBuf,
    /// The name that it had before.
    draft: PathBuf,
    /// Which file it is: its device and inode.
    ours: Option<(u64, u64)>,
    /// Whether something stood there.
    is_over: bool,
    /// A second name for what stood there, until nobody needs it. File systems without hard links have none.
    kept: Option<PathBuf>,
}

impl Rollback {
    /// Keeps what stands at `place`, where the draft at `draft` is about to go.
    pub(crate) fn over(place: &Path, draft: &Path, is_over: bool) -> Self {
        let kept = Self::clear(draft);
        let is_kept = is_over && fs::hard_link(place, &kept).is_ok();
        Self {
            place: place.to_owned(),
            draft: draft.to_owned(),
            ours: identity(draft),
            is_over,
            kept: is_kept.then_some(kept),
        }
    }

    /// Takes away what a run that was killed has left of this kind; where that would stand. The draft's lock says that it is ours.
    pub(crate) fn clear(draft: &Path) -> PathBuf {
        let kept = kept_of(draft);
        if fs::symlink_metadata(&kept).is_ok() {
            let _ = fs::remove_file(&kept);
        }
        kept
    }

    /// Puts back what stood there. `is_recorded`: the draft gets its own name again, for a record speaks of it until that is taken away.
    /// A file that somebody else has put there since stays.
    pub(crate) fn undo(&self, is_recorded: bool) -> io::Result<()> {
        if self.ours.is_some() && identity(&self.place) != self.ours {
            return Ok(());
        }
        match &self.kept {
            Some(kept) => {
                // At no moment is the new file without a name: what the record says stays true.
                if is_recorded {
                    fs::hard_link(&self.place, &self.draft)?;
                }
                fs::rename(kept, &self.place)
            }
            None if self.is_over => Err(io::ErrorKind::NotFound.into()),
            None if is_recorded && placement::rename_new(&self.place, &self.draft).is_ok() => {
                Ok(())
            }
            None => fs::remove_file(&self.place),
        }
    }

    /// Leaves the second name to whoever finishes what a record says.
    pub(crate) fn abandon(mut self) {
        self.kept = None;
    }
}

fn identity(place: &Path) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(place).ok()?;
    Some((found.dev(), found.ino()))
}

impl Drop for Rollback {
    fn drop(&mut self) {
        if let Some(kept) = &self.kept {
            let _ = fs::remove_file(kept);
        }
    }
}
