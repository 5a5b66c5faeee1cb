//! Several processes at once, and media that cannot be written.

use std::{fs, path::Path, process::Command, thread, time::Duration};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, Repository, Run};

use crate::place::{Place, files_below};

#[test]
fn many_at_once_add_and_tag_and_nothing_is_lost() -> Result<()> {
    const EACH: usize = 6;
    let place = Place::new();
    place.repository("hq")?;
    let images: Vec<_> = (0..4 * EACH)
        .map(|n| place.write(&format!("image{n}.raw"), &vec![n as u8 + 1; 70_000]))
        .collect();
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let threads: Vec<_> = images
            .chunks(EACH)
            .map(|own| {
                let place = &place;
                scope.spawn(move || {
                    for image in own {
                        let repository = Repository::open(&place.at("hq"))?;
                        let added = place.add(&repository, image)?;
                        repository.tag(
                            added.record.name.as_str(),
                            &["new".parse()?],
                            &place.run(),
                        )?;
                        repository.list()?;
                    }
                    Ok(())
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    let repository = Repository::open(&place.at("hq"))?;
    let listing = repository.list()?;
    assert_eq!(listing.len(), images.len());
    assert!(listing.faults().is_empty());
    assert!(
        listing
            .records()
            .iter()
            .all(|record| record.tags.len() == 1)
    );
    assert!(
        repository
            .verify(&[], &place.run(), |_| ())?
            .iter()
            .all(|one| one.is_sound())
    );
    Ok(())
}

#[test]
fn of_two_that_add_the_same_at_once_one_enters_it() -> Result<()> {
    let place = Place::new();
    place.repository("hq")?;
    let image = place.golden("golden.vhd");
    let other = place.golden("golden.qcow2");
    let results: Vec<Result<bool>> = thread::scope(|scope| {
        let threads: Vec<_> = [&image, &other, &image, &other]
            .into_iter()
            .map(|image| {
                let place = &place;
                scope.spawn(move || {
                    let repository = Repository::open(&place.at("hq"))?;
                    Ok(place.add(&repository, image)?.is_new)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    let new = results.into_iter().collect::<Result<Vec<bool>>>()?;
    let new = new.into_iter().filter(|is_new| *is_new).count();
    assert_eq!(new, 1);
    assert_eq!(Repository::open(&place.at("hq"))?.list()?.len(), 1);
    Ok(())
}

#[test]
fn who_does_not_want_to_wait_is_told_who_holds_it() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    place.add(&repository, &place.golden("golden.vhd"))?;
    let lock = fs::File::options()
        .write(true)
        .open(place.at("hq/.imgdelta/lock"))
        .expect("there");
    lock.lock().expect("nobody holds it");
    let holder = serde_json::json!({
        "schema": "imgdelta/lock/1", "host": "nas01", "boot": "x", "pid": 4121, "token": "t",
        "since": "2026-11-24T14:02:00Z", "what": "deploy win11-2611",
    });
    fs::write(place.at("hq/.imgdelta/lock"), holder.to_string()).expect("room");
    let short = Run {
        wait: Duration::from_millis(100),
        ..place.run()
    };
    let error = repository
        .set_golden("golden", true, &short)
        .expect_err("it is locked");
    assert_eq!((error.kind(), error.code()), (Kind::Busy, "locked"));
    assert_eq!(
        error.message(),
        "the repository is locked by imgdelta pid 4121 on nas01 since 2026-11-24T14:02:00Z (deploy win11-2611)"
    );
    assert_eq!(error.hint(), Some("wait with --wait 5m"));
    // Reading needs no lock.
    assert_eq!(repository.list()?.len(), 1);
    repository.verify(&[], &short, |_| ())?;
    repository.inventory()?;
    // Who waits gets it when it is free.
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(200));
            lock.unlock().expect("it was ours");
        });
        repository.set_golden("golden", true, &place.run())
    })?;
    assert!(repository.show("golden")?.golden);
    Ok(())
}

/// Tells where the repository lies that can only be read; without it there is nothing to look at.
const READ_ONLY: &str = "IMGDELTA_TEST_READ_ONLY";

/// What the process does that sees the repository on a medium that cannot be written.
#[test]
fn a_reader_looks_at_a_medium_that_cannot_be_written() -> Result<()> {
    let Some(folder) = std::env::var_os(READ_ONLY) else {
        return Ok(());
    };
    let place = Place::new();
    let repository = Repository::open(folder.as_ref())?;
    let record = repository.show("golden")?;
    assert!(repository.leaves(&record)?.is_some());
    assert!(repository.verify(&[], &place.run(), |_| ())?[0].is_sound());
    repository.inventory()?;
    repository.open_disk(&record)?;
    let error = repository
        .set_golden("golden", true, &place.run())
        .expect_err("read-only");
    assert_eq!(error.kind(), Kind::Host, "{error}");
    for in_place in [false, true] {
        let image = match in_place {
            false => place.golden("patched.vhd"),
            true => repository.folder().join("patched.vhd"),
        };
        let add = Add {
            image: OpenSpec::of(image),
            in_place,
            ..Add::default()
        };
        let error = repository.add(&add, &place.run()).expect_err("read-only");
        assert_eq!(error.kind(), Kind::Host, "{error}");
    }
    let error = Repository::init(folder.as_ref(), Format::Vhd).expect_err("read-only");
    assert!(matches!(error.kind(), Kind::Host | Kind::Usage), "{error}");
    Ok(())
}

/// Runs another test of this program in a namespace of its own, in which `mount` has made `folder` what it is to be. False, and loudly, if
/// this user may not mount.
fn run_mounted(test: &str, variable: &str, folder: &Path, mount: &str) -> bool {
    let script = format!("{mount} || exit 77; exec \"$0\" --exact {test}");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().expect("this test"))
        .arg(folder)
        .env(variable, folder)
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("1 passed"), "{said}");
            true
        }
        Ok(output) if output.status.code() == Some(101) => {
            panic!("{}", String::from_utf8_lossy(&output.stdout));
        }
        _ => {
            eprintln!("skipped: this user may not mount a file system for {test}");
            false
        }
    }
}

