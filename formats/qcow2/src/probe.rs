//! Whether a file is a qcow2 image, by its first bytes.
//!
//! What is wrong with one that is damaged is said when it is opened.

use imgdelta_core::{ProbeResult, ProbeWindow};

use crate::layout::{CLUSTER_BITS, HEADER_V3, Header, HeaderV3, MAGIC};

/// Recognises qcow2 by its magic and a possible header. Version 1 is another format, which only shares the magic.
pub(crate) fn probe(peek: &ProbeWindow) -> ProbeResult {
    if peek.head::<4>(0) != Some(MAGIC) {
        return ProbeResult::No;
    }
    let version = peek.head::<4>(4).map(u32::from_be_bytes);
    let possible = match version {
        Some(1) => return ProbeResult::No,
        Some(2) => has_cluster_size(peek),
        Some(3) => has_cluster_size(peek) && has_length(peek),
        _ => false,
    };
    if possible {
        ProbeResult::Yes
    } else {
        ProbeResult::Damaged
    }
}

/// Whether there is a header of version 2 with a possible cluster size.
fn has_cluster_size(peek: &ProbeWindow) -> bool {
    peek.head::<{ Header::SIZE }>(0)
        .is_some_and(|bytes| CLUSTER_BITS.contains(&Header::parse(&bytes).cluster_bits))
}

/// Whether there is a header of version 3 with a possible length.
fn has_length(peek: &ProbeWindow) -> bool {
    peek.head::<{ HeaderV3::SIZE }>(Header::SIZE)
        .is_some_and(|bytes| u64::from(HeaderV3::parse(&bytes).header_length) >= HEADER_V3)
}
