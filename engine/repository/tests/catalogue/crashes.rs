//! What a killed process leaves behind, and how the next one finds it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use imgdelta_core::Result;
use imgdelta_fixtures::golden;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Record, Repository, Verdict, Verified, gc::KEPT};

use crate::place::{Place, file_of, files_below};

/// The record's place, the one of its change that is under way, and the record.
fn entered(place: &Place, repository: &Repository) -> Result<Record> {
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

#[test]
fn a_removal_that_was_cut_short_is_finished_by_the_same_command() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    fs::remove_file(file_of(&repository, &record)).expect("it is there");
    let removed = repository.remove("golden", &place.run())?;
    assert!(removed.deleted.is_empty() && removed.kept.is_empty());
    assert_eq!(
        files_below(&place.at("hq")),
        [".imgdelta/lock", ".imgdelta/repository.json"]
    );
    Ok(())
}

#[test]
fn an_init_that_was_cut_short_can_be_repeated() -> Result<()> {
    let place = Place::new();
    fs::create_dir_all(place.at("hq/.imgdelta/images")).expect("room");
    fs::write(
        place.at("hq/.imgdelta/.repository.json.imgdelta-tmp"),
        "half",
    )
    .expect("room");
    assert_eq!(
        Repository::open(&place.at("hq"))
            .expect_err("it is none yet")
            .code(),
        "no_repository"
    );
    place.repository("hq")?;
    Repository::open(&place.at("hq"))?;
    Ok(())
}

/// Tells the process that is to be killed where to work; without it there is nothing to do.
const VICTIM: &str = "IMGDELTA_TEST_VICTIM";

/// What the process does that is killed: adds, tags, sets ids, removes, for ever.
#[test]
fn a_victim_works_until_it_is_killed() -> Result<()> {
    let Some(folder) = std::env::var_os(VICTIM) else {
        return Ok(());
    };
    let folder = Path::new(&folder);
    let repository = Repository::open(&folder.join("hq"))?;
    let place = Place::new();
    loop {
        for name in ["a", "b", "c"] {
            let add = Add {
                image: OpenSpec::of(folder.join(format!("{name}.raw"))),
                parent: (name != "a").then(|| "a".to_owned()),
                ..Add::default()
            };
            repository.add(&add, &place.run())?;
        }
        repository.set_id("a", &"another".parse()?, &place.run())?;
        repository.tag("b", &["new".parse()?], &place.run())?;
        for name in ["b", "a", "c"] {
            repository.remove(name, &place.run())?;
        }
    }
}

