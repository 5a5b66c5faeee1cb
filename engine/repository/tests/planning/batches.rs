//! Batches against all ways to send them.

use std::collections::BTreeSet;

use imgdelta_core::Bytes;
use imgdelta_delta::WINDOW;
use imgdelta_repository::planning::{
    Batch, Measure, Node, Origin, Route, Rules, Site, Transport, batch,
};
use proptest::prelude::*;

use crate::shelf::Shelf;

/// How many percent a base must hold: with ten windows an image, the usual ten would be any at all.
const THRESHOLD: u32 = 30;

pub(crate) fn rules(steps: usize) -> Rules {
    Rules {
        measure: Measure::Ratio,
        threshold: THRESHOLD,
        steps,
        ..Rules::default()
    }
}

pub(crate) fn site<'a>(name: &str, images: &'a [Node]) -> Site<'a> {
    Site {
        name: name.to_owned(),
        images,
    }
}

/// Windows that have to be sent of `image` from `base`; `None` if that is below the threshold.
fn cost(shelf: &Shelf, image: &str, base: Option<&str>) -> Option<u64> {
    let Some(base) = base else {
        return Some(shelf.held(image, image).1);
    };
    let (held, data) = shelf.held(image, base);
    (data > 0 && held * 100 >= data * u64::from(THRESHOLD)).then_some(data - held)
}

/// The least that has to be sent, over every base of every image.
fn brute(shelf: &Shelf, images: &[&str], there: &[&str]) -> u64 {
    fn search(
        shelf: &Shelf,
        images: &[&str],
        there: &[&str],
        bases: &mut Vec<Option<usize>>,
        spent: u64,
    ) -> Option<u64> {
        let number = bases.len();
        if number == images.len() {
            let ends = |start: usize| {
                let mut here = Some(start);
                (0..=images.len()).for_each(|_| here = here.and_then(|here| bases[here]));
                here.is_none()
            };
            return (0..images.len()).all(ends).then_some(spent);
        }
        let before = there
            .iter()
            .map(|base| cost(shelf, images[number], Some(base)));
        let before = before
            .chain([cost(shelf, images[number], None)])
            .flatten()
            .min();
        let roads = (0..images.len())
            .filter(|other| *other != number)
            .filter_map(|other| {
                Some((
                    Some(other),
                    cost(shelf, images[number], Some(images[other]))?,
                ))
            })
            .chain(before.map(|cost| (None, cost)));
        let roads: Vec<_> = roads.collect();
        let found = roads.into_iter().filter_map(|(base, cost)| {
            bases.push(base);
            let found = search(shelf, images, there, bases, spent + cost);
            bases.pop();
            found
        });
        found.min()
    }
    search(shelf, images, there, &mut Vec::new(), 0).expect("all can be sent whole")
}

/// Goes through a route as its site does: every base has to be there when it is used, and every wanted image in the end.
pub(crate) fn travel(shelf: &Shelf, route: &Route, at_site: &[Node], wanted: &[&str]) {
    let mut there: BTreeSet<&str> = BTreeSet::new();
    let has = |id: &str| {
        let content = shelf.node(id).content_id;
        at_site.iter().any(|node| node.content_id == content)
    };
    for transfer in &route.transfers {
        match &transfer.from {
            Origin::Nothing => {}
            Origin::There(base) => assert!(has(&base.image), "{} is there", base.image),
            Origin::Sent { image, .. } => assert!(there.contains(image.as_str()), "{image} came"),
        }
        let windows =
            cost(shelf, &transfer.image, transfer.from.base()).expect("the threshold is reached");
        assert_eq!(transfer.bytes, Bytes(windows * WINDOW.0));
        assert_eq!(transfer.is_step, !wanted.contains(&transfer.image.as_str()));
        assert!(
            !has(&transfer.image),
            "{} is not sent twice",
            transfer.image
        );
        assert!(
            there.insert(&transfer.image),
            "{} is sent once",
            transfer.image
        );
    }
    for image in wanted {
        assert!(has(image) || there.contains(image), "{image} arrives");
    }
    for step in route.transfers.iter().filter(|transfer| transfer.is_step) {
        let mut legs = route.transfers.iter();
        assert!(
            legs.any(|transfer| transfer.from.base() == Some(&step.image)),
            "a step leads on"
        );
    }
}

