//! Two repositories whose difference is more than a few frames, so that it is on its way long enough for something to go wrong, and what must
//! be true of the site whatever went wrong. What goes wrong is the tests' own.

use std::fs;

use imgdelta_fixtures::{Fill, Recipe};
use serde_json::Value;

use crate::{
    place::{Place, Said},
    repo::json,
};

/// Most bytes of a frame's payload.
pub(crate) const FRAME: u64 = 1 << 20;

/// The size of the disks.
const SIZE: u64 = 8 << 20;

/// Where they begin to differ, and how many bytes differ.
const PATCH: (u64, u64) = (2 << 20, 9 << 19);

/// The disk that both sides have.
fn golden() -> Recipe {
    Recipe::of(SIZE, [(0, SIZE, Fill::Pattern(1))])
}

/// The disk that only headquarters has.
pub(crate) fn patched() -> Vec<u8> {
    let (at, len) = PATCH;
    let runs = [
        (0, at, Fill::Pattern(1)),
        (at, len, Fill::Pattern(2)),
        (at + len, SIZE - at - len, Fill::Pattern(1)),
    ];
    Recipe::of(SIZE, runs).expected(None)
}

/// Headquarters with both images.
pub(crate) fn headquarters() -> Place {
    let place = Place::empty();
    place.write("golden.raw", &golden().expected(None));
    place.write("patched.raw", &patched());
    place.ok("repo init hq");
    place.ok("repo add golden.raw --repo hq --golden");
    place.ok("repo add patched.raw --repo hq --parent golden");
    place
}

/// Adds a site that has the golden image.
pub(crate) fn add_site(place: &Place, name: &str) {
    place.ok(&format!("repo init {name}"));
    place.ok(&format!("repo add golden.raw --repo {name}"));
}

/// Requires that a site is as if nothing had been sent: one image listed, no file under the other's name, all sound.
pub(crate) fn must_be_without(place: &Place, site: &str, why: &str) {
    let list = json(place, &format!("repo list --repo {site}"));
    assert_eq!(list["count"], 1, "{why}: {list}");
    for entry in fs::read_dir(place.path(site)).expect("readable") {
        let name = entry.expect("readable").file_name();
        let name = name.to_string_lossy().into_owned();
        assert!(!name.starts_with("patched"), "{why}: {name}");
    }
    place.ok(&format!("repo verify --repo {site}"));
}

/// Requires that a site has the patched image, once, bit for bit, and that nothing lies there that waits for more.
pub(crate) fn must_have(place: &Place, site: &str, why: &str) {
    let list = json(place, &format!("repo list --repo {site}"));
    assert_eq!(list["count"], 2, "{why}: {list}");
    let shown = json(place, &format!("repo show patched --repo {site}"));
    let file = shown["files"][0]["path"].as_str().expect("text").to_owned();
    place.ok(&format!("convert {site}/{file} -o disk.raw --force"));
    assert!(place.read("disk.raw") == patched(), "{why}");
    place.ok(&format!("repo verify --repo {site}"));
    assert_eq!(incoming(place, site), 0, "{why}");
}

/// How many images a site has in part.
pub(crate) fn incoming(place: &Place, site: &str) -> usize {
    let folder = place.path(&format!("{site}/.imgdelta/incoming"));
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// What a run that ended well said was sent of the one image: now, and before.
pub(crate) fn sent(said: &Said, why: &str) -> (u64, u64) {
    assert_eq!(said.exit, 0, "{why}: {}{}", said.out, said.err);
    let told: Value = serde_json::from_str(&said.out).expect("JSON");
    let sent = &told["sites"][0]["sent"][0];
    let number = |key: &str| sent[key].as_u64().expect("a number");
    (number("bytes"), number("resumed"))
}
