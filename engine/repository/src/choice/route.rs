//! How the images of a batch reach one site: which of them have to be sent, by which steps, in which order. What each can be made
//! from is found out in `roads`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
};

use imgdelta_core::Result;

use crate::choice::{
    batch::{Leg, Origin, Route, Site, sum},
    choose::{Choice, Decision},
    roads::{Carried, Plan, Road, Roads, Start},
    weigh::Scale,
};

/// How far up the tree steps are looked for: as deep as a chain may be.
const DEEPEST: usize = 256;

/// The cheapest route to a site that is to have the images at the places `wanted`; what is `carried` already costs nothing.
pub(super) fn route(
    scale: &mut Scale<'_>,
    site: &Site<'_>,
    wanted: &[usize],
    carried: &Carried,
) -> Result<Route> {
    let mut roads = Roads::new(scale, site, carried);
    let (mut there, mut targets, mut naive) = (Vec::new(), Vec::new(), Vec::new());
    for image in wanted {
        let choice = roads.choice(*image)?;
        if let Decision::There(at_site) = &choice.decision {
            there.push((choice.image.clone(), at_site.clone()));
        } else {
            targets.push(*image);
            naive.push(choice.bytes);
        }
    }
    let plan = with_steps(&mut roads, &targets)?;
    Ok(Route {
        site: site.name.clone(),
        there,
        legs: legs(&mut roads, &targets, &plan)?,
        naive: sum(naive.into_iter()),
    })
}

/// The cheapest plan for the targets, with each step that makes it cheaper still.
fn with_steps(roads: &mut Roads<'_, '_>, targets: &[usize]) -> Result<Plan> {
    let mut best = roads.cheapest(targets, &[])?;
    let mut steps = Vec::new();
    for step in possible_steps(roads, targets)? {
        if steps.len() >= roads.scale.rules.steps {
            break;
        }
        steps.push(step);
        let longer = roads.cheapest(targets, &steps)?;
        if longer.cost < best.cost {
            best = longer;
        } else {
            steps.pop();
        }
    }
    // A later step may have taken the place of an earlier one.
    let is_idle = |best: &Plan, step: &usize| best.onward(Some(*step)).next().is_none();
    while let Some(idle) = steps.iter().position(|step| is_idle(&best, step)) {
        steps.remove(idle);
        best = roads.cheapest(targets, &steps)?;
    }
    Ok(best)
}

/// Images that nobody wants and from which at least two of the targets descend: those with the most and nearest first.
fn possible_steps(roads: &mut Roads<'_, '_>, targets: &[usize]) -> Result<Vec<usize>> {
    let (lineage, rules) = (roads.scale.lineage, roads.scale.rules);
    if rules.steps == 0 {
        return Ok(Vec::new());
    }
    // How many descend from each, and how far away they are in all.
    let mut above: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for target in targets {
        let mut passed = HashSet::from([*target]);
        let mut here = lineage.parent(*target);
        while let Some(place) = here.filter(|place| passed.insert(*place)) {
            let (count, hops) = above.entry(place).or_default();
            *count += 1;
            *hops += passed.len();
            let is_deep = passed.len() > DEEPEST;
            here = lineage.parent(place).filter(|_| !is_deep);
        }
    }
    targets.iter().for_each(|target| {
        above.remove(target);
    });
    let mut steps: Vec<_> = above
        .into_iter()
        .filter(|(place, (count, _))| *count > 1 && lineage.is_there(*place))
        .map(|(place, (count, hops))| {
            let id = lineage.node(place).map(|node| &node.id);
            (Reverse(count), hops, id, place)
        })
        .collect();
    steps.sort_unstable();
    steps.truncate(rules.list);
    let mut possible = Vec::with_capacity(steps.len());
    for (.., step) in steps {
        if !matches!(roads.choice(step)?.decision, Decision::There(_)) {
            possible.push(step);
        }
    }
    Ok(possible)
}

/// The legs of a plan, every base before what is made from it.
fn legs(roads: &mut Roads<'_, '_>, targets: &[usize], plan: &Plan) -> Result<Vec<Leg>> {
    let targets: HashSet<usize> = targets.iter().copied().collect();
    let mut next: Vec<&Road> = plan.onward(None).rev().collect();
    let mut legs = Vec::with_capacity(plan.roads.len());
    while let Some(road) = next.pop() {
        let choice = roads.choice(road.to)?.clone();
        legs.push(Leg {
            image: choice.image.clone(),
            from: origin(roads, &choice, road)?,
            bytes: road.bytes,
            is_step: !targets.contains(&road.to),
            choice,
        });
        next.extend(plan.onward(Some(road.to)).rev());
    }
    Ok(legs)
}

/// What a road starts from, with what it measures.
fn origin(roads: &mut Roads<'_, '_>, choice: &Choice, road: &Road) -> Result<Origin> {
    let found = match road.from {
        Start::Nothing => Some(Origin::Nothing),
        Start::There(base) => {
            let mut all = choice.base().into_iter().chain(&choice.runners_up);
            all.find(|one| one.place == base)
                .cloned()
                .map(Origin::There)
        }
        Start::Sent(base) => {
            let node = roads.scale.lineage.node(base);
            let overlap = roads.scale.overlap(road.to, base)?;
            node.zip(overlap).map(|(node, overlap)| Origin::Sent {
                image: node.id.clone(),
                overlap,
            })
        }
    };
    Ok(found.expect("a road starts at what it was measured from"))
}
