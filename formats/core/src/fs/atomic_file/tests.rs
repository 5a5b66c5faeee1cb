use super::*;
use crate::{FileOffset, FileSource};

fn opened(place: &Path) -> (FileSource, FileVersion) {
    let source = FileSource::open(place).expect("it is there");
    let version = source.stamp().expect("it can be told").expect("a file");
    (source, version)
}

#[test]
fn only_the_version_that_was_opened_is_cloned() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let place = folder.path().join("base.raw");
    fs::write(&place, b"base").expect("room");
    let (source, version) = opened(&place);
    fs::write(&place, b"longer").expect("room");
    let draft = AtomicFile::create(&folder.path().join("new.raw"), Existing::Keep)?;
    assert!(!draft.share(&source, &version), "another version");
    assert!(
        !draft.share(&crate::MemSource(vec![1]), &version),
        "no file"
    );
    Ok(())
}

#[test]
fn a_dropped_draft_leaves_nothing() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let place = folder.path().join("child.vhd");
    let draft = AtomicFile::create(&place, Existing::Keep)?;
    draft.sink().write_at(FileOffset(0), b"half")?;
    drop(draft);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    Ok(())
}

#[test]
fn a_committed_draft_stands_in_its_place_and_is_not_replaced_unasked() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let place = folder.path().join("child.vhd");
    let draft = AtomicFile::create(&place, Existing::Keep)?;
    draft.sink().write_at(FileOffset(0), b"whole")?;
    draft.commit()?;
    assert_eq!(fs::read(&place).expect("it is there"), b"whole");
    assert_eq!(
        AtomicFile::create(&place, Existing::Keep)
            .expect_err("it exists")
            .kind(),
        Kind::Usage
    );
    drop(AtomicFile::create(&place, Existing::Replace)?);
    assert_eq!(fs::read(&place).expect("it is still there"), b"whole");
    Ok(())
}

#[test]
fn when_one_of_several_cannot_have_its_place_all_is_as_it_was() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let at = |name| folder.path().join(name);
    fs::write(at("old"), "old").expect("room");
    let drafts = [
        AtomicFile::create(&at("new"), Existing::Keep)?,
        AtomicFile::create(&at("old"), Existing::Replace)?,
        AtomicFile::create(&at("taken"), Existing::Keep)?,
    ];
    fs::write(at("taken"), "somebody else's").expect("room");
    let error = AtomicFile::commit_all(drafts).expect_err("one place is taken");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "exists"));
    assert_eq!(fs::read(at("old")).expect("it is there"), b"old");
    let names = fs::read_dir(folder.path()).expect("readable");
    assert_eq!(names.count(), 2, "old and taken");
    Ok(())
}

#[test]
fn two_runs_with_one_output_do_not_write_into_each_others_draft() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let place = folder.path().join("x.qcow2");
    let draft = AtomicFile::create(&place, Existing::Keep)?;
    draft.sink().write_at(FileOffset(0), b"new")?;
    let other = AtomicFile::create(&place, Existing::Keep)?;
    assert_ne!(draft.written_at(), other.written_at());
    draft.commit()?;
    assert_eq!(fs::read(&place).expect("it is there"), b"new");
    let error = other.commit().expect_err("it is taken");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "exists"));
    assert_eq!(fs::read(&place).expect("it is there"), b"new");
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    Ok(())
}

#[test]
fn every_name_that_the_file_system_takes_can_be_written() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    for len in [200, 242, 255] {
        let place = folder.path().join("n".repeat(len));
        AtomicFile::create(&place, Existing::Keep)?.commit()?;
        AtomicFile::create(&place, Existing::Replace)?.commit()?;
        assert!(place.exists());
    }
    Ok(())
}

#[test]
fn what_a_dead_run_left_is_cleared_away() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let at = |name: &str| folder.path().join(name);
    let ours = crate::fs::draft_name::draft_of(&at("x.vhd"), "x.vhd".as_ref(), 0);
    fs::write(&ours, "dead").expect("room");
    fs::write(ours.with_extension("old"), "dead").expect("room");
    for name in ["x.vhd", ".x.vhd.imgdelta-tmp", ".x.vhd.imgdelta-tmp-old"] {
        fs::write(at(name), name).expect("room");
    }
    AtomicFile::clear(&at("x.vhd"))?;
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    assert_eq!(fs::read(at("x.vhd")).expect("it is there"), b"x.vhd");
    Ok(())
}

#[test]
fn a_new_version_starts_as_what_the_file_holds_and_keeps_its_holes() -> Result<()> {
    use std::os::unix::fs::{FileExt, MetadataExt};
    let folder = tempfile::tempdir().expect("a place");
    let place = folder.path().join("child.vhd");
    let file = File::create(&place).expect("room");
    file.set_len(8 << 20).expect("room");
    file.write_all_at(b"middle", 4 << 20).expect("room");
    let (source, version) = opened(&place);
    let draft = AtomicFile::of_existing(&place, &source, &version, &source)?;
    draft.sink().write_at(FileOffset(4 << 20), b"MIDDLE")?;
    draft.commit()?;
    let bytes = fs::read(&place).expect("it is there");
    assert_eq!(bytes.len(), 8 << 20);
    assert_eq!(&bytes[4 << 20..(4 << 20) + 7], b"MIDDLE\0");
    assert!(
        fs::metadata(&place).expect("it is there").blocks() * 512 < 1 << 20,
        "holes stay holes"
    );
    Ok(())
}

#[test]
fn a_new_version_has_what_the_file_has_beside_its_bytes() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a place");
    let place = folder.path().join("child.vhd");
    fs::write(&place, b"old").expect("room");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o604)).expect("ours");
    let (source, version) = opened(&place);
    let draft = AtomicFile::of_existing(&place, &source, &version, &source)?;
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    assert_eq!(mode(draft.written_at()), 0o600, "until then it is secret");
    draft.commit()?;
    assert_eq!(mode(&place), 0o604);
    Ok(())
}

#[test]
fn a_new_version_replaces_no_other_file_and_no_other_version() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let place = folder.path().join("child.vhd");
    let exchange = |bytes: &[u8]| {
        let other = folder.path().join("other.vhd");
        fs::write(&other, bytes).expect("room");
        fs::rename(&other, &place).expect("room");
    };
    fs::write(&place, b"old").expect("room");
    let (source, version) = opened(&place);
    let draft = AtomicFile::of_existing(&place, &source, &version, &source)?;
    exchange(b"a newcomer");
    let error = draft.commit().expect_err("it is another file");
    assert_eq!((error.kind(), error.code()), (Kind::Host, "input_changed"));
    assert_eq!(fs::read(&place).expect("there"), b"a newcomer");
    // The file that is open is the one that is copied, whatever stands at the path.
    let (source, version) = opened(&place);
    exchange(b"one more");
    let draft = AtomicFile::of_existing(&place, &source, &version, &source);
    if let Ok(draft) = draft {
        assert_eq!(fs::read(draft.written_at()).expect("there"), b"a newcomer");
        draft.commit().expect_err("it is another file");
    }
    let (source, version) = opened(&place);
    fs::write(&place, b"written over").expect("room");
    let error = AtomicFile::of_existing(&place, &source, &version, &source);
    assert_eq!(error.expect_err("changed").code(), "input_changed");
    assert_eq!(fs::read(&place).expect("there"), b"written over");
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    Ok(())
}
