//! Whether a file is a qcow image of version 1, by its first bytes.
//!
//! What is wrong with one that is damaged is said when it is opened.

use imgdelta_core::{ProbeResult, ProbeWindow};

use crate::layout::{CLUSTER_BITS, Header, L2_BITS, MAGIC, VERSION};

/// Recognises it by magic, version and a possible header.
pub(crate) fn probe(peek: &ProbeWindow) -> ProbeResult {
    let number = |at| peek.head(at).map(u32::from_be_bytes);
    if number(0) != Some(MAGIC) || number(4) != Some(VERSION) {
        return ProbeResult::No;
    }
    let header = peek.head::<{ Header::SIZE }>(0);
    let header = header.map(|bytes| Header::parse(&bytes));
    let is_possible = header.is_some_and(|header| {
        CLUSTER_BITS.contains(&header.cluster_bits) && L2_BITS.contains(&header.l2_bits)
    });
    if is_possible {
        ProbeResult::Yes
    } else {
        ProbeResult::Damaged
    }
}
