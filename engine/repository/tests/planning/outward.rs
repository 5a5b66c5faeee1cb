//! Long lists: near candidates first, then further ones, and what is left of the list for those without lineage.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use imgdelta_core::{Bytes, Result};
use imgdelta_delta::WINDOW;
use imgdelta_repository::planning::{
    Because, Decision, Leaves, Measure, Measurements, Node, Relation, Rules, Span, choose, resized,
};

use crate::shelf::{Shelf, node};

const MEASURES: [Measure; 4] = [
    Measure::Auto,
    Measure::Hops,
    Measure::Blocks,
    Measure::Ratio,
];

/// A chain of `len` images, `w` its end. Each `c01`, `c02`... is so many hops from it and holds nothing of it, save those named.
fn chain(len: usize, holders: &[(usize, u8)]) -> Shelf {
    let mut shelf = Shelf::default();
    let id = |hops: usize| format!("c{hops:02}");
    for hops in (1..=len).rev() {
        let mut disk = vec![200; 20];
        for (_, held) in holders.iter().filter(|(at, _)| *at == hops) {
            (1..=*held).for_each(|window| disk[usize::from(window) - 1] = window);
        }
        disk[19] = hops as u8 + 100;
        let parent = (hops < len).then(|| id(hops + 1));
        shelf.add(&id(hops), parent.as_deref(), &disk);
    }
    shelf.add("w", Some("c01"), &(1..=20).collect::<Vec<u8>>());
    shelf
}

fn read_candidates(shelf: &Shelf) -> BTreeSet<String> {
    let mut read = std::mem::take(&mut *shelf.read.lock().expect("not poisoned"));
    read.remove("w");
    read
}

#[test]
fn only_near_candidates_are_looked_at_and_further_ones_while_none_will_do() -> Result<()> {
    // At 12 hops, beyond the second ring, one holds half; at 30 one holds nearly all and is never asked.
    let shelf = chain(40, &[(12, 10), (14, 8), (30, 19)]);
    for measure in MEASURES {
        let rules = Rules {
            measure,
            ..Rules::default()
        };
        let choice = choose(&shelf.list, &shelf.list[..40], "w", &shelf, &rules)?;
        let base = choice.base().expect("the third ring has one");
        assert_eq!(
            (base.image.as_str(), base.hops),
            ("c12", Some(12)),
            "{measure:?}"
        );
        let read = read_candidates(&shelf);
        let furthest = read.last().map(String::as_str);
        assert!(furthest <= Some("c16"), "{measure:?} read {furthest:?}");
    }
    Ok(())
}

#[test]
fn a_short_list_is_looked_at_as_a_whole() -> Result<()> {
    let shelf = chain(25, &[(1, 3), (24, 19)]);
    let ratio = Rules {
        measure: Measure::Ratio,
        ..Rules::default()
    };
    let choice = choose(&shelf.list, &shelf.list[..25], "w", &shelf, &ratio)?;
    assert_eq!(choice.base().map(|base| &*base.image), Some("c24"));
    assert_eq!(choice.weighed, 25);
    let shorter = Rules { list: 24, ..ratio };
    let choice = choose(&shelf.list, &shelf.list[..25], "w", &shelf, &shorter)?;
    assert_eq!(choice.base().map(|base| &*base.image), Some("c01"));
    let nearer = Rules {
        stride: 24,
        ..shorter
    };
    let choice = choose(&shelf.list, &shelf.list[..25], "w", &shelf, &nearer)?;
    assert_eq!(choice.base().map(|base| &*base.image), Some("c24"));
    Ok(())
}

#[test]
fn what_is_left_of_the_list_goes_to_the_best_without_lineage() -> Result<()> {
    let mut shelf = chain(30, &[(2, 4)]);
    for number in 0..30_u8 {
        let mut disk = vec![210; 20];
        (1..=number / 2).for_each(|window| disk[usize::from(window) - 1] = window);
        disk[19] = number;
        shelf.add(&format!("s{number:02}"), None, &disk);
    }
    let site: Vec<Node> = shelf
        .list
        .iter()
        .filter(|node| node.id != "w")
        .cloned()
        .collect();
    let chosen = |measure| -> Result<_> {
        let rules = Rules {
            measure,
            ..Rules::default()
        };
        let choice = choose(&shelf.list, &site, "w", &shelf, &rules)?;
        let base = choice.base().expect("there are bases");
        Ok((base.image.clone(), choice.weighed))
    };
    // 5 within 5 hops, and the best 20 of the 30 others.
    assert_eq!(chosen(Measure::Auto)?, ("s28".to_owned(), 25));
    assert_eq!(chosen(Measure::Ratio)?, ("s28".to_owned(), 25));
    // Hops rank what has hops.
    assert_eq!(chosen(Measure::Hops)?.0, "c02");
    Ok(())
}

