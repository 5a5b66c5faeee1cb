//! Whether a file is a UDIF image: by its trailer. An encrypted one is recognised too, to be refused by name.

use imgdelta_core::{Claim, Peek};

use crate::layout::{ENCRYPTED, ENCRYPTED_OLD, KOLY, Trailer, VERSION};

/// Looks at both ends.
pub(crate) fn probe(peek: &Peek) -> Claim {
    if peek.head(0) == Some(ENCRYPTED) || peek.tail(ENCRYPTED_OLD.len()) == Some(ENCRYPTED_OLD) {
        return Claim::Yes;
    }
    let trailer = peek.tail::<{ Trailer::SIZE }>(Trailer::SIZE);
    let trailer = trailer.map(|bytes| Trailer::parse(&bytes));
    match trailer.filter(|trailer| trailer.signature == KOLY) {
        None => Claim::No,
        Some(trailer) if trailer.version == VERSION && trailer.header_size == 512 => Claim::Yes,
        Some(_) => Claim::Damaged,
    }
}
