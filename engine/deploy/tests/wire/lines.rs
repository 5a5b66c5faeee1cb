//! The line through another program: how it is started, and what its end says.

use std::{ffi::OsString, io::Read};

use imgdelta_core::{Kind, Result};
use imgdelta_deploy::wire::{ClientSession, Transport};

use crate::place::Place;

fn shell(script: &str) -> Vec<OsString> {
    ["sh", "-c", script].map(OsString::from).to_vec()
}

/// What a conversation through that program ends with.
fn ended(script: &str) -> imgdelta_core::Error {
    let place = Place::new();
    let mut transport = Transport::start(&shell(script)).expect("there is a shell");
    let (from, to) = transport.ends().expect("they were not had");
    let opened = ClientSession::open(from, to, "/srv/images", &place.progress).map(|_| ());
    transport.end(opened).expect_err("nobody answers")
}

#[test]
fn a_program_that_does_not_get_there_is_told_from_one_that_is_not_found() {
    for (script, told) in [
        ("exit 255", "'sh' did not reach the other side, or lost it"),
        ("exit 127", "--remote-program names it"),
        (
            "exec no-such-program-at-all 2>/dev/null",
            "--remote-program names it",
        ),
        ("exit 3", "'sh' ended with status 3"),
        ("kill -9 $$", "'sh' was killed"),
    ] {
        let error = ended(script);
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Peer, "cut"),
            "{script}"
        );
        assert!(
            error.details().iter().any(|line| line.contains(told)),
            "{script}: {error:?}"
        );
    }
}

#[test]
fn a_login_shell_that_talks_is_named() {
    let error = ended("echo 'You have mail.'; cat >/dev/null");
    assert_eq!(error.code(), "not_imgdelta");
    assert!(error.message().contains("'You h"), "{error}");
}

#[test]
fn a_program_that_cannot_be_started_is_the_hosts_failure() {
    let error = Transport::start(&["no-such-program-at-all".into()])
        .map(|_| ())
        .expect_err("none");
    assert_eq!(error.kind(), Kind::Host);
    assert!(
        error.message().contains("'no-such-program-at-all'"),
        "{error}"
    );
    assert_eq!(
        Transport::start(&[]).map(|_| ()).expect_err("none").kind(),
        Kind::Usage
    );
}

#[test]
fn both_ends_of_the_line_are_the_programs_own() -> Result<()> {
    let mut transport = Transport::start(&shell("cat"))?;
    let (mut from, mut to) = transport.ends()?;
    assert!(transport.ends().is_err(), "once");
    std::io::Write::write_all(&mut to, b"there and back").expect("it listens");
    drop(to);
    let mut back = String::new();
    from.read_to_string(&mut back).expect("it answers");
    assert_eq!(back, "there and back");
    transport.end(Ok(()))
}
