//! Parity on a stick, as it is typed and told.

use std::fs;

use crate::{
    far::{add_site, headquarters, must_have},
    place::Place,
    repo::json,
};

const DEPLOY: &str = "deploy patched --repo hq --for site.inv -o stick --piece 1MiB";

/// The names of the pieces on the stick, in order.
fn pieces(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path("stick")).expect("readable");
    let names = entries.map(|entry| entry.expect("readable").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<String> = names
        .filter(|name| name.contains(".imgdelta.0") && !name.ends_with(".parity"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_damaged_stick_with_parity_is_told_received_and_whole() {
    let place = headquarters();
    add_site(&place, "site");
    place.ok("inventory --repo site -o site.inv");
    place.ok(&format!("{DEPLOY} --parity 5"));
    let told = place.ok("verify stick");
    assert!(told.contains("all are what was put there"), "{told}");
    let names = pieces(&place);
    assert_eq!(names.len(), 5);
    for name in &names {
        let length = fs::metadata(place.path(&format!("stick/{name}.parity"))).expect("beside it");
        assert!(length.len() > 0);
        place.change(&format!("stick/{name}"), |bytes| {
            let (at, run) = (bytes.len() / 3, bytes.len() / 100);
            bytes[at..at + run].fill(0);
        });
    }
    let said = place.run("verify stick");
    assert_eq!(said.exit, 6, "{}", said.err);
    let healable = said.out.matches("are damaged, and its parity heals them");
    assert_eq!(healable.count(), 5, "{}", said.out);
    let told: serde_json::Value =
        serde_json::from_str(&place.run("verify stick --json").out).expect("JSON");
    let files = told["files"].as_array().expect("a list");
    let file = files.iter().find(|file| file["name"] == names[0]);
    let file = file.expect("the first piece");
    assert_eq!(file["sound"], false);
    assert_eq!(file["healable"]["of"], 64, "{file}");
    assert_eq!(file["healable"]["shard"], 16384, "{file}");
    let told = json(&place, "receive stick --repo site --dry-run");
    assert_eq!(told["images"][0]["fate"], "due", "{told}");
    let said = place.run("receive stick --repo site");
    assert_eq!(said.exit, 0, "{}", said.err);
    for name in &names {
        let note = said.err.lines().find(|line| line.contains(name.as_str()));
        let note = note.expect("it is told");
        assert!(note.contains("were healed by its parity"), "{note}");
    }
    must_have(&place, "site", "healed");
    add_site(&place, "other");
    let told = json(&place, "receive stick --repo other");
    let healed = told["healed"].as_array().expect("a list");
    assert_eq!(healed.len(), 5, "{told}");
    let one = serde_json::json!({ "file": names[0], "shards": healed[0]["shards"], "of": 64, "shard": 16384 });
    assert_eq!(healed[0], one);
    must_have(&place, "other", "healed once more");
    place.ok("deploy --drop patched -o stick");
    assert!(pieces(&place).is_empty());
    let left = fs::read_dir(place.path("stick")).expect("readable").count();
    assert_eq!(left, 3, "no parity is left either");
}

#[test]
fn only_some_percentages_are_possible_and_only_on_a_medium() {
    let place = headquarters();
    add_site(&place, "site");
    for (line, word) in [
        (
            "deploy patched --repo hq --for site -o stick --parity 3",
            "2, 5 or 10 percent are possible",
        ),
        (
            "deploy patched --repo hq --to site --parity 5",
            "cannot be used with",
        ),
        (
            "deploy --drop patched -o stick --parity 5",
            "cannot be used with",
        ),
    ] {
        let said = place.refused(line, 2);
        assert!(said.contains(word), "{line}: {said}");
    }
}
