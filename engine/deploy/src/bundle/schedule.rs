//! Which entries of a delivery lead to the images that a site is to have, with the least to read: from what it has, through images that others bring.
//!
//! An index may list 100 000 entries in any order, so each of them is looked at once.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
};

use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::RepositoryId;

use super::{entry::BundleEntry, index::Index};

/// What is to be done with one entry, by its place in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    /// Which.
    pub(super) entry: usize,
    /// Whether the image only serves others.
    pub(super) is_step: bool,
}

/// The way from what a site has to what it is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    /// What is there already: one entry of each image.
    pub(super) there: Vec<usize>,
    /// What is to be made, every base before what is made from it.
    pub(super) legs: Vec<Leg>,
    /// What cannot be made: one entry of each image.
    pub(super) unfit: Vec<usize>,
}

/// The cheapest last step to an image.
#[derive(Clone, Copy, Debug)]
struct LastStep {
    /// The entry, by its place in the index.
    entry: usize,
    /// Its base, if that has to be made first.
    made_from: Option<ContentId>,
}

/// Works out the way. A site that the index names gets what is for it, by whatever entries lead there; another one gets all that it has the
/// bases for. `has` says whether the site has a disk, `may_have` whether it may serve as a base, which is proven when it is
/// read, `is_usable` whether an entry, by its place in the index, is to be used at all.
pub(super) fn schedule(
    index: &Index,
    site: &RepositoryId,
    has: impl Fn(&ContentId) -> bool,
    may_have: impl Fn(&ContentId) -> bool,
    is_usable: impl Fn(usize) -> bool,
) -> Schedule {
    let wanted = wanted(index, site);
    let best = cheapest(index, &has, &may_have, &is_usable);
    let mut schedule = Schedule::default();
    let (mut scheduled, mut seen) = (HashSet::new(), HashSet::new());
    for (number, entry) in index.items.iter().enumerate() {
        let content = &entry.content_id;
        if !wanted.contains(content) || !seen.insert(*content) {
            continue;
        }
        if has(content) {
            schedule.there.push(number);
        } else if best.contains_key(content) {
            let way = way_to(*content, &best, &wanted, &mut scheduled);
            schedule.legs.extend(way.into_iter().rev());
        } else {
            schedule.unfit.push(number);
        }
    }
    schedule
}

/// The steps to an image that are not `laid` yet, the last one first.
fn way_to(
    content: ContentId,
    best: &HashMap<ContentId, LastStep>,
    wanted: &HashSet<ContentId>,
    scheduled: &mut HashSet<ContentId>,
) -> Vec<Leg> {
    let mut way = Vec::new();
    let mut next = Some(content);
    while let Some(content) = next.filter(|content| scheduled.insert(*content))
        && let Some(step) = best.get(&content)
    {
        way.push(Leg {
            entry: step.entry,
            is_step: !wanted.contains(&content),
        });
        next = step.made_from;
    }
    way
}

/// The contents that a site is to have.
fn wanted(index: &Index, site: &RepositoryId) -> HashSet<ContentId> {
    let is_named = |entry: &&BundleEntry| entry.sites.iter().any(|one| one.repository == *site);
    let names_it = index.items.iter().any(|entry| is_named(&entry));
    let wants = |entry: &&BundleEntry| match names_it {
        true => (entry.sites.iter()).any(|one| one.repository == *site && !one.step),
        false => entry.sites.is_empty() || entry.sites.iter().any(|one| !one.step),
    };
    let items = index.items.iter().filter(wants);
    items.map(|entry| entry.content_id).collect()
}

/// The cheapest last step to each image that can be made and is not there: Dijkstra's search, from nothing and from what is there.
fn cheapest(
    index: &Index,
    has: &impl Fn(&ContentId) -> bool,
    may_have: &impl Fn(&ContentId) -> bool,
    is_usable: &impl Fn(usize) -> bool,
) -> HashMap<ContentId, LastStep> {
    let mut made_from: HashMap<ContentId, Vec<usize>> = HashMap::new();
    // What can be made so far, the cheapest first: the bytes to be read, and the entry.
    let mut reached = BinaryHeap::new();
    let entries = index.items.iter().enumerate();
    for (number, entry) in entries.filter(|(number, _)| is_usable(*number)) {
        match &entry.base {
            Some(base) if !may_have(&base.content_id) => {
                made_from.entry(base.content_id).or_default().push(number);
            }
            _ => reached.push(Reverse((entry.file.length, number))),
        }
    }
    let mut best = HashMap::new();
    while let Some(Reverse((bytes, number))) = reached.pop() {
        let Some(entry) = index.items.get(number) else {
            continue;
        };
        if best.contains_key(&entry.content_id) || has(&entry.content_id) {
            continue;
        }
        let base = entry.base.as_ref().map(|base| base.content_id);
        let step = LastStep {
            entry: number,
            made_from: base.filter(|base| !may_have(base)),
        };
        best.insert(entry.content_id, step);
        for next in made_from.remove(&entry.content_id).unwrap_or_default() {
            let length = index.items.get(next).map_or(0, |next| next.file.length);
            reached.push(Reverse((bytes.saturating_add(length), next)));
        }
    }
    best
}

#[cfg(test)]
mod tests;
