//! The files of an entry as one stream: one behind the other, in pieces that fit a frame.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::{Digest, RunProgress};
use sha2::{Digest as _, Sha256};

use super::frame::LONGEST_PAYLOAD;
use crate::bundle::EntryFiles;

/// The SHA-256 of the first `bytes` of the stream.
///
/// # Errors
/// Host, if the files cannot be read or are shorter than they were.
pub(super) fn prefix(files: &EntryFiles<'_>, bytes: u64, progress: &RunProgress) -> Result<Digest> {
    let mut hash = Sha256::new();
    let mut left = bytes;
    for file in files.entry.files() {
        let take = file.length.min(left);
        let mut source = FileRange::open(files.folder.join(file.name.as_str()), 0, take)?;
        while let Some(piece) = source.piece()? {
            progress.go_on()?;
            hash.update(piece);
        }
        left = left.saturating_sub(take);
    }
    Ok(Digest(hash.finalize().into()))
}

/// Passes on the stream from `at`.
///
/// # Errors
/// Host, if the files cannot be read or are shorter than they were; else those of `to`.
pub(super) fn send(
    files: &EntryFiles<'_>,
    at: u64,
    mut to: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut skip = at;
    for file in files.entry.files() {
        let from = file.length.min(skip);
        skip = skip.saturating_sub(from);
        let place = files.folder.join(file.name.as_str());
        let mut source = FileRange::open(place, from, file.length.saturating_sub(from))?;
        while let Some(piece) = source.piece()? {
            to(piece)?;
        }
    }
    Ok(())
}

/// A stretch of a file that is read in pieces.
struct FileRange {
    path: PathBuf,
    file: File,
    left: u64,
    buffer: Vec<u8>,
}

impl FileRange {
    fn open(path: PathBuf, at: u64, len: u64) -> Result<Self> {
        let opened = File::open(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(at))?;
            Ok(file)
        });
        let file = opened.map_err(|cause| Error::host("cannot open", cause).in_file(&path))?;
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
                    Error::new(Kind::Host, "became shorter while it was sent").in_file(&self.path)
                }
                _ => Error::host("cannot read", cause).in_file(&self.path),
            })?;
        self.left = self.left.saturating_sub(len as u64);
        Ok(Some(&self.buffer))
    }
}
