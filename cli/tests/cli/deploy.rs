//! Deployments as users meet them: by a stick and by a path, twice, to the wrong site, from a damaged stick, to several sites of which one
//! fails; what is said, how it ends, what JSON says.

use std::fs;

use imgdelta_fixtures::golden;

use crate::{
    place::{Place, Said},
    repo::{expect_json, headquarters, json},
};

/// Headquarters, a site that makes VHDX and has the golden image under another name, and its inventory.
fn with_site() -> Place {
    let place = headquarters();
    place.ok("repo init site --format vhdx");
    place.ok("repo add golden.qcow2 --name GoldenDisk --repo site");
    place.ok("inventory --repo site -o site.inv");
    place
}

/// Adds a site that can be reached by its path.
fn add_site(place: &Place, name: &str) {
    place.ok(&format!("repo init {name}"));
    place.ok(&format!("repo add golden.raw --repo {name}"));
}

/// The content id of an image.
fn content(place: &Place, image: &str, repository: &str) -> String {
    let shown = json(place, &format!("repo show {image} --repo {repository}"));
    shown["content_id"].as_str().expect("text").to_owned()
}

/// How many images a repository has.
fn count(place: &Place, repository: &str) -> u64 {
    let list = json(place, &format!("repo list --repo {repository}"));
    list["count"].as_u64().expect("a number")
}

/// Damages the file of a delivery whose name begins so.
fn damage(place: &Place, stick: &str, start: &str, how: impl FnOnce(&mut Vec<u8>)) {
    let entries = fs::read_dir(place.path(stick)).expect("readable");
    let mut names = entries.map(|entry| {
        entry
            .expect("readable")
            .file_name()
            .into_string()
            .expect("UTF-8")
    });
    let name = names
        .find(|name| name.starts_with(start) && !name.ends_with("json"))
        .expect("the child");
    place.change(&format!("{stick}/{name}"), how);
}

#[test]
fn the_story_of_a_stick_reads_well() {
    let place = with_site();
    place.transcript(
        "deploy-stick",
        &[
            "imgdelta deploy patched --repo hq --for site.inv -o stick -n",
            "imgdelta deploy patched --repo hq --for site.inv -o stick",
            "imgdelta deploy patched --repo hq --for site.inv -o stick",
            "imgdelta receive stick --repo site -n",
            "imgdelta receive stick --repo site",
            "imgdelta receive stick --repo site",
            "imgdelta repo list --repo site",
            "imgdelta repo verify --repo site",
            "imgdelta receive stick --repo hq",
        ],
    );
    assert_eq!(
        content(&place, "patched", "site"),
        content(&place, "patched", "hq")
    );
    let howto = String::from_utf8(place.read("stick/HOWTO.txt")).expect("text");
    assert!(howto.contains("imgdelta receive"), "{howto}");
}

#[test]
fn the_story_of_a_path_reads_well() {
    let place = with_site();
    add_site(&place, "site2");
    place.transcript(
        "deploy-path",
        &[
            "imgdelta deploy patched --repo hq --to site2 -n",
            "imgdelta deploy patched --repo hq --to site2",
            "imgdelta deploy patched --repo hq --to site2",
            "imgdelta deploy patched --repo hq --to site --as-child -v",
            "imgdelta repo tree --repo site",
            "imgdelta repo verify --repo site2",
        ],
    );
    // A child opens by its own link, with no options.
    let file = json(&place, "repo show patched --repo site")["files"][0]["path"].clone();
    let file = file.as_str().expect("text");
    place.ok(&format!("convert site/{file} -o again.raw"));
    assert!(place.read("again.raw") == golden::patched_bytes());
}

#[test]
fn a_site_gets_the_format_and_the_child_that_were_asked_for() {
    let place = headquarters();
    for (name, format) in [("a", "vmdk"), ("b", "vdi"), ("c", "raw")] {
        place.ok(&format!("repo init {name} --format {format}"));
        place.ok(&format!("repo add golden.vhd --repo {name}"));
        place.ok(&format!("inventory --repo {name} -o {name}.inv"));
    }
    place.ok("deploy patched --repo hq --for a.inv --for b.inv --for c.inv -o stick");
    place.ok("receive stick --repo a");
    place.ok("receive stick --repo b --format vhdx");
    place.ok("receive stick --repo c --as-child");
    for (name, format) in [("a", "vmdk"), ("b", "vhdx"), ("c", "vhd")] {
        let shown = json(&place, &format!("repo show patched --repo {name}"));
        assert_eq!(shown["format"], format, "{name}");
        assert_eq!(shown["how"], "received");
    }
    // The stick has the difference once.
    let index: serde_json::Value =
        serde_json::from_slice(&place.read("stick/delivery.json")).expect("JSON");
    assert_eq!(index["items"].as_array().map(Vec::len), Some(1));
    place.ok("repo init d --format vhd");
    place.ok("repo add golden.raw --repo d");
    let sent = json(&place, "deploy patched --repo hq --for d -o other --native");
    assert_eq!(sent["sites"][0]["sent"][0]["format"], "vhd");
    place.ok("receive other --repo d");
}

