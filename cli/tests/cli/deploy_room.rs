//! Room is looked at before anything is sent or written: on the medium, in the site's folder, at the other end of a line.

use std::fs;

use crate::{
    deploy_ssh::{HERE, over},
    far::{add_site, headquarters, must_be_without, must_have},
    medium::Medium,
    place::Place,
};

/// Less than any disk takes that is not a child.
const LITTLE: u64 = 256 << 10;

/// Less than the difference takes, more than is certain before it was packed.
const SOME: u64 = 2 << 20;

/// Headquarters, a site on a medium of its own, and its path.
fn with_small_site(place: &Place) -> Option<(Medium, String)> {
    let medium = Medium::exfat(64 << 20)?;
    let site = medium.root().join("site").display().to_string();
    add_site(place, &site);
    Some((medium, site))
}

/// All names below a folder, with how long the files are.
fn files(folder: &std::path::Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let entry = entry.expect("readable");
        let metadata = entry.metadata().expect("it is there");
        if metadata.is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path().display().to_string(), metadata.len()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_site_without_room_is_told_before_anything_is_sent() {
    let place = headquarters();
    let Some((medium, site)) = with_small_site(&place) else {
        return;
    };
    medium.fill("photographs", LITTLE);
    let before = files(&medium.root());
    for line in [
        format!("plan patched --repo hq --for {site}"),
        format!("deploy patched --repo hq --to {site}"),
        format!("deploy patched --repo hq --to {site} --dry-run"),
    ] {
        let said = place.run(&line);
        assert_eq!(said.exit, 8, "{line}: {}{}", said.out, said.err);
        assert!(said.err.contains("needs at least 512 KiB"), "{}", said.err);
        assert!(said.err.contains("are free in"), "{}", said.err);
        assert_eq!(files(&medium.root()), before, "{line}");
    }
    let told = place.run(&format!("deploy patched --repo hq --to {site} --json"));
    assert!(told.out.contains("\"no_space\"") || told.err.contains("\"no_space\""));
    // What is only a child of its base there may fit.
    let said = place.run(&format!("plan patched --repo hq --for {site} -q"));
    assert_eq!(said.exit, 8);
    must_be_without(&place, &site, "refused");
    fs::remove_file(medium.root().join("photographs")).expect("it is there");
    place.ok(&format!("plan patched --repo hq --for {site}"));
    place.ok(&format!("deploy patched --repo hq --to {site}"));
    must_have(&place, &site, "after there was room");
}

#[test]
fn what_may_fit_is_tried_and_told() {
    let place = headquarters();
    let Some((medium, site)) = with_small_site(&place) else {
        return;
    };
    medium.fill("photographs", SOME);
    let said = place.run(&format!("plan patched --repo hq --for {site}"));
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("may not fit"), "{}", said.err);
    let said = place.run(&format!("deploy patched --repo hq --to {site}"));
    assert_eq!(said.exit, 8, "{}{}", said.out, said.err);
    assert!(said.err.contains("are free in"), "{}", said.err);
    assert!(said.err.contains("nothing of it is left"), "{}", said.err);
    must_be_without(&place, &site, "full");
    assert!(medium.free() >= SOME - (256 << 10), "{}", medium.free());
}

#[test]
fn a_delivery_that_expands_to_more_than_is_free_is_not_begun() {
    let place = headquarters();
    let Some((medium, site)) = with_small_site(&place) else {
        return;
    };
    // As a whole it was packed: no less than that is certain.
    place.ok(&format!("inventory --repo {site} -o site.inv"));
    place.ok("deploy patched --repo hq --for site.inv -o stick --threshold 100");
    medium.fill("photographs", SOME);
    let before = files(&medium.root());
    for line in [
        format!("receive stick --repo {site}"),
        format!("receive stick --repo {site} --dry-run"),
    ] {
        let said = place.run(&line);
        assert_eq!(said.exit, 8, "{line}: {}{}", said.out, said.err);
        assert!(said.err.contains("what is for this site needs at least"));
        assert_eq!(files(&medium.root()), before, "{line}");
    }
    fs::remove_file(medium.root().join("photographs")).expect("it is there");
    place.ok(&format!("receive stick --repo {site}"));
    must_have(&place, &site, "after there was room");
    // What is here takes no room.
    medium.fill("photographs", LITTLE);
    let told = place.ok(&format!("receive stick --repo {site}"));
    assert!(told.contains("is here already"), "{told}");
}

