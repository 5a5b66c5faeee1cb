//! A site that cheats, and what headquarters answers it.

use std::io::{Read, repeat, sink};

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_deploy::{
    bundle::Outcome,
    wire::{ClientSession, Delivered, TransferStats, init_over},
};
use serde_json::json;

use crate::{
    place::{Place, noise},
    raw::{self, Frame, greeting},
};

const REPOSITORY: &str = "6d1f1a9e-7a0e-4f52-9f5e-6f0d9a1b2c3d";

/// An inventory of a site.
fn list(repository: &str, images: &serde_json::Value) -> Vec<u8> {
    json!({
        "schema": "imgdelta/inventory/1",
        "repository": repository,
        "default_format": "vhd",
        "images": images,
    })
    .to_string()
    .into_bytes()
}

/// What a site says up to its list.
fn opening() -> Vec<Frame> {
    vec![
        greeting(2, 1, 1),
        raw::json(
            4,
            &json!({"repository": REPOSITORY, "default_format": "vhd"}),
        ),
    ]
}

/// What a site says up to where images are sent.
fn announced() -> Vec<Frame> {
    let list = list(REPOSITORY, &json!([]));
    let mut frames = opening();
    frames.push(raw::json(7, &json!({"list": list.len()})));
    frames.push((6, list));
    frames
}

/// What becomes of a conversation with a site that says so, whatever it is told, and then what `more` brings.
fn hear(frames: &[Frame], more: impl Read) -> Result<Delivered> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    place.add(&hq, "patched", &noise(100_000, 1))?;
    let goods = place.goods(&hq, "patched")?;
    let said = raw::bytes(0, frames);
    let mut client = ClientSession::open(said.chain(more), sink(), "/srv/images", &place.progress)?;
    client.announce(&hq.inventory()?, &[])?;
    let delivered = client.deliver(&goods.proposal, &goods.folder, || Ok(goods.entry.clone()))?;
    client.close()?;
    Ok(delivered)
}

/// The error that it becomes, which is always the other side's.
fn refused(frames: &[Frame]) -> Error {
    let error = hear(frames, std::io::empty()).expect_err("it cheats");
    assert!(!error.to_string().contains('\u{1b}'));
    error
}

fn after(mut frames: Vec<Frame>, more: impl IntoIterator<Item = Frame>) -> Vec<Frame> {
    frames.extend(more);
    frames
}

#[test]
fn versions_that_do_not_meet_are_named_on_both_sides() {
    for (lowest, highest, told) in [
        (3, 3, "version 3"),
        (3, 7, "versions 3 to 7"),
        (0, 0, "version 0"),
    ] {
        let error = refused(&[greeting(2, lowest, highest)]);
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Unsupported, "protocol_version")
        );
        let text = format!(
            "the other side (imgdelta 9.9.9) speaks {told} of the protocol, this one 1 to 2"
        );
        assert_eq!(error.message(), text);
    }
    let wide = after(vec![greeting(2, 0, 9)], opening().into_iter().skip(1));
    assert_eq!(
        refused(&wide).code(),
        "cut",
        "it is spoken, and the conversation began"
    );
}

