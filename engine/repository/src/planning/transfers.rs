//! What the images of a batch can be made from at one site, what each transfer costs, and the cheapest of all. `route` says which images those
//! are, so that steps can be tried.

use std::collections::{BTreeSet, HashMap};

use imgdelta_core::{Bytes, Result};

use crate::planning::{
    arborescence::{Edge, arborescence},
    batch_plan::{Site, sum},
    choose::{Choice, choose_among},
    node::{Common, common},
    scoring::{Score, Scorer},
};

/// What a medium carries already: images and their bases, by their places in headquarters' list.
pub(super) type Carried = BTreeSet<(usize, Option<usize>)>;

/// What an image is made from. Images are known by their places in headquarters' list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransferSource {
    /// Nothing: it travels as a whole.
    Nothing,
    /// An image that the site had before.
    There(usize),
    /// An image of the batch.
    Sent(usize),
}

impl TransferSource {
    /// The image, if it is one.
    pub(super) const fn base(self) -> Option<usize> {
        match self {
            Self::Nothing => None,
            Self::There(base) | Self::Sent(base) => Some(base),
        }
    }
}

/// A way to make an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct TransferEdge {
    /// The image.
    pub(super) to: usize,
    /// What it is made from.
    pub(super) from: TransferSource,
    /// The estimate of what has to be sent.
    pub(super) bytes: Bytes,
}

/// A transfer to each of some images, all of which lead back to what is there before.
pub(super) struct Plan {
    /// In the order of the images.
    pub(super) transfers: Vec<TransferEdge>,
    /// What they cost together; what is carried already costs nothing.
    pub(super) cost: Bytes,
}

impl Plan {
    /// The transfers on from an image, or from what is there before.
    pub(super) fn onward(
        &self,
        from: Option<usize>,
    ) -> impl DoubleEndedIterator<Item = &TransferEdge> {
        self.transfers
            .iter()
            .filter(move |transfer| match transfer.from {
                TransferSource::Sent(base) => from == Some(base),
                TransferSource::There(_) | TransferSource::Nothing => from.is_none(),
            })
    }
}

/// The transfers to one site.
pub(super) struct TransferGraph<'s, 'a> {
    pub(super) scorer: &'s mut Scorer<'a>,
    shared: Vec<Common>,
    carried: &'s Carried,
    /// What is chosen for each image by itself.
    choices: HashMap<usize, Choice>,
    /// From which of the images wanted each may be made: of many, the nearest.
    near: HashMap<usize, Vec<usize>>,
}

impl<'s, 'a> TransferGraph<'s, 'a> {
    pub(super) fn new(scorer: &'s mut Scorer<'a>, site: &Site<'_>, carried: &'s Carried) -> Self {
        Self {
            shared: common(scorer.lineage.list(), site.images),
            scorer,
            carried,
            choices: HashMap::new(),
            near: HashMap::new(),
        }
    }

    /// What is chosen for an image by itself.
    pub(super) fn choice(&mut self, image: usize) -> Result<&Choice> {
        // Looked up twice, as the borrow checker cannot yet see that a miss ends the first borrow.
        if !self.choices.contains_key(&image) {
            let choice = choose_among(self.scorer, &self.shared, image)?;
            self.choices.insert(image, choice);
        }
        Ok(self.choices.get(&image).expect("it was just put there"))
    }

