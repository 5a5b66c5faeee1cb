//! Which items of a delivery lead to the images that a site is to have, with the least to read: from what it has, through images that others
//! bring. No file is opened here.

use std::collections::{HashMap, HashSet};

use imgdelta_delta::ContentId;
use imgdelta_repository::catalogue::RepositoryId;

use super::index::{Index, Item};

/// How it is known that a site has an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Had {
    /// By its content.
    Content,
    /// Somebody says so by its id: it is the last resort, and going to be refused if its content belies it.
    Claim,
}

/// What is to be done with one item, by its place in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    /// Which.
    pub(super) item: usize,
    /// Whether the image only serves others.
    pub(super) is_step: bool,
}

/// The way from what a site has to what it is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Road {
    /// What is there already: one item of each image.
    pub(super) there: Vec<usize>,
    /// What is to be made, every base before what is made from it.
    pub(super) legs: Vec<Leg>,
    /// What cannot be made: one item of each image.
    pub(super) unfit: Vec<usize>,
}

/// What it costs to have an image: claims that are relied on, then bytes to be read.
type Cost = (u64, u64);

/// The cheapest last step to an image.
#[derive(Clone, Copy, Debug)]
struct Step {
    cost: Cost,
    /// The item, by its place in the index.
    item: usize,
    /// Its base, if that has to be made first.
    made_from: Option<ContentId>,
}

/// Works out the way. A site that the index names gets what is for it, by whatever items lead there; another one gets all that it has the
/// bases for.
pub(super) fn road(
    index: &Index,
    site: &RepositoryId,
    is_here: impl Fn(&Item) -> bool,
    has_base: impl Fn(&Item) -> Option<Had>,
) -> Road {
    let wanted = wanted(index, site);
    let best = cheapest(index, &is_here, &has_base);
    let mut road = Road::default();
    let mut laid = HashSet::new();
    let mut seen = HashSet::new();
    let of_wanted = |content: &ContentId| wanted.contains(content);
    for (number, item) in index.items.iter().enumerate() {
        if !of_wanted(&item.content_id) || !seen.insert(item.content_id) {
            continue;
        }
        if is_here(item) {
            road.there.push(number);
            continue;
        }
        if !best.contains_key(&item.content_id) {
            road.unfit.push(number);
            continue;
        }
        let mut way = Vec::new();
        let mut next = Some(item.content_id);
        while let Some((content, step)) =
            next.and_then(|content| Some((content, best.get(&content)?)))
            && laid.insert(content)
        {
            way.push(Leg {
                item: step.item,
                is_step: !of_wanted(&content),
            });
            next = step.made_from;
        }
        road.legs.extend(way.into_iter().rev());
    }
    road
}

/// The contents that a site is to have.
fn wanted(index: &Index, site: &RepositoryId) -> HashSet<ContentId> {
    let is_named = |item: &&Item| item.sites.iter().any(|one| one.repository == *site);
    let names_it = index.items.iter().any(|item| is_named(&item));
    let wants = |item: &&Item| match names_it {
        true => (item.sites.iter()).any(|one| one.repository == *site && !one.step),
        false => item.sites.is_empty() || item.sites.iter().any(|one| !one.step),
    };
    let items = index.items.iter().filter(wants);
    items.map(|item| item.content_id).collect()
}

/// The cheapest last step to each image that can be made and is not here.
fn cheapest(
    index: &Index,
    is_here: &impl Fn(&Item) -> bool,
    has_base: &impl Fn(&Item) -> Option<Had>,
) -> HashMap<ContentId, Step> {
    let items = index.items.iter().enumerate();
    let missing: Vec<(usize, &Item, Option<Had>)> = items
        .filter(|(_, item)| !is_here(item))
        .map(|(number, item)| (number, item, has_base(item)))
        .collect();
    let mut best: HashMap<ContentId, Step> = HashMap::new();
    // Each round brings images that are one step further away; there is no way with more steps than items.
    for _ in 0..=missing.len() {
        let mut is_settled = true;
        for (number, item, had) in &missing {
            let Some(((claims, bytes), made_from)) = ground(item, *had, &best) else {
                continue;
            };
            let step = Step {
                // A file of no bytes costs one: a way must not lead back to where it began.
                cost: (claims, bytes.saturating_add(item.file.length.max(1))),
                item: *number,
                made_from,
            };
            let known = best.get(&item.content_id);
            if known.is_none_or(|known| step.cost < known.cost) {
                best.insert(item.content_id, step);
                is_settled = false;
            }
        }
        if is_settled {
            break;
        }
    }
    best
}

