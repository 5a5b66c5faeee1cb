//! Records that somebody else wrote.

use std::{fs, os::unix::fs::symlink};

use imgdelta_core::{Kind, Result};
use imgdelta_repository::catalogue::{Record, Repository, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::place::{Place, file_of};

/// A record that is true, as JSON.
fn record() -> Value {
    json!({
        "schema": "imgdelta/record/1",
        "id": "win11",
        "content_id": format!("imgdelta1:{}", "0f".repeat(32)),
        "size": 65536,
        "format": "vhd",
        "files": [{"path": "a/golden.vhd", "length": 100, "modified": 5}],
        "name": "golden",
        "parent": {"id": "root", "known": "linked"},
        "tags": ["one", "two"],
        "golden": true,
        "owned": true,
        "provenance": {"when": "2026-11-24T12:00:00Z", "tool": "imgdelta 0.1.0", "how": "copied"},
    })
}

fn parse(value: &Value) -> Result<Record> {
    Record::from_json(value.to_string().as_bytes())
}

#[test]
fn a_record_is_read_as_it_was_written() -> Result<()> {
    let read = parse(&record())?;
    assert_eq!(Record::from_json(&read.to_json()?)?, read);
    let mut json: Value = serde_json::from_slice(&read.to_json()?).expect("it is JSON");
    let digest = json.as_object_mut().and_then(|json| json.remove("digest"));
    assert!(digest.is_some());
    assert_eq!(json, record());
    // What a later version adds is passed over.
    let mut more = record();
    more["colour"] = json!("blue");
    assert_eq!(parse(&more)?, read);
    Ok(())
}

#[test]
fn a_record_that_lies_is_refused() {
    let wrong: [(&str, Value); 26] = [
        ("id", json!(".hidden")),
        ("id", json!("aux.1")),
        ("name", json!("gol\u{202e}den")),
        ("size", json!(1_u64 << 63)),
        ("id", json!("../../etc/passwd")),
        ("id", json!("")),
        ("id", json!("x".repeat(129))),
        ("content_id", json!("sha256:00")),
        ("size", json!(-1)),
        ("size", json!(1.5)),
        ("format", json!("\u{1b}[31m")),
        ("files", json!([])),
        (
            "files",
            json!([{"path": "/etc/passwd", "length": 1, "modified": 1}]),
        ),
        (
            "files",
            json!([{"path": "../up.vhd", "length": 1, "modified": 1}]),
        ),
        (
            "files",
            json!([{"path": ".imgdelta/lock", "length": 1, "modified": 1}]),
        ),
        (
            "files",
            json!([{"path": "a\u{0}b", "length": 1, "modified": 1}]),
        ),
        (
            "files",
            json!([{"path": "a", "length": 1, "modified": 1}, {"path": "a", "length": 1, "modified": 1}]),
        ),
        ("name", json!("a/b")),
        ("name", json!("\u{7}bell")),
        ("parent", json!({"id": "WIN11", "known": "linked"})),
        ("parent", json!({"id": "a b", "known": "linked"})),
        ("parent", json!({"id": "root", "known": "believed"})),
        (
            "tags",
            json!((0..17).map(|n| n.to_string()).collect::<Vec<_>>()),
        ),
        ("tags", json!([3])),
        ("owned", json!(null)),
        (
            "provenance",
            json!({"when": "\u{1b}", "tool": "x", "how": "copied"}),
        ),
    ];
    for (field, value) in wrong {
        let mut lie = record();
        lie[field] = value;
        let error = parse(&lie).expect_err(field);
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Corrupt, "record"),
            "{field}: {error}"
        );
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
    let mut other = record();
    other["schema"] = json!("imgdelta/record/2");
    assert_eq!(
        parse(&other).expect_err("of another version").kind(),
        Kind::Unsupported
    );
}

#[test]
fn an_own_folder_that_is_a_link_is_not_followed() -> Result<()> {
    let place = Place::new();
    place.repository("real")?;
    fs::create_dir(place.at("other")).expect("room");
    symlink(place.at("real/.imgdelta"), place.at("other/.imgdelta")).expect("links");
    for tried in [
        Repository::open(&place.at("other")).map(drop),
        place.repository("other").map(drop),
    ] {
        let error = tried.expect_err("it leads elsewhere");
        assert_eq!((error.kind(), error.code()), (Kind::Reference, "outside"));
    }
    Ok(())
}

#[test]
fn a_record_that_was_damaged_is_not_believed() -> Result<()> {
    let whole = parse(&record())?.to_json()?;
    let text = String::from_utf8(whole.clone()).expect("it is text");
    // Each of these is a record that nobody could tell from a true one.
    for (before, after) in [
        ("65536", "65537"),
        ("\"length\": 100", "\"length\": 101"),
        ("0f0f", "0e0f"),
        ("\"name\": \"golden\"", "\"name\": \"gilden\""),
        ("\"golden\": true", "\"golden\": null"),
        ("\"owned\": true", "\"owned\":  true"),
    ] {
        let other = text.replacen(before, after, 1);
        assert_ne!(other, text);
        let error = Record::from_json(other.as_bytes()).expect_err(before);
        assert_eq!((error.kind(), error.code()), (Kind::Corrupt, "record"));
    }
    // Who edits it on purpose takes the digest away.
    let (open, _) = text.split_once(",\n  \"digest\"").expect("it has one");
    let edited = format!("{}\n}}", open.replacen("65536", "65537", 1));
    assert_eq!(Record::from_json(edited.as_bytes())?.size, 65537);
    Ok(())
}

