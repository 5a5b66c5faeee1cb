//! The SHA-256 of a file, or of a stretch of it, read in order.

use std::path::Path;

use imgdelta_core::{Bytes, FileOffset, FileSource, Result, Source};
use imgdelta_delta::{Digest, RunProgress};
use sha2::{Digest as _, Sha256};

/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// The length of a file and the SHA-256 of its bytes, read from the medium where the host lets go of what it remembers of the file.
///
/// # Errors
/// Host, if the host cannot read it; Interrupted.
pub(super) fn sha256_on_medium(file: &Path, progress: &RunProgress) -> Result<(u64, Digest)> {
    let source = FileSource::open(file)?;
    source.forget();
    digest(&source, progress)
}

/// As [`sha256_on_medium`], of a file that is open, wherever its bytes come from.
///
/// # Errors
/// As [`sha256_on_medium`].
pub(super) fn digest(source: &dyn Source, progress: &RunProgress) -> Result<(u64, Digest)> {
    let len = source.len();
    let mut hash = Sha256::new();
    progress.begin(len);
    read(source, (0, len.0), progress, |_, part| {
        hash.update(part);
        Ok(())
    })?;
    Ok((len.0, Digest(hash.finalize().into())))
}

/// As [`digest`], and the digests of its blocks of so many bytes.
///
/// # Errors
/// As [`digest`].
pub(super) fn digest_blocks(
    source: &dyn Source,
    block: Bytes,
    progress: &RunProgress,
) -> Result<(u64, Digest, Vec<Digest>)> {
    let len = source.len();
    let (mut hash, mut blocks) = (Sha256::new(), BlockHash::new(block.0));
    progress.begin(len);
    read(source, (0, len.0), progress, |_, part| {
        hash.update(part);
        blocks.update(part);
        Ok(())
    })?;
    Ok((len.0, Digest(hash.finalize().into()), blocks.finish()))
}

/// Passes `len` bytes of a file from `from` on to `to`, in order, each part with where it begins in them.
///
/// # Errors
/// Host, if the host cannot read it; those of `to`; Interrupted.
pub(super) fn read(
    source: &dyn Source,
    (from, len): (u64, u64),
    progress: &RunProgress,
    mut to: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; CHUNK.min(Bytes(len).in_memory().max(1))];
    let mut done = 0_u64;
    while done < len {
        progress.go_on()?;
        let left = Bytes(len.saturating_sub(done));
        let now = left.in_memory().min(buffer.len());
        let part = buffer.get_mut(..now).unwrap_or_default();
        source.read_at(FileOffset(from.saturating_add(done)), part)?;
        to(done, part)?;
        progress.advance(Bytes::from(part.len()), Bytes::ZERO);
        done = done.saturating_add(now as u64);
    }
    Ok(())
}

/// Digests of the blocks of what comes in order, the last one as long as what is left.
pub(super) struct BlockHash {
    block: u64,
    filled: u64,
    hash: Sha256,
    digests: Vec<Digest>,
}

impl BlockHash {
    /// Of blocks of so many bytes.
    pub(super) fn new(block: u64) -> Self {
        Self {
            block: block.max(1),
            filled: 0,
            hash: Sha256::new(),
            digests: Vec::new(),
        }
    }

    /// Takes in what comes next.
    pub(super) fn update(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            let room = Bytes(self.block.saturating_sub(self.filled)).in_memory();
            let (now, rest) = part.split_at(room.min(part.len()));
            self.hash.update(now);
            self.filled = self.filled.saturating_add(now.len() as u64);
            if self.filled >= self.block {
                self.end_block();
            }
            part = rest;
        }
    }

    fn end_block(&mut self) {
        let hash = std::mem::take(&mut self.hash);
        self.digests.push(Digest(hash.finalize().into()));
        self.filled = 0;
    }

    /// All of them.
    pub(super) fn finish(mut self) -> Vec<Digest> {
        if self.filled > 0 {
            self.end_block();
        }
        self.digests
    }
}