#[test]
fn those_without_lineage_get_the_whole_list_once_no_lineage_will_do() -> Result<()> {
    let mut shelf = chain(30, &[]);
    for number in 0..30_u8 {
        // A crowd of siblings within 5 hops leaves no room in the list.
        shelf.add(&format!("x{number:02}"), Some("c01"), &[number + 100; 20]);
    }
    let mut stranger: Vec<u8> = (1..=20).collect();
    stranger[3] = 99;
    shelf.add("stranger", None, &stranger);
    let site: Vec<Node> = shelf
        .list
        .iter()
        .filter(|node| node.id != "w")
        .cloned()
        .collect();
    for measure in MEASURES {
        let rules = Rules {
            measure,
            ..Rules::default()
        };
        let choice = choose(&shelf.list, &site, "w", &shelf, &rules)?;
        let base = choice.base().expect("the stranger holds nearly all");
        assert_eq!(
            (base.image.as_str(), base.kin),
            ("stranger", Relation::Stranger)
        );
        assert_eq!(choice.bytes, WINDOW);
    }
    Ok(())
}

#[test]
fn of_many_at_the_same_distance_allocation_says_which_are_weighed_exactly() -> Result<()> {
    let golden: Vec<u8> = (1..=20).collect();
    let mut shelf = Shelf::default();
    shelf.add("golden", None, &golden);
    for number in 0..20_u8 {
        let mut disk = golden.clone();
        disk[usize::from(number) / 4..15].fill(100 + number);
        shelf.add(&format!("s{number:02}"), Some("golden"), &disk);
        shelf.layer(&format!("s{number:02}"), u64::from(number) / 4..15);
    }
    let mut wanted = golden.clone();
    wanted[5..15].fill(117);
    shelf.add("w", Some("golden"), &wanted);
    shelf.layer("w", 5..15);
    let site: Vec<Node> = shelf.list[1..21].to_vec();
    let choice = choose(&shelf.list, &site, "w", &shelf, &Rules::default())?;
    // s16 to s19 change the least: they and s12 are read, the others are not; s17 changed what is wanted to the same.
    let read = read_candidates(&shelf);
    assert_eq!(
        read.iter().map(String::as_str).collect::<Vec<_>>(),
        ["s12", "s16", "s17", "s18", "s19"]
    );
    assert_eq!(choice.base().map(|base| &*base.image), Some("s17"));
    Ok(())
}

#[test]
fn hops_rank_all_of_the_same_lineage_before_those_without() -> Result<()> {
    let mut shelf = chain(10, &[(8, 5)]);
    let mut stranger: Vec<u8> = (1..=20).collect();
    stranger[3] = 99;
    shelf.add("stranger", None, &stranger);
    let mut site = shelf.list.clone();
    site.retain(|node| node.id != "w");
    for (measure, expected) in [
        (Measure::Hops, "c08"),
        (Measure::Blocks, "c08"),
        (Measure::Auto, "stranger"),
        (Measure::Ratio, "stranger"),
    ] {
        let rules = Rules {
            measure,
            ..Rules::default()
        };
        let choice = choose(&shelf.list, &site, "w", &shelf, &rules)?;
        assert_eq!(choice.base().map(|base| &*base.image), Some(expected));
    }
    Ok(())
}

#[test]
fn where_neither_hops_nor_allocation_decide_the_whole_list_is_weighed() -> Result<()> {
    let golden: Vec<u8> = (1..=20).collect();
    let mut shelf = Shelf::default();
    shelf.add("golden", None, &[99; 20]);
    for number in 0..20_u8 {
        let mut disk = golden.clone();
        disk[usize::from(number)..].fill(100 + number);
        shelf.add(&format!("s{number:02}"), Some("golden"), &disk);
    }
    shelf.add("w", Some("golden"), &golden);
    let site: Vec<Node> = shelf.list[1..21].to_vec();
    let choice = choose(&shelf.list, &site, "w", &shelf, &Rules::default())?;
    assert_eq!(choice.base().map(|base| &*base.image), Some("s19"));
    assert_eq!(choice.weighed, 20);
    Ok(())
}