/// What it costs to have an item's base, and which image has to be made for it; `None` if it cannot be had.
fn ground(
    item: &Item,
    had: Option<Had>,
    best: &HashMap<ContentId, Step>,
) -> Option<(Cost, Option<ContentId>)> {
    let Some(base) = &item.base else {
        return Some(((0, 0), None));
    };
    let made = best.get(&base.content_id);
    let made = made.map(|step| (step.cost, Some(base.content_id)));
    match had {
        Some(Had::Content) => Some(((0, 0), None)),
        Some(Had::Claim) => made
            .into_iter()
            .chain([((1, 0), None)])
            .min_by_key(|way| way.0),
        None => made,
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::{Format, Result};
    use imgdelta_delta::Digest;

    use super::*;
    use crate::delivery::index::{Pointer, Recipient, Shipped};

    const HERE: &str = "00000000-0000-4000-8000-000000000001";
    const THERE: &str = "00000000-0000-4000-8000-000000000002";

    fn content(letter: char) -> ContentId {
        ContentId(Digest::plain(letter.to_string().as_bytes()))
    }

    /// An item that makes the second letter from the first, `-` being nothing, in a file of that length.
    fn item(pair: &str, length: u64, sites: &[(&str, bool)]) -> Result<Item> {
        let mut letters = pair.chars();
        let (base, image) = (letters.next(), letters.next().unwrap_or('?'));
        let pointer = |letter: char| -> Result<Pointer> {
            Ok(Pointer {
                id: letter.to_string().parse()?,
                content_id: content(letter),
                name: letter.to_string().parse()?,
            })
        };
        let shipped = |name: String| -> Result<Shipped> {
            Ok(Shipped {
                name: name.parse()?,
                length,
                sha256: Digest::default(),
            })
        };
        let base = base.filter(|base| *base != '-').map(pointer).transpose()?;
        let beside = format!("{pair}.json").trim_start_matches('-').to_owned();
        Ok(Item {
            manifest: base.as_ref().map(|_| shipped(beside)).transpose()?,
            base,
            image: image.to_string().parse()?,
            content_id: content(image),
            size: 1,
            name: image.to_string().parse()?,
            tags: std::collections::BTreeSet::new(),
            golden: false,
            parent: None,
            format: Format::Qcow2,
            file: shipped(pair.trim_start_matches('-').to_owned())?,
            sites: sites
                .iter()
                .map(|(repository, step)| {
                    Ok(Recipient {
                        repository: repository.parse()?,
                        step: *step,
                    })
                })
                .collect::<Result<_>>()?,
        })
    }

    /// The way for a site that has `here` by content and `claimed` by id: what is made, steps in brackets; what is there; what is unfit.
    fn way(items: &[Item], here: &str, claimed: &str) -> Result<(String, String, String)> {
        let index = Index {
            items: items.to_vec(),
            ..Index::new()
        };
        let has =
            |wanted: &ContentId, letters: &str| letters.chars().any(|one| content(one) == *wanted);
        let found = road(
            &index,
            &HERE.parse()?,
            |item| has(&item.content_id, here),
            |item| {
                let base = &item.base.as_ref()?.content_id;
                if has(base, here) {
                    Some(Had::Content)
                } else {
                    has(base, claimed).then_some(Had::Claim)
                }
            },
        );
        let pair = |number: &usize| {
            let item = &items[*number];
            let base = item.base.as_ref().map_or("-", |base| base.name.as_str());
            format!("{base}{}", item.name)
        };
        let names = |numbers: &[usize]| numbers.iter().map(pair).collect::<Vec<_>>().join(" ");
        let legs = found.legs.iter().map(|leg| match leg.is_step {
            true => format!("[{}]", pair(&leg.item)),
            false => pair(&leg.item),
        });
        let legs = legs.collect::<Vec<_>>().join(" ");
        Ok((legs, names(&found.there), names(&found.unfit)))
    }

    #[test]
    fn each_image_comes_by_the_cheapest_way_and_bases_come_first() -> Result<()> {
        let mine = [(HERE, false)];
        let items = [
            item("DF", 3, &mine)?,
            item("AF", 20, &mine)?,
            item("-F", 90, &mine)?,
            item("AD", 10, &[(HERE, true)])?,
        ];
        let legs = |here: &str| way(&items, here, "").map(|(legs, ..)| legs);
        assert_eq!(legs("A")?, "[AD] DF");
        assert_eq!(legs("AD")?, "DF");
        assert_eq!(legs("X")?, "-F");
        assert_eq!(
            way(&items, "AF", "")?,
            (String::new(), "DF".to_owned(), String::new())
        );
        Ok(())
    }

    #[test]
    fn a_site_gets_what_is_for_it_by_whatever_leads_there() -> Result<()> {
        let (mine, theirs) = ([(HERE, false)], [(THERE, false)]);
        let items = [
            item("AF", 3, &mine)?,
            item("DF", 3, &theirs)?,
            item("DG", 3, &theirs)?,
            item("AH", 3, &[(THERE, true)])?,
        ];
        assert_eq!(way(&items, "AD", "")?.0, "AF", "G is not for it");
        assert_eq!(
            way(&items, "D", "")?.0,
            "DF",
            "the base for which it was meant is gone"
        );
        assert_eq!(
            way(&items, "X", "")?,
            (String::new(), String::new(), "AF".to_owned())
        );
        // Nobody named this one: it takes all that it has bases for, but steps.
        let strange = [
            item("AF", 3, &theirs)?,
            item("DG", 3, &theirs)?,
            item("AH", 3, &[(THERE, true)])?,
        ];
        assert_eq!(
            way(&strange, "A", "")?,
            ("AF".to_owned(), String::new(), "DG".to_owned())
        );
        Ok(())
    }

    #[test]
    fn a_claim_is_the_last_resort_and_circles_lead_nowhere() -> Result<()> {
        let mine = [(HERE, false)];
        let items = [item("AF", 1, &mine)?, item("-F", 900, &mine)?];
        assert_eq!(way(&items, "X", "A")?.0, "-F");
        assert_eq!(way(&items[..1], "X", "A")?.0, "AF");
        let circle = [
            item("PQ", 0, &mine)?,
            item("QP", 0, &mine)?,
            item("QR", 0, &mine)?,
        ];
        assert_eq!(way(&circle, "X", "")?.0, "");
        assert_eq!(way(&circle, "P", "")?.0, "PQ QR");
        assert_eq!(way(&circle, "X", "P")?.0, "PQ QP QR");
        assert_eq!(way(&circle[..1], "X", "P")?.0, "PQ");
        Ok(())
    }
}
