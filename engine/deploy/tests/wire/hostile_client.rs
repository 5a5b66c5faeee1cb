//! Headquarters that cheats, and what the site answers it.

use std::{fs, io::Read};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_delta::Digest;
use imgdelta_deploy::wire::serve;
use imgdelta_repository::catalogue::Repository;
use serde_json::{Value, json};

use crate::{
    place::{Place, noise},
    raw::{self, Frame, greeting},
};

/// A site, and what is said to it.
struct Siege {
    place: Place,
    site: Repository,
}

impl Siege {
    fn new() -> Result<Self> {
        let place = Place::new();
        let site = place.repository("site")?;
        Ok(Self { place, site })
    }

    /// What headquarters says up to its list.
    fn opening(&self) -> Vec<Frame> {
        let path = self.site.folder().to_str().expect("text");
        vec![greeting(1, 1, 1), raw::json(3, &json!({"path": path}))]
    }

    /// What it says up to where images are sent.
    fn announced(&self) -> Vec<Frame> {
        let list = json!({
            "schema": "imgdelta/inventory/1",
            "repository": "6d1f1a9e-7a0e-4f52-9f5e-6f0d9a1b2c3d",
            "default_format": "vhd",
            "images": [],
        });
        let list = list.to_string().into_bytes();
        let notice = json!({"wanted": ["patched"], "list": list.len()});
        after(self.opening(), [raw::json(5, &notice), (6, list)])
    }

    /// The error that the conversation ends with. It is told, and nothing but the repository's own folder has changed.
    fn refused(&self, frames: &[Frame]) -> Error {
        self.refused_bytes(&raw::bytes(0, frames)[..])
    }

    fn refused_bytes(&self, said: impl Read) -> Error {
        let mut answer = Vec::new();
        let served = serve(said, &mut answer, &self.place.serving());
        let error = served.expect_err("it cheats");
        let last = raw::frames(&answer).pop().expect("an answer");
        assert_eq!(last.0, 19, "the other side is told");
        let told: Value = serde_json::from_slice(&last.1).expect("it is JSON");
        assert_eq!(told["kind"], error.kind().word());
        assert!(!error.to_string().contains('\u{1b}'));
        assert!(self.site.list().expect("readable").is_empty());
        error
    }
}

fn after(mut frames: Vec<Frame>, more: impl IntoIterator<Item = Frame>) -> Vec<Frame> {
    frames.extend(more);
    frames
}

fn choice(image: &str) -> Frame {
    raw::json(
        8,
        &json!({
            "image": image,
            "content_id": format!("imgdelta1:{}", "0f".repeat(32)),
            "size": 1000,
            "name": "patched",
            "bytes": 1000,
        }),
    )
}

/// An entry of that one file, as version 2 sends it.
fn entry(image: &str, file: &Value) -> Frame {
    raw::json(22, &item(image, file))
}

/// The same as version 1 does: once more among the parts.
fn offer(image: &str, file: &Value) -> Frame {
    let item = item(image, file);
    raw::json(11, &json!({"image": image, "parts": [file], "item": item}))
}

fn item(image: &str, file: &Value) -> Value {
    json!({
        "image": image,
        "content_id": format!("imgdelta1:{}", "0f".repeat(32)),
        "size": 1000,
        "name": "patched",
        "format": "raw",
        "file": file,
        "sites": [],
    })
}

fn file(name: &str, length: u64, content: &[u8]) -> Value {
    json!({"name": name, "length": length, "sha256": Digest::plain(content).to_string()})
}

#[test]
fn versions_that_do_not_meet_end_it_after_both_have_greeted() -> Result<()> {
    let siege = Siege::new()?;
    let mut answer = Vec::new();
    let said = raw::bytes(0, &[greeting(1, 5, 6)]);
    let served = serve(&said[..], &mut answer, &siege.place.serving());
    let error = served.expect_err("no version in common");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Unsupported, "protocol_version")
    );
    let frames = raw::frames(&answer);
    assert_eq!(frames[0].0, 2, "so that the other side can say it too");
    assert_eq!(frames[0].1[..12], *b"imgdelta\0\x01\0\x02");
    for wrong in [
        (1, b"imgdelta".to_vec()),
        (1, b"notdelta\0\x01\0\x01".to_vec()),
        greeting(1, 2, 1),
        (1, vec![b'x'; 200]),
    ] {
        let error = siege.refused(&[wrong]);
        assert!(error.message().starts_with("the frame 'hello'"), "{error}");
    }
    Ok(())
}

