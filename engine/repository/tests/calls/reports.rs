//! What reports say, as programs see it: the command's `--json` is this and its schema.

use std::{fs, path::Path};

use imgdelta_core::Result;
use imgdelta_repository::{
    calls::{
        Add, AddSpec, AddTags, Gc, Init, List, Remove, RemoveTags, Rename, Scan, SetGolden, SetId,
        Show, Tree, Verify, WriteInventory,
    },
    catalogue::Inventory,
};
use serde_json::{Value, json};

use crate::place::{Place, SIZE, context, json, spec};

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_folder_becomes_a_repository() -> Result<()> {
    let place = Place::new();
    let made = Init::new(place.hq()).run(&context())?;
    let id = made.id.clone().expect("it has one");
    assert_eq!(
        json(&made),
        json!({
            "repository": shown(&place.hq()), "id": id, "default_format": "qcow2", "dry_run": false,
        })
    );
    Ok(())
}

/// `golden` with a tag, and `patched` that descends from it.
fn two_images() -> Result<(Place, Value)> {
    let place = Place::with_repository()?;
    let golden = AddSpec {
        golden: true,
        tags: ["2026-11".parse()?].into(),
        ..spec(&place.image("golden.raw", [1, 2, 3, 4]))
    };
    let patched = AddSpec {
        parent: Some("golden".to_owned()),
        ..spec(&place.image("patched.raw", [1, 2, 9, 4]))
    };
    let added = Add::new(place.hq(), [golden, patched]).run(&context())?;
    Ok((place, json(&added)))
}

#[test]
fn images_that_were_added_are_listed_shown_and_stand_in_the_tree() -> Result<()> {
    let (place, added) = two_images()?;
    let (golden, patched) = (&added["images"][0]["image"], &added["images"][1]["image"]);
    let golden_id = golden["content_id"].clone();
    assert_eq!(
        added,
        json!({
            "repository": shown(&place.hq()),
            "images": [
                {"path": shown(&place.at("golden.raw")), "is_new": true, "image": {
                    "name": "golden", "id": golden_id, "content_id": golden_id, "size": SIZE, "format": "raw",
                    "tags": ["2026-11"], "golden": true,
                }},
                {"path": shown(&place.at("patched.raw")), "is_new": true, "image": {
                    "name": "patched", "id": patched["content_id"], "content_id": patched["content_id"], "size": SIZE,
                    "format": "raw", "parent": {"id": golden_id, "name": "golden", "known": "measured"},
                    "tags": [], "golden": false,
                }},
            ],
            "dry_run": false,
            "notes": [],
        })
    );

    let list = List::new(place.hq()).run(&context())?;
    assert_eq!(
        json(&list),
        json!({
            "images": [golden, patched], "repository": shown(&place.hq()), "id": list.summary.id, "default_format": "qcow2",
            "count": 2, "notes": [],
        })
    );

    let tree = json(&Tree::new(place.hq()).run(&context())?);
    assert_eq!(
        (&tree["count"], &tree["roots"]),
        (&json!(2), &json!(1)),
        "{tree}"
    );
    let depths = [0, 1].map(|number| tree["images"][number]["depth"].clone());
    assert_eq!(depths, [json!(0), json!(1)]);
    assert_eq!(tree["images"][1]["name"], "patched");

    let shown = json(&Show::new(place.hq(), "golden").run(&context())?);
    assert_eq!(
        shown["files"],
        json!([{"path": "golden.raw", "length": SIZE, "is_there": true}])
    );
    assert_eq!(shown["children"], json!(["patched"]));
    let rest = ["owned", "leaves", "how", "entered"].map(|key| shown[key].clone());
    let expected = json!([true, true, "copied", "2023-11-14T22:13:20Z"]);
    assert_eq!(Value::from(rest.to_vec()), expected);
    Ok(())
}

#[test]
fn what_is_known_of_an_image_changes_and_the_report_says_what_it_is_now() -> Result<()> {
    let (place, _) = two_images()?;
    let (hq, context) = (place.hq(), context());
    let tagged = AddTags::new(&hq, "patched", ["a".parse()?, "b".parse()?]).run(&context)?;
    assert_eq!(tagged.image.tags, ["a", "b"]);
    let untagged = RemoveTags::new(&hq, "patched", ["a".parse()?, "z".parse()?]).run(&context)?;
    assert_eq!(untagged.image.tags, ["b"]);
    assert!(
        SetGolden::new(&hq, "patched", true)
            .run(&context)?
            .image
            .golden
    );
    let claimed = SetId::new(&hq, "patched", "WIN11-2611".parse()?).run(&context)?;
    assert_eq!(claimed.image.id, "WIN11-2611");
    let renamed = Rename::new(&hq, "WIN11-2611", "november".parse()?).run(&context)?;
    assert_eq!(
        json(&renamed),
        json!({
            "before": "patched",
            "image": {
                "name": "november", "id": "WIN11-2611", "content_id": renamed.image.content_id, "size": SIZE,
                "format": "raw", "parent": renamed.image.parent, "tags": ["b"], "golden": true,
            },
            "dry_run": false,
        })
    );
    Ok(())
}