#[test]
fn a_read_only_medium_is_read_and_refuses_changes() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let record = place.add(&repository, &place.golden("golden.vhd"))?.record;
    fs::copy(place.golden("patched.vhd"), place.at("hq/patched.vhd")).expect("room");
    // Its process was killed before the record was written: it is read all the same.
    let entry = serde_json::json!({
        "schema": "imgdelta/entering/1",
        "record": String::from_utf8(record.to_json()?).expect("text"),
    });
    let own = |folder: &str| place.at(&format!("hq/.imgdelta/{folder}/{}.json", record.id.stem()));
    fs::write(own("entering"), entry.to_string()).expect("room");
    fs::remove_file(own("images")).expect("it is there");
    run_mounted(
        "several::a_reader_looks_at_a_medium_that_cannot_be_written",
        READ_ONLY,
        &place.at("hq"),
        "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\"",
    );
    Ok(())
}

/// Tells the folder that has room for one image and not for two; without it there is nothing to fill.
const NARROW: &str = "IMGDELTA_TEST_NARROW";

/// What the process does that sees a file system with little room.
#[test]
fn a_writer_fills_a_narrow_medium() -> Result<()> {
    let Some(folder) = std::env::var_os(NARROW) else {
        return Ok(());
    };
    let place = Place::new();
    let hq = Path::new(&folder).join("hq");
    let repository = Repository::init(&hq, Format::Qcow2)?;
    place.add(&repository, &place.golden("golden.vhd"))?;
    let before = files_below(&hq);
    let filler = Path::new(&folder).join("filler");
    fs::write(&filler, vec![1; 3 << 20]).expect("room");
    for name in ["patched.vhd", "patched.qcow2"] {
        let error = place
            .add(&repository, &place.golden(name))
            .expect_err("it is full");
        assert_eq!(error.kind(), Kind::Host, "{error}");
        assert_eq!(files_below(&hq), before, "nothing is left");
    }
    fs::remove_file(filler).expect("it is there");
    let added = place.add(&repository, &place.at("patched.qcow2"))?;
    assert!(added.is_new);
    assert!(
        repository
            .verify(&[], &place.run(), |_| ())?
            .iter()
            .all(|one| one.is_sound())
    );
    Ok(())
}

#[test]
fn a_target_that_is_full_keeps_what_it_has_and_the_same_command_finishes_later() {
    let place = Place::new();
    place.write("narrow/here", b"");
    run_mounted(
        "several::a_writer_fills_a_narrow_medium",
        NARROW,
        &place.at("narrow"),
        "mount -t tmpfs -o size=15m narrow \"$1\"",
    );
}
