//! Disks that are the same but for their size: a VHD that was rounded up to whole cylinders, say. They are told
//! beside a plan: as a base, one of another size is another disk.

use std::collections::HashSet;

use imgdelta_core::{Bytes, Result};
use imgdelta_delta::{
    ContentId, WINDOW,
    tree::{Builder, RepeatedSubtrees},
};

use crate::planning::{
    leaves::{LeafStream, Run, zero_leaf},
    node::Node,
    rules::{Measurements, Rules},
};

/// By how much sizes may differ that are looked at. Rounding to whole cylinders adds less than 8 MiB; resizing by hand adds more.
const MOST: u64 = Bytes::mib(64).0;

/// An image of headquarters and one of a site that are the same where both are, and zero beyond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resized {
    /// The id at headquarters.
    pub image: String,
    /// The size there.
    pub size: Bytes,
    /// The id at the site.
    pub at_site: String,
    /// The size there.
    pub size_at_site: Bytes,
}

/// The content id that a disk of `size` bytes would have at another size, cut or filled up with zeros; `None` where that cannot
/// be said from its leaves, or where more than zeros would be cut off.
///
/// # Errors
/// Corrupt, if the leaves hold an empty run; else what reading them gives.
pub fn content_id_at(mut row: LeafStream<'_>, size: Bytes) -> Result<Option<ContentId>> {
    let whole = (size.0 / WINDOW.0).min(row.size().0 / WINDOW.0);
    let mut tree = Builder::new(None);
    let mut zeros = 0;
    while row.at() < row.windows() {
        let Some(run) = row.head()? else {
            return Ok(None);
        };
        match run {
            Run::Zero(count) => {
                zeros += count;
                row.pass(count);
            }
            Run::Leaf(leaf) if row.at() < whole => {
                tree.push_run(RepeatedSubtrees::zero(), zeros);
                tree.push(leaf);
                zeros = 0;
                row.pass(1);
            }
            // A short last window, or one behind the new end, that is not zero.
            Run::Leaf(_) => return Ok(None),
        }
    }
    let end = size.0 / WINDOW.0;
    tree.push_run(RepeatedSubtrees::zero(), end.saturating_sub(tree.leaves()));
    let rest = Bytes(size.0 % WINDOW.0);
    if rest > Bytes::ZERO {
        tree.push(zero_leaf(rest));
    }
    Ok(Some(ContentId::new(size, &tree.finish().0)))
}

/// The images of the site that headquarters has at another size, in the order of the site's list. Sizes far apart are not tried,
/// nor more pairs than [`Rules::scans`].
///
/// # Errors
/// Those of `facts`.
pub fn resized(
    headquarters: &[Node],
    site: &[Node],
    facts: &dyn Measurements,
    rules: &Rules,
) -> Result<Vec<Resized>> {
    let shared: HashSet<ContentId> = headquarters.iter().map(|here| here.content_id).collect();
    let is_shared = |there: &&Node| shared.contains(&there.content_id);
    let pairs = site
        .iter()
        .filter(|there| !is_shared(there))
        .flat_map(|there| {
            let near = |here: &&Node| {
                here.size != there.size && here.size.0.abs_diff(there.size.0) <= MOST
            };
            let here = headquarters.iter().filter(near);
            here.map(move |here| (here, there))
        });
    let mut found: Vec<Resized> = Vec::new();
    for (here, there) in pairs.take(rules.scans) {
        let Some(leaves) = facts.leaves(&here.id)? else {
            continue;
        };
        if content_id_at(LeafStream::new(here.size, leaves), there.size)? == Some(there.content_id)
        {
            found.push(Resized {
                image: here.id.clone(),
                size: here.size,
                at_site: there.id.clone(),
                size_at_site: there.size,
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use imgdelta_delta::Digest;
    use proptest::prelude::*;

    use super::*;

    /// The leaves and the content id of a disk, window by window.
    fn leaves(disk: &[u8]) -> Vec<Digest> {
        disk.chunks(WINDOW.in_memory()).map(Digest::leaf).collect()
    }

    fn content_id(disk: &[u8]) -> ContentId {
        let mut tree = Builder::new(None);
        leaves(disk).into_iter().for_each(|leaf| tree.push(leaf));
        ContentId::new(Bytes::from(disk.len()), &tree.finish().0)
    }

    fn row(disk: &[u8]) -> LeafStream<'static> {
        let runs = leaves(disk).into_iter().map(|leaf| Ok(Run::Leaf(leaf)));
        LeafStream::new(Bytes::from(disk.len()), Box::new(runs))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_id_at_another_size_is_that_of_the_disk_cut_or_filled_up(
            data in 0..4_usize,
            size in 0..400_000_usize,
            other in 0..400_000_usize,
            is_even in any::<bool>(),
        ) {
            let size = if is_even { size / 65536 * 65536 } else { size };
            let mut disk = vec![0; size];
            let data = (data * 65536).min(size);
            disk[..data].fill(7);
            let mut resized = disk.clone();
            resized.resize(other, 0);
            match content_id_at(row(&disk), Bytes::from(other))? {
                Some(id) => {
                    prop_assert_eq!(id, content_id(&resized));
                    prop_assert!(other >= data, "only zeros are cut off");
                }
                None => prop_assert!(
                    other < data || data == size && size % 65536 != 0,
                    "data are cut, or a short window with data is filled up"
                ),
            }
        }
    }

    #[test]
    fn leaves_that_end_early_say_nothing() -> Result<()> {
        let short = LeafStream::new(Bytes::mib(1), Box::new(std::iter::empty()));
        assert_eq!(content_id_at(short, Bytes::mib(2))?, None);
        Ok(())
    }
}