#[test]
fn every_frame_that_is_not_due_is_refused_with_its_name() -> Result<()> {
    let siege = Siege::new()?;
    let due = siege.announced();
    for (at, required) in [
        (0, "hello"),
        (1, "open"),
        (2, "notice"),
        (3, "list"),
        (4, "choice"),
    ] {
        let frames = after(due[..at].to_vec(), [(14, b"x".to_vec())]);
        let error = siege.refused(&frames);
        assert_eq!((error.kind(), error.code()), (Kind::Peer, "protocol"));
        let text = format!("the other side says 'data' where '{required}' is due");
        assert_eq!(error.message(), text);
    }
    for kind in [0, 25, 99, 255] {
        let error = siege.refused(&after(due.clone(), [(kind, Vec::new())]));
        assert_eq!(
            error.message(),
            format!("frames of kind {kind} are not known in versions 1 to 2")
        );
    }
    Ok(())
}

#[test]
fn offers_that_nobody_chose_or_of_something_else_are_refused() -> Result<()> {
    let siege = Siege::new()?;
    let x = file("x", 4, b"abcd");
    for of_version in [offer, entry] {
        let error = siege.refused(&after(siege.announced(), [of_version("patched", &x)]));
        assert_eq!(error.message(), "an offer comes before its choice");
        let other = [choice("patched"), of_version("other", &x)];
        let error = siege.refused(&after(siege.announced(), other));
        assert_eq!(
            error.message(),
            "an offer is of another image than its choice"
        );
    }
    let mut twice = json!({"image": "patched", "parts": [], "item": item("patched", &x)});
    for parts in [json!([]), json!([x, x]), json!([file("y", 4, b"abcd")])] {
        twice["parts"] = parts;
        let frames = [choice("patched"), raw::json(11, &twice)];
        let error = siege.refused(&after(siege.announced(), frames));
        assert_eq!(error.message(), "the files of an offer are not its parts");
    }
    Ok(())
}

#[test]
fn an_entry_of_another_base_or_disk_than_its_choice_is_refused() -> Result<()> {
    let siege = Siege::new()?;
    let x = file("x", 4, b"abcd");
    let base =
        json!({"id": "b", "content_id": format!("imgdelta1:{}", "0e".repeat(32)), "name": "b"});
    for (key, value, told) in [
        ("size", json!(1001), "of another image"),
        (
            "content_id",
            json!(format!("imgdelta1:{}", "0e".repeat(32))),
            "of another image",
        ),
        ("base", base, "a base without a manifest"),
        ("manifest", file("m", 1, b"m"), "a manifest without a base"),
    ] {
        let mut item = item("patched", &x);
        item[key] = value;
        let frames = [choice("patched"), raw::json(22, &item)];
        let error = siege.refused(&after(siege.announced(), frames));
        assert!(error.message().contains(told), "{error}");
    }
    let mut of_base = item("patched", &x);
    of_base["base"] =
        json!({"id": "b", "content_id": format!("imgdelta1:{}", "0e".repeat(32)), "name": "b"});
    of_base["manifest"] = file("m", 1, b"m");
    let frames = [choice("patched"), raw::json(22, &of_base)];
    let error = siege.refused(&after(siege.announced(), frames));
    assert_eq!(
        error.message(),
        "an offer is of another base than its choice"
    );
    Ok(())
}

#[test]
fn files_that_are_no_plain_ones_are_refused_before_anything_is_made() -> Result<()> {
    let siege = Siege::new()?;
    for (file, told) in [
        (json!({}), "missing field"),
        (file("x", u64::MAX, b"x"), "longer than files can be"),
        (file("../x", 1, b"x"), "image name"),
        (file("/etc/passwd", 1, b"x"), "image name"),
        (file(".lock", 1, b"x"), "image name"),
        (file("a\u{0}b", 1, b"x"), "image name"),
        (
            json!({"name": "x", "length": 1, "sha256": "xyz"}),
            "is not a digest",
        ),
        (
            json!({"name": "x", "length": 1.5, "sha256": "00"}),
            "invalid type",
        ),
    ] {
        for of_version in [offer, entry] {
            let frames = [choice("patched"), of_version("patched", &file)];
            let error = siege.refused(&after(siege.announced(), frames));
            assert_eq!((error.kind(), error.code()), (Kind::Peer, "protocol"));
            assert!(error.message().contains(told), "{error}");
        }
    }
    for id in ["../../x", "a/b", "", "\u{1b}[2J", &"x".repeat(129)] {
        let error = siege.refused(&after(siege.announced(), [choice(id)]));
        assert!(error.message().contains("image id"), "{error}");
    }
    let left = fs::read_dir(siege.site.incoming()).expect("it is there");
    assert_eq!(left.count(), 0);
    Ok(())
}

