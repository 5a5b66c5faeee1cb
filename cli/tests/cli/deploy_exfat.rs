//! The story of a stick on the file system that sticks have, which knows no links, no holes, no colons in names and no rename that replaces
//! nothing; a repository that lives on one; a stick that becomes full.

use std::fs;

use crate::{
    deploy_meet::{at_once, must_be_well},
    far::{add_site, headquarters, must_be_without, must_have},
    medium::{Access, Medium},
    place::Place,
    repo::names,
};

/// As large as a stick that is found in a drawer.
const STICK: u64 = 300 << 20;

/// The path of something on a medium, as it is typed.
fn on(medium: &Medium, name: &str) -> String {
    medium.root().join(name).display().to_string()
}

#[test]
fn the_story_of_a_stick_with_exfat() {
    let Some(mut medium) = Medium::exfat(STICK) else {
        return;
    };
    let place = headquarters();
    add_site(&place, "site");
    let (stick, inventory) = (on(&medium, "stick"), on(&medium, "site.inv"));
    place.ok(&format!("inventory --repo site -o {inventory}"));
    let deploy = format!("deploy patched --repo hq --for {inventory} -o {stick}");
    let told = place.ok(&deploy);
    assert!(told.contains("as the difference from golden"), "{told}");
    place.ok(&deploy);
    medium.unmount();
    medium.mount(Access::ReadOnly);
    let receive = format!("receive {stick} --repo site");
    let told = place.ok(&receive);
    assert!(told.contains("patched: proven and entered"), "{told}");
    must_have(&place, "site", "from a stick that cannot be written");
    let told = place.ok(&receive);
    assert!(told.contains("is here already"), "{told}");
    must_have(&place, "site", "the second time");
    // What cannot be written is told, and the stick stays as it is.
    let said = place.run(&format!(
        "deploy golden --repo hq --for {inventory} -o {}",
        on(&medium, "other")
    ));
    assert_eq!(said.exit, 8, "{}{}", said.out, said.err);
}

#[test]
fn a_repository_lives_on_exfat() {
    let Some(medium) = Medium::exfat(STICK) else {
        return;
    };
    let place = headquarters();
    let site = on(&medium, "site");
    place.ok(&format!("repo init {site}"));
    must_be_well(&at_once(
        ["golden.raw", "patched.raw", "golden.raw"]
            .map(|image| place.command(&format!("repo add {image} --repo {site} --wait 60s")))
            .into(),
    ));
    assert_eq!(names(&place, &site), ["golden", "patched"]);
    place.ok(&format!("repo tag golden 2026-11 --repo {site}"));
    place.ok(&format!("repo rename patched november --repo {site}"));
    place.ok(&format!("repo remove november --repo {site} --yes"));
    let lock = fs::File::options()
        .write(true)
        .open(medium.root().join("site/.imgdelta/lock"))
        .expect("it is there");
    lock.lock().expect("exFAT through FUSE has locks");
    place.refused(&format!("repo tag golden x --repo {site}"), 9);
    place.ok(&format!("repo list --repo {site}"));
    drop(lock);
    place.ok(&format!("deploy patched --repo hq --to {site}"));
    must_have(&place, &site, "by path");
    place.ok(&format!("repo gc --repo {site}"));
    must_have(&place, &site, "swept");
}

/// A place with a site, and a medium on which there is less room than the difference takes.
fn with_full_medium() -> Option<(Place, Medium)> {
    let medium = Medium::exfat(64 << 20)?;
    let place = headquarters();
    add_site(&place, "site");
    Some((place, medium))
}

/// How much is free on a full medium: more than the first writes take, less than the difference.
const LEFT: u64 = 2 << 20;

#[test]
fn a_stick_that_becomes_full_lists_nothing_that_is_not_whole() {
    let Some((place, medium)) = with_full_medium() else {
        return;
    };
    place.ok("inventory --repo site -o site.inv");
    let stick = on(&medium, "stick");
    let deploy = format!("deploy patched --repo hq --for site.inv -o {stick}");
    medium.fill("photographs", LEFT);
    let said = place.run(&deploy);
    assert_eq!(said.exit, 8, "{}{}", said.out, said.err);
    assert!(said.err.contains("No space left"), "{}", said.err);
    let left = fs::read_dir(&stick).map_or_else(
        |_| Vec::new(),
        |entries| {
            let names = entries.map(|entry| entry.expect("readable").file_name());
            names
                .map(|name| name.to_string_lossy().into_owned())
                .collect()
        },
    );
    assert!(left.iter().all(|name| name.starts_with('.')), "{left:?}");
    // No draft keeps the room that is missing.
    assert!(medium.free() >= LEFT - (256 << 10), "{}", medium.free());
    fs::remove_file(medium.root().join("photographs")).expect("it is there");
    place.ok(&deploy);
    place.ok(&format!("receive {stick} --repo site"));
    must_have(&place, "site", "after there was room");
}

#[test]
fn a_site_that_becomes_full_enters_nothing_that_is_not_whole() {
    let Some((place, medium)) = with_full_medium() else {
        return;
    };
    let site = on(&medium, "site");
    add_site(&place, &site);
    medium.fill("photographs", LEFT);
    let deploy = format!("deploy patched --repo hq --to {site}");
    let said = place.run(&deploy);
    assert_eq!(said.exit, 8, "{}{}", said.out, said.err);
    assert!(said.err.contains("No space left"), "{}", said.err);
    must_be_without(&place, &site, "full");
    fs::remove_file(medium.root().join("photographs")).expect("it is there");
    place.ok(&deploy);
    must_have(&place, &site, "after there was room");
}

#[test]
fn what_lies_on_a_stick_is_read_each_time() {
    let Some(medium) = Medium::exfat(STICK) else {
        return;
    };
    let place = Place::golden();
    let (base, child) = (on(&medium, "base.vhd"), on(&medium, "child.vhd"));
    place.ok(&format!("convert golden.vhd -o {base} -q"));
    place.ok(&format!("make -b {base} -t patched.vhd -o {child} -q"));
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let stamp = |path: &str| {
        let file = fs::File::options().append(true).open(path).expect("there");
        file.set_modified(hour_ago).expect("it can be said");
    };
    let attach = format!("attach {child} -b {base}");
    for _ in 0..2 {
        stamp(&base);
        let out = place.ok(&attach);
        assert!(out.contains("proven"), "{out}");
    }
    // A change that moves no time: exFAT knows no time that a program cannot set.
    let mut bytes = fs::read(&base).expect("there");
    bytes[5_000_000] ^= 1;
    fs::write(&base, bytes).expect("room");
    stamp(&base);
    place.refused(&attach, 5);
}
