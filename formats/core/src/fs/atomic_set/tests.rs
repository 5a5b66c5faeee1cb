use super::*;
use crate::fs::{
    draft_name::draft_kind,
    recovery::{finish_at, finish_commits},
    standing::committed_at,
};

/// Two files of a set, committed up to the moment after its record; what stood in their places is `old`.
struct Cut {
    folder: tempfile::TempDir,
    files: Vec<Whole>,
    record: Option<Recorded>,
}

impl Cut {
    fn new(old: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a place");
        let files = ["c.manifest", "c.qcow2"].map(|name| {
            let place = folder.path().join(name);
            if let Some(old) = old {
                fs::write(&place, old).expect("room");
            }
            let (draft, mut file) = create_beside(&place, ANYONE).expect("room");
            file.write_all(b"new").expect("room");
            Whole {
                draft,
                place,
                replaces: old.is_some(),
                over: None,
            }
        });
        let record = Recorded::write(folder.path(), &files).expect("room");
        assert!(record.is_some());
        Self {
            folder,
            files: files.into(),
            record,
        }
    }

    /// The process dies after that many renames.
    fn dies_after(mut self, renames: usize) -> Self {
        for file in &self.files[..renames] {
            fs::rename(&file.draft, &file.place).expect("room");
        }
        self.record = None;
        self
    }

    /// What a reader finds in both places.
    fn read(&self) -> Vec<String> {
        let read = |file: &Whole| {
            let at = committed_at(&file.place);
            fs::read_to_string(at.as_ref().unwrap_or(&file.place)).unwrap_or_default()
        };
        self.files.iter().map(read).collect()
    }

    /// How many hidden files there are.
    fn hidden(&self) -> usize {
        let names = fs::read_dir(self.folder.path()).expect("readable");
        let names = names.map(|entry| entry.expect("readable").file_name());
        names
            .filter(|name| name == RECORD || draft_kind(name).is_some())
            .count()
    }
}

#[test]
fn killed_after_the_record_readers_find_the_new_files_and_the_next_writer_finishes() -> Result<()> {
    for old in [None, Some("old")] {
        for renames in 0..=2 {
            let cut = Cut::new(old).dies_after(renames);
            assert_eq!(cut.read(), ["new", "new"], "{renames}");
            let before = cut.hidden();
            assert_eq!(before, 3 - renames, "readers change nothing");
            finish_at(&cut.files[1].place)?;
            assert_eq!(cut.read(), ["new", "new"], "{renames}");
            assert_eq!(cut.hidden(), 0, "{renames}");
            assert_eq!(fs::read(&cut.files[0].place).expect("there"), b"new");
        }
    }
    Ok(())
}

#[test]
fn the_set_of_a_living_process_is_left_to_it() -> Result<()> {
    let cut = Cut::new(Some("old"));
    finish_commits(cut.folder.path())?;
    assert_eq!(cut.hidden(), 3);
    assert_eq!(cut.read(), ["new", "new"]);
    let place = &cut.files[0].place;
    assert_eq!(fs::read(place).expect("there"), b"old");
    Ok(())
}

#[test]
fn a_file_that_came_after_the_kill_stays() -> Result<()> {
    for old in [None, Some("old")] {
        let cut = Cut::new(old).dies_after(1);
        let other = cut.folder.path().join("other");
        fs::write(&other, "precious").expect("room");
        fs::rename(&other, &cut.files[1].place).expect("room");
        assert_eq!(cut.read(), ["new", "precious"]);
        finish_at(&cut.files[1].place)?;
        assert_eq!(cut.read(), ["new", "precious"]);
    }
    Ok(())
}

#[test]
fn a_file_that_was_deleted_after_the_kill_does_not_come_back() -> Result<()> {
    let cut = Cut::new(Some("old")).dies_after(0);
    for file in &cut.files {
        fs::remove_file(&file.place).expect("there");
    }
    assert_eq!(cut.read(), ["", ""]);
    finish_at(&cut.files[1].place)?;
    assert!(!cut.files[1].place.exists());
    Ok(())
}

#[test]
fn a_record_whose_drafts_are_gone_or_others_harms_nothing() -> Result<()> {
    let cut = Cut::new(Some("old")).dies_after(0);
    fs::remove_file(&cut.files[0].draft).expect("there");
    fs::write(&cut.files[1].draft, "half of another").expect("room");
    assert_eq!(cut.read(), ["old", "old"]);
    finish_at(&cut.files[1].place)?;
    assert_eq!(cut.read(), ["old", "old"]);
    assert!(!cut.folder.path().join(RECORD).exists());
    Ok(())
}

#[test]
fn a_damaged_record_is_left_alone_and_stops_nobody() -> Result<()> {
    let cut = Cut::new(Some("old")).dies_after(1);
    let record = cut.folder.path().join(RECORD);
    let mut text = fs::read(&record).expect("there");
    text.push(b'x');
    fs::write(&record, &text).expect("room");
    assert_eq!(cut.read(), ["new", "old"]);
    finish_commits(cut.folder.path())?;
    assert_eq!(fs::read(&record).expect("there"), text);
    // The next set gets its names all the same.
    let files: Vec<Whole> = cut
        .files
        .iter()
        .map(|file| {
            let (draft, mut written) = create_beside(&file.place, ANYONE).expect("room");
            written.write_all(b"newer").expect("room");
            Whole {
                draft,
                ..file.clone()
            }
        })
        .collect();
    commit(&files).map_err(|failed| failed.error)?;
    assert_eq!(cut.read(), ["newer", "newer"]);
    Ok(())
}

#[test]
fn a_late_file_stays_and_nothing_of_the_set_is_placed() -> Result<()> {
    let folder = tempfile::tempdir().expect("a place");
    let files: Vec<Whole> = ["a", "b"]
        .map(|name| {
            let place = folder.path().join(name);
            let (draft, _) = create_beside(&place, ANYONE).expect("room");
            Whole {
                draft,
                place,
                replaces: false,
                over: None,
            }
        })
        .into();
    // It comes after the record was written, so the look before that does not see it.
    let record = Recorded::write(folder.path(), &files)?;
    fs::write(&files[1].place, "precious").expect("room");
    let mut placed = Vec::new();
    let error = place_all(&files, &mut placed).expect_err("it is taken");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "exists"));
    for one in placed.iter().rev() {
        one.undo(true).expect("it can be undone");
    }
    record.expect("ours").remove().expect("there");
    assert!(!files[0].place.exists() && files[0].draft.exists());
    assert_eq!(fs::read(&files[1].place).expect("there"), b"precious");
    let error = commit(&files).expect_err("it is taken").error;
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "exists"));
    Ok(())
}

#[test]
fn an_undone_rename_of_a_recorded_set_reads_as_new_until_the_record_is_gone() -> Result<()> {
    let cut = Cut::new(Some("old"));
    let mut placed = Vec::new();
    place_all(&cut.files, &mut placed)?;
    for one in placed.iter().rev() {
        one.undo(true).expect("it can be undone");
        assert_eq!(cut.read(), ["new", "new"]);
    }
    drop(placed);
    cut.record.as_ref().expect("ours").remove().expect("there");
    assert_eq!(cut.read(), ["old", "old"]);
    Ok(())
}
