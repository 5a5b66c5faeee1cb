//! A record is a memory, the file is the truth: what was deleted, written to, put there anew.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    time::Duration,
};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_fixtures::golden;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Presence, Record, Repository, remove::Kept};

use crate::place::{Place, bytes_of, file_of};

/// A base and its child in a repository.
fn story(place: &Place) -> Result<(Repository, Record, Record)> {
    let repository = place.repository("hq")?;
    let base = place.add(&repository, &place.golden("golden.raw"))?.record;
    let patched = place.golden("patched.raw");
    let child = Add {
        image: OpenSpec::of(&patched),
        dedup: true,
        ..Add::default()
    };
    let child = repository.add(&child, &place.run())?.record;
    assert_eq!(child.linked_parent(), Some(&base.id));
    Ok((repository, base, child))
}

/// What a look says of each, by name.
fn seen(repository: &Repository) -> Result<Vec<(String, Presence)>> {
    let listing = repository.list()?;
    let look = repository.look(&listing);
    let records = listing.records().into_iter();
    Ok(records
        .map(|record| (record.name.to_string(), look.at(record)))
        .collect())
}

/// The names in the inventory.
fn listed(repository: &Repository) -> Result<Vec<String>> {
    let images = repository.inventory()?.images.into_iter();
    Ok(images.map(|item| item.name.to_string()).collect())
}

/// Writes a byte as a guest would.
fn write_to(file: &std::path::Path, at: u64) {
    std::thread::sleep(Duration::from_millis(20));
    let file = File::options().write(true).open(file).expect("it is there");
    file.write_all_at(b"guest", at).expect("room");
}

fn now(base: Presence, child: Presence) -> Vec<(String, Presence)> {
    vec![("golden".to_owned(), base), ("patched".to_owned(), child)]
}

