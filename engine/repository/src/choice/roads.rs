//! What the images of a batch can be made from at one site, what each way costs, and the cheapest of all. Which images those are
//! is decided in `route`.

use std::collections::{BTreeSet, HashMap};

use imgdelta_core::{Bytes, Result};

use crate::choice::{
    arborescence::{Edge, arborescence},
    batch_plan::{Site, sum},
    choose::{Choice, choose_among},
    node::{Common, common},
    weigh::{Scale, Weighed},
};

/// What a medium carries already: images and their bases, by their places in headquarters' list.
pub(super) type Carried = BTreeSet<(usize, Option<usize>)>;

/// What an image is made from. Images are known by their places in headquarters' list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing: it travels as a whole.
    Nothing,
    /// An image that the site had before.
    There(usize),
    /// An image of the batch.
    Sent(usize),
}

impl Start {
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
pub(super) struct Road {
    /// The image.
    pub(super) to: usize,
    /// What it is made from.
    pub(super) from: Start,
    /// The estimate of what has to be sent.
    pub(super) bytes: Bytes,
}

/// A road to each of some images, all of which lead back to what is there before.
pub(super) struct Plan {
    /// In the order of the images.
    pub(super) roads: Vec<Road>,
    /// What they cost together; what is carried already costs nothing.
    pub(super) cost: Bytes,
}

impl Plan {
    /// The roads on from an image, or from what is there before.
    pub(super) fn onward(&self, from: Option<usize>) -> impl DoubleEndedIterator<Item = &Road> {
        self.roads.iter().filter(move |road| match road.from {
            Start::Sent(base) => from == Some(base),
            Start::There(_) | Start::Nothing => from.is_none(),
        })
    }
}

/// The roads to one site.
pub(super) struct Roads<'s, 'a> {
    pub(super) scale: &'s mut Scale<'a>,
    shared: Vec<Common>,
    carried: &'s Carried,
    /// What is chosen for each image by itself.
    choices: HashMap<usize, Choice>,
    /// From which of the images wanted each may be made: of many, the nearest.
    near: HashMap<usize, Vec<usize>>,
}

impl<'s, 'a> Roads<'s, 'a> {
    pub(super) fn new(scale: &'s mut Scale<'a>, site: &Site<'_>, carried: &'s Carried) -> Self {
        Self {
            shared: common(scale.lineage.list(), site.images),
            scale,
            carried,
            choices: HashMap::new(),
            near: HashMap::new(),
        }
    }

    /// What is chosen for an image by itself.
    pub(super) fn choice(&mut self, image: usize) -> Result<&Choice> {
        // Looked up twice, as the borrow checker cannot yet see that a miss ends the first borrow.
        if !self.choices.contains_key(&image) {
            let choice = choose_among(self.scale, &self.shared, image)?;
            self.choices.insert(image, choice);
        }
        Ok(self.choices.get(&image).expect("it was just put there"))
    }

    /// The cheapest way to send `targets` and `steps`, none of which is there; `targets` are the same each time.
    pub(super) fn cheapest(&mut self, targets: &[usize], steps: &[usize]) -> Result<Plan> {
        // Vertex 0 is what is there before.
        let images = || targets.iter().chain(steps).copied();
        let vertices: HashMap<usize, usize> = images().zip(1..).collect();
        let mut roads = Vec::new();
        for image in images() {
            self.roads_before(image, &mut roads)?;
            self.roads_within(image, targets, steps, &mut roads)?;
        }
        let vertex = |image: usize| vertices.get(&image).copied().unwrap_or(usize::MAX);
        let edges: Vec<Edge> = roads
            .iter()
            .map(|road| Edge {
                from: match road.from {
                    Start::Sent(base) => vertex(base),
                    Start::There(_) | Start::Nothing => 0,
                },
                to: vertex(road.to),
                cost: self.cost(road).0,
            })
            .collect();
        let taken = arborescence(vertices.len() + 1, 0, &edges)
            .expect("each image can at least be sent as a whole");
        let taken = || taken.iter().copied().flatten();
        let cost = taken().filter_map(|edge| edges.get(edge));
        Ok(Plan {
            cost: sum(cost.map(|edge| Bytes(edge.cost))),
            roads: taken()
                .filter_map(|edge| roads.get(edge).copied())
                .collect(),
        })
    }

    /// What a road costs here and now.
    pub(super) fn cost(&self, road: &Road) -> Bytes {
        if self.carried.contains(&(road.to, road.from.base())) {
            Bytes::ZERO
        } else {
            road.bytes
        }
    }

    /// What an image can be made from without the batch: what was chosen for it first, of the others those that will do, nothing.
    fn roads_before(&mut self, image: usize, roads: &mut Vec<Road>) -> Result<()> {
        let rules = self.scale.rules;
        // Only a medium that carries something can make another base the cheaper one.
        let with_others = !self.carried.is_empty();
        let choice = self.choice(image)?;
        let others = choice.runners_up.iter();
        let others = others.filter(|one| with_others && one.serves(rules));
        let road = |base: &Weighed| {
            let bytes = base.overlap?.bytes(rules.has_zero_marks);
            let from = Start::There(base.place);
            Some(Road {
                to: image,
                from,
                bytes,
            })
        };
        roads.extend(choice.base().into_iter().chain(others).filter_map(road));
        roads.push(Road {
            to: image,
            from: Start::Nothing,
            bytes: choice.whole,
        });
        Ok(())
    }

    /// What an image can be made from of what is sent.
    fn roads_within(
        &mut self,
        image: usize,
        targets: &[usize],
        steps: &[usize],
        roads: &mut Vec<Road>,
    ) -> Result<()> {
        let rules = self.scale.rules;
        if !self.near.contains_key(&image) {
            let near = self.nearest(image, targets);
            self.near.insert(image, near);
        }
        let near = self.near.get(&image).into_iter().flatten();
        let steps = steps.iter().filter(|step| **step != image);
        let others: Vec<usize> = near.chain(steps).copied().collect();
        let overlaps = self.scale.overlaps(image, &others)?;
        for (other, overlap) in others.iter().zip(overlaps) {
            let Some(overlap) = overlap else {
                continue;
            };
            let bytes = overlap.bytes(rules.has_zero_marks);
            if overlap.reaches(rules.threshold) && bytes <= overlap.whole() {
                roads.push(Road {
                    to: image,
                    from: Start::Sent(*other),
                    bytes,
                });
            }
        }
        Ok(())
    }

    /// The targets that are the nearest to an image: as many as a list has places.
    fn nearest(&self, image: usize, targets: &[usize]) -> Vec<usize> {
        let lineage = self.scale.lineage;
        let others = targets.iter().copied().enumerate();
        let others = others.filter(|(_, other)| *other != image && lineage.is_there(*other));
        let mut others: Vec<(usize, usize)> = others.collect();
        if others.len() > self.scale.rules.list {
            let ways = lineage.ways_from(image);
            let size = |place| lineage.node(place).map_or(0, |node| node.size.0);
            others.sort_by_cached_key(|(number, other)| {
                let way = ways.get(*other).copied().flatten();
                let hops = way.map_or(u32::MAX, |way| way.hops);
                (hops, size(*other).abs_diff(size(image)), *number)
            });
            others.truncate(self.scale.rules.list);
        }
        others.into_iter().map(|(_, other)| other).collect()
    }
}
