//! Whether a medium has space for what is to be put onto it.

use std::path::Path;

use imgdelta_core::{Bytes, Error};

use super::{folder::Bundle, index::Index};
use crate::space::{Space, SpaceNeed};

/// Makes sure that there may be room on a medium for pairs of an image and its base, by their ids, with an estimate of each; what its index lists
/// already counts no more.
///
/// # Errors
/// Host (`no_space`), if there certainly is none.
pub(crate) fn require_space_on_medium<'a>(
    pairs: impl Iterator<Item = (&'a str, Option<&'a str>, Bytes)>,
    index: &Index,
    folder: &Path,
) -> Result<Option<String>, Error> {
    let lies_there = |image: &str, base: Option<&str>| {
        index.items.iter().any(|entry| {
            let from = entry.base.as_ref().map(|from| from.id.as_str());
            entry.image.as_str() == image && from == base
        })
    };
    let new = pairs.filter(|(image, base, _)| !lies_there(image, *base));
    let needs = new.map(|(.., bytes)| SpaceNeed::of_estimate(bytes));
    let need = needs.fold(SpaceNeed::default(), SpaceNeed::and);
    let place = folder.display().to_string();
    need.require("what is carried", Space::at(folder), &place)
}

/// As [`require_space_on_medium`], the index being that which lies in `folder`, if one does.
///
/// # Errors
/// As [`require_space_on_medium`].
pub(crate) fn require_space_in_folder<'a>(
    pairs: impl Iterator<Item = (&'a str, Option<&'a str>, Bytes)>,
    folder: &Path,
) -> Result<Option<String>, Error> {
    let index = Bundle::open(folder).map(|bundle| bundle.index().clone());
    require_space_on_medium(pairs, &index.unwrap_or_default(), folder)
}
