//! Whether a file is of the format, by its first bytes. What is wrong with one that is damaged is said when it is opened.

use imgdelta_core::{ProbeResult, ProbeWindow};

use crate::layout::{BLOCK_SIZE, Header, MAGIC};

/// Recognises it by its magic and a possible header.
pub(crate) fn probe(window: &ProbeWindow) -> ProbeResult {
    if window.head(0).map(u64::from_le_bytes) != Some(MAGIC) {
        return ProbeResult::No;
    }
    let header = window.head::<{ Header::SIZE }>(0);
    let header = header.map(|bytes| Header::parse(&bytes));
    match header {
        Some(header) if BLOCK_SIZE.contains(&header.block_size) => ProbeResult::Yes,
        _ => ProbeResult::Damaged,
    }
}
