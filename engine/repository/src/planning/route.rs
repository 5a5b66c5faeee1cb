//! How the images of a batch reach one site: which of them have to be sent, by which steps, in which order. What each can be made
//! from is found out in `transfers`.

use std::collections::HashSet;

use imgdelta_core::{Bytes, Result};

use crate::planning::{
    batch_plan::{Origin, Route, Site, Transfer, sum},
    choose::{Choice, Decision},
    scoring::Scorer,
    steps,
    transfers::{Carried, Plan, TransferEdge, TransferGraph, TransferSource},
};

/// The cheapest route to a site that is to have the images at the places `wanted`; what is `carried` already costs nothing.
pub(super) fn route(
    scorer: &mut Scorer<'_>,
    site: &Site<'_>,
    wanted: &[usize],
    carried: &Carried,
) -> Result<Route> {
    let mut graph = TransferGraph::new(scorer, site, carried);
    let (mut there, mut targets, mut naive) = (Vec::new(), Vec::new(), Vec::new());
    for image in wanted {
        let choice = graph.choice(*image)?;
        if let Decision::There(at_site) = &choice.decision {
            there.push((choice.image.clone(), at_site.clone()));
        } else {
            targets.push(*image);
            naive.push(choice.bytes);
        }
    }
    let (plan, saved) = with_steps(&mut graph, &targets)?;
    Ok(Route {
        site: site.name.clone(),
        there,
        transfers: transfers(&mut graph, &targets, &plan)?,
        naive: sum(naive.into_iter()),
        saved_by_steps: saved,
    })
}

/// The cheapest plan for the targets, with each step that makes it cheaper still, and how much the steps save.
fn with_steps(graph: &mut TransferGraph<'_, '_>, targets: &[usize]) -> Result<(Plan, Bytes)> {
    let mut best = graph.cheapest(targets, &[])?;
    let without = best.cost;
    let mut steps = Vec::new();
    let above = steps::above_several(graph, targets)?;
    for step in &above {
        try_step(graph, targets, *step, &mut steps, &mut best)?;
    }
    for step in steps::others(graph, targets, &above, &best)? {
        try_step(graph, targets, step, &mut steps, &mut best)?;
    }
    // A later step may have taken the place of an earlier one.
    let is_idle = |best: &Plan, step: &usize| best.onward(Some(*step)).next().is_none();
    while let Some(idle) = steps.iter().position(|step| is_idle(&best, step)) {
        steps.remove(idle);
        best = graph.cheapest(targets, &steps)?;
    }
    let saved = Bytes(without.0.saturating_sub(best.cost.0));
    Ok((best, saved))
}

/// Takes one more step, if there may be more and it makes the plan cheaper.
fn try_step(
    graph: &mut TransferGraph<'_, '_>,
    targets: &[usize],
    step: usize,
    steps: &mut Vec<usize>,
    best: &mut Plan,
) -> Result<()> {
    if steps.len() >= graph.scorer.rules.steps {
        return Ok(());
    }
    steps.push(step);
    let longer = graph.cheapest(targets, steps)?;
    if longer.cost < best.cost {
        *best = longer;
    } else {
        steps.pop();
    }
    Ok(())
}

/// The transfers of a plan, every base before what is made from it.
fn transfers(
    graph: &mut TransferGraph<'_, '_>,
    targets: &[usize],
    plan: &Plan,
) -> Result<Vec<Transfer>> {
    let targets: HashSet<usize> = targets.iter().copied().collect();
    let mut next: Vec<&TransferEdge> = plan.onward(None).rev().collect();
    let mut transfers = Vec::with_capacity(plan.transfers.len());
    while let Some(transfer) = next.pop() {
        let choice = graph.choice(transfer.to)?.clone();
        transfers.push(Transfer {
            image: choice.image.clone(),
            from: origin(graph, &choice, transfer)?,
            bytes: transfer.bytes,
            is_step: !targets.contains(&transfer.to),
            choice,
        });
        next.extend(plan.onward(Some(transfer.to)).rev());
    }
    Ok(transfers)
}

/// What a transfer starts from, with what it measures.
fn origin(
    graph: &mut TransferGraph<'_, '_>,
    choice: &Choice,
    transfer: &TransferEdge,
) -> Result<Origin> {
    let found = match transfer.from {
        TransferSource::Nothing => Some(Origin::Nothing),
        TransferSource::There(base) => {
            let mut all = choice.base().into_iter().chain(&choice.runners_up);
            all.find(|one| one.place == base)
                .cloned()
                .map(Origin::There)
        }
        TransferSource::Sent(base) => {
            let node = graph.scorer.lineage.node(base);
            let overlap = graph.scorer.overlap(transfer.to, base)?;
            node.zip(overlap).map(|(node, overlap)| Origin::Sent {
                image: node.id.clone(),
                overlap,
            })
        }
    };
    Ok(found.expect("a transfer starts at what it was measured from"))
}
