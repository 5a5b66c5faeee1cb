//! Whether a file is a UDIF image: by its trailer. An encrypted one is recognised too, to be refused by name.

use imgdelta_core::{ProbeResult, ProbeWindow};

use crate::layout::{ENCRYPTED, ENCRYPTED_OLD, KOLY, Trailer, VERSION};

/// Looks at both ends.
pub(crate) fn probe(peek: &ProbeWindow) -> ProbeResult {
    if peek.head(0) == Some(ENCRYPTED) || peek.tail(ENCRYPTED_OLD.len()) == Some(ENCRYPTED_OLD) {
        return ProbeResult::Yes;
    }
    let trailer = peek.tail::<{ Trailer::SIZE }>(Trailer::SIZE);
    let trailer = trailer.map(|bytes| Trailer::parse(&bytes));
    match trailer.filter(|trailer| trailer.signature == KOLY) {
        None => ProbeResult::No,
        Some(trailer) if trailer.version == VERSION && trailer.header_size == 512 => {
            ProbeResult::Yes
        }
        Some(_) => ProbeResult::Damaged,
    }
}
