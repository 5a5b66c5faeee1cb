//! A change that was under way when the process died: the next change finishes it, drops it or stops.

use std::fs;

use imgdelta_core::Result;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Record, Repository};

use crate::place::{Place, file_of, files_below};

/// The record's place, the one of its change that is under way, and the record.
pub(crate) fn entered(place: &Place, repository: &Repository) -> Result<Record> {
    Ok(place.add(repository, &place.golden("golden.vhd"))?.record)
}

/// Puts the repository back to where the change of a record was written down and nothing of it done.
fn under_way(place: &Place, record: &Record, before: Option<&str>) {
    let entry = serde_json::json!({
        "schema": "imgdelta/entering/1",
        "record": String::from_utf8(record.to_json().expect("it can be written")).expect("text"),
        "before": before,
    });
    let stem = record.id.stem();
    let entry_place = place.at(&format!("hq/.imgdelta/entering/{stem}.json"));
    fs::write(entry_place, entry.to_string()).expect("room");
}

fn entering_is_empty(place: &Place) -> bool {
    let entries = fs::read_dir(place.at("hq/.imgdelta/entering"));
    entries.expect("it is there").next().is_none()
}

#[test]
fn killed_after_the_image_got_its_name_the_next_change_enters_it() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    under_way(&place, &record, None);
    let stem = record.id.stem();
    fs::remove_file(place.at(&format!("hq/.imgdelta/images/{stem}.json"))).expect("it is there");
    let before = files_below(&place.at("hq"));
    // It is seen as it will be, and seeing it changes nothing.
    assert_eq!(repository.show("golden")?, record);
    assert!(!repository.list()?.is_settled());
    assert!(repository.verify(&[], &place.run(), |_| ())?[0].is_sound());
    assert_eq!(files_below(&place.at("hq")), before);
    repository.gc(&place.run())?;
    assert!(repository.list()?.is_settled());
    assert_eq!(repository.show("golden")?, record);
    assert!(repository.leaves(&record)?.is_some());
    assert!(entering_is_empty(&place));
    // The same command once more finds it done.
    assert!(!place.add(&repository, &place.at("golden.vhd"))?.is_new);
    Ok(())
}

#[test]
fn killed_before_the_image_got_its_name_nothing_is_entered_and_the_command_can_be_repeated()
-> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    under_way(&place, &record, None);
    let stem = record.id.stem();
    fs::remove_file(place.at(&format!("hq/.imgdelta/images/{stem}.json"))).expect("it is there");
    // The draft of the image is all that there is.
    let draft = place.at("hq/.golden.vhd.imgdelta-tmp");
    fs::rename(file_of(&repository, &record), &draft).expect("it is there");
    let again = place.add(&repository, &place.at("golden.vhd"))?;
    assert!(again.is_new);
    assert!(!draft.exists(), "the dead draft was taken over");
    assert!(entering_is_empty(&place));
    assert_eq!(repository.list()?.len(), 1);
    Ok(())
}

#[test]
fn killed_while_an_id_was_set_the_next_change_finishes_it() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let golden = entered(&place, &repository)?;
    let add = Add {
        image: OpenSpec::of(place.golden("patched.vhd")),
        parent: Some("golden".to_owned()),
        ..Default::default()
    };
    repository.add(&add, &place.run())?;
    // Nothing done yet, or the new record written and the rest not.
    for is_begun in [false, true] {
        let before = repository.show("golden")?;
        let wanted = Record {
            id: "win11".parse()?,
            revision: before.revision + 1,
            ..before
        };
        if is_begun {
            let new = place.at("hq/.imgdelta/images/win11.json");
            fs::write(new, wanted.to_json()?).expect("room");
        }
        under_way(&place, &wanted, Some(golden.id.as_str()));
        let seen = repository.list()?;
        assert_eq!((seen.len(), seen.find("golden")?), (2, &wanted));
        repository.gc(&place.run())?;
        assert_eq!(repository.list()?.len(), 2);
        assert_eq!(repository.show("golden")?, wanted);
        assert_eq!(
            repository.show("patched")?.parent.map(|parent| parent.id),
            Some(wanted.id.clone())
        );
        assert!(entering_is_empty(&place));
        repository.set_id("golden", &golden.id, &place.run())?;
    }
    Ok(())
}

