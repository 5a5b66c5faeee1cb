//! The SHA-256 of a file, read in order.

use std::path::Path;

use imgdelta_core::{Bytes, FileOffset, FileSource, Result, Source};
use imgdelta_delta::{Digest, RunProgress};
use sha2::{Digest as _, Sha256};

/// How much is read at once.
const PIECE: usize = 1 << 20;

/// The length of a file and the SHA-256 of its bytes.
///
/// # Errors
/// Host, if the host cannot read it; Interrupted.
pub(super) fn sha256(file: &Path, progress: &RunProgress) -> Result<(u64, Digest)> {
    digest(&FileSource::open(file)?, progress)
}

/// As [`sha256`], read from the medium where the host lets go of what it remembers of the file.
///
/// # Errors
/// As [`sha256`].
pub(super) fn sha256_on_medium(file: &Path, progress: &RunProgress) -> Result<(u64, Digest)> {
    let source = FileSource::open(file)?;
    source.forget();
    digest(&source, progress)
}

fn digest(source: &FileSource, progress: &RunProgress) -> Result<(u64, Digest)> {
    let len = source.len();
    let mut hash = Sha256::new();
    let mut buffer = vec![0; PIECE.min(len.in_memory().max(1))];
    let mut at = FileOffset::ZERO;
    progress.begin(len);
    while at.0 < len.0 {
        progress.go_on()?;
        let left = Bytes(len.0.saturating_sub(at.0));
        let now = left.in_memory().min(buffer.len());
        let part = buffer.get_mut(..now).unwrap_or_default();
        source.read_at(at, part)?;
        hash.update(&*part);
        progress.advance(Bytes::from(part.len()), Bytes::ZERO);
        at = at.saturating_add(Bytes::from(now));
    }
    Ok((len.0, Digest(hash.finalize().into())))
}
