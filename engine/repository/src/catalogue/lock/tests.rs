//! Locks between threads, and between processes: this program, called once more, is the other one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use super::*;

/// A repository's paths, empty.
fn paths(folder: &Path) -> RepoPaths {
    RepoPaths::make(folder).expect("room")
}

fn now() -> LockWait {
    LockWait::at_most(Duration::ZERO)
}

fn held(place: &Path) -> HeldPlace {
    HeldPlace::at(place).expect("its folder is there")
}

/// An owner that is no process any more.
fn dead() -> LockOwner {
    LockOwner {
        // Linux gives no process such a number.
        pid: i32::MAX,
        ..LockOwner::this("die")
    }
}

/// The names of the files that stand for locks beside `place`.
fn left(place: &Path) -> Vec<String> {
    let folder = place.parent().expect("it has one");
    let entries = fs::read_dir(folder).expect("readable").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("lock")).collect()
}

#[test]
fn one_holds_it_and_the_next_one_when_that_one_is_done() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let paths = paths(folder.path());
    // What a killed process wrote there says nothing: the host's lock ended with it.
    fs::write(paths.lock().path(), dead().to_json()).expect("room");
    let lock = Lock::take(&paths, Duration::ZERO, "first")?;
    let error = Lock::take(&paths, Duration::ZERO, "second").expect_err("it is held");
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.message().contains("(first)"), "{error}");
    drop(lock);
    Lock::take(&paths, Duration::ZERO, "second")?;
    assert_eq!(fs::read(paths.lock().path()).expect("there"), b"");
    Ok(())
}

#[test]
fn a_link_in_place_of_the_lock_is_not_written_through() {
    let folder = tempfile::tempdir().expect("a place");
    let paths = paths(folder.path());
    let precious = folder.path().join("precious");
    fs::write(&precious, "words").expect("room");
    std::os::unix::fs::symlink(&precious, paths.lock().path()).expect("links");
    let error = Lock::take(&paths, Duration::ZERO, "add").expect_err("a link");
    assert_eq!(error.kind(), Kind::Reference);
    assert_eq!(fs::read(&precious).expect("there"), b"words");
}

#[test]
fn where_there_are_no_locks_a_file_takes_their_place() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let place = by_file(&paths(folder.path()).lock()).path();
    let lock = Lock::take_file(&held(&place), now(), &LockOwner::this("first"))?;
    let error = Lock::take_file(&held(&place), now(), &LockOwner::this("second"));
    let error = error.expect_err("it is held");
    assert!(error.message().contains("(first)"), "{error}");
    assert_eq!(left(&place), ["lock.held"], "nothing else is left");
    drop(lock);
    assert!(left(&place).is_empty());
    Lock::take_file(&held(&place), now(), &LockOwner::this("second"))?;
    Ok(())
}

#[test]
fn of_a_process_on_another_host_nobody_knows_whether_it_lives() {
    let folder = tempfile::tempdir().expect("a place");
    let place = by_file(&paths(folder.path()).lock()).path();
    let far = LockOwner {
        host: "elsewhere".to_owned(),
        ..dead()
    };
    fs::write(&place, far.to_json()).expect("room");
    let error = Lock::take_file(&held(&place), now(), &LockOwner::this("wait")).expect_err("held");
    assert!(error.message().contains("on elsewhere"), "{error}");
    let hint = error.hint().expect("what to do");
    assert!(hint.contains("lock.held"), "{hint}");
}

#[test]
fn a_lock_that_does_not_say_whose_it_is_is_kept_for_a_minute() {
    let folder = tempfile::tempdir().expect("a place");
    let place = by_file(&paths(folder.path()).lock()).path();
    fs::write(&place, "").expect("room");
    let take = || Lock::take_file(&held(&place), now(), &LockOwner::this("wait"));
    assert!(take().is_err());
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(120);
    let file = File::options().write(true).open(&place);
    file.and_then(|file| file.set_modified(long_ago))
        .expect("it can be set");
    assert!(take().is_ok());
    assert!(left(&place).is_empty());
}

#[test]
fn a_claim_of_a_process_that_died_is_taken_over_too() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let place = by_file(&paths(folder.path()).lock()).path();
    let owners = [dead(), dead(), dead()];
    fs::write(&place, owners[0].to_json()).expect("room");
    for pair in owners.windows(2) {
        let claim = place.with_file_name(format!("lock.{}", pair[0].token));
        fs::write(claim, pair[1].to_json()).expect("room");
    }
    let lock = Lock::take_file(&held(&place), now(), &LockOwner::this("live"))?;
    assert_eq!(left(&place), ["lock.held"]);
    drop(lock);
    assert!(left(&place).is_empty());
    Ok(())
}