#[test]
fn of_very_many_without_lineage_those_of_the_nearest_size_are_read() -> Result<()> {
    let mut shelf = Shelf::default();
    let wanted: Vec<u8> = (1..=20).collect();
    shelf.add("w", None, &wanted);
    for len in 10..40 {
        let disk: Vec<u8> = (1..=len).collect();
        shelf.add(&format!("s{len}"), None, &disk);
    }
    let rules = Rules {
        scans: 3,
        ..Rules::default()
    };
    let mut site = shelf.list[1..].to_vec();
    site.retain(|node| node.id != "s20");
    choose(&shelf.list, &site, "w", &shelf, &rules)?;
    let read = read_candidates(&shelf);
    assert_eq!(read.iter().collect::<Vec<_>>(), ["s18", "s19", "s21"]);
    Ok(())
}

/// A list that knows nothing of the images' contents but that each is as the last.
struct Alike;

impl Measurements for Alike {
    fn leaves(&self, image: &str) -> Result<Option<Leaves<'_>>> {
        use imgdelta_delta::tree::Digest;
        use imgdelta_repository::planning::Run;
        let own = Digest::leaf(image.as_bytes());
        let runs = [
            Run::Zero(1 << 20),
            Run::Leaf(own),
            Run::Leaf(Digest([1; 32])),
        ];
        Ok(Some(Box::new(runs.into_iter().map(Ok))))
    }

    fn allocation(&self, _: &str) -> Result<Option<Vec<Span>>> {
        Ok(None)
    }
}

#[test]
fn ten_thousand_images_in_any_lineage_take_well_under_a_second() -> Result<()> {
    const COUNT: usize = 10_000;
    let parent = |shape: &str, number: usize| match shape {
        "chain" => number.checked_sub(1),
        "star" => (number > 0).then_some(0),
        "circle" => Some((number + 1) % COUNT),
        "tree" => number.checked_sub(1).map(|one| one / 3),
        _ => None,
    };
    for shape in ["chain", "star", "circle", "tree", "strangers"] {
        let list: Vec<Node> = (0..COUNT)
            .map(|number| {
                let parent = parent(shape, number).map(|parent| format!("image-{parent:05}"));
                let mut node = node(&format!("image-{number:05}"), parent.as_deref(), &[1]);
                node.content_id.0.0[..8].copy_from_slice(&number.to_le_bytes());
                node.size = Bytes(((1 << 20) + 2) * WINDOW.0);
                node
            })
            .collect();
        let wanted = format!("image-{:05}", COUNT / 2);
        let site: Vec<Node> = list
            .iter()
            .filter(|node| node.id != wanted)
            .cloned()
            .collect();
        let start = Instant::now();
        let choice = choose(&list, &site, &wanted, &Alike, &Rules::default())?;
        let took = start.elapsed();
        // Some 30 ms, unless the machine is busy with other things.
        assert!(took < Duration::from_millis(900), "{shape} took {took:?}");
        assert_eq!(choice.candidates, COUNT - 1);
        assert_eq!(choice.bytes, WINDOW, "{shape}: one of two windows is held");
    }
    Ok(())
}

#[test]
fn disks_that_differ_only_in_size_are_pointed_out_and_are_no_bases() -> Result<()> {
    let mut shelf = Shelf::default();
    let disk: Vec<u8> = (1..=9).collect();
    shelf.add("golden", None, &disk);
    shelf.add("other", None, &[4; 9]);
    let rounded = node("rounded", None, &[&disk[..], &[0; 7]].concat());
    let grown = node("grown", None, &[&disk[..], &[5; 7]].concat());
    let site = [rounded, grown];
    let found = resized(&shelf.list, &site, &shelf, &Rules::default())?;
    let found: Vec<_> = found
        .iter()
        .map(|one| (&*one.image, &*one.at_site))
        .collect();
    assert_eq!(found, [("golden", "rounded")]);
    let choice = choose(&shelf.list, &site, "golden", &shelf, &Rules::default())?;
    assert_eq!(choice.decision, Decision::Whole(Because::NothingInCommon));
    Ok(())
}
