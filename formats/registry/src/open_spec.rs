//! Which image to open, and how.

use std::path::PathBuf;

use imgdelta_core::{Format, Options};
use imgdelta_packed::unpacked::UnpackSpace;

use crate::policy::Policy;

/// Which image to open, and how.
#[derive(Clone, Debug, Default)]
pub struct OpenSpec {
    /// The image's file.
    pub path: PathBuf,
    /// `--input-format`, which always wins.
    pub format: Option<Format>,
    /// `--input-option`. Parents of the same format are opened with them too.
    pub options: Options,
    /// `--snapshot`, of the top image alone.
    pub snapshot: Option<String>,
    /// What may be opened beyond it.
    pub policy: Policy,
    /// How far it may be packed in something else; `None`: a packed image is refused.
    pub unpack: Option<Box<Unpack>>,
}

impl OpenSpec {
    /// The image at `path`, nothing said beyond that.
    #[must_use]
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }
}

/// How far an image may be packed in something else.
#[derive(Clone, Debug)]
pub struct Unpack {
    /// Which disk of a package: its number from 1 on, its id, or the name of its file. Not needed where there is one.
    pub disk: Option<String>,
    /// Where compressed files are unpacked, and how far.
    pub room: UnpackSpace,
    /// Whether a package's own digests are held against its files, which reads them once more.
    pub proves: bool,
}
