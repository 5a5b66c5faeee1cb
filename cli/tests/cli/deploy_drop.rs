//! Images are taken off a stick again: the list first, then the files, and never what others there are made from.

use std::fs;

use serde_json::Value;

use crate::{
    far::{add_site, headquarters, must_have},
    place::Place,
    repo::json,
};

/// A stick with `patched` from golden, and `third` from `patched`, which the site is to have too.
fn stick() -> Place {
    let place = headquarters();
    add_site(&place, "site");
    let mut third = place.read("patched.raw");
    third[7 << 20..(7 << 20) + 70_000].fill(0x5a);
    place.write("third.raw", &third);
    place.ok("repo add third.raw --repo hq --parent patched");
    place.ok("inventory --repo site -o site.inv");
    place.ok("deploy patched third --repo hq --for site.inv -o stick");
    place
}

/// What the stick's list names, and what its files are called.
fn listed(place: &Place) -> (Vec<String>, Vec<String>) {
    let index: Value =
        serde_json::from_slice(&place.read("stick/delivery.json")).expect("it is whole");
    let items = index["items"].as_array().expect("a list").clone();
    let name = |item: &Value| item["name"].as_str().expect("text").to_owned();
    let files = fs::read_dir(place.path("stick")).expect("readable");
    let files = files.map(|file| file.expect("readable").file_name());
    let mut files: Vec<String> = files
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    files.sort();
    (items.iter().map(name).collect(), files)
}

#[test]
fn what_others_are_made_from_stays_unless_they_go_too() {
    let place = stick();
    let before = listed(&place);
    assert_eq!(before.0.len(), 2);
    let said = place.refused("deploy --drop patched -o stick", 2);
    assert!(said.contains("'third' is made from 'patched'"), "{said}");
    let said = place.refused("deploy --drop october -o stick", 2);
    assert!(said.contains("it holds patched, third"), "{said}");
    place.refused("deploy --drop third", 2);
    place.refused("deploy --drop third -o no-stick", 2);
    place.refused("deploy third --drop third -o stick", 2);
    assert!(!place.path("no-stick").exists());
    let told = place.ok("deploy --drop third --drop patched -o stick --dry-run");
    assert!(told.contains("would go"), "{told}");
    assert_eq!(listed(&place), before);

    let told = json(&place, "deploy --drop third -o stick");
    assert_eq!(told["schema"], "imgdelta/deploy-drop/1");
    assert_eq!(told["dropped"][0]["image"]["name"], "third");
    assert_eq!(told["left"], 1);
    let (names, files) = listed(&place);
    assert_eq!(names, ["patched"]);
    assert!(
        files.iter().all(|file| !file.starts_with("third")),
        "{files:?}"
    );
    let howto = String::from_utf8(place.read("stick/HOWTO.txt")).expect("text");
    assert!(
        howto.contains("\npatched\n") && !howto.contains("third"),
        "{howto}"
    );
    // What is left is whole.
    place.ok("receive stick --repo site");
    must_have(&place, "site", "of what is left");
}

#[test]
fn all_may_go_and_come_again() {
    let place = stick();
    let id = json(&place, "repo show third --repo hq")["content_id"]
        .as_str()
        .expect("text")
        .to_owned();
    let told = place.ok(&format!("deploy --drop {id} --drop patched -o stick"));
    assert!(told.contains("0 entries left"), "{told}");
    let (names, files) = listed(&place);
    assert!(names.is_empty());
    assert_eq!(files, ["HOWTO.txt", "SHA256SUMS", "delivery.json"]);
    let told = place.ok("receive stick --repo site");
    assert!(told.contains("holds nothing for this repository"), "{told}");
    place.ok("deploy patched --repo hq --for site.inv -o stick");
    place.ok("receive stick --repo site");
    must_have(&place, "site", "after all had gone");
}

#[test]
fn a_stick_that_keeps_a_file_has_a_list_that_is_whole() {
    let place = stick();
    let (_, files) = listed(&place);
    let file = files
        .iter()
        .find(|file| file.starts_with("third") && file.ends_with(".imgdelta"))
        .expect("it is there");
    // A file that cannot be deleted stands for a stick that was pulled out before it was.
    let path = place.path(&format!("stick/{file}"));
    fs::remove_file(&path).expect("it is there");
    fs::create_dir(&path).expect("room");
    let said = place.run("deploy --drop third -o stick");
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("is listed no more"), "{}", said.err);
    assert_eq!(listed(&place).0, ["patched"]);
    place.ok("receive stick --repo site");
    must_have(&place, "site", "beside what nothing lists");
}