#[test]
fn what_stands_in_the_folder_is_taken_in_and_the_same_disk_is_told() -> Result<()> {
    let place = Place::with_repository()?;
    place.image("hq/one.raw", [1, 2, 3, 4]);
    place.image("hq/two.raw", [1, 2, 3, 4]);
    fs::write(place.at("hq/broken.qcow2"), b"QFI\xfb").expect("room");
    let scanned = json(&Scan::new(place.hq()).run(&context())?);
    assert_eq!(scanned["added"][0]["name"], "one");
    assert_eq!(
        scanned["same"],
        json!([{"path": shown(&place.at("hq/two.raw")), "image": "one"}])
    );
    let failed = &scanned["failed"][0];
    assert_eq!(failed["path"], shown(&place.at("hq/broken.qcow2")));
    assert_eq!(failed["error"]["exit"], 3, "{failed}");
    let keys: Vec<&String> = failed["error"]
        .as_object()
        .expect("it is one")
        .keys()
        .collect();
    assert_eq!(keys, ["code", "exit", "message"]);
    assert_eq!(
        (&scanned["known"], &scanned["dry_run"]),
        (&json!(0), &json!(false))
    );
    assert_eq!(json(&Scan::new(place.hq()).run(&context())?)["known"], 1);
    Ok(())
}

#[test]
fn a_disk_that_was_changed_is_found_and_the_report_says_where() -> Result<()> {
    let (place, _) = two_images()?;
    let sound = Verify::new(place.hq()).run(&context())?;
    assert!(sound.summary.is_sound());
    place.image("hq/golden.raw", [1, 2, 3, 8]);
    let found = Verify::new(place.hq()).run(&context())?;
    assert!(!found.summary.is_sound());
    let told = json(&found);
    assert_eq!((&told["sound"], &told["faults"]), (&json!(1), &json!(1)));
    let golden = &told["images"][0];
    assert_eq!(golden["verdict"], "changed");
    assert_eq!(golden["windows"], 1);
    assert_eq!(
        golden["regions"],
        json!([{"start": 192 << 10, "length": 64 << 10}])
    );
    assert_eq!(
        told["images"][1],
        json!({"name": "patched", "id": found.images[1].id, "verdict": "sound", "notes": []})
    );
    let patched = Verify::new(place.hq()).images(["patched".to_owned()]);
    assert!(patched.run(&context())?.summary.is_sound());
    Ok(())
}

#[test]
fn an_image_goes_with_its_file_and_nothing_is_left_to_sweep() -> Result<()> {
    let (place, added) = two_images()?;
    let removed = Remove::new(place.hq(), "golden").run(&context())?;
    assert_eq!(
        json(&removed),
        json!({
            "image": added["images"][0]["image"], "deleted": [shown(&place.at("hq/golden.raw"))], "bytes": SIZE, "kept": [], "notes": [],
            "orphans": ["patched"], "dry_run": false,
        })
    );
    assert!(!place.at("hq/golden.raw").exists());
    let swept = Gc::new(place.hq()).run(&context())?;
    assert_eq!(
        json(&swept),
        json!({"repository": shown(&place.hq()), "removed": [], "bytes": 0, "dry_run": false})
    );
    Ok(())
}

#[test]
fn an_inventory_is_written_as_another_site_reads_it() -> Result<()> {
    let (place, _) = two_images()?;
    let output = place.at("hq.inv");
    let written = WriteInventory::new(place.hq(), &output).run(&context())?;
    let read = Inventory::read(&output)?;
    assert_eq!(
        json(&written),
        json!({
            "output": shown(&output), "repository": read.repository.to_string(), "images": 2,
            "bytes": fs::metadata(&output).expect("it is there").len(), "dry_run": false, "notes": [],
        })
    );
    let names: Vec<&str> = read.images.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["golden", "patched"]);
    Ok(())
}

#[test]
fn a_record_that_cannot_be_read_is_a_note_and_a_fault_and_no_failure() -> Result<()> {
    let (place, _) = two_images()?;
    let stray = place.at("hq/.imgdelta/images/stray.json");
    fs::write(stray, b"{").expect("room");
    let list = List::new(place.hq()).run(&context())?;
    assert_eq!(list.summary.count, 2);
    assert!(list.summary.notes[0].starts_with("a record cannot be read: "));
    let found = Verify::new(place.hq()).run(&context())?;
    assert_eq!((found.summary.sound, found.summary.faults), (2, 0));
    assert_eq!(found.summary.records[0].exit, 3);
    assert!(!found.summary.is_sound());
    Ok(())
}