#[test]
fn a_delivery_is_of_no_use_to_a_site_without_the_base() {
    let place = with_site();
    place.ok("repo init stranger");
    place.ok("deploy patched --repo hq --for site.inv -o stick");
    let said = place.refused("receive stick --repo stranger", 5);
    assert!(said.contains("'patched' needs 'golden'"), "{said}");
    assert_eq!(count(&place, "stranger"), 0);
    place.refused("receive nothing --repo site", 2);
    place.refused("receive hq --repo site", 2);
    place.refused("receive stick --repo nowhere", 2);
    // With the base there it goes on.
    place.ok("repo add golden.vhd --repo stranger");
    place.ok("receive stick --repo stranger");
    assert_eq!(count(&place, "stranger"), 2);
}

#[test]
fn a_damaged_stick_enters_nothing_and_is_mended_by_the_same_deployment() {
    let place = with_site();
    place.ok("deploy patched --repo hq --for site.inv -o stick");
    damage(&place, "stick", "patched", |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let said = place.refused("receive stick --repo site", 6);
    assert!(said.contains("is not what was put there"), "{said}");
    damage(&place, "stick", "patched", |bytes| {
        bytes.truncate(bytes.len() / 2);
    });
    place.refused("receive stick --repo site", 3);
    assert_eq!(count(&place, "site"), 1);
    place.ok("deploy patched --repo hq --for site.inv -o stick");
    place.ok("receive stick --repo site");
    place.change("stick/delivery.json", |bytes| bytes.truncate(40));
    place.refused("receive stick --repo site", 3);
    place.refused("deploy patched --repo hq --for site.inv -o stick", 3);
}

#[test]
fn one_site_that_fails_does_not_stop_the_others() {
    let place = with_site();
    add_site(&place, "good");
    fs::create_dir(place.path("bare")).expect("room");
    let Said { exit, out, err } = place.run("deploy patched --repo hq --to bare --to good");
    assert_eq!(exit, 2, "{out}");
    assert!(err.contains("error: bare: is not a repository"), "{err}");
    assert!(out.contains("1 of 2 sites served"), "{out}");
    assert_eq!(count(&place, "good"), 2);
    place.write("cut.inv", &place.read("site.inv")[..100]);
    let line = "deploy patched --repo hq --for cut.inv --for site.inv -o stick";
    let Said { exit, out, .. } = place.run(line);
    assert_eq!(exit, 3, "{out}");
    assert!(out.contains("1 of 2 sites served"), "{out}");
    place.ok("receive stick --repo site");
    // By itself, an error is the whole result.
    let said = place.refused("deploy patched --repo hq --to bare", 2);
    assert!(
        said.starts_with("error: bare: is not a repository"),
        "{said}"
    );
    place.refused("deploy patched --repo hq --for cut.inv -o other", 3);
}

#[test]
fn an_image_that_was_changed_where_it_stands_does_not_travel() {
    let place = with_site();
    add_site(&place, "site2");
    place.change("hq/patched.vhd", |bytes| {
        let at = bytes.len() - (1 << 20);
        bytes[at] ^= 1;
    });
    let said = place.refused("deploy patched --repo hq --to site2", 6);
    assert!(!said.is_empty());
    assert_eq!(count(&place, "site2"), 1);
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_plan_says() {
    let place = with_site();
    let before = place.names();
    let told = place.ok("deploy patched --repo hq --for site.inv -n");
    assert_eq!(told, place.ok("plan patched --repo hq --for site.inv"));
    let told = place.ok("deploy patched --repo hq --to site -n --json");
    assert_eq!(told, place.ok("plan patched --repo hq --for site --json"));
    let plan = json(&place, "deploy patched --repo hq --for site -o stick -n");
    assert_eq!(plan["carrier"], "medium");
    assert_eq!(place.names(), before);
    assert_eq!(count(&place, "site"), 1);
}

#[test]
fn deployments_that_make_no_sense_are_refused() {
    let place = with_site();
    place.transcript(
        "deploy-usage",
        &[
            "imgdelta deploy patched --repo hq",
            "imgdelta deploy patched --repo hq --for site.inv",
            "imgdelta deploy patched --repo hq --to site -o stick",
            "imgdelta deploy patched --repo hq --to site --for site.inv -o stick",
            "imgdelta deploy patchde --repo hq --to site",
            "imgdelta deploy patched --repo hq --to site --to site",
            "imgdelta deploy patched --repo hq --to site --format tar",
            "imgdelta deploy patched --repo hq --to site --wait soon",
            "imgdelta receive --repo site",
        ],
    );
    assert_eq!(count(&place, "site"), 1);
}

/// The patent's own example: headquarters has a tree with root A, B and C on other branches, D below it with the children E and F, and an
/// unrelated pair G and H; the site has A, D, E and two images of its own. F is wanted.
fn patent() -> Place {
    let place = Place::empty();
    let letters = ["A", "B", "C", "D", "E", "F", "G", "H", "N", "X"];
    let parents = ["", "A", "A", "A", "D", "D", "", "G", "", ""];
    let mut disks: Vec<Vec<u8>> = Vec::new();
    for (number, parent) in parents.iter().enumerate() {
        let above = letters.iter().position(|letter| letter == parent);
        let mut disk = above.map_or_else(
            || {
                (0..4 << 20)
                    .map(|at: u32| (at.wrapping_mul(2_654_435_761 + 2 * number as u32) >> 11) as u8)
                    .collect()
            },
            |above| disks[above].clone(),
        );
        if above.is_some() {
            let at = number * (256 << 10);
            disk[at..at + (128 << 10)].fill(number as u8);
        }
        place.write(&format!("{}.raw", letters[number]), &disk);
        disks.push(disk);
    }
    place.ok("repo init hq");
    place.ok("repo init site --format vhdx");
    for (letter, parent) in letters.iter().zip(parents).take(8) {
        let above = if parent.is_empty() {
            String::new()
        } else {
            format!("--parent {parent}")
        };
        place.ok(&format!("repo add {letter}.raw --repo hq {above}"));
    }
    for letter in ["A", "D", "E", "N", "X"] {
        place.ok(&format!("repo add {letter}.raw --repo site"));
    }
    place
}

#[test]
fn the_example_of_the_patent_goes_from_its_parent() {
    let place = patent();
    place.ok("inventory --repo site -o site.inv");
    let plan = json(&place, "plan F --repo hq --for site.inv");
    let leg = &plan["sites"][0]["legs"][0];
    assert_eq!(leg["base"]["image"]["name"], "D");
    assert_eq!(leg["candidates"], 3);
    let sent = json(&place, "deploy F --repo hq --for site.inv -o stick");
    let parcels = sent["sites"][0]["sent"].as_array().expect("a list");
    assert_eq!(parcels.len(), 1);
    assert_eq!(parcels[0]["base"]["name"], "D");
    // Only what differs from D travels: one run of 128 KiB in two places, compressed.
    assert!(sent["bytes"].as_u64() < Some(1 << 20), "{sent}");
    let received = json(&place, "receive stick --repo site");
    assert_eq!(received["images"][0]["fate"], "entered");
    assert_eq!(content(&place, "F", "site"), content(&place, "F", "hq"));
    assert_eq!(count(&place, "site"), 6);
    place.ok("repo verify --repo site");
}

#[test]
fn a_deployment_in_json() {
    let place = with_site();
    add_site(&place, "site2");
    fs::create_dir(place.path("bare")).expect("room");
    expect_json(
        &place,
        "deploy-carried",
        "deploy patched golden --repo hq --for site.inv -o stick",
    );
    expect_json(&place, "receive", "receive stick --repo site");
    expect_json(&place, "receive-again", "receive stick --repo site");
    expect_json(
        &place,
        "deploy",
        "deploy patched --repo hq --to site2 --to hq",
    );
    let said = place.run("deploy patched --repo hq --to bare --json");
    assert_eq!((said.exit, said.out.as_str()), (2, ""));
    let error: serde_json::Value = serde_json::from_str(&said.err).expect("JSON");
    assert_eq!(error["schema"], "imgdelta/error/1");
}
