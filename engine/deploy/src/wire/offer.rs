//! What was chosen for an image, and what is sent of it: parts, each a file with its length and SHA-256. They are sent one behind the other
//! as one stream; where they come to lie at the site is the matter of `incoming`.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
};

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_delta::{ContentId, Digest, Watch};
use imgdelta_repository::catalogue::{
    ImageId, Name,
    text::{as_text, maybe},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::frame::{LONGEST_PAYLOAD, faulty};

/// Most parts of an offer.
pub const MOST_PARTS: usize = 16;

/// How an image is to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Its id.
    pub image: ImageId,
    /// What its disk is.
    #[serde(with = "as_text")]
    pub content_id: ContentId,
    /// The size of its disk in bytes.
    pub size: u64,
    /// What it is called at headquarters.
    pub name: Name,
    /// The image whose difference is sent, by its id at the site, or by that of a step of this conversation; none if the whole image is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ImageId>,
    /// The estimate of what has to be sent, in bytes.
    pub bytes: u64,
    /// Whether it only serves as the base of what follows in this conversation, and is not to be entered.
    #[serde(default)]
    pub step: bool,
    /// The format that the image is to have there, if not the repository's own.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "maybe")]
    pub format: Option<Format>,
    /// Whether it is to be kept there as a child of its base.
    #[serde(default)]
    pub as_child: bool,
}

/// What is sent of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The image's id, as it was chosen.
    pub image: ImageId,
    /// The base, as it was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ImageId>,
    /// The files that it is made of, in the order in which they are sent.
    pub parts: Vec<Part>,
    /// What the files are, for who makes an image of them. Nobody here looks into it.
    #[serde(default)]
    pub item: Value,
}

/// One of the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name: no path, and nothing that begins with a dot.
    pub name: Name,
    /// How many bytes it has.
    pub length: u64,
    /// The SHA-256 of the file.
    #[serde(with = "as_text")]
    pub sha256: Digest,
}

/// What is sent of an image, and where it lies here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The files, as the site learns of them.
    pub parts: Vec<Part>,
    /// Where each lies here.
    pub files: Vec<PathBuf>,
    /// What the files are, for who makes an image of them.
    pub item: Value,
}

impl Offer {
    /// The length of the stream, if the parts can be those of one.
    ///
    /// # Errors
    /// Peer, if they are none, or too many, or two have one name, or they are longer together than numbers go.
    pub(super) fn judged(&self) -> Result<u64> {
        let Self { parts, .. } = self;
        if parts.is_empty() || parts.len() > MOST_PARTS {
            let count = parts.len();
            return Err(faulty(&format!(
                "an offer has {count} parts, 1 to {MOST_PARTS} are allowed"
            )));
        }
        let mut names = HashSet::new();
        if let Some(twice) = parts.iter().find(|part| !names.insert(part.name.folded())) {
            return Err(faulty(&format!("an offer has '{}' twice", twice.name)));
        }
        let lengths = parts.iter().map(|part| part.length);
        let sum = lengths.reduce(|sum, length| sum.saturating_add(length));
        sum.filter(|sum| *sum <= i64::MAX.unsigned_abs())
            .ok_or_else(|| faulty("an offer is longer than files can be"))
    }
}

impl Parcel {
    /// The SHA-256 of the first `bytes` of the stream.
    ///
    /// # Errors
    /// Host, if the files cannot be read or are shorter than they were.
    pub(super) fn prefix(&self, bytes: u64, watch: &Watch) -> Result<Digest> {
        let mut hash = Sha256::new();
        let mut left = bytes;
        for (part, file) in self.parts.iter().zip(&self.files) {
            let take = part.length.min(left);
            let mut file = Source::open(file, 0, take)?;
            while let Some(piece) = file.piece()? {
                watch.go_on()?;
                hash.update(piece);
            }
            left = left.saturating_sub(take);
        }
        Ok(Digest(hash.finalize().into()))
    }

    /// Passes on the stream from `at`, in pieces that fit a frame.
    ///
    /// # Errors
    /// Host, if the files cannot be read or are shorter than they were; else those of `to`.
    pub(super) fn send(&self, at: u64, mut to: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut skip = at;
        for (part, file) in self.parts.iter().zip(&self.files) {
            let from = part.length.min(skip);
            skip = skip.saturating_sub(from);
            let mut file = Source::open(file, from, part.length.saturating_sub(from))?;
            while let Some(piece) = file.piece()? {
                to(piece)?;
            }
        }
        Ok(())
    }
}

/// A stretch of a file that is read in pieces.
struct Source<'a> {
    path: &'a PathBuf,
    file: File,
    left: u64,
    buffer: Vec<u8>,
}

impl<'a> Source<'a> {
    fn open(path: &'a PathBuf, at: u64, len: u64) -> Result<Self> {
        let opened = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(at))?;
            Ok(file)
        });
        let file = opened.map_err(|cause| Error::host("cannot open", cause).in_file(path))?;
        Ok(Self {
            path,
            file,
            left: len,
            buffer: Vec::new(),
        })
    }

    fn piece(&mut self) -> Result<Option<&[u8]>> {
        let len = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(LONGEST_PAYLOAD);
        if len == 0 {
            return Ok(None);
        }
        self.buffer.resize(len, 0);
        self.file
            .read_exact(&mut self.buffer)
            .map_err(|cause| match cause.kind() {
                io::ErrorKind::UnexpectedEof => {
                    Error::new(Kind::Host, "became shorter while it was sent").in_file(self.path)
                }
                _ => Error::host("cannot read", cause).in_file(self.path),
            })?;
        self.left = self.left.saturating_sub(len as u64);
        Ok(Some(&self.buffer))
    }
}
