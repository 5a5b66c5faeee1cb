//! Leaf digests of disks that were hashed before, kept in the user's cache folder.
//!
//! They are found by what every layer of the chain is known by: see `key`. What is recalled stands for reading the disk as far as the host's
//! times of its files can be believed, and no further: results that rest on it say so, and [`DigestCache::refreshed`] reads all the same.

mod key;
mod leaves;
mod prune;

use std::{path::PathBuf, time::SystemTime};

use imgdelta_core::Bytes;

pub use self::leaves::{LONGEST_RUN, LeafReader, LeafRun, LeafWriter};
use crate::{
    chain::Chain,
    tree::{ContentId, WINDOW},
};

/// How much the folder may hold before the oldest entries go.
const FOLDER_LIMIT: u64 = 2 << 30;

/// Where leaf digests are remembered, if anywhere.
#[derive(Clone, Debug, Default)]
pub struct DigestCache {
    folder: Option<PathBuf>,
    /// Whether everything is read all the same, and only what comes out is kept.
    is_refreshed: bool,
}

impl DigestCache {
    /// Remembers nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            folder: None,
            is_refreshed: false,
        }
    }

    /// Remembers in `folder`, which is made when there is something to keep.
    #[must_use]
    pub const fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            is_refreshed: false,
        }
    }

    /// The same, nothing of it believed: everything is read, and remembered anew.
    #[must_use]
    pub fn refreshed(self) -> Self {
        Self {
            is_refreshed: true,
            ..self
        }
    }

    /// What is remembered of the disk. Anything that is not whole is as if it were not there.
    #[must_use]
    pub fn recall(&self, chain: &Chain) -> Option<LeafReader> {
        if self.is_refreshed {
            return None;
        }
        let leaves = LeafReader::open(&self.entry(chain)?).ok()?;
        let leaves = leaves.checked().ok()?;
        if leaves.size() != chain.size() {
            return None;
        }
        // Its age decides what goes when the folder is full.
        let _ = leaves.file().set_modified(SystemTime::now());
        Some(leaves)
    }

    /// Starts to remember the disk; `None` if that is not possible, which is never an error.
    pub(crate) fn keep(&self, chain: &Chain) -> Option<LeafWriter> {
        let place = self.entry(chain)?;
        std::fs::create_dir_all(place.parent()?).ok()?;
        LeafWriter::create(&place).ok()
    }

    fn entry(&self, chain: &Chain) -> Option<PathBuf> {
        Some(
            self.folder
                .as_ref()?
                .join(format!("{}.leaves", key::of(chain)?)),
        )
    }
}

/// Lets the leaves of a disk stand among those that are remembered. Whatever goes wrong, nothing is remembered.
pub(crate) fn settle(leaves: LeafWriter, size: Bytes, id: ContentId) {
    let Ok(draft) = leaves.finish(size, id) else {
        return;
    };
    let folder = draft.place().parent().map(PathBuf::from);
    if draft.commit().is_ok()
        && let Some(folder) = folder
    {
        prune::prune(&folder, FOLDER_LIMIT);
    }
}

/// How many windows a disk has.
pub(crate) fn windows_of(size: Bytes) -> u64 {
    size.pieces(WINDOW)
}