#[test]
fn more_or_less_than_was_offered_is_refused_and_wrong_bytes_too() -> Result<()> {
    let begun = |siege: &Siege| {
        let x = file("x", 4, b"abcd");
        after(siege.announced(), [choice("patched"), entry("patched", &x)])
    };
    let from = |at: u64| raw::json(13, &json!({"at": at}));
    for (frames, kind, told) in [
        (
            vec![from(1)],
            Kind::Peer,
            "what is sent begins at 1, 0 bytes are held",
        ),
        (vec![from(u64::MAX)], Kind::Peer, "0 bytes are held"),
        (
            vec![from(0), (14, b"abcdE".to_vec())],
            Kind::Peer,
            "more is sent than was offered",
        ),
        (
            vec![from(0), (14, b"abc".to_vec()), (15, Vec::new())],
            Kind::Peer,
            "the end comes after 3 bytes",
        ),
        (
            vec![from(0), (14, b"abcE".to_vec())],
            Kind::Digest,
            "'x' has the sha256",
        ),
        (vec![from(0), (14, Vec::new())], Kind::Peer, "it is empty"),
        (
            vec![from(0), (20, Vec::new())],
            Kind::Peer,
            "'bye' where 'data' is due",
        ),
        (
            vec![(20, Vec::new())],
            Kind::Peer,
            "'bye' where 'from' is due",
        ),
    ] {
        let siege = Siege::new()?;
        let error = siege.refused(&after(begun(&siege), frames));
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(told), "{error}");
    }
    Ok(())
}

#[test]
fn what_there_is_no_room_for_is_refused_before_it_comes() -> Result<()> {
    let siege = Siege::new()?;
    let frames = [
        choice("patched"),
        entry("patched", &file("x", 1 << 60, b"x")),
        raw::json(13, &json!({"at": 0})),
    ];
    let error = siege.refused(&after(siege.announced(), frames));
    assert_eq!((error.kind(), error.code()), (Kind::Host, "no_space"));
    Ok(())
}

#[test]
fn a_list_that_is_too_long_or_a_frame_that_is_damaged_ends_it() -> Result<()> {
    let siege = Siege::new()?;
    let huge = raw::json(5, &json!({"wanted": [], "list": u64::MAX}));
    let error = siege.refused(&after(siege.opening(), [huge]));
    assert!(error.message().contains("67108864 are allowed"), "{error}");
    let mut said = raw::bytes(0, &siege.announced());
    let last = said.len() - 10;
    said[last] ^= 0x40;
    let error = siege.refused_bytes(&said[..]);
    assert_eq!((error.kind(), error.code()), (Kind::Peer, "frame_digest"));
    // A frame that was sent once is not a frame a second time.
    let opening = raw::bytes(0, &siege.opening());
    let error = siege.refused_bytes(opening.chain(&opening[..]));
    assert_eq!(error.code(), "frame_digest");
    Ok(())
}

#[test]
fn links_in_the_incoming_folder_lead_nowhere() -> Result<()> {
    let siege = Siege::new()?;
    let canary = siege.place.write("canary", b"precious");
    let folder = siege.site.incoming().join("+patched");
    fs::create_dir_all(&folder).expect("room");
    std::os::unix::fs::symlink(&canary, folder.join("x")).expect("room");
    let frames = [
        choice("patched"),
        entry("patched", &file("x", 8, &noise(8, 1))),
        (20, Vec::new()),
    ];
    let mut answer = Vec::new();
    let said = raw::bytes(0, &after(siege.announced(), frames));
    let served = serve(&said[..], &mut answer, &siege.place.serving())?;
    assert_eq!(served.refused[0].1.kind, "host");
    assert_eq!(fs::read(&canary).expect("it is there"), b"precious");
    Ok(())
}

/// It does not cheat: it found that the site has no room for the image.
#[test]
fn an_image_that_is_left_out_leaves_nothing_and_the_conversation_goes_on() -> Result<()> {
    let siege = Siege::new()?;
    let one = file("disk.image", 1000, b"x");
    let frames = after(
        siege.announced(),
        [
            choice("patched"),
            offer("patched", &one),
            (15, Vec::new()),
            choice("other"),
            offer("other", &one),
            (15, Vec::new()),
            (20, Vec::new()),
        ],
    );
    let mut answer = Vec::new();
    let said = raw::bytes(0, &frames);
    let served = serve(&said[..], &mut answer, &siege.place.serving())?;
    assert!(served.entered.is_empty());
    let answers = raw::frames(&answer);
    let kinds: Vec<u8> = answers.iter().map(|(kind, _)| *kind).collect();
    let kinds: Vec<u8> = kinds.into_iter().filter(|kind| *kind != 16).collect();
    assert_eq!(kinds[kinds.len() - 5..], [9, 12, 9, 12, 20]);
    let (_, held) = answers.iter().find(|(kind, _)| *kind == 12).expect("held");
    let held: Value = serde_json::from_slice(held).expect("it is JSON");
    assert_eq!(held["may_skip"], true);
    let incoming = fs::read_dir(siege.site.incoming()).map(Iterator::count);
    assert_eq!(incoming.unwrap_or_default(), 0, "nothing is left of it");
    Ok(())
}
