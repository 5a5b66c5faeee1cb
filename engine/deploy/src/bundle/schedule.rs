//! Which entries of a delivery lead to the images that a site is to have, with the least to read: from what it has, through images that others
//! bring. No file is opened here. An index may list 100 000 entries in any order: what is worked out takes each of them once.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
};

use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::RepositoryId;

use super::index::{BundleEntry, Index};

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
mod tests {
    use imgdelta_core::{Format, Result};
    use imgdelta_delta::Digest;

    use super::*;
    use crate::bundle::index::{FileEntry, ImageRef, Recipient};

    const HERE: &str = "00000000-0000-4000-8000-000000000001";
    const THERE: &str = "00000000-0000-4000-8000-000000000002";

    fn content(name: &str) -> ContentId {
        ContentId(Digest::plain(name.as_bytes()))
    }

    /// An entry that makes the image from its base, `-` being nothing, in a file of that length.
    fn entry(base: &str, image: &str, length: u64, sites: &[(&str, bool)]) -> Result<BundleEntry> {
        let shipped = |name: String| -> Result<FileEntry> {
            Ok(FileEntry {
                name: name.parse()?,
                length,
                sha256: Digest::default(),
            })
        };
        let pointer = |name: &str| -> Result<ImageRef> {
            Ok(ImageRef {
                id: name.parse()?,
                content_id: content(name),
                name: name.parse()?,
            })
        };
        let base = Some(base).filter(|base| *base != "-").map(pointer);
        let base = base.transpose()?;
        let beside = format!("{image}.json");
        let is_for = |(repository, step): &(&str, bool)| -> Result<Recipient> {
            Ok(Recipient {
                repository: repository.parse()?,
                step: *step,
            })
        };
        Ok(BundleEntry {
            manifest: base.as_ref().map(|_| shipped(beside)).transpose()?,
            base,
            image: image.parse()?,
            content_id: content(image),
            size: 1,
            ancestors: Vec::new(),
            data: None,
            name: image.parse()?,
            tags: std::collections::BTreeSet::new(),
            golden: false,
            parent: None,
            format: Format::Qcow2,
            file: shipped(image.to_owned())?,
            requires: Vec::new(),
            sites: sites.iter().map(is_for).collect::<Result<_>>()?,
        })
    }

    /// As [`entry`], of a pair of letters.
    fn pair(pair: &str, length: u64, sites: &[(&str, bool)]) -> Result<BundleEntry> {
        let (base, image) = pair.split_at(1);
        entry(base, image, length, sites)
    }

    /// The way for a site that has `here`: what is made, steps in brackets; what is there; what is unfit.
    fn way(items: &[BundleEntry], here: &str) -> Result<(String, String, String)> {
        let index = Index {
            items: items.to_vec(),
            ..Index::new()
        };
        let here: Vec<ContentId> = here.split("").map(content).collect();
        let found = schedule(
            &index,
            &HERE.parse()?,
            |wanted| here.contains(wanted),
            |wanted| here.contains(wanted),
            |_| true,
        );
        let pair = |number: &usize| {
            let entry = &items[*number];
            let base = entry.base.as_ref().map_or("-", |base| base.name.as_str());
            format!("{base}{}", entry.name)
        };
        let names = |numbers: &[usize]| numbers.iter().map(pair).collect::<Vec<_>>().join(" ");
        let legs = found.legs.iter().map(|leg| match leg.is_step {
            true => format!("[{}]", pair(&leg.entry)),
            false => pair(&leg.entry),
        });
        let legs = legs.collect::<Vec<_>>().join(" ");
        Ok((legs, names(&found.there), names(&found.unfit)))
    }

    #[test]
    fn each_image_comes_by_the_cheapest_way_and_bases_come_first() -> Result<()> {
        let mine = [(HERE, false)];
        let items = [
            pair("DF", 3, &mine)?,
            pair("AF", 20, &mine)?,
            pair("-F", 90, &mine)?,
            pair("AD", 10, &[(HERE, true)])?,
        ];
        let legs = |here: &str| way(&items, here).map(|(legs, ..)| legs);
        assert_eq!(legs("A")?, "[AD] DF");
        assert_eq!(legs("AD")?, "DF");
        assert_eq!(legs("X")?, "-F");
        assert_eq!(
            way(&items, "AF")?,
            (String::new(), "DF".to_owned(), String::new())
        );
        Ok(())
    }

    #[test]
    fn a_site_gets_what_is_for_it_by_whatever_leads_there() -> Result<()> {
        let (mine, theirs) = ([(HERE, false)], [(THERE, false)]);
        let items = [
            pair("AF", 3, &mine)?,
            pair("DF", 3, &theirs)?,
            pair("DG", 3, &theirs)?,
            pair("AH", 3, &[(THERE, true)])?,
        ];
        assert_eq!(way(&items, "AD")?.0, "AF", "G is not for it");
        assert_eq!(
            way(&items, "D")?.0,
            "DF",
            "the base for which it was meant is gone"
        );
        assert_eq!(
            way(&items, "X")?,
            (String::new(), String::new(), "AF".to_owned())
        );
        // Nobody named this one: it takes all that it has bases for, but steps.
        let strange = [
            pair("AF", 3, &theirs)?,
            pair("DG", 3, &theirs)?,
            pair("AH", 3, &[(THERE, true)])?,
        ];
        assert_eq!(
            way(&strange, "A")?,
            ("AF".to_owned(), String::new(), "DG".to_owned())
        );
        Ok(())
    }

    #[test]
    fn circles_lead_nowhere() -> Result<()> {
        let mine = [(HERE, false)];
        let circle = [
            pair("PQ", 0, &mine)?,
            pair("QP", 0, &mine)?,
            pair("QR", 0, &mine)?,
        ];
        assert_eq!(way(&circle, "X")?.0, "");
        assert_eq!(way(&circle, "P")?.0, "PQ QR");
        Ok(())
    }

    /// As many as the longest index that is read may list: each of them goes over its base once, or this takes hours.
    #[test]
    fn a_hundred_thousand_entries_are_planned_in_any_order() -> Result<()> {
        const COUNT: usize = 100_000;
        let image = |number: usize| format!("i{number}");
        let link = |number: usize| entry(&image(number), &image(number + 1), 1, &[]);
        let mut items = (0..COUNT).map(link).collect::<Result<Vec<BundleEntry>>>()?;
        let has = content(&image(0));
        let reversed = items.iter().rev().cloned().collect();
        // Far from each other's neighbours: a step that has no divisor in common with their number.
        let scattered = (0..COUNT).filter_map(|number| items.get(number * 7919 % COUNT).cloned());
        let scattered = scattered.collect();
        for items in [std::mem::take(&mut items), reversed, scattered] {
            let index = Index {
                items,
                ..Index::new()
            };
            let begun = std::time::Instant::now();
            let found = {
                let is_it = |wanted: &ContentId| *wanted == has;
                schedule(&index, &HERE.parse()?, is_it, is_it, |_| true)
            };
            eprintln!("planned {COUNT} entries in {:?}", begun.elapsed());
            assert_eq!(found.legs.len(), COUNT);
            let is_sequential = |pair: &[Leg]| {
                let made = &index.items[pair[0].entry].content_id;
                let base = index.items[pair[1].entry].base.as_ref();
                base.is_some_and(|base| base.content_id == *made)
            };
            assert!(found.legs.windows(2).all(is_sequential));
        }
        Ok(())
    }
}
