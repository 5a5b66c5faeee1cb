//! `SHA256SUMS`: the digests of a delivery's files for who has no imgdelta, as coreutils' sha256sum writes and checks them.
//!
//! Nothing is received by it: the index has the digests of what is. The signature of the index is not in it, for it is made last.

use std::fmt::Write as _;

use imgdelta_delta::Digest;

use super::{
    entry::BundleEntry,
    howto::HOWTO,
    index::{INDEX, Index},
};

/// What the file is called.
pub(super) const SUMS: &str = "SHA256SUMS";

/// The file for what an index lists; the digests are those of the bytes of the index and of the how-to.
pub(super) fn text(index: &Index, (of_index, of_howto): (Digest, Digest)) -> String {
    let own = [(INDEX, of_index), (HOWTO, of_howto)];
    let files = index.items.iter().flat_map(BundleEntry::files);
    let files = files.map(|file| (file.name.as_str(), file.sha256));
    let mut text = String::new();
    for (name, digest) in own.into_iter().chain(files) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{digest}  {name}");
    }
    text
}

/// What the file says: names, and the digests in hexadecimal. A line of another form says nothing.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    lines.map(|(digest, name)| (name, digest))
}
