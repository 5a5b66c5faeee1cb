use std::{fs, os::unix::fs::symlink};

use super::*;
use crate::Kind;
use crate::{AtomicFile, Existing, FileOffset};

/// A folder `held`, open, and one beside it that nobody may touch.
fn held_and_strange() -> (tempfile::TempDir, HeldFolder, PathBuf) {
    let place = tempfile::tempdir().expect("a place");
    let strange = place.path().join("strange");
    for folder in ["held", "held/inner", "strange", "strange/inner"] {
        fs::create_dir(place.path().join(folder)).expect("room");
    }
    fs::write(place.path().join("held/file"), "ours").expect("room");
    fs::write(strange.join("file"), "theirs").expect("room");
    let held = HeldFolder::open(&place.path().join("held")).expect("it is there");
    (place, held, strange)
}

/// Puts a link to `strange` where the folder stood.
fn swap(place: &Path, strange: &Path) {
    fs::rename(place.join("held"), place.join("moved")).expect("ours");
    symlink(strange, place.join("held")).expect("links");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn what_is_done_in_a_folder_that_was_swapped_is_done_in_the_one_that_was_opened() -> Result<()> {
    let (place, held, strange) = held_and_strange();
    swap(place.path(), &strange);
    let file = held.place("file");
    assert_eq!(file.read(100)?.as_deref(), Some(b"ours".as_slice()));
    assert_eq!(held.places().expect("readable").len(), 2);
    let draft = AtomicFile::create_in(&held.place("new"), Existing::Keep)?;
    draft.sink().write_at(FileOffset::ZERO, b"new")?;
    draft.commit()?;
    drop(AtomicFile::create_in(
        &held.place("never"),
        Existing::Replace,
    )?);
    file.link(&held.place("second")).expect("links");
    file.rename(&held.place("third")).expect("renames");
    let made = held.make_inner("made").expect("room");
    made.place("below").create_new().expect("room");
    assert!(held.place("second").remove_for_good()?);
    let moved = place.path().join("moved");
    assert_eq!(names(&moved), ["inner", "made", "new", "third"]);
    assert_eq!(names(&moved.join("made")), ["below"]);
    assert_eq!(names(&strange), ["file", "inner"]);
    assert_eq!(fs::read(strange.join("file")).expect("there"), b"theirs");
    Ok(())
}

#[test]
fn a_link_in_the_folder_is_neither_read_nor_entered_nor_written_through() -> Result<()> {
    let (_place, held, strange) = held_and_strange();
    let own = held.path().to_owned();
    symlink(strange.join("file"), own.join("link")).expect("links");
    symlink(&strange, own.join("door")).expect("links");
    let link = held.place("link");
    assert!(link.read(100).is_err() && link.open_to_write().is_err());
    assert!(link.open_or_create().is_err() && link.create_new().is_err());
    assert!(link.metadata().expect("it is there").is_symlink());
    for made in [held.inner("door"), held.make_inner("door")] {
        let cause = made.expect_err("a link");
        assert_eq!(cause.kind(), io::ErrorKind::NotADirectory);
    }
    let draft = AtomicFile::create_in(&link, Existing::Replace)?;
    draft.sink().write_at(FileOffset::ZERO, b"ours")?;
    draft.commit()?;
    assert_eq!(link.read(100)?.as_deref(), Some(b"ours".as_slice()));
    assert_eq!(fs::read(strange.join("file")).expect("there"), b"theirs");
    held.place("door").remove().expect("ours");
    assert_eq!(names(&strange), ["file", "inner"]);
    Ok(())
}

#[test]
fn a_name_is_one_component() {
    let (_place, held, _strange) = held_and_strange();
    for name in ["", ".", "..", "../strange/file", "inner/x", "/etc/passwd"] {
        let place = held.place(name);
        let causes = [
            place.open_to_read().err(),
            place.open_or_create().err(),
            place.open_folder().err(),
            place.metadata().err(),
            place.remove().err(),
            place.rename(&held.place("x")).err(),
            held.place("file").rename(&place).err(),
            held.place("file").link(&place).err(),
            held.make_inner(name).err(),
        ];
        for cause in causes {
            let kind = cause.map(|cause| cause.kind());
            assert_eq!(kind, Some(io::ErrorKind::InvalidInput), "{name}");
        }
        assert!(AtomicFile::create_in(&place, Existing::Replace).is_err());
    }
}

#[test]
fn errors_speak_of_the_file_as_its_user_calls_it() {
    let (_place, held, _strange) = held_and_strange();
    let refused = AtomicFile::create_in(&held.place("file"), Existing::Keep).expect_err("there");
    let file = refused.location().file.clone();
    assert_eq!(file, Some(held.path().join("file")));
    let long = held.place("file").read(3).expect_err("four bytes");
    assert_eq!(long.location().file, Some(held.path().join("file")));
    let folder = held.place("inner").read(3).expect_err("no file");
    assert_eq!(folder.kind(), Kind::Corrupt);
}

#[test]
fn a_new_folder_is_made_where_nothing_stands() {
    let (_place, held, strange) = held_and_strange();
    symlink(&strange, held.path().join("door")).expect("links");
    for taken in ["inner", "file", "door"] {
        let cause = held.place(taken).make_new_folder().expect_err("taken");
        assert_eq!(cause.kind(), io::ErrorKind::AlreadyExists, "{taken}");
    }
    let made = held.place("new").make_new_folder().expect("room");
    made.place("below").create_new().expect("room");
    assert_eq!(names(&held.path().join("new")), ["below"]);
    assert!(held.place("../new").make_new_folder().is_err());
}

#[test]
fn an_error_names_the_folder_as_its_user_does_and_no_other_open_one() {
    let (_place, held, _) = held_and_strange();
    let through = held.through();
    let (by, path) = (through.display(), held.path().display());
    let error = Error::new(Kind::Host, format!("no room in {by}"))
        .with_detail(format!("{by}/file and {by}0/file"))
        .with_hint(format!("make room in {by}"))
        .in_file(&through.join("file"));
    let error = held.named(error);
    assert_eq!(error.message(), format!("no room in {path}"));
    assert_eq!(error.details(), [format!("{path}/file and {by}0/file")]);
    assert_eq!(error.hint(), Some(&*format!("make room in {path}")));
    assert_eq!(error.location().file, Some(held.path().join("file")));
}