#[test]
fn a_change_that_nobody_can_read_stops_all_others_and_stays() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    for text in ["{", "{\"schema\":\"imgdelta/entering/2\"}"] {
        let entry = place.at("hq/.imgdelta/entering/a.json");
        fs::write(&entry, text).expect("room");
        for error in [
            repository.gc(&place.run()).expect_err("it is not known"),
            repository
                .tag("golden", &["new".parse()?], &place.run())
                .expect_err("it is not known"),
        ] {
            assert_eq!(
                (error.kind(), error.code()),
                (imgdelta_core::Kind::Host, "change_unreadable")
            );
            assert_eq!(error.location().file.as_ref(), Some(&entry));
            assert!(error.hint().is_some());
        }
        assert_eq!(fs::read(&entry).expect("it stays"), text.as_bytes());
        // It hides nothing from those who read.
        let listing = repository.list()?;
        assert_eq!((listing.len(), listing.faults().len()), (1, 1));
        fs::remove_file(&entry).expect("it is there");
    }
    repository.gc(&place.run())?;
    assert_eq!(repository.show("golden")?, record);
    Ok(())
}

/// The entry of a change, kept while it is under way: what a power cut may bring back.
fn kept_entry(place: &Place, record: &Record, before: Option<&str>) -> Vec<u8> {
    under_way(place, record, before);
    let at = entry_of(place, record);
    let entry = fs::read(&at).expect("it is there");
    fs::remove_file(at).expect("it is there");
    entry
}

fn entry_of(place: &Place, record: &Record) -> std::path::PathBuf {
    place.at(&format!("hq/.imgdelta/entering/{}.json", record.id.stem()))
}

#[test]
fn a_change_that_comes_back_after_a_later_one_is_dropped() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    let stale = kept_entry(&place, &record, None);
    repository.rename("golden", &"production".parse()?, &place.run())?;
    let changed = repository.tag("production", &["november".parse()?], &place.run())?;
    fs::write(entry_of(&place, &record), &stale).expect("room");
    assert_eq!(repository.show("production")?, changed, "who reads");
    repository.gc(&place.run())?;
    assert_eq!(repository.show("production")?, changed, "who writes");
    assert!(entering_is_empty(&place));
    // Nor does it come back beside the same image under another id.
    let other = repository.set_id("production", &"win11".parse()?, &place.run())?;
    fs::write(entry_of(&place, &record), &stale).expect("room");
    assert_eq!(repository.list()?.records(), [&other]);
    repository.gc(&place.run())?;
    assert_eq!(repository.list()?.records(), [&other]);
    assert!(entering_is_empty(&place));
    Ok(())
}

#[test]
fn an_id_that_was_set_and_set_back_is_not_set_again() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    let set = repository.set_id("golden", &"win11".parse()?, &place.run())?;
    let stale = kept_entry(&place, &set, Some(record.id.as_str()));
    let back = repository.set_id("golden", &record.id, &place.run())?;
    fs::write(entry_of(&place, &set), &stale).expect("room");
    repository.gc(&place.run())?;
    assert_eq!(repository.list()?.records(), [&back]);
    assert!(entering_is_empty(&place));
    Ok(())
}

#[test]
fn what_a_version_left_that_did_not_count_changes_is_finished_and_never_over_a_later_one()
-> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    let uncounted = Record {
        revision: 0,
        ..record.clone()
    };
    assert!(!String::from_utf8_lossy(&uncounted.to_json()?).contains("revision"));
    let file = place.at(&format!("hq/.imgdelta/images/{}.json", record.id.stem()));
    // Its process was killed before the record.
    under_way(&place, &uncounted, None);
    fs::remove_file(&file).expect("it is there");
    repository.gc(&place.run())?;
    assert_eq!(repository.show("golden")?, uncounted);
    // Another change of that version, and then the entry comes back.
    let tagged = Record {
        tags: ["november".parse()?].into(),
        ..uncounted.clone()
    };
    fs::write(&file, tagged.to_json()?).expect("room");
    under_way(&place, &uncounted, None);
    repository.gc(&place.run())?;
    assert_eq!(repository.show("golden")?, tagged);
    assert!(entering_is_empty(&place));
    Ok(())
}

#[test]
fn an_id_whose_image_has_no_file_any_more_is_set_to_the_end() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    fs::remove_file(file_of(&repository, &record)).expect("it is there");
    let wanted = Record {
        id: "win11".parse()?,
        revision: record.revision + 1,
        ..record.clone()
    };
    let new = place.at("hq/.imgdelta/images/win11.json");
    fs::write(new, wanted.to_json()?).expect("room");
    under_way(&place, &wanted, Some(record.id.as_str()));
    repository.gc(&place.run())?;
    assert_eq!(repository.list()?.records(), [&wanted]);
    Ok(())
}