#[test]
fn who_answers_something_else_is_told_from_a_peer() {
    for said in [
        &b"Welcome to nas01\r\n"[..],
        b"bash: imgdelta: command not found\n",
        b"\x1b[2Jhi",
    ] {
        let error = ClientSession::open(said, sink(), "/x", &Place::new().progress)
            .map(|_| ())
            .expect_err("no peer");
        assert_eq!((error.kind(), error.code()), (Kind::Peer, "not_imgdelta"));
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let nothing = ClientSession::open(&b""[..], sink(), "/x", &Place::new().progress).map(|_| ());
    assert_eq!(nothing.expect_err("nobody").code(), "cut");
}

#[test]
fn every_frame_that_is_not_due_is_refused_with_its_name() {
    let due = announced();
    for (at, required) in [
        (0, "welcome"),
        (1, "opened"),
        (2, "common"),
        (3, "list"),
        (4, "ready"),
    ] {
        let frames = after(due[..at].to_vec(), [(15, Vec::new())]);
        let error = refused(&frames);
        assert_eq!((error.kind(), error.code()), (Kind::Peer, "protocol"));
        let text = format!("the other side says 'end' where '{required}' is due");
        assert_eq!(error.message(), text);
    }
    let unknown = refused(&after(due[..2].to_vec(), [(99, Vec::new())]));
    assert_eq!(
        unknown.message(),
        "frames of kind 99 are not known in versions 1 to 2"
    );
    let filled = refused(&after(due, [(9, b"x".to_vec())]));
    assert_eq!(filled.message(), "the frame 'ready': it must be empty");
}

#[test]
fn a_list_that_is_too_long_longer_than_announced_or_none_is_refused() {
    for (frames, told) in [
        (
            vec![raw::json(7, &json!({"list": u64::MAX}))],
            "are allowed",
        ),
        (
            vec![raw::json(7, &json!({"list": (64_u64 << 20) + 1}))],
            "are allowed",
        ),
        (
            vec![raw::json(7, &json!({"list": 5})), (6, vec![b' '; 6])],
            "longer than was announced",
        ),
        (
            vec![raw::json(7, &json!({"list": 5})), (6, Vec::new())],
            "it is empty",
        ),
        (
            vec![raw::json(7, &json!({"list": 2})), (6, b"{}".to_vec())],
            "the list:",
        ),
        (vec![raw::json(7, &json!({"list": -1}))], "invalid value"),
        (
            vec![raw::json(7, &json!({"list": "\u{1b}[2J"}))],
            "invalid type",
        ),
    ] {
        let error = refused(&after(opening(), frames));
        assert_eq!(error.kind(), Kind::Peer);
        assert!(error.message().contains(told), "{error}");
    }
}

#[test]
fn a_list_of_what_was_not_asked_for_or_with_a_path_for_an_id_is_refused() {
    let item = |id: &str| {
        json!({
            "id": id,
            "content_id": format!("imgdelta1:{}", "0f".repeat(32)),
            "size": 1,
            "name": "x",
        })
    };
    for (list, told) in [
        (
            list(REPOSITORY, &json!([item("stranger")])),
            "which was not asked for",
        ),
        (
            list(REPOSITORY, &json!([item("../../etc/passwd")])),
            "image id",
        ),
        (
            list("7d1f1a9e-7a0e-4f52-9f5e-6f0d9a1b2c3d", &json!([])),
            "of another repository",
        ),
    ] {
        let frames = [raw::json(7, &json!({"list": list.len()})), (6, list)];
        let error = refused(&after(opening(), frames));
        assert_eq!((error.kind(), error.code()), (Kind::Peer, "protocol"));
        assert!(error.message().contains(told), "{error}");
    }
}

#[test]
fn claims_of_what_is_held_are_not_believed() -> Result<()> {
    let ready = || after(announced(), [(9, Vec::new())]);
    let held = |bytes: u64| raw::json(12, &json!({"bytes": bytes, "sha256": "00".repeat(32)}));
    for bytes in [u64::MAX, 100_001] {
        let error = refused(&after(ready(), [held(bytes)]));
        assert_eq!(error.message(), "the site holds more than there is");
    }
    let entered = |content: &str| {
        raw::json(
            17,
            &json!({
                "image": "x", "name": "x", "content_id": content, "is_new": true, "notes": ["\u{1b}[2Jdone"],
            }),
        )
    };
    let other = format!("imgdelta1:{}", "0f".repeat(32));
    let error = refused(&after(ready(), [held(50_000), entered(&other)]));
    assert_eq!((error.kind(), error.code()), (Kind::Digest, "other_disk"));
    // The same disk, and what is held is something else: all of it is sent.
    let place = Place::new();
    let hq = place.repository("hq")?;
    place.add(&hq, "patched", &noise(100_000, 1))?;
    let content = place.goods(&hq, "patched")?.proposal.content_id.to_string();
    let frames = after(ready(), [held(50_000), entered(&content), (20, Vec::new())]);
    let delivered = hear(&frames, std::io::empty())?;
    let transfer = TransferStats {
        sent: 100_000,
        resumed: 0,
    };
    assert_eq!(delivered.transfer, Some(transfer));
    let Outcome::Entered(entered) = delivered.outcome else {
        panic!("{delivered:?}");
    };
    assert_eq!(entered.notes, ["[2Jdone"]);
    Ok(())
}

#[test]
fn a_frame_without_end_is_refused_by_its_head() {
    let mut said = raw::bytes(0, &opening());
    said.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 7]);
    let place = Place::new();
    let endless = said.chain(repeat(0));
    let mut client =
        ClientSession::open(endless, sink(), "/x", &place.progress).expect("so far all is well");
    let hq = place.repository("hq").expect("room");
    let error = client
        .announce(&hq.inventory().expect("empty"), &[])
        .expect_err("endless");
    assert!(
        error
            .message()
            .contains("is 4294967295 bytes long, 1048576 are allowed"),
        "{error}"
    );
}

