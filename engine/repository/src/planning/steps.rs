//! Images that nobody wants and that may make others cheaper: what several targets have in common is sent once, with the step. Whether one pays is
//! found out by planning with it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
};

use imgdelta_core::{Bytes, Result};

use crate::planning::{
    choose::Decision,
    transfers::{Plan, TransferGraph},
};

/// How far up the tree steps are looked for: as deep as a chain may be.
const DEEPEST: usize = 256;

/// With more targets than this only images from which they descend are looked at.
const MOST_TARGETS: usize = 64;

/// Most pairs of a target and a step that are measured.
const MOST_PAIRS: usize = 512;

/// Images from which at least two of the targets descend: those with the most and nearest first.
pub(super) fn above_several(
    graph: &mut TransferGraph<'_, '_>,
    targets: &[usize],
) -> Result<Vec<usize>> {
    let (lineage, rules) = (graph.scorer.lineage, graph.scorer.rules);
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
    not_there(graph, steps.into_iter().map(|(.., step)| step))
}

/// Other images, of whatever kinship or none, that would make the targets cheaper by more than they take themselves, as `plan` stands: those that save
/// most first. Only the nearest are measured, so that it ends.
pub(super) fn others(
    graph: &mut TransferGraph<'_, '_>,
    targets: &[usize],
    known: &[usize],
    plan: &Plan,
) -> Result<Vec<usize>> {
    let rules = graph.scorer.rules;
    if rules.steps == 0 || !(2..=MOST_TARGETS).contains(&targets.len()) {
        return Ok(Vec::new());
    }
    let most = rules.list.min(MOST_PAIRS / targets.len());
    let near = nearest(graph, targets, known, most);
    let mut saved: HashMap<usize, u64> = HashMap::new();
    for target in targets {
        let Some(transfer) = plan
            .transfers
            .iter()
            .find(|transfer| transfer.to == *target)
        else {
            continue;
        };
        let now = graph.cost(transfer);
        let overlaps = graph.scorer.overlaps(*target, &near)?;
        for (step, overlap) in near.iter().zip(overlaps) {
            let Some(overlap) = overlap.filter(|overlap| overlap.reaches(rules.threshold)) else {
                continue;
            };
            let less = now.0.saturating_sub(overlap.bytes(rules.has_zero_marks).0);
            let sum = saved.entry(*step).or_default();
            *sum = sum.saturating_add(less);
        }
    }
    saved.retain(|_, less| *less > 0);
    let mut paying = Vec::new();
    for step in not_there(graph, near.into_iter())? {
        let Some(less) = saved.get(&step).copied() else {
            continue;
        };
        let cost = cheapest_to(graph, step, targets)?;
        if less > cost.0 {
            paying.push((Reverse(less - cost.0), step));
        }
    }
    paying.sort_unstable();
    Ok(paying.into_iter().map(|(_, step)| step).collect())
}

/// What a step takes: from what is there, from nothing, or from a target that is sent anyway.
fn cheapest_to(graph: &mut TransferGraph<'_, '_>, step: usize, targets: &[usize]) -> Result<Bytes> {
    let rules = graph.scorer.rules;
    let by_itself = graph.choice(step)?.bytes;
    let overlaps = graph.scorer.overlaps(step, targets)?;
    let from_targets = overlaps.into_iter().flatten();
    let from_targets = from_targets.map(|overlap| overlap.bytes(rules.has_zero_marks));
    Ok(from_targets
        .min()
        .map_or(by_itself, |least| least.min(by_itself)))
}

/// At most so many images that stand here, neither targets nor `known`, the nearest of kin first, then those of the nearest size.
fn nearest(
    graph: &TransferGraph<'_, '_>,
    targets: &[usize],
    known: &[usize],
    most: usize,
) -> Vec<usize> {
    let lineage = graph.scorer.lineage;
    let size = |place| lineage.node(place).map_or(0, |node| node.size.0);
    // By how many hops the nearest target is away, and by how much its size is another.
    let mut distances: HashMap<usize, (u32, u64)> = HashMap::new();
    for target in targets {
        for (place, way) in lineage.ways_from(*target).into_iter().enumerate() {
            let hops = way.map_or(u32::MAX, |way| way.hops);
            let distance = (hops, size(place).abs_diff(size(*target)));
            let nearest = distances.entry(place).or_insert(distance);
            *nearest = distance.min(*nearest);
        }
    }
    let is_new = |place: &usize| {
        lineage.is_there(*place) && !targets.contains(place) && !known.contains(place)
    };
    let mut near: Vec<_> = distances
        .into_iter()
        .filter(|(place, _)| is_new(place))
        .map(|(place, distance)| (distance, lineage.node(place).map(|node| &node.id), place))
        .collect();
    near.sort_unstable();
    near.truncate(most);
    near.into_iter().map(|(.., place)| place).collect()
}

/// Those that the site has not.
fn not_there(
    graph: &mut TransferGraph<'_, '_>,
    steps: impl Iterator<Item = usize>,
) -> Result<Vec<usize>> {
    let mut missing = Vec::new();
    for step in steps {
        if !matches!(graph.choice(step)?.decision, Decision::There(_)) {
            missing.push(step);
        }
    }
    Ok(missing)
}
