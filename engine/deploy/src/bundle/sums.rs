//! `SHA256SUMS`: the digests of a delivery's files for who has no imgdelta, as coreutils' sha256sum writes and checks them.
//!
//! Nothing is received by it: the index has the digests of what is. The signature of the index is not in it, for it is made last.

use std::fmt::Write as _;

use imgdelta_delta::Digest;

use super::{entry::BundleEntry, index::Index};

/// What the file is called.
pub(super) const SUMS: &str = "SHA256SUMS";

/// The file for what an index lists on this medium, and for the delivery's `own` files, by name.
pub(super) fn text(index: &Index, own: [(&str, Digest); 2]) -> String {
    let files = index.items.iter().flat_map(BundleEntry::stored);
    let files = files.filter(|file| index.holds(file));
    let files = files.map(|file| (file.name.to_string(), file.sha256));
    let own = own.map(|(name, digest)| (name.to_owned(), digest));
    let mut text = String::new();
    for (name, digest) in own.into_iter().chain(files) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{digest}  {name}");
    }
    text
}

/// What the file says of the file of that name: its digest in hexadecimal.
pub(super) fn digest_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once("  "));
    lines.find_map(|(digest, of)| (of == name).then_some(digest))
}
