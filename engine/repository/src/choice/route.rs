//! How the images of a batch reach one site: a graph of what can be made from what, and the cheapest arborescence in it. What
//! candidates among the site's own images measure is found out by `choose`.

use std::collections::{BTreeMap, HashMap, HashSet};

use imgdelta_core::{Bytes, Result};

use crate::choice::{
    arborescence::{Edge, arborescence},
    batch::{Carried, Leg, Origin, Route, Site, sum},
    choose::{Choice, Decision, choose_among},
    node::{Common, common},
    weigh::{Scale, Weighed},
};

/// How far up the tree steps are looked for: as deep as a chain may be.
const DEEPEST: usize = 256;

/// An edge of the graph: what an image can be made from, and what that costs.
#[derive(Clone)]
struct Road {
    /// The image of the batch that it is made from; `None` for what is there before.
    from: Option<usize>,
    origin: Origin,
    bytes: Bytes,
}

/// A route in the making.
pub(super) struct Planner<'s, 'a> {
    scale: &'s mut Scale<'a>,
    site: &'s Site<'s>,
    shared: Vec<Common>,
    carried: &'s Carried,
    there: Vec<(String, String)>,
    /// The images that have to be sent, in the order of their ids.
    targets: Vec<usize>,
    /// What is chosen for each by itself.
    choices: HashMap<usize, Choice>,
}

/// An arborescence: what is sent, and on which roads.
struct Plan {
    images: Vec<usize>,
    roads: Vec<Road>,
    cost: Bytes,
}

impl<'s, 'a> Planner<'s, 'a> {
    /// For a site that is to have the images at the places `wanted`; what is `carried` already costs nothing.
    pub(super) fn new(
        scale: &'s mut Scale<'a>,
        site: &'s Site<'s>,
        wanted: &[usize],
        carried: &'s Carried,
    ) -> Result<Self> {
        let list = scale.lineage.list();
        let mut planner = Self {
            shared: common(list, site.images),
            scale,
            site,
            carried,
            there: Vec::new(),
            targets: Vec::new(),
            choices: HashMap::new(),
        };
        for image in wanted {
            let choice = planner.choice(*image)?;
            match &choice.decision {
                Decision::There(at_site) => {
                    let there = (choice.image.clone(), at_site.clone());
                    planner.there.push(there);
                }
                _ => planner.targets.push(*image),
            }
        }
        Ok(planner)
    }

    /// The cheapest route.
    pub(super) fn route(mut self) -> Result<Route> {
        let naive = self.targets.clone().into_iter();
        let naive = naive
            .map(|target| Ok(self.choice(target)?.bytes))
            .collect::<Result<Vec<_>>>()?;
        let mut best = self.solve(&[])?;
        let mut steps = Vec::new();
        for step in self.possible_steps()? {
            if steps.len() >= self.scale.rules.steps {
                break;
            }
            steps.push(step);
            let longer = self.solve(&steps)?;
            if longer.cost < best.cost {
                best = longer;
            } else {
                steps.pop();
            }
        }
        // A later step may have taken the place of an earlier one.
        while let Some(idle) = steps.iter().position(|step| !best.is_used(*step)) {
            steps.remove(idle);
            best = self.solve(&steps)?;
        }
        let legs = self.legs(&best)?;
        Ok(Route {
            site: self.site.name.clone(),
            there: self.there,
            legs,
            naive: sum(naive.into_iter()),
        })
    }

    /// What is chosen for an image by itself.
    fn choice(&mut self, image: usize) -> Result<Choice> {
        if let Some(known) = self.choices.get(&image) {
            return Ok(known.clone());
        }
        let choice = choose_among(self.scale, &self.shared, image)?;
        self.choices.insert(image, choice.clone());
        Ok(choice)
    }

    /// Images that nobody wants and from which at least two of the targets descend: those with the most and nearest first.
    fn possible_steps(&mut self) -> Result<Vec<usize>> {
        if self.scale.rules.steps == 0 {
            return Ok(Vec::new());
        }
        let targets: HashSet<usize> = self.targets.iter().copied().collect();
        // How many descend from each, and how far away they are in all.
        let mut above: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for target in &self.targets {
            let mut passed = HashSet::from([*target]);
            let mut here = self.scale.lineage.parent(*target);
            while let Some(place) = here.filter(|place| passed.insert(*place)) {
                let (count, hops) = above.entry(place).or_default();
                *count += 1;
                *hops += passed.len();
                let is_deep = passed.len() > DEEPEST;
                here = self.scale.lineage.parent(place).filter(|_| !is_deep);
            }
        }
        above.retain(|place, (count, _)| *count > 1 && !targets.contains(place));
        let mut steps: Vec<usize> = above.keys().copied().collect();
        steps.sort_by_key(|place| {
            let (count, hops) = above.get(place).copied().unwrap_or_default();
            let id = self.scale.lineage.node(*place).map(|node| &node.id);
            (std::cmp::Reverse(count), hops, id)
        });
        steps.truncate(self.scale.rules.list);
        let mut possible = Vec::with_capacity(steps.len());
        for step in steps {
            if !matches!(self.choice(step)?.decision, Decision::There(_)) {
                possible.push(step);
            }
        }
        Ok(possible)
    }

