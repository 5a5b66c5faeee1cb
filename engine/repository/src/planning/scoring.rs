//! Scores candidates: hops, allocation and overlap with the image wanted. Each is worked out when it is asked for, and only once, because leaves are
//! long to read.

use std::{cmp::Reverse, collections::HashMap};

use imgdelta_core::{Bytes, Result, parallel};

use crate::planning::{
    blocks::{MOST_SPANS, Span, differing, union},
    leaves::{LeafStream, Overlap, overlap},
    lineage::{Lineage, Relation, TreePath},
    rules::{Measure, Measurements, Rules},
};

/// A candidate and what it measures, as far as that was worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// Its id at headquarters.
    pub image: String,
    /// Its id at the site.
    pub at_site: String,
    /// How it stands to the wanted image.
    pub kin: Relation,
    /// Edges between the two; `None` without lineage.
    pub hops: Option<u32>,
    /// Bytes in the union of allocation between the two.
    pub blocks: Option<Bytes>,
    /// What it holds of the wanted image.
    pub overlap: Option<Overlap>,
    /// Its place in headquarters' list.
    pub(super) place: usize,
}

impl Score {
    /// Whether it will do as a base.
    #[must_use]
    pub fn serves(&self, rules: &Rules) -> bool {
        self.overlap.is_some_and(|overlap| {
            overlap.reaches(rules.threshold)
                && overlap.bytes(rules.has_zero_marks) <= overlap.whole()
        })
    }

    /// What ties are settled by: child before sibling, then the smaller id.
    fn tie(&self) -> (Relation, &str) {
        (self.kin, &self.image)
    }

    /// The order of hops: the nearest first.
    pub(super) fn by_hops(&self) -> impl Ord + '_ {
        (self.hops.unwrap_or(u32::MAX), self.tie())
    }

    /// The order of blocks: the fewest first, the unknown last.
    pub(super) fn by_blocks(&self) -> impl Ord + '_ {
        let blocks = self.blocks.unwrap_or(Bytes(u64::MAX));
        (self.blocks.is_none(), blocks, self.tie())
    }

    /// The order of hops, and of blocks where hops are the same.
    pub(super) fn by_hops_and_blocks(&self) -> impl Ord + '_ {
        let hops = self.hops.unwrap_or(u32::MAX);
        let blocks = self.blocks.unwrap_or(Bytes(u64::MAX));
        (hops, self.blocks.is_none(), blocks, self.tie())
    }

    /// The order of the ratio: the greatest first, the unknown last. All ratios of one image have the same denominator.
    pub(super) fn by_ratio(&self) -> impl Ord + '_ {
        let held = self.overlap.map(|overlap| overlap.held);
        (Reverse(held), self.tie())
    }
}

/// What was measured, for all choices from one list.
pub(super) struct Scorer<'a> {
    pub(super) lineage: &'a Lineage<'a>,
    pub(super) facts: &'a dyn Measurements,
    pub(super) rules: &'a Rules,
    /// By wanted image and candidate.
    overlaps: HashMap<(usize, usize), Option<Overlap>>,
    /// What the edge above an image allocates.
    edges: HashMap<usize, Option<Vec<Span>>>,
    /// How many runs `edges` holds.
    kept: usize,
}

impl<'a> Scorer<'a> {
    pub(super) fn new(
        lineage: &'a Lineage<'a>,
        facts: &'a dyn Measurements,
        rules: &'a Rules,
    ) -> Self {
        Self {
            lineage,
            facts,
            rules,
            overlaps: HashMap::new(),
            edges: HashMap::new(),
            kept: 0,
        }
    }

    /// What the candidate holds of the wanted image; `None` if the leaves of either are not known.
    pub(super) fn overlap(&mut self, wanted: usize, candidate: usize) -> Result<Option<Overlap>> {
        Ok(self.overlaps(wanted, &[candidate])?.pop().flatten())
    }