/// Makes sure that a medium holds what each route needs, once.
fn unpack(plan: &Batch) {
    let mut held = BTreeSet::new();
    for pair in &plan.pairs {
        assert!(held.insert((pair.image.as_str(), pair.base.as_deref())));
        assert!(!pair.sites.is_empty());
    }
    for transfer in plan.routes.iter().flat_map(|route| &route.transfers) {
        assert!(held.contains(&(transfer.image.as_str(), transfer.from.base())));
    }
}

/// Images of a few windows, most of them made from an earlier one by changing some.
fn shelf() -> impl Strategy<Value = Shelf> {
    let image = (
        prop::option::weighted(0.8, 0..8_usize),
        prop::collection::vec((0..10_usize, 0..6_u8), 0..5),
    );
    prop::collection::vec(image, 7).prop_map(|images| {
        let mut shelf = Shelf::default();
        for (number, (parent, changes)) in images.iter().enumerate() {
            let parent = parent.filter(|parent| *parent < number);
            let parent = parent.map(|parent| format!("i{parent}"));
            let mut disk = match &parent {
                Some(parent) => shelf.disk(parent).to_vec(),
                None => vec![number as u8 + 10; 10],
            };
            changes.iter().for_each(|(at, to)| disk[*at] = *to);
            shelf.add(&format!("i{number}"), parent.as_deref(), &disk);
        }
        shelf
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_batch_costs_the_least_of_all_ways_to_send_it(
        shelf in shelf(),
        there in prop::collection::vec(0..7_usize, 0..4),
        wanted in prop::collection::vec(0..7_usize, 1..5),
    ) {
        let ids: Vec<String> = (0..7).map(|number| format!("i{number}")).collect();
        let at_site = shelf.site(there.iter().map(|number| ids[*number].as_str()));
        let wanted: BTreeSet<&str> = wanted.iter().map(|number| &*ids[*number]).collect();
        let wanted: Vec<&str> = wanted.into_iter().collect();
        let sites = [site("one", &at_site)];
        let plan = batch(&shelf.list, &sites, &wanted, Transport::PerSite, &shelf, &rules(0))?;
        travel(&shelf, &plan.routes[0], &at_site, &wanted);
        unpack(&plan);
        let is_there = |id: &&str| {
            let content = shelf.node(id).content_id;
            at_site.iter().any(|node| node.content_id == content)
        };
        let common: Vec<&str> = ids.iter().map(|id| &**id).filter(is_there).collect();
        let sent: Vec<&str> = wanted.iter().copied().filter(|id| !is_there(id)).collect();
        let least = brute(&shelf, &sent, &common);
        prop_assert_eq!(plan.bytes(), Bytes(least * WINDOW.0));
        prop_assert!(plan.bytes() <= plan.naive());

        let stepping = batch(&shelf.list, &sites, &wanted, Transport::PerSite, &shelf, &rules(8))?;
        travel(&shelf, &stepping.routes[0], &at_site, &wanted);
        prop_assert!(stepping.bytes() <= plan.bytes());
        prop_assert_eq!(stepping.naive(), plan.naive());
    }

    #[test]
    fn a_medium_carries_each_pair_once_and_never_more_than_lines_would(
        shelf in shelf(),
        there in prop::collection::vec(prop::collection::vec(0..7_usize, 0..4), 1..4),
        wanted in prop::collection::vec(0..7_usize, 1..5),
    ) {
        let ids: Vec<String> = (0..7).map(|number| format!("i{number}")).collect();
        let lists: Vec<Vec<Node>> = there
            .iter()
            .map(|there| shelf.site(there.iter().map(|number| ids[*number].as_str())))
            .collect();
        let sites: Vec<Site<'_>> = lists.iter().map(|list| site("a site", list)).collect();
        let wanted: Vec<&str> = wanted.iter().map(|number| &*ids[*number]).collect();
        let plan = |carrier| batch(&shelf.list, &sites, &wanted, carrier, &shelf, &rules(8));
        let (lines, medium) = (plan(Transport::PerSite)?, plan(Transport::SharedMedium)?);
        for plan in [&lines, &medium] {
            unpack(plan);
            for (route, list) in plan.routes.iter().zip(&lists) {
                travel(&shelf, route, list, &wanted);
            }
            prop_assert!(plan.on_medium() <= plan.bytes());
        }
        prop_assert!(medium.on_medium() <= lines.on_medium());
        prop_assert!(lines.bytes() <= medium.bytes());
    }
}
