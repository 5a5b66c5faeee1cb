//! `verify`: every image against its content id.

use std::{fs, fs::File, os::unix::fs::FileExt};

use imgdelta_core::{Kind, Result};
use imgdelta_fixtures::golden;
use imgdelta_repository::catalogue::{Record, Repository, Run, Verdict, Verified};

use crate::place::{Place, file_of};

fn story(place: &Place) -> Result<(Repository, Record)> {
    let repository = place.repository("hq")?;
    let record = place.add(&repository, &place.golden("golden.raw"))?.record;
    place.add(&repository, &place.golden("patched.vhd"))?;
    Ok((repository, record))
}

fn verify(place: &Place, repository: &Repository) -> Result<Vec<Verified>> {
    let mut told = 0;
    let all = repository.verify(&[], &place.run(), |_| told += 1)?;
    assert_eq!(told, all.len());
    Ok(all)
}

#[test]
fn what_is_as_it_was_is_sound() -> Result<()> {
    let place = Place::new();
    let (repository, _) = story(&place)?;
    let all = verify(&place, &repository)?;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|one| one.is_sound() && one.notes.is_empty()));
    let one = repository.verify(&["patched".to_owned()], &place.run(), |_| ())?;
    assert_eq!(one[0].record.name.as_str(), "patched");
    let error = repository.verify(&["x".to_owned()], &place.run(), |_| ());
    assert_eq!(error.expect_err("no such image").code(), "image_unknown");
    Ok(())
}

#[test]
fn windows_that_changed_are_named() -> Result<()> {
    let place = Place::new();
    let (repository, record) = story(&place)?;
    let file = File::options()
        .write(true)
        .open(file_of(&repository, &record))
        .expect("there");
    file.write_all_at(b"!", 100).expect("room");
    file.write_all_at(&[9; 70_000], 3 << 20).expect("room");
    file.write_all_at(b"!", golden::SIZE - 1).expect("room");
    let all = verify(&place, &repository)?;
    let Verdict::Changed {
        found,
        regions,
        windows,
    } = &all[0].verdict
    else {
        panic!("it has changed: {all:?}");
    };
    assert_ne!(*found, record.content_id);
    let window = 65_536;
    assert_eq!(*windows, 4);
    assert_eq!(
        *regions,
        [
            0..window,
            3 << 20..(3 << 20) + 2 * window,
            golden::SIZE - window..golden::SIZE,
        ]
    );
    assert!(all[1].is_sound());
    Ok(())
}

#[test]
fn what_is_missing_cut_or_without_leaves_is_a_finding() -> Result<()> {
    let place = Place::new();
    let (repository, record) = story(&place)?;
    let leaves = place.at(&format!(
        "hq/.imgdelta/leaves/{}.leaves",
        record.content_id.0
    ));
    let kept = fs::read(&leaves).expect("it is there");
    fs::write(&leaves, &kept[..kept.len() - 1]).expect("room");
    let all = verify(&place, &repository)?;
    assert!(
        matches!(all[0].verdict, Verdict::DamagedLeaves(_)),
        "{all:?}"
    );
    let mut torn = kept.clone();
    torn[40] ^= 1;
    fs::write(&leaves, &torn).expect("room");
    let all = verify(&place, &repository)?;
    assert!(
        matches!(all[0].verdict, Verdict::DamagedLeaves(_)),
        "{all:?}"
    );
    assert!(!all[0].is_sound());
    let again = place.add(&repository, &place.golden("golden.raw"))?;
    assert!(!again.is_new);
    assert_eq!(fs::read(&leaves).expect("it is there"), kept);
    fs::remove_file(&leaves).expect("it is there");
    let all = verify(&place, &repository)?;
    assert!(
        all[0].is_sound() && all[0].notes[0].contains("no leaf digests"),
        "{all:?}"
    );
    let file = file_of(&repository, &record);
    let bytes = fs::read(&file).expect("it is there");
    fs::write(&file, &bytes[..bytes.len() / 2]).expect("room");
    let all = verify(&place, &repository)?;
    assert!(matches!(&all[0].verdict, Verdict::Changed { regions, .. } if regions.is_empty()));
    fs::remove_file(&file).expect("it is there");
    let all = verify(&place, &repository)?;
    match &all[0].verdict {
        Verdict::Unreadable(error) => {
            assert_eq!((error.kind(), error.code()), (Kind::Chain, "image_missing"))
        }
        other => panic!("it is missing: {other:?}"),
    }
    assert!(all[1].is_sound());
    Ok(())
}

#[test]
fn images_are_read_side_by_side_and_told_in_order_for_any_number_of_threads() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let mut records = Vec::new();
    for number in 0..11 {
        let image = place.write(&format!("i{number:02}.raw"), &[number + 1; 200_000]);
        records.push(place.add(&repository, &image)?.record);
    }
    let file = File::options()
        .write(true)
        .open(file_of(&repository, &records[6]));
    file.and_then(|file| file.write_all_at(b"!", 70_000))
        .expect("room");
    for threads in [1, 2, 7] {
        let run = Run {
            work: imgdelta_delta::ExecContext {
                threads,
                ..place.work()
            },
            ..place.run()
        };
        let mut told = Vec::new();
        let all = repository.verify(&[], &run, |one| told.push(one.record.name.clone()))?;
        let expected = records.iter().map(|record| record.name.clone());
        assert_eq!(told, expected.collect::<Vec<_>>(), "{threads} threads");
        let unsound = all.iter().position(|one| !one.is_sound());
        assert_eq!(unsound, Some(6), "{threads} threads");
        let counted = run.work.progress.done();
        assert_eq!(counted, run.work.progress.total(), "{threads} threads");
        let progress = imgdelta_delta::RunProgress::default();
        progress.stop();
        let work = imgdelta_delta::ExecContext {
            progress: &progress,
            ..run.work
        };
        let stopped = repository.verify(&[], &Run { work, ..run }, |_| ());
        assert_eq!(stopped.expect_err("stopped").kind(), Kind::Interrupted);
    }
    Ok(())
}

#[test]
fn what_others_change_meanwhile_is_no_finding() -> Result<()> {
    let place = Place::new();
    let (repository, _) = story(&place)?;
    let image = place.golden("golden.qcow2");
    let other = place.write("other.raw", &[7; 1 << 20]);
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        let changing = scope.spawn(|| -> Result<()> {
            let change = Place::new();
            let repository = Repository::open(repository.folder())?;
            while !is_done.load(order) {
                let added = change.add(&repository, &other)?.record;
                repository.rename("other", &"renamed".parse()?, &change.run())?;
                repository.set_id("renamed", &"an-id".parse()?, &change.run())?;
                repository.remove("an-id", &change.run())?;
                assert_eq!(added.size, 1 << 20);
            }
            Ok(())
        });
        let mut seen = 0;
        for _ in 0..12 {
            let all = verify(&place, &repository)?;
            seen = seen.max(all.len());
            for one in &all {
                assert!(one.is_sound(), "{one:?}");
            }
        }
        is_done.store(true, order);
        assert!(image.exists() && (2..=3).contains(&seen), "{seen}");
        changing.join().expect("it ends")
    })
}