#[test]
fn a_damaged_record_hides_no_other() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let golden = place.add(&repository, &place.golden("golden.vhd"))?.record;
    let images = place.at("hq/.imgdelta/images");
    fs::write(images.join("torn.json"), "{\"schema\":").expect("room");
    fs::write(images.join("named.json"), record().to_string()).expect("room");
    fs::write(images.join("long.json"), vec![b' '; 2 << 20]).expect("room");
    symlink("/etc/passwd", images.join("link.json")).expect("links");
    fs::create_dir(images.join("folder.json")).expect("room");
    fs::write(images.join(".win11.json.imgdelta-tmp"), "half").expect("room");
    fs::write(images.join("notes.txt"), "mine").expect("room");
    let listing = repository.list()?;
    assert_eq!(listing.records(), [&golden]);
    assert_eq!(listing.faults().len(), 5, "{:?}", listing.faults());
    assert!(
        listing
            .faults()
            .iter()
            .all(|error| error.location().file.is_some())
    );
    // Of what the damaged ones need nothing is known, so no leaves are swept away.
    place.write("hq/.imgdelta/leaves/00.leaves", b"x");
    let swept = repository.gc(&place.run())?;
    assert_eq!(swept.removed, [images.join(".win11.json.imgdelta-tmp")]);
    Ok(())
}

#[test]
fn an_image_whose_record_is_damaged_is_taken_in_anew() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let golden = place.add(&repository, &place.golden("golden.vhd"))?.record;
    let stem = golden.id.stem();
    fs::write(place.at(&format!("hq/.imgdelta/images/{stem}.json")), "{").expect("room");
    assert_eq!(repository.list()?.faults().len(), 1);
    let scanned = repository.scan(&place.run())?;
    assert_eq!((scanned.added.len(), scanned.faults.len()), (1, 0));
    let listing = repository.list()?;
    assert!(listing.faults().is_empty());
    let again = listing.find("golden")?;
    assert_eq!((&again.id, &again.files), (&golden.id, &golden.files));
    assert!(!again.owned, "nobody knows any more who made it");
    Ok(())
}

#[test]
fn records_that_go_round_in_a_circle_are_a_tree_all_the_same() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    for (id, parent) in [
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("d", "a"),
        ("e", "gone"),
    ] {
        let mut one = record();
        one["id"] = json!(id);
        one["name"] = json!(format!("name {id}"));
        one["parent"] = json!({"id": parent, "known": "linked"});
        fs::write(
            place.at(&format!("hq/.imgdelta/images/{id}.json")),
            one.to_string(),
        )
        .expect("room");
    }
    let listing = repository.list()?;
    assert_eq!(listing.len(), 5);
    let tree: Vec<(usize, &str, bool)> = listing
        .tree()
        .iter()
        .map(|branch| (branch.depth, branch.record.id.as_str(), branch.is_torn))
        .collect();
    assert_eq!(
        tree,
        [
            (0, "e", true),
            (0, "a", true),
            (1, "c", false),
            (2, "b", false),
            (1, "d", false)
        ]
    );
    Ok(())
}

#[test]
fn a_link_that_leads_out_is_neither_opened_nor_deleted() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let golden = place.add(&repository, &place.golden("golden.vhd"))?.record;
    let outside = place.at("golden.vhd");
    let inside = file_of(&repository, &golden);
    fs::remove_file(&inside).expect("it is there");
    for target in [outside.clone(), place.at("hq/.imgdelta/repository.json")] {
        symlink(&target, &inside).expect("links");
        let error = repository.open_disk(&golden).expect_err("it leads out");
        assert_eq!((error.kind(), error.code()), (Kind::Reference, "outside"));
        let all = repository.verify(&[], &place.run(), |_| ())?;
        assert!(
            matches!(&all[0].verdict, Verdict::Unreadable(error) if error.kind() == Kind::Reference)
        );
        fs::remove_file(&inside).expect("it is there");
    }
    symlink(&outside, &inside).expect("links");
    let removed = repository.remove("golden", &place.run())?;
    assert!(removed.deleted.is_empty() && outside.exists());
    Ok(())
}

#[test]
fn a_pipe_in_place_of_a_file_makes_nobody_wait() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let golden = place.add(&repository, &place.golden("golden.vhd"))?.record;
    let pipe = |path: &std::path::Path| {
        let _ = fs::remove_file(path);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
            .expect("pipes");
    };
    pipe(&place.at(&format!(
        "hq/.imgdelta/leaves/{}.leaves",
        golden.content_id.0
    )));
    assert_eq!(
        repository.leaves(&golden).expect_err("it is none").code(),
        "leaves"
    );
    pipe(&place.at("hq/.imgdelta/images/pipe.json"));
    assert_eq!(repository.list()?.faults().len(), 1);
    pipe(&file_of(&repository, &golden));
    assert!(repository.open_disk(&golden).is_err());
    pipe(&place.at("hq/.imgdelta/repository.json"));
    assert!(Repository::open(&place.at("hq")).is_err());
    Ok(())
}

/// JSON of any kind, not too deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_record_is_read_or_refused(value in any_json(), field in 0..12_usize) {
        let mut changed = record();
        let fields: Vec<String> = changed.as_object().expect("an object").keys().cloned().collect();
        changed[&fields[field % fields.len()]] = value;
        if let Ok(read) = parse(&changed) {
            let again = Record::from_json(&read.to_json().expect("it was read")).expect("it was read");
            prop_assert_eq!(&again, &read);
            prop_assert!(read.files.iter().all(|file| !file.path.as_str().contains("..")));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(at in 0..600_usize, bytes in prop::collection::vec(any::<u8>(), 0..8), cut in 0..600_usize) {
        let mut json = record().to_string().into_bytes();
        let at = at.min(json.len());
        json.splice(at..at, bytes);
        json.truncate(json.len().saturating_sub(cut));
        let _ = Record::from_json(&json);
    }
}