#[test]
fn what_is_gone_or_changed_is_seen_and_left_out_of_inventories() -> Result<()> {
    use Presence::{Changed, Missing, Present};
    let place = Place::new();
    let (repository, base, child) = story(&place)?;
    assert_eq!(seen(&repository)?, now(Present, Present));
    assert_eq!(listed(&repository)?, ["golden", "patched"]);

    let file = file_of(&repository, &child);
    let bytes = fs::read(&file).expect("it is there");
    fs::remove_file(&file).expect("it is there");
    assert_eq!(seen(&repository)?, now(Present, Missing));
    fs::create_dir(&file).expect("room");
    assert_eq!(seen(&repository)?, now(Present, Changed));
    fs::remove_dir(&file).expect("it is empty");
    std::os::unix::fs::symlink("/dev/null", &file).expect("links");
    assert_eq!(
        seen(&repository)?,
        now(Present, Missing),
        "it leads outside"
    );
    fs::remove_file(&file).expect("it is there");
    fs::write(&file, &bytes[..bytes.len() - 512]).expect("room");
    assert_eq!(seen(&repository)?, now(Present, Changed));
    assert_eq!(listed(&repository)?, ["golden"]);

    write_to(&file_of(&repository, &base), 100);
    assert_eq!(seen(&repository)?, now(Changed, Changed));
    assert_eq!(listed(&repository)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn who_needs_what_has_changed_is_broken_too() -> Result<()> {
    use Presence::{Broken, Missing};
    let place = Place::new();
    let (repository, base, _) = story(&place)?;
    fs::remove_file(file_of(&repository, &base)).expect("it is there");
    assert_eq!(seen(&repository)?, now(Missing, Broken));
    assert_eq!(listed(&repository)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn what_has_changed_stays_and_the_image_comes_anew() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let golden = place.golden("golden.raw");
    let before = place.add(&repository, &golden)?.record;
    let file = file_of(&repository, &before);
    write_to(&file, 4096);
    let written = fs::read(&file).expect("it is there");
    let added = place.add(&repository, &golden)?;
    assert!(added.is_new, "{:?}", added.notes);
    assert!(
        added.notes[0].contains("stays as it is"),
        "{:?}",
        added.notes
    );
    assert_eq!(
        (&added.record.id, &added.record.name),
        (&before.id, &before.name)
    );
    assert_eq!(fs::read(&file).expect("it is there"), written);
    let anew = file_of(&repository, &added.record);
    assert_ne!(anew, file);
    assert_eq!(bytes_of(&anew)?, golden::base_bytes());
    assert_eq!(repository.list()?.len(), 1);
    // Missing, it gets its old place back.
    fs::remove_file(&anew).expect("it is there");
    fs::remove_file(&file).expect("it is there");
    let added = place.add(&repository, &golden)?;
    assert_eq!(file_of(&repository, &added.record), file);
    assert!(!place.add(&repository, &golden)?.is_new);
    Ok(())
}

#[test]
fn what_was_only_touched_or_put_back_is_taken_in_again_by_a_scan() -> Result<()> {
    let place = Place::new();
    let (repository, base, _) = story(&place)?;
    let file = file_of(&repository, &base);
    let bytes = fs::read(&file).expect("it is there");
    fs::remove_file(&file).expect("it is there");
    std::thread::sleep(Duration::from_millis(20));
    fs::write(&file, &bytes).expect("room");
    assert_eq!(seen(&repository)?[0].1, Presence::Changed);
    let scanned = repository.scan(&place.run())?;
    assert!(
        scanned.faults.is_empty() && scanned.added.is_empty(),
        "{scanned:?}"
    );
    assert!(seen(&repository)?.iter().all(|(_, seen)| seen.is_present()));
    // The file is the user's now, and stays when the image goes.
    assert!(!repository.show("golden")?.owned);
    // What another disk is now is none of it.
    write_to(&file, 4096);
    let scanned = repository.scan(&place.run())?;
    assert_eq!(scanned.faults[0].1.code(), "image_changed");
    assert_eq!(seen(&repository)?[0].1, Presence::Changed);
    Ok(())
}

#[test]
fn only_what_is_exactly_what_was_made_is_deleted() -> Result<()> {
    let place = Place::new();
    for name in ["golden.raw", "golden.qcow2"] {
        let repository = place.repository(&format!("hq-{name}"))?;
        let image = place.golden(name);
        let record = place.add(&repository, &image)?.record;
        let file = file_of(&repository, &record);
        // As long as before, and written to.
        write_to(&file, 70_000);
        let removed = repository.remove("golden", &place.run())?;
        assert_eq!(removed.kept, [(file.clone(), Kept::Changed)], "{name}");
        assert!(removed.deleted.is_empty() && removed.bytes == 0 && file.exists());
        assert!(repository.list()?.is_empty());
    }
    Ok(())
}

#[test]
fn of_a_file_that_was_exchanged_at_the_same_time_the_disk_decides() -> Result<()> {
    let place = Place::new();
    for is_same in [true, false] {
        let repository = place.repository(&format!("hq-{is_same}"))?;
        let record = place.add(&repository, &place.golden("golden.raw"))?.record;
        let file = file_of(&repository, &record);
        let time = file
            .metadata()
            .and_then(|found| found.modified())
            .expect("a time");
        let mut bytes = fs::read(&file).expect("it is there");
        bytes[5000] ^= u8::from(!is_same);
        // The old one lives on, so that its inode is not used again.
        fs::rename(&file, place.at("aside")).expect("room");
        fs::write(&file, &bytes).expect("room");
        let copy = File::options().write(true).open(&file).expect("there");
        copy.set_modified(time).expect("it can be set");
        assert_eq!(seen(&repository)?[0].1, Presence::Present);
        let removed = repository.remove("golden", &place.run())?;
        assert_eq!(
            (removed.kept.is_empty(), file.exists()),
            (is_same, !is_same)
        );
    }
    Ok(())
}

#[test]
fn an_image_under_a_name_whose_file_another_one_has_gets_a_file_of_its_own() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    place.add(&repository, &place.golden("golden.raw"))?;
    repository.rename("golden", &"old".parse()?, &place.run())?;
    fs::write(place.at("golden.raw"), golden::patched_bytes()).expect("room");
    let second = place.add(&repository, &place.at("golden.raw"))?.record;
    assert_eq!(second.files[0].path.as_str(), "golden-2.raw");
    // What is nobody's is not passed by in silence.
    fs::write(place.at("hq/third.raw"), "notes").expect("room");
    fs::write(place.at("third.raw"), [7; 65_536]).expect("room");
    let error = place
        .add(&repository, &place.at("third.raw"))
        .expect_err("a stray file");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "exists"));
    let (path, _) = repository.free_place(&"third".parse()?, "raw")?;
    assert_eq!(path.as_str(), "third-2.raw");
    Ok(())
}

#[test]
fn a_copy_is_made_in_the_format_that_is_asked_for() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let add = Add {
        image: OpenSpec::of(place.golden("golden.raw")),
        format: Some(Format::Vhdx),
        ..Add::default()
    };
    let record = repository.add(&add, &place.run())?.record;
    assert_eq!(record.format, Format::Vhdx);
    assert_eq!(
        bytes_of(&file_of(&repository, &record))?,
        golden::base_bytes()
    );
    Ok(())
}