#[test]
fn a_stick_without_room_is_told_before_anything_is_packed() {
    let Some(medium) = Medium::exfat(64 << 20) else {
        return;
    };
    let place = headquarters();
    add_site(&place, "site");
    place.ok("inventory --repo site -o site.inv");
    let stick = medium.root().join("stick").display().to_string();
    let deploy = format!("deploy patched --repo hq --for site.inv -o {stick}");
    medium.fill("photographs", 0);
    for line in [deploy.clone(), format!("{deploy} --dry-run")] {
        let said = place.run(&line);
        assert_eq!(said.exit, 8, "{line}: {}{}", said.out, said.err);
    }
    fs::remove_file(medium.root().join("photographs")).expect("it is there");
    medium.fill("photographs", SOME);
    let told = place.run(&format!("{deploy} --dry-run"));
    assert_eq!(told.exit, 0, "{}{}", told.out, told.err);
    assert!(told.err.contains("may not fit"), "{}", told.err);
    fs::remove_file(medium.root().join("photographs")).expect("it is there");
    place.ok(&deploy);
    // What lies there is not counted again.
    medium.fill("photographs", SOME);
    let told = place.run(&deploy);
    assert_eq!(told.exit, 0, "{}{}", told.out, told.err);
    assert!(!told.err.contains("may not fit"), "{}", told.err);
}

#[test]
fn a_host_without_room_is_told_before_anything_is_sent() {
    let place = headquarters();
    let Some((medium, site)) = with_small_site(&place) else {
        return;
    };
    place.write("ssh", HERE.as_bytes());
    // Kept as a child, no more is certain than the packed difference.
    medium.fill("photographs", SOME);
    let deploy = format!("deploy patched --repo hq --to ssh://host{site} --as-child");
    let said = over(&place, &deploy);
    assert_eq!(said.exit, 8, "{}{}", said.out, said.err);
    let told = said.err.replace('\n', " ");
    assert!(told.contains("'patched' needs 4.5 MiB"), "{told}");
    assert!(told.contains("are free in"), "{told}");
    must_be_without(&place, &site, "refused");
    let said = over(
        &place,
        &format!("plan patched --repo hq --for ssh://host{site}"),
    );
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("may not fit"), "{}", said.err);
    fs::remove_file(medium.root().join("photographs")).expect("it is there");
    medium.fill("photographs", LITTLE);
    let said = over(
        &place,
        &format!("plan patched --repo hq --for ssh://host{site}"),
    );
    assert_eq!(said.exit, 8, "{}{}", said.out, said.err);
    fs::remove_file(medium.root().join("photographs")).expect("it is there");
    let said = over(&place, &deploy.replace(" --as-child", ""));
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    must_have(&place, &site, "after there was room");
}

#[test]
fn a_damaged_stick_is_healed_only_where_there_is_room_for_what_that_writes() {
    let place = headquarters();
    let Some((medium, site)) = with_small_site(&place) else {
        return;
    };
    place.ok(&format!("inventory --repo {site} -o site.inv"));
    place.ok("deploy patched --repo hq --for site.inv -o stick --parity 5");
    let stick = fs::read_dir(place.path("stick")).expect("readable");
    let names = stick.map(|entry| entry.expect("readable").file_name());
    let mut names = names.map(|name| name.to_string_lossy().into_owned());
    let part = names.find(|name| name.ends_with(".imgdelta"));
    let part = format!("stick/{}", part.expect("a transport file"));
    place.change(&part, |bytes| bytes[1 << 20] ^= 1);
    // The file has 4.5 MiB, the parity and all else far less.
    medium.fill("photographs", 4 << 20);
    let before = files(&medium.root());
    let said = place.run(&format!("receive stick --repo {site}"));
    assert_eq!(said.exit, 8, "{}{}", said.out, said.err);
    let words = "what is healed, and made of that, needs at least";
    assert!(said.err.contains(words), "{}", said.err);
    assert_eq!(files(&medium.root()), before);
    must_be_without(&place, &site, "no room to heal");
    fs::remove_file(medium.root().join("photographs")).expect("it is there");
    place.ok(&format!("receive stick --repo {site}"));
    must_have(&place, &site, "healed where there is room");
}

#[test]
fn a_medium_of_several_is_kept_only_where_there_is_room_for_it() {
    let place = headquarters();
    let Some((medium, site)) = with_small_site(&place) else {
        return;
    };
    place.ok(&format!("inventory --repo {site} -o site.inv"));
    place.ok("deploy patched --repo hq --for site.inv -o one -o two -o three --media 4MB");
    medium.fill("photographs", 1 << 20);
    let before = files(&medium.root());
    let said = place.run(&format!("receive two --repo {site}"));
    assert_eq!(said.exit, 8, "{}{}", said.out, said.err);
    let words = "what is kept until the other media have come needs";
    assert!(said.err.contains(words), "{}", said.err);
    assert_eq!(files(&medium.root()), before);
    fs::remove_file(medium.root().join("photographs")).expect("it is there");
    for folder in ["two", "one", "three"] {
        place.ok(&format!("receive {folder} --repo {site}"));
    }
    must_have(&place, &site, "kept where there is room");
}