    /// As [`overlap`](Self::overlap), of each of the candidates: those that were not measured before are, side by side.
    pub(super) fn overlaps(
        &mut self,
        wanted: usize,
        candidates: &[usize],
    ) -> Result<Vec<Option<Overlap>>> {
        let mut new = candidates.to_vec();
        new.retain(|candidate| !self.overlaps.contains_key(&(wanted, *candidate)));
        let found = parallel::map(&new, |candidate| self.measured(wanted, *candidate))?;
        let found = new.into_iter().zip(found);
        self.overlaps
            .extend(found.map(|(candidate, overlap)| ((wanted, candidate), overlap)));
        let known = |candidate: &usize| self.overlaps.get(&(wanted, *candidate)).copied().flatten();
        Ok(candidates.iter().map(known).collect())
    }

    fn measured(&self, wanted: usize, candidate: usize) -> Result<Option<Overlap>> {
        match (self.row(wanted)?, self.row(candidate)?) {
            (Some(wanted), Some(candidate)) => unless_damaged(overlap(wanted, candidate)),
            _ => Ok(None),
        }
    }

    /// What the wanted image costs as a whole; its size if its leaves are not known.
    pub(super) fn whole(&self, wanted: usize) -> Result<Bytes> {
        let size = self.lineage.node(wanted).map_or(Bytes::ZERO, |n| n.size);
        let measured = match self.row(wanted)? {
            Some(row) => unless_damaged(overlap(row, LeafStream::nothing()))?,
            None => None,
        };
        Ok(measured.map_or(size, |all| all.whole()))
    }

    /// Bytes of the wanted image in the union of allocation along the way to `candidate`; `None` if an edge is not known.
    pub(super) fn blocks(
        &mut self,
        wanted: usize,
        ways: &[Option<TreePath>],
        candidate: usize,
    ) -> Result<Option<Bytes>> {
        let Some(size) = self.lineage.node(wanted).map(|node| node.size) else {
            return Ok(None);
        };
        let mut all = Vec::new();
        for edge in self.lineage.edges(ways, candidate) {
            self.learn(edge)?;
            match self.edges.get(&edge) {
                Some(Some(spans)) if all.len() + spans.len() <= MOST_SPANS => {
                    all.extend_from_slice(spans);
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(union(all, size)))
    }

    /// Finds out what the edge above `child` allocates, unless that is known.
    fn learn(&mut self, child: usize) -> Result<()> {
        if self.edges.contains_key(&child) {
            return Ok(());
        }
        let spans = self.edge(child)?.filter(|spans| spans.len() <= MOST_SPANS);
        let more = spans.as_ref().map_or(0, Vec::len);
        if self.kept + more > MOST_SPANS {
            self.edges.clear();
            self.kept = 0;
        }
        self.kept += more;
        self.edges.insert(child, spans);
        Ok(())
    }

    fn edge(&self, child: usize) -> Result<Option<Vec<Span>>> {
        let Some(node) = self.lineage.node(child) else {
            return Ok(None);
        };
        if let Some(spans) = self.facts.allocation(&node.id)? {
            return Ok(Some(spans));
        }
        if self.rules.measure == Measure::Auto {
            // Reading the leaves of both ends of the edge costs as much as the ratio, which is exact.
            return Ok(None);
        }
        let parent = self.lineage.parent(child);
        let parent = parent.map(|parent| self.row(parent)).transpose()?.flatten();
        match (self.row(child)?, parent) {
            (Some(child), Some(parent)) => Ok(unless_damaged(differing(child, parent))?.flatten()),
            _ => Ok(None),
        }
    }

    fn row(&self, place: usize) -> Result<Option<LeafStream<'a>>> {
        let Some(node) = self.lineage.node(place) else {
            return Ok(None);
        };
        let leaves = self.facts.leaves(&node.id)?;
        Ok(leaves.map(|leaves| LeafStream::new(node.size, leaves)))
    }
}

/// What was found; nothing, if that were leaves that turned out to be damaged: they are as if they were not there.
fn unless_damaged<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code() == "leaves" => Ok(None),
        Err(error) => Err(error),
    }
}
