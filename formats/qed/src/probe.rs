//! Whether a file is a QED image, by its first bytes.
//!
//! What is wrong with one that is damaged is said when it is opened.

use imgdelta_core::{Claim, Peek};

use crate::layout::{CLUSTER_SIZE, Header, MAGIC, TABLE_SIZE};

/// Recognises it by its magic and a possible header.
pub(crate) fn probe(peek: &Peek) -> Claim {
    if peek.head(0).map(u32::from_le_bytes) != Some(MAGIC) {
        return Claim::No;
    }
    let header = peek.head::<{ Header::SIZE }>(0);
    let header = header.map(|bytes| Header::parse(&bytes));
    let is_possible = header.is_some_and(|header| {
        CLUSTER_SIZE.contains(&header.cluster_size) && TABLE_SIZE.contains(&header.table_size)
    });
    if is_possible {
        Claim::Yes
    } else {
        Claim::Damaged
    }
}
