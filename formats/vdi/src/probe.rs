//! Whether a file is a VDI: by its signature, which stands behind 64 bytes of free text, and its version.

use imgdelta_core::{ProbeResult, ProbeWindow};

use crate::layout::{SIGNATURE, VERSION_0, VERSION_1_1};

/// Looks at the first bytes. A version that is not known is told by `open`.
pub(crate) fn probe(peek: &ProbeWindow) -> ProbeResult {
    let number = |at| peek.head(at).map(u32::from_le_bytes);
    match (number(64), number(68)) {
        (Some(SIGNATURE), Some(VERSION_0 | VERSION_1_1)) => ProbeResult::Yes,
        (Some(SIGNATURE), _) => ProbeResult::Damaged,
        _ => ProbeResult::No,
    }
}
