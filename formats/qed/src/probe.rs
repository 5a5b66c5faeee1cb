//! Whether a file is a QED image, by its first bytes.
//!
//! What is wrong with one that is damaged is said when it is opened.

use imgdelta_core::{ProbeResult, ProbeWindow};

use crate::layout::{CLUSTER_SIZE, Header, MAGIC, TABLE_SIZE};

/// Recognises it by its magic and a possible header.
pub(crate) fn probe(peek: &ProbeWindow) -> ProbeResult {
    if peek.head(0).map(u32::from_le_bytes) != Some(MAGIC) {
        return ProbeResult::No;
    }
    let header = peek.head::<{ Header::SIZE }>(0);
    let header = header.map(|bytes| Header::parse(&bytes));
    let is_possible = header.is_some_and(|header| {
        CLUSTER_SIZE.contains(&header.cluster_size) && TABLE_SIZE.contains(&header.table_size)
    });
    if is_possible {
        ProbeResult::Yes
    } else {
        ProbeResult::Damaged
    }
}
