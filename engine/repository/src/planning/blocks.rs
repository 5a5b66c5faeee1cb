//! Allocation along the edges of a tree: runs of a disk, their union, their bytes. A union counts a block once that several
//! images between two changed.

use imgdelta_core::{Bytes, Result, VirtOffset};
use imgdelta_delta::WINDOW;

use crate::planning::leaves::{LeafStream, Relation, compare};

/// Most runs that are kept of one way. Of a disk that is cut more finely, `blocks` says nothing.
pub(super) const MOST_SPANS: usize = 1 << 21;

/// A run of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Where it starts, on the guest's side.
    pub at: VirtOffset,
    /// How long it is.
    pub len: Bytes,
}

impl Span {
    /// The first address behind it.
    const fn end(&self) -> VirtOffset {
        self.at.saturating_add(self.len)
    }
}

/// How many bytes of a disk of `size` bytes lie in at least one of the runs, which may overlap and stand in any order.
pub(super) fn union(mut spans: Vec<Span>, size: Bytes) -> Bytes {
    spans.sort_unstable();
    let mut total = Bytes::ZERO;
    let mut reached = VirtOffset::ZERO;
    for span in spans {
        let end = span.end().min(VirtOffset(size.0));
        total = Bytes(total.0.saturating_add(end.since(span.at.max(reached)).0));
        reached = reached.max(end);
    }
    total
}

/// The windows in which a child differs from its parent, as runs; `None` if there are too many.
///
/// # Errors
/// As [`overlap`](crate::planning::overlap).
pub(crate) fn differing(
    child: LeafStream<'_>,
    parent: LeafStream<'_>,
) -> Result<Option<Vec<Span>>> {
    let mut spans: Vec<Span> = Vec::new();
    let mut is_too_fine = false;
    compare(child, parent, |first, count, relation| {
        if !matches!(relation, Relation::Changed | Relation::Emptied) {
            return;
        }
        let at = VirtOffset(first.saturating_mul(WINDOW.0));
        let len = Bytes(count.saturating_mul(WINDOW.0));
        let is_full = spans.len() >= MOST_SPANS;
        match spans.last_mut() {
            Some(last) if last.end() == at => last.len = Bytes(last.len.0.saturating_add(len.0)),
            _ if is_full => is_too_fine = true,
            _ => spans.push(Span { at, len }),
        }
    })?;
    Ok((!is_too_fine).then_some(spans))
}

#[cfg(test)]
mod tests {
    use imgdelta_delta::Digest;
    use proptest::prelude::*;

    use super::*;
    use crate::planning::leaves::Run;

    proptest! {
        #[test]
        fn the_union_counts_each_byte_of_the_disk_once(
            spans in prop::collection::vec((0..300_u64, 0..80_u64), 0..20),
            size in 0..320_u64,
        ) {
            let marked = (0..size).filter(|byte| {
                spans.iter().any(|(at, len)| (*at..at + len).contains(byte))
            });
            let spans: Vec<Span> = spans
                .iter()
                .map(|(at, len)| Span { at: VirtOffset(*at), len: Bytes(*len) })
                .collect();
            prop_assert_eq!(union(spans.clone(), Bytes(size)).0, marked.count() as u64);
        }
    }

    #[test]
    fn runs_at_the_end_of_numbers_do_not_overflow() {
        let end = Span {
            at: VirtOffset(u64::MAX),
            len: Bytes(u64::MAX),
        };
        let all = Span {
            at: VirtOffset(0),
            len: Bytes(u64::MAX),
        };
        assert_eq!(union(vec![end, all, end], Bytes(u64::MAX)), Bytes(u64::MAX));
    }

    #[test]
    fn an_edge_of_whole_images_is_where_their_windows_differ() -> Result<()> {
        let leaf = |number| Ok(Run::Leaf(Digest([number; 32])));
        let size = Bytes(5 * WINDOW.0);
        let child = [leaf(1), leaf(2), Ok(Run::Zero(2)), leaf(3)];
        let parent = [
            leaf(1),
            Ok(Run::Zero(1)),
            leaf(7),
            Ok(Run::Zero(1)),
            leaf(3),
        ];
        let found = differing(
            LeafStream::new(size, Box::new(child.into_iter())),
            LeafStream::new(size, Box::new(parent.into_iter())),
        )?;
        let expected = Span {
            at: VirtOffset(WINDOW.0),
            len: Bytes(2 * WINDOW.0),
        };
        assert_eq!(found, Some(vec![expected]));
        Ok(())
    }
}