#[test]
fn whoever_claims_a_dead_lock_keeps_the_others_out_and_who_comes_too_late_gives_up() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let place = by_file(&paths(folder.path()).lock()).path();
    let gone = dead();
    fs::write(&place, gone.to_json()).expect("room");
    // A living process has claimed it and stands still before it goes on.
    let claim = place.with_file_name(format!("lock.{}", gone.token));
    fs::write(&claim, LockOwner::this("claim").to_json()).expect("room");
    assert!(Lock::take_file(&held(&place), now(), &LockOwner::this("late")).is_err());
    assert_eq!(LockOwner::read(&held(&place)).as_ref(), Some(&gone));
    // It has gone on: the lock is a living one's, and the dead one's token opens nothing any more.
    fs::rename(&claim, &place).expect("room");
    assert!(Lock::take_file(&held(&place), now(), &LockOwner::this("late")).is_err());
    assert_eq!(left(&place), ["lock.held"]);
    Ok(())
}

/// Tells a process which lock file it is to take, and what it is to do with it.
const PLACE: &str = "IMGDELTA_TEST_LOCK";

/// What another process does: takes the lock, says so where nobody must have said it, holds it for a moment.
#[test]
fn a_contender_takes_the_lock() -> Result<()> {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else {
        return Ok(());
    };
    let wait = LockWait::at_most(Duration::from_secs(60));
    let _lock = Lock::take_file(&held(&place), wait, &LockOwner::this("contend"))?;
    let within = place.with_file_name("within");
    let alone = File::options().create_new(true).write(true).open(&within);
    alone.expect("two hold it at once");
    thread::sleep(Duration::from_millis(2));
    // Who is killed in here leaves both; the next one finds the lock dead.
    fs::remove_file(&within).expect("it is ours");
    Ok(())
}

fn contender(place: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "catalogue::lock::tests::a_contender_takes_the_lock",
        ])
        .env(PLACE, place)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

#[test]
fn of_many_processes_that_find_one_dead_lock_one_has_it_at_a_time_and_each_in_its_turn() {
    for round in 0..12 {
        let folder = tempfile::tempdir().expect("a place");
        let place = by_file(&paths(folder.path()).lock()).path();
        fs::write(&place, dead().to_json()).expect("room");
        let contenders: Vec<Child> = (0..10).map(|_| contender(&place)).collect();
        for mut one in contenders {
            let ended = one.wait().expect("a child");
            assert!(ended.success(), "round {round}");
        }
        assert!(left(&place).is_empty(), "{:?}", left(&place));
    }
}

#[test]
fn of_many_threads_that_find_one_dead_lock_exactly_one_takes_it() {
    for _ in 0..50 {
        let folder = tempfile::tempdir().expect("a place");
        let place = by_file(&paths(folder.path()).lock()).path();
        let earlier = LockOwner {
            boot: "an earlier start".to_owned(),
            ..dead()
        };
        fs::write(&place, earlier.to_json()).expect("room");
        let taken = thread::scope(|scope| {
            let take = || Lock::take_file(&held(&place), now(), &LockOwner::this("live"));
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            let taken = threads.into_iter().map(|one| one.join().expect("no panic"));
            taken.collect::<Vec<_>>()
        });
        assert_eq!(taken.iter().filter(|one| one.is_ok()).count(), 1);
        drop(taken);
        assert!(left(&place).is_empty());
    }
}

#[test]
fn the_lock_of_a_process_that_is_killed_is_taken_over_at_once() {
    let folder = tempfile::tempdir().expect("a place");
    let place = by_file(&paths(folder.path()).lock()).path();
    for _ in 0..20 {
        let mut one = contender(&place);
        while LockOwner::read(&held(&place)).is_none() {
            if one.try_wait().expect("a child").is_some() {
                break;
            }
        }
        let _ = one.kill();
        one.wait().expect("a child");
        let lock = Lock::take_file(&held(&place), now(), &LockOwner::this("live"));
        assert!(lock.is_ok(), "{lock:?}");
        let _ = fs::remove_file(place.with_file_name("within"));
    }
}

#[test]
fn the_lock_of_a_host_that_fell_silent_is_taken_over_by_who_has_watched() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let place = folder.path().join("lock.held");
    let far = LockOwner {
        host: "elsewhere".to_owned(),
        machine: "another".to_owned(),
        beats: Some(5),
        ..LockOwner::this("die")
    };
    fs::write(&place, far.to_json()).expect("room");
    let passed = std::rc::Rc::new(std::cell::Cell::new(0_u64));
    let clock = std::rc::Rc::clone(&passed);
    let start = std::time::SystemTime::now();
    let mut watching = Watching::by(Box::new(move || {
        let passed = Duration::from_secs(clock.get());
        (passed, start + passed)
    }));
    let mut take = || {
        let owner = LockOwner::this("live");
        Lock::take_file_watching(&held(&place), now(), &owner, &mut watching)
    };
    assert!(take().is_err());
    passed.set(599);
    assert!(take().is_err(), "it is not old enough");
    passed.set(700);
    let lock = take()?;
    let owner = LockOwner::read(&held(&place)).expect("it says whose it is");
    assert_eq!((owner.what.as_str(), owner.beats), ("live", Some(5)));
    drop(lock);
    assert!(left(folder.path().join("x").as_path()).is_empty());
    Ok(())
}
