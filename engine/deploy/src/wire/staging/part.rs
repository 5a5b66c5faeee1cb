//! The files of an offer, part by part: what is here of each, proven by its digest before anything is appended.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use imgdelta_core::{Error, HeldFolder, HeldPlace, Result};
use imgdelta_delta::Digest;
use sha2::{Digest as _, Sha256};

use super::folder::regular;
use crate::{
    bundle::FileEntry,
    space::Space,
    wire::{frame::LONGEST_PAYLOAD, message::ResumeState},
};

/// What is here of a part from an earlier conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldPart {
    pub(super) bytes: u64,
    pub(super) hash: Sha256,
}

/// A part that is being received.
#[derive(Debug)]
pub(super) struct OpenPart {
    file: File,
    pub(super) hash: Sha256,
    pub(super) left: u64,
}

impl OpenPart {
    /// The part in the file at `place`, of which only what is kept stays.
    pub(super) fn open(place: &HeldPlace, kept: HeldPart, length: u64) -> Result<Self> {
        let opened = || {
            let mut file = regular(place.open_or_create())?;
            file.set_len(kept.bytes)?;
            file.seek(SeekFrom::Start(kept.bytes))?;
            Ok(file)
        };
        Ok(Self {
            file: opened().map_err(|cause: io::Error| {
                Error::host("cannot open", cause).in_file(&place.path())
            })?,
            hash: kept.hash,
            left: length.saturating_sub(kept.bytes),
        })
    }

    /// Takes the bytes that come next.
    pub(super) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(())
    }
}

/// What is here of the parts, up to the first byte that is missing or known to be wrong: of all together, and of each.
pub(super) fn held(
    folder: &HeldFolder,
    parts: &[FileEntry],
) -> Result<(ResumeState, Vec<HeldPart>)> {
    let mut whole = HeldPart::default();
    let mut each = Vec::new();
    for part in parts {
        let mut behind = whole.clone();
        let Some(kept) = kept(&folder.place(part.name.as_str()), part, &mut behind)? else {
            break;
        };
        whole = behind;
        let is_whole = kept.bytes == part.length;
        each.push(kept);
        if !is_whole {
            break;
        }
    }
    let held = ResumeState {
        bytes: whole.bytes,
        sha256: Digest(whole.hash.finalize().into()),
        space: Space::at(&folder.through()).map(Into::into),
        may_skip: true,
    };
    Ok((held, each))
}

/// What is here of one part; `None` if nothing is, or it is whole and not what it is to be. `all` takes it in too.
fn kept(place: &HeldPlace, part: &FileEntry, all: &mut HeldPart) -> Result<Option<HeldPart>> {
    let path = place.path();
    let mut file = match regular(place.open_to_read()) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::host("cannot open", cause).in_file(&path)),
    };
    let failed = |cause| Error::host("cannot read", cause).in_file(&path);
    let mut kept = HeldPart {
        bytes: file.metadata().map_err(failed)?.len().min(part.length),
        hash: Sha256::new(),
    };
    read_prefix(&mut file, kept.bytes, |piece| {
        all.hash.update(piece);
        kept.hash.update(piece);
    })
    .map_err(failed)?;
    all.bytes = all.bytes.saturating_add(kept.bytes);
    let is_whole = kept.bytes == part.length;
    let is_wrong = is_whole && Digest(kept.hash.clone().finalize().into()) != part.sha256;
    Ok((!is_wrong).then_some(kept))
}

/// Passes the first `len` bytes of a file on.
fn read_prefix(file: &mut File, len: u64, mut to: impl FnMut(&[u8])) -> io::Result<()> {
    let mut left = len;
    let mut buffer = Vec::new();
    while left > 0 {
        let now = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(LONGEST_PAYLOAD);
        buffer.resize(now, 0);
        file.read_exact(&mut buffer)?;
        to(&buffer);
        left = left.saturating_sub(now as u64);
    }
    Ok(())
}
