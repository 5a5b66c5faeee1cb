//! Folders of the repository's own are swapped for links while it is in use: nothing outside is read, written or deleted.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use imgdelta_core::{Kind, Result};
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Edit, Repository, Run};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::place::Place;

/// The repository's own folders.
const INNER: [&str; 4] = ["images", "leaves", "entering", "incoming"];

/// A repository `hq` with one image, and `outside`: own folders of another one, in which `gc` and a recovery would find much to delete.
fn prepared(place: &Place) -> Result<Repository> {
    let hq = place.repository("hq")?;
    place.add(&hq, &place.golden("golden.vhd"))?;
    let strange = place.repository("strange")?;
    place.add(&strange, &place.write("strange.raw", &[9; 70_000]))?;
    fs::rename(place.at("strange/.imgdelta"), place.at("outside")).expect("room");
    let record = fs::read_dir(place.at("outside/images")).expect("there");
    let record = record.flatten().next().expect("one").path();
    let old = SystemTime::now() - Duration::from_secs(30 * 24 * 3600);
    for (name, from) in [
        ("entering/x.json", record.as_path()),
        ("leaves/.imgdelta-0123456789abcdef.tmp", record.as_path()),
        ("images/.imgdelta-0123456789abcdef.tmp", record.as_path()),
        ("incoming/received", record.as_path()),
        ("lock.dead", record.as_path()),
    ] {
        let path = place.at("outside").join(name);
        fs::copy(from, &path).expect("room");
        let file = fs::File::options().write(true).open(&path).expect("ours");
        file.set_modified(old).expect("ours");
    }
    let folder = place.at("outside/incoming/base+image");
    fs::create_dir(&folder).expect("room");
    fs::write(folder.join("part"), "part").expect("room");
    let file = fs::File::options().write(true).open(folder.join("part"));
    file.and_then(|file| file.set_modified(old)).expect("ours");
    Ok(hq)
}

/// All that stands below a folder: inode, length, times of content and attributes, content.
fn seen(folder: &Path) -> BTreeMap<PathBuf, (u64, u64, i64, i64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let found = fs::symlink_metadata(&path).expect("there");
        let content = match found.is_dir() {
            true => {
                let entries = fs::read_dir(&path).expect("readable").flatten();
                left.extend(entries.map(|entry| entry.path()));
                Vec::new()
            }
            false => fs::read(&path).expect("readable"),
        };
        let (changed, part) = (found.ctime(), found.ctime_nsec());
        all.insert(path, (found.ino(), found.len(), changed, part, content));
    }
    all
}

/// Each kind of use once, whatever comes of it: reads, writes, deletes.
fn use_all(hq: &Repository, place: &Place, number: usize) -> Vec<Result<()>> {
    let run = Run {
        wait: Duration::from_secs(1),
        ..place.run()
    };
    let image = place.write(
        &format!("new{number}.raw"),
        &[u8::try_from(number % 200).expect("small"); 66_000],
    );
    let name = format!("new{number}");
    let add = Add {
        image: OpenSpec::of(&image),
        ..Add::default()
    };
    let strange = |listing: &imgdelta_repository::catalogue::Listing| {
        let mut records = listing.records().into_iter();
        assert!(records.all(|record| record.name.as_str() != "strange"));
    };
    vec![
        hq.list().map(|listing| strange(&listing)),
        hq.show("golden")
            .and_then(|record| hq.leaves(&record).map(drop)),
        hq.add(&add, &run).map(drop),
        hq.edit(&name, &Edit::Golden(true), &run).map(drop),
        hq.edit(&name, &Edit::Golden(false), &run).map(drop),
        hq.edit(
            &name,
            &Edit::Id(format!("id:{number}").parse().expect("an id")),
            &run,
        )
        .map(drop),
        hq.remove(&name, &run).map(drop),
        hq.gc(&run).map(drop),
        hq.garbage().map(drop),
        hq.list_finished(&run).map(|listing| strange(&listing)),
        hq.verify(&["golden".to_owned()], &run, |_| ()).map(drop),
    ]
}