#[test]
fn a_failure_there_is_shown_here_and_draws_nothing() {
    let failure = json!({
        "kind": "busy", "code": "locked", "message": "\u{1b}[2Jlocked by pid 1",
        "details": ["a\u{7}b"], "hint": "wait\u{202e}",
    });
    let error = refused(&after(opening(), [raw::json(19, &failure)]));
    assert_eq!(error.message(), "the other side: [2Jlocked by pid 1");
    assert_eq!(error.details(), ["ab"]);
    assert_eq!(error.hint(), Some("wait"));
}

#[test]
fn a_site_that_starts_no_repository_is_older_or_says_why() {
    let asked = |code: &str, message: &str| {
        let failure = json!({"kind": "peer", "code": code, "message": message});
        let said = raw::bytes(0, &[greeting(2, 1, 2), raw::json(19, &failure)]);
        let made = init_over(&said[..], sink(), "/srv/new", Format::Vhdx, false);
        made.expect_err("it starts none")
    };
    // As programs that do not know the frame say it.
    let error = asked(
        "protocol",
        "frames of kind 23 are not known in versions 1 to 2",
    );
    let told = (error.kind(), error.code());
    assert_eq!(told, (Kind::Unsupported, "site_version"));
    assert!(error.message().contains("imgdelta 9.9.9"), "{error}");
    let error = asked("exists", "is a repository already");
    assert_eq!(error.kind(), Kind::Peer);
    assert!(error.message().contains("already"), "{error}");
}

#[test]
fn a_site_without_room_is_sent_nothing() -> Result<()> {
    let room = |free: u64, longest: Option<u64>| {
        let held = json!({
            "bytes": 0,
            "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "space": {"free": free, "longest_file": longest},
        });
        let frames = [(9, Vec::new()), raw::json(12, &held)];
        hear(&after(announced(), frames), std::io::empty()).expect_err("it says no more")
    };
    for (free, longest, code) in [(10, None, "no_space"), (1 << 40, Some(10), "file_too_long")] {
        let error = room(free, longest);
        assert_eq!((error.kind(), error.code()), (Kind::Host, code), "{error}");
    }
    // With room it goes on, and misses what does not come.
    assert_eq!(room(1 << 40, None).kind(), Kind::Peer);
    Ok(())
}

/// It does not cheat, but is full: what does not fit is left out, and the next image is asked about. One that is older cannot be told.
#[test]
fn an_image_that_does_not_fit_ends_no_conversation() -> Result<()> {
    let place = Place::new();
    let hq = place.repository("hq")?;
    place.add(&hq, "patched", &noise(100_000, 1))?;
    let goods = place.goods(&hq, "patched")?;
    let space = json!({"free": 10, "shrinks": false});
    let none = imgdelta_delta::Digest::plain(b"").to_string();
    for may_skip in [true, false] {
        let mut held = json!({"bytes": 0, "sha256": none, "space": space});
        if may_skip {
            held["may_skip"] = json!(true);
        }
        let frames = after(
            announced(),
            [
                (9, Vec::new()),
                raw::json(12, &held),
                raw::json(10, &json!({"image": "patched", "name": "patched"})),
                (20, Vec::new()),
            ],
        );
        let said = raw::bytes(0, &frames);
        let mut written = Vec::new();
        let mut client = ClientSession::open(&said[..], &mut written, "/x", &place.progress)?;
        client.announce(&hq.inventory()?, &[])?;
        let mut deliver =
            || client.deliver(&goods.proposal, &goods.folder, || Ok(goods.entry.clone()));
        let error = deliver().expect_err("there is no room");
        assert_eq!((error.kind(), error.code()), (Kind::Host, Error::NO_SPACE));
        let next = deliver();
        if may_skip {
            assert!(matches!(next?.outcome, Outcome::There(_)));
        } else {
            assert_eq!(next.expect_err("it is over").code(), "out_of_order");
        }
        client.close()?;
        let kinds = raw::frames(&written).into_iter().map(|(kind, _)| kind);
        let kinds: Vec<u8> = kinds.skip_while(|kind| *kind != 8).collect();
        match may_skip {
            true => assert_eq!(kinds, [8, 11, 15, 8, 20]),
            false => assert_eq!(kinds, [8, 11, 19]),
        }
    }
    Ok(())
}
