//! Whether a file is a Parallels disk: an expanding file by its magic, a descriptor by its first element.
//!
//! What is wrong with one that is damaged is said when it is opened.

use imgdelta_core::{ProbeResult, ProbeWindow};

use crate::{
    descriptor::ROOT,
    layout::{Header, MAGIC_EXT, MAGIC_OLD, VERSION},
};

/// Looks at the first bytes. A plain file of a folder has no magic: it is a raw disk.
pub(crate) fn probe(peek: &ProbeWindow) -> ProbeResult {
    let magic = peek.head::<16>(0);
    if magic == Some(MAGIC_OLD) || magic == Some(MAGIC_EXT) {
        let header = peek.head::<{ Header::SIZE }>(0);
        let header = header.map(|bytes| Header::parse(&bytes));
        let is_possible = header.is_some_and(|one| one.version == VERSION && one.tracks > 0);
        return if is_possible {
            ProbeResult::Yes
        } else {
            ProbeResult::Damaged
        };
    }
    if is_descriptor(peek.start()) {
        ProbeResult::Yes
    } else {
        ProbeResult::No
    }
}

/// Whether text begins as a descriptor does: with its first element, or with XML's own first line and that somewhere behind it.
pub(crate) fn is_descriptor(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let start = start.trim_ascii_start();
    let root = format!("<{ROOT}");
    let has_root = |bytes: &[u8]| {
        let mut places = bytes.windows(root.len());
        places.any(|place| place == root.as_bytes())
    };
    start.starts_with(root.as_bytes()) || (start.starts_with(b"<?xml") && has_root(start))
}
