//! Who is dead, and of whom nobody knows.

use std::process::{Command, Stdio};

use super::*;

/// A process that another one is.
fn of(pid: u32) -> LockOwner {
    let pid = i32::try_from(pid).expect("a number of a process");
    let start = Pid::from_raw(pid).and_then(Process::look);
    LockOwner {
        pid,
        start: start.map(|process| process.start),
        ..LockOwner::this("live")
    }
}

#[test]
fn a_process_is_dead_when_it_has_ended_whether_or_not_its_parent_asked() {
    let mut child = Command::new("sleep")
        .arg("60")
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let owner = of(child.id());
    assert!(!owner.is_dead() && !LockOwner::this("live").is_dead());
    child.kill().expect("it lives");
    // Killed, it stays until it is waited for.
    while Process::look(Pid::from_child(&child)).is_some_and(|process| !process.has_ended) {
        std::thread::yield_now();
    }
    assert!(owner.is_dead(), "not waited for");
    child.wait().expect("it ended");
    assert!(owner.is_dead(), "gone");
}

#[test]
fn a_number_that_another_process_has_by_now_is_no_sign_of_life() {
    let owner = LockOwner::this("die");
    let start = owner.start.map(|start| start - 1);
    assert!(
        LockOwner {
            start,
            ..owner.clone()
        }
        .is_dead()
    );
    // Of versions that did not say it, the time of the lock tells.
    let old = LockOwner {
        machine: String::new(),
        namespace: String::new(),
        start: None,
        since: "2000-01-01T00:00:00Z".to_owned(),
        ..owner.clone()
    };
    assert_eq!(old.is_dead(), namespace().starts_with(FIRST_NAMESPACE));
    let since = owner.since.clone();
    assert!(!LockOwner { since, ..old }.is_dead());
}

#[test]
fn what_is_out_of_sight_counts_as_alive() {
    let gone = LockOwner {
        pid: i32::MAX,
        ..LockOwner::this("die")
    };
    assert!(gone.is_dead());
    let other = |change: fn(&mut LockOwner)| {
        let mut owner = gone.clone();
        change(&mut owner);
        owner
    };
    for owner in [
        other(|owner| owner.host = "elsewhere".to_owned()),
        other(|owner| owner.machine = "another of that name".to_owned()),
        other(|owner| owner.namespace = "pid:[1] time:[1]".to_owned()),
    ] {
        assert!(!owner.is_dead() && owner.is_out_of_sight(), "{owner:?}");
    }
    let unsaid = other(|owner| owner.boot = String::new());
    assert!(!unsaid.is_dead());
    let earlier = other(|owner| owner.boot = "an earlier start".to_owned());
    assert!(earlier.is_dead());
}

#[test]
fn a_name_with_brackets_does_not_move_the_fields() {
    let stat = "7 (a) b (c)) Z 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9";
    let process = Process::parse(stat).expect("it is whole");
    assert_eq!((process.start, process.has_ended), (4711, true));
    assert!(Process::parse("7 (a) Z 1").is_none());
}

#[test]
fn what_an_older_version_said_is_read() {
    let json = r#"{"schema":"imgdelta/lock/1","host":"h","boot":"b","pid":7,"token":"t","since":"s","what":"w"}"#;
    let owner: LockOwner = serde_json::from_str(json).expect("it is one");
    assert_eq!((owner.namespace.as_str(), owner.start), ("", None));
}
