//! What the payloads of frames hold.

use imgdelta_core::{Bytes, Format};
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::{ImageId, RepositoryId, text::as_text};
use serde::{Deserialize, Serialize};

use crate::space::Space;

/// What a greeting begins with.
pub(in crate::wire) const MAGIC: [u8; 8] = *b"imgdelta";

imgdelta_core::record! {
    /// The part of a greeting that no version changes.
    pub(in crate::wire) struct Versions: BigEndian, 12 {
        /// [`MAGIC`].
        0 => magic: [u8; 8],
        /// The lowest version of the protocol that its sender speaks.
        8 => lowest: u16,
        /// The highest.
        10 => highest: u16,
    }
}

/// Who speaks, and which versions: the first frame in each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::wire) struct Greeting {
    /// The versions.
    pub(in crate::wire) versions: Versions,
    /// The program, for messages: at most [`LONGEST_PROGRAM`] bytes.
    pub(in crate::wire) program: String,
}

/// Most bytes of a program's name.
pub(in crate::wire) const LONGEST_PROGRAM: usize = 128;

/// The repository that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::wire) struct Open {
    /// Its folder, from the root of the file system, or from the home folder if it begins with `/~`.
    pub(in crate::wire) path: String,
    /// How many seconds the site is to wait while another process changes the repository; its own setting, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::wire) wait: Option<u64>,
}

/// The repository that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Its id.
    pub repository: RepositoryId,
    /// The format of images that are made there, unless the user asks for another.
    #[serde(with = "as_text")]
    pub default_format: Format,
    /// The room where its images lie. Programs before it was said do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<SiteSpace>,
}

/// The room where a site's images lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteSpace {
    /// How many bytes are free.
    pub free: u64,
    /// The longest file that the file system takes, where that is less than any disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_file: Option<u64>,
    /// Whether what is written may take less than its length.
    #[serde(default)]
    pub shrinks: bool,
}

impl From<Space> for SiteSpace {
    fn from(space: Space) -> Self {
        Self {
            free: space.free.0,
            longest_file: space.longest_file.map(|longest| longest.0),
            shrinks: space.shrinks,
        }
    }
}

impl From<SiteSpace> for Space {
    fn from(space: SiteSpace) -> Self {
        Self {
            free: Bytes(space.free),
            longest_file: space.longest_file.map(Bytes),
            shrinks: space.shrinks,
        }
    }
}

/// A folder that is to become a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::wire) struct Init {
    /// The folder, as in [`Open`].
    pub(in crate::wire) path: String,
    /// The format of images that are made there.
    #[serde(with = "as_text")]
    pub(in crate::wire) format: Format,
    /// Whether it is only asked whether it could.
    #[serde(default)]
    pub(in crate::wire) dry_run: bool,
}

/// The repository that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitDone {
    /// Its id; it has none where it was only asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryId>,
    /// The format of images that are made there.
    #[serde(with = "as_text")]
    pub default_format: Format,
}

/// A deployment is about to begin: which images are to come, and how long headquarters' list is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::wire) struct Announce {
    /// The images that the site is to have, for its log; what is really sent, it is asked for one by one.
    pub(in crate::wire) wanted: Vec<ImageId>,
    /// How many bytes of an inventory follow.
    pub(in crate::wire) list: u64,
}

/// What the two lists have in common: so many bytes of an inventory follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::wire) struct Common {
    /// How many bytes.
    pub(in crate::wire) list: u64,
}

/// What an earlier conversation brought of an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::wire) struct ResumeState {
    /// How many bytes from its start.
    pub(in crate::wire) bytes: u64,
    /// Their SHA-256.
    #[serde(with = "as_text")]
    pub(in crate::wire) sha256: Digest,
    /// The room where it lies, as the site says since it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::wire) space: Option<SiteSpace>,
    /// Whether `end` in place of `from` leaves the image out, and the conversation goes on. Programs before it was said do not say it.
    #[serde(default)]
    pub(in crate::wire) may_skip: bool,
}

/// Where what is sent begins: at what is held, or at the start, if that is something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::wire) struct StartAt {
    /// How many bytes are passed over.
    pub(in crate::wire) at: u64,
}

/// The site works, and the connection is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::wire) struct Working {
    /// How many bytes of the disk it has gone over.
    pub(in crate::wire) done: u64,
    /// How many there are.
    pub(in crate::wire) total: u64,
}

/// Bytes that are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) struct RawBytes<'a>(pub(in crate::wire) &'a [u8]);

/// Nothing to say beyond the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) struct Empty;