#[test]
fn an_own_folder_that_is_swapped_after_it_was_opened_stays_the_one_that_was_opened() -> Result<()> {
    let place = Place::new();
    let hq = prepared(&place)?;
    let before = seen(&place.at("outside"));
    fs::rename(place.at("hq/.imgdelta"), place.at("moved")).expect("ours");
    symlink(place.at("outside"), place.at("hq/.imgdelta")).expect("links");
    for done in use_all(&hq, &place, 1) {
        done?;
    }
    let received = hq.incoming_folder()?.place("received");
    received.create_new().expect("room");
    assert!(place.at("moved/incoming/received").exists());
    let image = place.write("kept.raw", &[3; 66_000]);
    place.add(&hq, &image)?;
    assert!(hq.list()?.find("kept").is_ok());
    assert_eq!(seen(&place.at("outside")), before);
    let records = fs::read_dir(place.at("moved/images")).expect("there");
    assert_eq!(records.count(), 2, "the change was made where it belongs");
    Ok(())
}

#[test]
fn an_inner_folder_that_is_a_link_is_refused_by_every_use_of_it() -> Result<()> {
    for inner in INNER {
        let place = Place::new();
        let hq = prepared(&place)?;
        let before = seen(&place.at("outside"));
        let own = place.at("hq/.imgdelta");
        fs::rename(own.join(inner), place.at("moved")).expect("ours");
        symlink(place.at("outside").join(inner), own.join(inner)).expect("links");
        let mut refused = 0;
        for error in use_all(&hq, &place, 1).into_iter().filter_map(Result::err) {
            if error.code() == "image_unknown" {
                continue; // It was not added.
            }
            let found = (error.kind(), error.code());
            assert_eq!(found, (Kind::Reference, "outside"), "{inner}: {error}");
            refused += 1;
        }
        assert!(refused >= 3, "{inner}: {refused}");
        assert_eq!(seen(&place.at("outside")), before, "{inner}");
    }
    Ok(())
}

/// Exchanges what two names stand for, again and again, until it is told to stop.
fn exchange(one: &Path, other: &Path, is_over: &AtomicBool) -> u64 {
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        let exchanged = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
        count += u64::from(exchanged.is_ok());
    }
    count
}

#[test]
fn who_swaps_folders_for_links_all_the_time_wins_no_race() -> Result<()> {
    for swapped in [".imgdelta", "images", "leaves", "entering", "incoming"] {
        let place = Place::new();
        let hq = prepared(&place)?;
        let before = seen(&place.at("outside"));
        let own = place.at("hq/.imgdelta");
        let (real, outside) = match swapped {
            ".imgdelta" => (own.clone(), place.at("outside")),
            inner => (own.join(inner), place.at("outside").join(inner)),
        };
        let link = real.with_file_name("swapped");
        symlink(outside, &link).expect("links");
        let is_over = AtomicBool::new(false);
        let (done, refused, count) = thread::scope(|scope| {
            let swaps = scope.spawn(|| exchange(&real, &link, &is_over));
            let started = std::time::Instant::now();
            let (mut done, mut refused) = (0_u64, 0_u64);
            let mut number = 0;
            // Both have to be met, however busy the machine is.
            while started.elapsed() < Duration::from_secs(2)
                || ((done == 0 || refused == 0) && started.elapsed() < Duration::from_secs(60))
            {
                number += 1;
                match Repository::open(&place.at("hq")) {
                    Ok(again) => {
                        for result in use_all(&again, &place, number) {
                            match result {
                                Ok(()) => done += 1,
                                Err(_) => refused += 1,
                            }
                        }
                    }
                    Err(_) => refused += 1,
                }
            }
            is_over.store(true, Ordering::Relaxed);
            (done, refused, swaps.join().expect("no panic"))
        });
        assert_eq!(seen(&place.at("outside")), before, "{swapped}");
        assert!(
            done > 0 && refused > 0 && count > 100,
            "{swapped}: {done} {refused} {count}"
        );
        drop(hq);
    }
    Ok(())
}
