//! What was found of an image that was read, and what became of one that is not what it was.

use std::{ops::Range, path::PathBuf};

use imgdelta_core::Error;
use imgdelta_delta::ContentId;

use super::{
    names::Name,
    record::{Record, StoredFile},
};

/// What was found of one image.
#[derive(Debug)]
pub struct Verified {
    /// What is known of it.
    pub record: Record,
    /// What was found.
    pub verdict: Verdict,
    /// What the user should know besides.
    pub notes: Vec<String>,
    /// What became of it, if it was to be mended and that was not for nothing.
    pub mending: Option<Mending>,
    /// Its files as they were when it was proven to be what its record says, if a look at them said otherwise.
    pub(super) proven: Option<Vec<StoredFile>>,
}

/// Whether an image is what its record says.
#[derive(Debug)]
pub enum Verdict {
    /// It is.
    Sound,
    /// Its disk is what it was, but its leaf digests are not that disk's: a base cannot be chosen by them, nor a damaged window be named.
    DamagedLeaves(String),
    /// Its disk is another one.
    Changed {
        /// Its content id as it is now.
        found: ContentId,
        /// Where it differs, in bytes, in order: the first runs. Nothing, if there are no leaf digests to tell.
        regions: Vec<Range<u64>>,
        /// How many windows of 64 KiB differ, listed or not.
        windows: u64,
    },
    /// It cannot be read: the error says whether it is missing, damaged, or refused.
    Unreadable(Error),
}

impl Verified {
    /// Whether it is what its record says, or was mended so that it is.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        match &self.mending {
            Some(mending) => mending.how.is_some(),
            None => matches!(self.verdict, Verdict::Sound),
        }
    }
}

/// What became of an image that is not what it was.
#[derive(Debug, Default)]
pub struct Mending {
    /// How it was mended, or would be; `None`: it stays as it was found.
    pub how: Option<MendedBy>,
    /// How many windows of its disk were damaged, if that is known.
    pub damaged: u64,
    /// The images that have the right ones.
    pub from: Vec<Provider>,
    /// Where windows are that no image has, in bytes of the disk, in order: the first runs.
    pub missing: Vec<Range<u64>>,
    /// How many those are, listed or not.
    pub missing_windows: u64,
    /// Why it stays as it was found.
    pub error: Option<Error>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// How an image was mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MendedBy {
    /// Its files got the right bytes where the damaged windows stand.
    Patching,
    /// Its disk was written anew, as what it was.
    Rewriting,
    /// Its file leads to its parent again.
    Relinking,
    /// Its disk was sound, and its leaf digests were made anew.
    Leaves,
}

impl MendedBy {
    /// As JSON has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Patching => "patched",
            Self::Rewriting => "rewritten",
            Self::Relinking => "relinked",
            Self::Leaves => "leaves",
        }
    }
}

impl Mending {
    pub(super) fn by(how: MendedBy) -> Self {
        Self {
            how: Some(how),
            ..Self::default()
        }
    }

    pub(super) fn left(error: Error) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }
}

/// An image that has windows which another one lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The folder of its repository; `None`: it is an image of the same one.
    pub repository: Option<PathBuf>,
    /// Its name.
    pub image: Name,
    /// How many windows were taken from it.
    pub windows: u64,
}