#[test]
fn killed_anywhere_it_is_a_repository_and_the_same_commands_finish() -> Result<()> {
    let place = Place::new();
    place.repository("hq")?;
    for (number, name) in ["a", "b", "c"].iter().enumerate() {
        let mut bytes = golden::base_bytes();
        bytes[5 << 20] = number as u8;
        place.write(&format!("{name}.raw"), &bytes);
    }
    let program = std::env::current_exe().expect("this test");
    for round in 0..16_u64 {
        let mut victim = Command::new(&program)
            .args(["--exact", "crashes::a_victim_works_until_it_is_killed"])
            .env(VICTIM, place.at(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        thread::sleep(Duration::from_millis(100 + round * 37));
        assert!(
            victim.try_wait().expect("a child").is_none(),
            "it works until it is killed"
        );
        victim.kill().expect("it lives");
        victim.wait().expect("a child");
        let repository = Repository::open(&place.at("hq"))?;
        let listing = repository.list()?;
        assert!(listing.faults().is_empty(), "{:?}", listing.faults());
        repository.gc(&place.run())?;
        // What is entered is whole, but for a removal that was cut short.
        let missing = repository
            .verify(&[], &place.run(), |_| ())?
            .into_iter()
            .filter(|one| !one.is_sound())
            .map(|one| match one.verdict {
                Verdict::Unreadable(error) => assert_eq!(error.code(), "image_missing", "{error}"),
                other => panic!("it is whole or gone: {other:?}"),
            });
        assert!(missing.count() <= 1);
        for name in ["a", "b", "c"] {
            place.add(&repository, &place.at(&format!("{name}.raw")))?;
        }
        assert!(
            repository
                .verify(&[], &place.run(), |_| ())?
                .iter()
                .all(Verified::is_sound)
        );
        assert_eq!(repository.list()?.len(), 3);
        for name in ["c", "b", "a"] {
            repository.remove(name, &place.run())?;
        }
        repository.gc(&place.run())?;
        let left = files_below(&place.at("hq"));
        assert_eq!(
            left,
            [".imgdelta/lock", ".imgdelta/repository.json"],
            "round {round}"
        );
    }
    Ok(())
}

fn age(path: &Path) {
    let long_ago = SystemTime::now() - KEPT - Duration::from_secs(60);
    let file = fs::File::open(path).expect("it is there");
    file.set_modified(long_ago).expect("it can be set");
}

#[test]
fn what_the_dead_left_is_swept_away_and_nothing_else() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = entered(&place, &repository)?;
    let at = |name: &str| place.at(&format!("hq/{name}"));
    let orphan = format!(".imgdelta/leaves/{}.leaves", "0f".repeat(32));
    let orphan = orphan.as_str();
    let draft = ".imgdelta/leaves/.new.imgdelta-tmp-3";
    let short = ".imgdelta-0123456789abcdef-1.tmp";
    let old = ".imgdelta/incoming/base-image/frames";
    let young = ".imgdelta/incoming/young/frames";
    let others = [
        ".notes.imgdelta-tmp.txt",
        "mine.leaves",
        ".imgdelta/leaves/readme",
        ".imgdelta/leaves/00ff.leaves",
    ];
    let strange = format!(".imgdelta/leaves/{}.leaves", "f0".repeat(32));

    for name in [orphan, draft, short, old, young, ".other.vhd.imgdelta-tmp"]
        .iter()
        .chain(&others)
    {
        place.write(&format!("hq/{name}"), b"12345678");
    }
    // Called as leaves are, and not beginning as such.
    place.write(&format!("hq/{strange}"), b"12345678");
    place.write(&format!("hq/{orphan}"), b"imgdelta leaves2");
    age(&at(old));
    age(&at(".imgdelta/incoming/base-image"));
    // In a folder whose conversation goes on, for however long, all stays.
    let held = ".imgdelta/incoming/long/frames";
    place.write(&format!("hq/{held}"), b"12345678");
    let lock = place.write("hq/.imgdelta/incoming/long/.lock", b"");
    let lock = fs::File::options().write(true).open(lock).expect("there");
    lock.lock().expect("nobody holds it");
    for name in [held, ".imgdelta/incoming/long/.lock"] {
        age(&at(name));
    }
    place.write("hq/.imgdelta/lock.0badcafe", b"12345678");
    age(&at(".imgdelta/lock.0badcafe"));
    let alive = imgdelta_core::AtomicFile::create(&at("alive.vhd"), imgdelta_core::Existing::Keep)?;
    let swept = repository.gc(&place.run())?;
    let mut removed: Vec<String> = swept
        .removed
        .iter()
        .map(|path| {
            path.strip_prefix(place.at("hq"))
                .expect("below")
                .display()
                .to_string()
        })
        .collect();
    removed.sort();
    assert_eq!(
        removed,
        [
            short,
            old,
            draft,
            orphan,
            ".imgdelta/lock.0badcafe",
            ".other.vhd.imgdelta-tmp"
        ]
    );
    assert_eq!(swept.bytes, 56);
    assert!(alive.written_at().exists() && at(young).exists() && at(held).exists());
    assert!(!at(".imgdelta/incoming/base-image").exists());
    assert!(others.iter().all(|name| at(name).exists()));
    assert!(at(&strange).exists());
    assert!(repository.leaves(&record)?.is_some());
    drop(alive);
    assert!(
        repository.gc(&place.run())?.removed.is_empty(),
        "twice is harmless"
    );
    Ok(())
}