    /// The cheapest way to send the targets and these steps.
    fn solve(&mut self, steps: &[usize]) -> Result<Plan> {
        let images: Vec<usize> = self.targets.iter().chain(steps).copied().collect();
        let (mut edges, mut roads) = (Vec::new(), Vec::new());
        for (number, image) in images.iter().enumerate() {
            let mut all = self.roads_from_before(*image)?;
            all.extend(self.roads_from_batch(*image, &images)?);
            for road in all {
                edges.push(Edge {
                    // Vertex 0 is what is there before.
                    from: road.from.map_or(0, |from| from + 1),
                    to: number + 1,
                    cost: self.cost(*image, &road).0,
                });
                roads.push(road);
            }
        }
        // Every image can at least be sent as a whole, so that there always is an arborescence.
        let taken = arborescence(images.len() + 1, 0, &edges).unwrap_or_default();
        let taken: Vec<usize> = taken.into_iter().flatten().collect();
        let cost = taken.iter().filter_map(|edge| edges.get(*edge));
        let cost = sum(cost.map(|edge| Bytes(edge.cost)));
        let roads = taken.iter().filter_map(|edge| roads.get(*edge)).cloned();
        let roads = roads.collect();
        Ok(Plan {
            images,
            roads,
            cost,
        })
    }

    /// What a road costs here and now: nothing, if the medium carries it already.
    fn cost(&self, image: usize, road: &Road) -> Bytes {
        if self.carried.is_empty() {
            return road.bytes;
        }
        let image = self.scale.lineage.node(image).map(|node| node.id.clone());
        let base = road.origin.base().map(str::to_owned);
        match image.is_some_and(|image| self.carried.contains_key(&(image, base))) {
            true => Bytes::ZERO,
            false => road.bytes,
        }
    }

    /// What an image can be made from without the batch: what was chosen for it first, of the others those that will do, nothing.
    fn roads_from_before(&mut self, image: usize) -> Result<Vec<Road>> {
        let choice = self.choice(image)?;
        let rules = self.scale.rules;
        let others = choice.runners_up.iter().filter(|one| one.serves(rules));
        // Only a medium that carries something makes another base the cheaper one.
        let others = others.filter(|_| !self.carried.is_empty());
        let road = |base: &Weighed| Road {
            from: None,
            bytes: base
                .overlap
                .map_or(choice.whole, |held| held.bytes(rules.has_zero_marks)),
            origin: Origin::There(base.clone()),
        };
        let mut roads: Vec<Road> = choice.base().into_iter().chain(others).map(road).collect();
        roads.push(Road {
            from: None,
            origin: Origin::Nothing,
            bytes: choice.whole,
        });
        Ok(roads)
    }

    /// What an image can be made from of what is sent: of many, the nearest.
    fn roads_from_batch(&mut self, image: usize, images: &[usize]) -> Result<Vec<Road>> {
        let rules = self.scale.rules;
        let lineage = self.scale.lineage;
        let mut others: Vec<(usize, usize)> = images
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, other)| *other != image)
            .collect();
        if others.len() > rules.list {
            let ways = lineage.ways_from(image);
            let size = |place| lineage.node(place).map_or(0, |node| node.size.0);
            others.sort_by_cached_key(|(number, other)| {
                let way = ways.get(*other).copied().flatten();
                let hops = way.map_or(u32::MAX, |way| way.hops);
                (hops, size(*other).abs_diff(size(image)), *number)
            });
            others.truncate(rules.list);
            others.sort_unstable();
        }
        let mut roads = Vec::new();
        for (number, other) in others {
            let Some(overlap) = self.scale.overlap(image, other)? else {
                continue;
            };
            let bytes = overlap.bytes(rules.has_zero_marks);
            if overlap.reaches(rules.threshold) && bytes <= overlap.whole() {
                let id = lineage.node(other).map_or("", |node| &node.id);
                roads.push(Road {
                    from: Some(number),
                    origin: Origin::Sent {
                        image: id.to_owned(),
                        overlap,
                    },
                    bytes,
                });
            }
        }
        Ok(roads)
    }

    /// The legs of a plan, every base before what is made from it.
    fn legs(&mut self, plan: &Plan) -> Result<Vec<Leg>> {
        let mut next: Vec<usize> = plan.made_from(None);
        next.reverse();
        let mut legs = Vec::with_capacity(plan.images.len());
        while let Some(number) = next.pop() {
            let (Some(image), Some(road)) = (plan.images.get(number), plan.roads.get(number))
            else {
                continue;
            };
            let choice = self.choice(*image)?;
            legs.push(Leg {
                image: choice.image.clone(),
                from: road.origin.clone(),
                bytes: road.bytes,
                is_step: !self.targets.contains(image),
                choice,
            });
            next.extend(plan.made_from(Some(number)).into_iter().rev());
        }
        Ok(legs)
    }
}

impl Plan {
    /// The images that are made from this one, in their order.
    fn made_from(&self, number: Option<usize>) -> Vec<usize> {
        let roads = self.roads.iter().enumerate();
        roads
            .filter(|(_, road)| road.from == number)
            .map(|(made, _)| made)
            .collect()
    }

    /// Whether something is made from the image.
    fn is_used(&self, image: usize) -> bool {
        self.images
            .iter()
            .position(|one| *one == image)
            .is_some_and(|number| self.roads.iter().any(|road| road.from == Some(number)))
    }
}
