//! Batches against all ways to send them.

use std::collections::BTreeSet;

use imgdelta_core::{Bytes, Kind, Result};
use imgdelta_delta::WINDOW;
use imgdelta_repository::planning::{
    Batch, Measure, Node, Origin, Route, Rules, Site, Transport, batch,
};
use proptest::prelude::*;

use crate::shelf::Shelf;

/// How many percent a base must hold: with ten windows an image, the usual ten would be any at all.
const THRESHOLD: u32 = 30;

fn rules(steps: usize) -> Rules {
    Rules {
        measure: Measure::Ratio,
        threshold: THRESHOLD,
        steps,
        ..Rules::default()
    }
}

fn site<'a>(name: &str, images: &'a [Node]) -> Site<'a> {
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
fn travel(shelf: &Shelf, route: &Route, at_site: &[Node], wanted: &[&str]) {
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

/// A golden image of 40 windows and `count` images made from it, each with two windows of its own.
fn family(count: u8) -> Shelf {
    let golden: Vec<u8> = (1..=40).collect();
    let mut shelf = Shelf::default();
    shelf.add("golden", None, &golden);
    for number in 0..count {
        let mut disk = golden.clone();
        let at = usize::from(number) * 2;
        disk[at..at + 2].fill(100 + number);
        shelf.add(&format!("m{number}"), Some("golden"), &disk);
    }
    shelf
}

#[test]
fn an_image_that_nobody_wants_is_a_step_where_that_saves_something() -> Result<()> {
    let shelf = family(5);
    let sites = [site("new", &[])];
    let wanted = ["m0", "m1", "m2", "m3", "m4"];
    let plan = |steps| {
        batch(
            &shelf.list,
            &sites,
            &wanted,
            Transport::PerSite,
            &shelf,
            &rules(steps),
        )
    };
    // One as a whole, and each other from one before it: what both changed.
    assert_eq!(plan(0)?.bytes(), Bytes((40 + 4 * 4) * WINDOW.0));
    let stepping = plan(8)?;
    assert_eq!(stepping.bytes(), Bytes((40 + 5 * 2) * WINDOW.0));
    let steps = stepping.routes[0]
        .transfers
        .iter()
        .filter(|transfer| transfer.is_step);
    let steps: Vec<&str> = steps.map(|transfer| &*transfer.image).collect();
    assert_eq!(steps, ["golden"]);
    assert_eq!(stepping.naive(), Bytes(5 * 40 * WINDOW.0));
    Ok(())
}

#[test]
fn an_image_without_kinship_is_a_step_where_that_saves_something() -> Result<()> {
    // As the family above, but nobody wrote down who descends from whom; and a stranger that helps nobody.
    let golden: Vec<u8> = (1..=40).collect();
    let mut shelf = Shelf::default();
    shelf.add("other", None, &[200; 40]);
    shelf.add("golden", None, &golden);
    for number in 0..5_u8 {
        let mut disk = golden.clone();
        let at = usize::from(number) * 2;
        disk[at..at + 2].fill(100 + number);
        shelf.add(&format!("m{number}"), None, &disk);
    }
    let sites = [site("new", &[])];
    let wanted = ["m0", "m1", "m2", "m3", "m4"];
    let plan = |steps| {
        let rules = rules(steps);
        batch(
            &shelf.list,
            &sites,
            &wanted,
            Transport::PerSite,
            &shelf,
            &rules,
        )
    };
    assert_eq!(plan(0)?.bytes(), Bytes((40 + 4 * 4) * WINDOW.0));
    let stepping = plan(8)?;
    let route = &stepping.routes[0];
    assert_eq!(stepping.bytes(), Bytes((40 + 5 * 2) * WINDOW.0));
    assert_eq!(route.saved_by_steps, Bytes(6 * WINDOW.0));
    let steps = route.transfers.iter().filter(|transfer| transfer.is_step);
    let steps: Vec<&str> = steps.map(|transfer| &*transfer.image).collect();
    assert_eq!(steps, ["golden"]);
    travel(&shelf, route, &[], &wanted);
    // For one image nothing is a step, and where it takes as much as it saves it stays.
    for wanted in [&wanted[..1], &wanted[..2]] {
        let rules = rules(8);
        let few = batch(
            &shelf.list,
            &sites,
            wanted,
            Transport::PerSite,
            &shelf,
            &rules,
        )?;
        assert!(
            few.routes[0]
                .transfers
                .iter()
                .all(|transfer| !transfer.is_step)
        );
        assert_eq!(few.routes[0].saved_by_steps, Bytes::ZERO);
    }
    Ok(())
}

#[test]
fn a_step_whose_place_a_better_one_takes_is_not_carried() -> Result<()> {
    // Everything descends from the root, but for one window is nearer to the middle, even what is no child of it.
    let middle: Vec<u8> = (1..=40).collect();
    let mut root = middle.clone();
    root[39] = 99;
    let mut shelf = Shelf::default();
    shelf.add("root", None, &root);
    shelf.add("middle", Some("root"), &middle);
    for number in 0..8_u8 {
        let mut disk = middle.clone();
        let at = usize::from(number) * 2;
        disk[at..at + 2].fill(100 + number);
        let parent = if number < 3 { "root" } else { "middle" };
        shelf.add(&format!("m{number}"), Some(parent), &disk);
    }
    let ids: Vec<String> = (0..8).map(|number| format!("m{number}")).collect();
    let wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
    let sites = [site("new", &[])];
    let plan = |steps| {
        batch(
            &shelf.list,
            &sites,
            &wanted,
            Transport::PerSite,
            &shelf,
            &rules(steps),
        )
    };
    assert_eq!(plan(0)?.bytes(), Bytes((40 + 7 * 4) * WINDOW.0));
    assert_eq!(
        plan(1)?.bytes(),
        Bytes((40 + 8 * 3) * WINDOW.0),
        "by the root alone"
    );
    let best = plan(2)?;
    assert_eq!(best.bytes(), Bytes((40 + 8 * 2) * WINDOW.0));
    travel(&shelf, &best.routes[0], &[], &wanted);
    Ok(())
}

#[test]
fn in_a_large_batch_only_the_nearest_are_compared() -> Result<()> {
    let mut shelf = Shelf::default();
    for number in 0..6_u8 {
        let mut disk = vec![number + 1; 10];
        if number == 5 {
            disk[..9].fill(5);
        }
        shelf.add(&format!("s{number}"), None, &disk);
    }
    let ids: Vec<String> = (0..6).map(|number| format!("s{number}")).collect();
    let wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
    let sites = [site("new", &[])];
    let bytes = |list| -> Result<_> {
        let rules = Rules { list, ..rules(0) };
        let plan = batch(
            &shelf.list,
            &sites,
            &wanted,
            Transport::PerSite,
            &shelf,
            &rules,
        )?;
        Ok(plan.bytes().0 / WINDOW.0)
    };
    assert_eq!(bytes(5)?, 51, "the last is all but the one before it");
    assert_eq!(bytes(2)?, 60, "which is not among its two nearest");
    Ok(())
}

#[test]
fn a_medium_for_several_sites_reuses_what_it_carries() -> Result<()> {
    let mut shelf = family(1);
    // Another base from which m0 is one window less, but only one of the sites has it.
    let mut near: Vec<u8> = (1..=40).collect();
    near[0] = 100;
    shelf.add("near", Some("golden"), &near);
    let (one, two) = (shelf.site(["golden"]), shelf.site(["golden", "near"]));
    let sites = [site("one", &one), site("two", &two)];
    let plan = |carrier| batch(&shelf.list, &sites, &["m0"], carrier, &shelf, &rules(8));
    let lines = plan(Transport::PerSite)?;
    assert_eq!(lines.bytes(), Bytes(3 * WINDOW.0));
    assert_eq!(lines.on_medium(), Bytes(3 * WINDOW.0));
    let medium = plan(Transport::SharedMedium)?;
    assert_eq!(medium.on_medium(), Bytes(2 * WINDOW.0));
    assert_eq!(medium.pairs.len(), 1);
    assert_eq!(medium.pairs[0].sites, ["one", "two"]);
    Ok(())
}

#[test]
fn what_a_site_has_is_not_sent_and_serves_as_a_base() -> Result<()> {
    let shelf = family(3);
    let at_site = shelf.site(["m1"]);
    let sites = [site("some", &at_site), site("all", &shelf.list)];
    let wanted = ["m1", "m0", "m0"];
    let plan = batch(
        &shelf.list,
        &sites,
        &wanted,
        Transport::PerSite,
        &shelf,
        &rules(8),
    )?;
    let [some, all] = &plan.routes[..] else {
        panic!("there are two sites");
    };
    assert_eq!(some.there, [("m1".to_owned(), "m1".to_owned())]);
    assert_eq!(
        some.transfers.len(),
        1,
        "what is asked for twice is sent once"
    );
    assert_eq!(some.transfers[0].from.base(), Some("m1"));
    assert_eq!((all.transfers.len(), all.there.len()), (0, 2));
    let none = batch(
        &shelf.list,
        &sites,
        &["m9"],
        Transport::PerSite,
        &shelf,
        &rules(8),
    );
    assert_eq!(none.map_err(|error| error.kind()), Err(Kind::Usage));
    Ok(())
}

#[test]
fn a_batch_of_hundreds_in_a_long_lineage_is_planned_in_no_time() -> Result<()> {
    let mut shelf = Shelf::default();
    let mut disk = vec![1; 30];
    for number in 0..400_usize {
        disk[number % 30] = (number % 250) as u8 + 1;
        let parent = number.checked_sub(1).map(|parent| format!("m{parent:03}"));
        shelf.add(&format!("m{number:03}"), parent.as_deref(), &disk);
    }
    let wanted: Vec<&str> = shelf.list.iter().map(|node| node.id.as_str()).collect();
    let sites = [site("new", &[])];
    let start = std::time::Instant::now();
    let plan = batch(
        &shelf.list,
        &sites,
        &wanted,
        Transport::PerSite,
        &shelf,
        &Rules::default(),
    )?;
    let took = start.elapsed();
    travel(&shelf, &plan.routes[0], &[], &wanted);
    assert!(
        plan.bytes().0 <= (30 + 400) * WINDOW.0,
        "one window each but the first"
    );
    assert!(took.as_secs() < 3, "{took:?}");
    Ok(())
}
