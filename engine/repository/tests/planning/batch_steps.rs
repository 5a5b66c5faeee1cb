//! The steps and bases a batch chooses, and how soon.

use imgdelta_core::{Bytes, Kind, Result};
use imgdelta_delta::WINDOW;
use imgdelta_repository::planning::{Rules, Transport, batch};

use crate::{
    batches::{rules, site, travel},
    shelf::Shelf,
};

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
