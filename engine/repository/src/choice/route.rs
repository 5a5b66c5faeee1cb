//! How the images of a batch reach one site: which of them have to be sent, by which steps, in which order. What each can be made
//! from is found out in `roads`.

use std::collections::HashSet;

use imgdelta_core::{Bytes, Result};

use crate::choice::{
    batch_plan::{Leg, Origin, Route, Site, sum},
    choose::{Choice, Decision},
    roads::{Carried, Plan, Road, Roads, Start},
    steps,
    weigh::Scale,
};

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
    let (plan, saved) = with_steps(&mut roads, &targets)?;
    Ok(Route {
        site: site.name.clone(),
        there,
        legs: legs(&mut roads, &targets, &plan)?,
        naive: sum(naive.into_iter()),
        saved_by_steps: saved,
    })
}

/// The cheapest plan for the targets, with each step that makes it cheaper still, and how much the steps save.
fn with_steps(roads: &mut Roads<'_, '_>, targets: &[usize]) -> Result<(Plan, Bytes)> {
    let mut best = roads.cheapest(targets, &[])?;
    let without = best.cost;
    let mut steps = Vec::new();
    let above = steps::above_several(roads, targets)?;
    for step in &above {
        try_step(roads, targets, *step, &mut steps, &mut best)?;
    }
    for step in steps::others(roads, targets, &above, &best)? {
        try_step(roads, targets, step, &mut steps, &mut best)?;
    }
    // A later step may have taken the place of an earlier one.
    let is_idle = |best: &Plan, step: &usize| best.onward(Some(*step)).next().is_none();
    while let Some(idle) = steps.iter().position(|step| is_idle(&best, step)) {
        steps.remove(idle);
        best = roads.cheapest(targets, &steps)?;
    }
    let saved = Bytes(without.0.saturating_sub(best.cost.0));
    Ok((best, saved))
}

/// Takes one more step, if there may be more and it makes the plan cheaper.
fn try_step(
    roads: &mut Roads<'_, '_>,
    targets: &[usize],
    step: usize,
    steps: &mut Vec<usize>,
    best: &mut Plan,
) -> Result<()> {
    if steps.len() >= roads.scale.rules.steps {
        return Ok(());
    }
    steps.push(step);
    let longer = roads.cheapest(targets, steps)?;
    if longer.cost < best.cost {
        *best = longer;
    } else {
        steps.pop();
    }
    Ok(())
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
