//! A reduced image: a disk that can be read though it stands nowhere. How it is kept in mind, and read, is in `reduced`.

use imgdelta_delta::{ContentId, manifest::LeftOut};
use imgdelta_operations::{Unneeded, UnusedBytes};

use super::record::Record;

/// A disk that can be read though it stands nowhere: an image but for what nobody needs of it.
#[derive(Clone, Debug)]
pub struct ReducedImage {
    /// As if it were here: its id is its content id; name, files and all else are the image's.
    pub record: Record,
    /// The image that it is but for what is left out, by what its disk is.
    pub image: ContentId,
    /// What it keeps the bytes of there.
    pub base: ContentId,
    /// What was to be left out.
    pub(super) what: Vec<String>,
    /// What is.
    pub(super) left_out: Vec<LeftOut>,
}

impl ReducedImage {
    /// Whether it was made to be without all of that, and nothing else.
    #[must_use]
    pub fn is_without(&self, what: &[Unneeded]) -> bool {
        self.what == names(what)
    }

    /// What is left out, in bytes.
    #[must_use]
    pub fn bytes(&self) -> UnusedBytes {
        UnusedBytes::left_out(&self.left_out)
    }

    /// What is left out, as a manifest says it, where it travels from that base: from another one, what it keeps there travels too.
    #[must_use]
    pub fn left_out(&self, base: &ContentId) -> &[LeftOut] {
        if *base == self.base {
            &self.left_out
        } else {
            &[]
        }
    }
}

/// What is to be left out, in words and in order.
pub(super) fn names(what: &[Unneeded]) -> Vec<String> {
    let mut what = what.to_vec();
    what.sort_unstable();
    what.dedup();
    what.iter().map(|one| one.name().to_owned()).collect()
}