    /// The cheapest way to send `targets` and `steps`, none of which is there; `targets` are the same each time.
    pub(super) fn cheapest(&mut self, targets: &[usize], steps: &[usize]) -> Result<Plan> {
        // Vertex 0 is what is there before.
        let images = || targets.iter().chain(steps).copied();
        let vertices: HashMap<usize, usize> = images().zip(1..).collect();
        let mut transfers = Vec::new();
        for image in images() {
            self.transfers_before(image, &mut transfers)?;
            self.transfers_within(image, targets, steps, &mut transfers)?;
        }
        let vertex = |image: usize| vertices.get(&image).copied().unwrap_or(usize::MAX);
        let edges: Vec<Edge> = transfers
            .iter()
            .map(|transfer| Edge {
                from: match transfer.from {
                    TransferSource::Sent(base) => vertex(base),
                    TransferSource::There(_) | TransferSource::Nothing => 0,
                },
                to: vertex(transfer.to),
                cost: self.cost(transfer).0,
            })
            .collect();
        let taken = arborescence(vertices.len() + 1, 0, &edges)
            .expect("each image can at least be sent as a whole");
        let taken = || taken.iter().copied().flatten();
        let cost = taken().filter_map(|edge| edges.get(edge));
        Ok(Plan {
            cost: sum(cost.map(|edge| Bytes(edge.cost))),
            transfers: taken()
                .filter_map(|edge| transfers.get(edge).copied())
                .collect(),
        })
    }

    /// What a transfer costs here and now.
    pub(super) fn cost(&self, transfer: &TransferEdge) -> Bytes {
        if self.carried.contains(&(transfer.to, transfer.from.base())) {
            Bytes::ZERO
        } else {
            transfer.bytes
        }
    }

    /// What an image can be made from without the batch: what was chosen for it first, of the others those that will do, nothing.
    fn transfers_before(&mut self, image: usize, transfers: &mut Vec<TransferEdge>) -> Result<()> {
        let rules = self.scorer.rules;
        // Only a medium that carries something can make another base the cheaper one.
        let with_others = !self.carried.is_empty();
        let choice = self.choice(image)?;
        let others = choice.runners_up.iter();
        let others = others.filter(|one| with_others && one.serves(rules));
        let transfer = |base: &Score| {
            let bytes = base.overlap?.bytes(rules.has_zero_marks);
            let from = TransferSource::There(base.place);
            Some(TransferEdge {
                to: image,
                from,
                bytes,
            })
        };
        transfers.extend(choice.base().into_iter().chain(others).filter_map(transfer));
        transfers.push(TransferEdge {
            to: image,
            from: TransferSource::Nothing,
            bytes: choice.whole,
        });
        Ok(())
    }

    /// What an image can be made from of what is sent.
    fn transfers_within(
        &mut self,
        image: usize,
        targets: &[usize],
        steps: &[usize],
        transfers: &mut Vec<TransferEdge>,
    ) -> Result<()> {
        let rules = self.scorer.rules;
        if !self.near.contains_key(&image) {
            let near = self.nearest(image, targets);
            self.near.insert(image, near);
        }
        let near = self.near.get(&image).into_iter().flatten();
        let steps = steps.iter().filter(|step| **step != image);
        let others: Vec<usize> = near.chain(steps).copied().collect();
        let overlaps = self.scorer.overlaps(image, &others)?;
        for (other, overlap) in others.iter().zip(overlaps) {
            let Some(overlap) = overlap else {
                continue;
            };
            let bytes = overlap.bytes(rules.has_zero_marks);
            if overlap.reaches(rules.threshold) && bytes <= overlap.whole() {
                transfers.push(TransferEdge {
                    to: image,
                    from: TransferSource::Sent(*other),
                    bytes,
                });
            }
        }
        Ok(())
    }

    /// The targets that are the nearest to an image: as many as a list has places.
    fn nearest(&self, image: usize, targets: &[usize]) -> Vec<usize> {
        let lineage = self.scorer.lineage;
        let others = targets.iter().copied().enumerate();
        let others = others.filter(|(_, other)| *other != image && lineage.is_there(*other));
        let mut others: Vec<(usize, usize)> = others.collect();
        if others.len() > self.scorer.rules.list {
            let ways = lineage.ways_from(image);
            let size = |place| lineage.node(place).map_or(0, |node| node.size.0);
            others.sort_by_cached_key(|(number, other)| {
                let way = ways.get(*other).copied().flatten();
                let hops = way.map_or(u32::MAX, |way| way.hops);
                (hops, size(*other).abs_diff(size(image)), *number)
            });
            others.truncate(self.scorer.rules.list);
        }
        others.into_iter().map(|(_, other)| other).collect()
    }
}
