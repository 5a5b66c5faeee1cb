//! Sixty nights: each night's disk is kept as what it changes, no image is read from too many others, qemu-img reads each, and old nights go.

use std::fs;

use imgdelta_fixtures::peers::{self, Peer};
use serde_json::Value;

use crate::{
    oracle::{fill, read_image, sha},
    place::Place,
    repo::{json, names},
};

/// Size of the disk in bytes, half of which is never written to.
const SIZE: usize = 8 << 20;

/// How many nights.
const NIGHTS: usize = 60;

/// The most images that one is read from.
const DEEPEST: usize = 7;

/// The disk after a night's work: 80 KiB in one place.
fn disk(night: usize) -> Vec<u8> {
    let mut disk = vec![0; SIZE];
    fill(&mut disk[..SIZE / 2], 9);
    for night in 1..=night {
        let at = night * 13 % 100 * (40 << 10);
        fill(&mut disk[at..at + (80 << 10)], night as u64);
    }
    disk
}

fn image(night: usize) -> String {
    format!("night-{night:02}")
}

/// How many images one is read from, itself among them.
fn depth(list: &Value, name: &Value) -> usize {
    let images = list["images"].as_array().expect("a list");
    let found = images.iter().find(|image| image["name"] == *name);
    let parent = &found.expect("it is listed")["parent"];
    if parent["known"] == "linked" {
        1 + depth(list, &parent["name"])
    } else {
        1
    }
}

/// What the images of a repository take on the disk, in bytes.
fn taken(place: &Place) -> u64 {
    let entries = fs::read_dir(place.path("hq")).expect("readable");
    let files = entries.map(|entry| entry.expect("readable").metadata().expect("readable"));
    files
        .filter(fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}

#[test]
fn sixty_nights_take_little_and_old_ones_go() {
    if peers::find(Peer::QemuImg).is_none() {
        return;
    }
    let place = Place::empty();
    place.ok("repo init hq");
    for night in 1..=NIGHTS {
        let name = image(night);
        place.write("disk.raw", &disk(night));
        place.ok(&format!(
            "repo add disk.raw --name {name} --format qcow2 --dedup --max-depth {DEEPEST} --repo hq"
        ));
    }
    let list = json(&place, "repo list --repo hq");
    assert_eq!(list["count"], NIGHTS);
    let depths: Vec<usize> = (1..=NIGHTS)
        .map(|night| depth(&list, &image(night).into()))
        .collect();
    assert!(depths.iter().all(|depth| *depth <= DEEPEST), "{depths:?}");
    // Few begin anew.
    let whole = depths.iter().filter(|depth| **depth == 1).count();
    assert!(
        (1..=NIGHTS.div_ceil(DEEPEST)).contains(&whole),
        "{depths:?}"
    );
    // 4 MiB of each whole one, and of the others what they differ by.
    let taken = taken(&place);
    let most = (whole * (5 << 20) + NIGHTS * (1 << 20)) as u64;
    assert!(taken < most, "{taken} of {most}");
    let wanted: Vec<_> = (0..=NIGHTS).map(|night| sha(&disk(night))).collect();
    for (night, wanted) in wanted.iter().enumerate().skip(1) {
        assert!(
            read_image(&place, "hq", &image(night)) == *wanted,
            "{night}"
        );
    }
    retain(&place, &wanted);
}

/// Of the nights before the last twenty those go that nobody needs, from the newest on; what stays reads right.
fn retain(place: &Place, wanted: &[[u8; 32]]) {
    let mut kept = 0;
    for night in (1..=NIGHTS - 20).rev() {
        let said = place.run(&format!("repo remove {} --yes --repo hq", image(night)));
        match said.exit {
            0 => {}
            2 => {
                assert!(said.err.contains("is needed by"), "{}", said.err);
                kept += 1;
            }
            _ => panic!("{}{}", said.out, said.err),
        }
    }
    let left = names(place, "hq");
    assert_eq!(left.len(), 20 + kept);
    assert!(kept < 20, "{left:?}");
    for name in left {
        let night: usize = name.trim_start_matches("night-").parse().expect("a number");
        assert!(read_image(place, "hq", &name) == wanted[night], "{name}");
    }
    place.ok("repo verify --repo hq");
    let swept = json(place, "repo gc --repo hq");
    assert_eq!(swept["removed"], serde_json::json!([]));
}
