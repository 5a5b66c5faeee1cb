//! Drafts that people see, on a medium that is pulled out say: `NAME.part`.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{AtomicFile, Existing, FileOwnership};
use crate::{
    FileSink, Result,
    fs::{
        draft::{ANYONE, DeadDraft, create_as},
        recovery::finish_at,
    },
};

/// What such a draft's name ends with.
const PART: &str = ".part";

/// The name that the draft of this name will have, if it is one.
#[must_use]
pub fn part_of(name: &str) -> Option<&str> {
    name.strip_suffix(PART).filter(|of| !of.is_empty())
}

/// Takes away the draft `NAME.part` at `draft`, if its process is dead and it is a file of that name alone; whether it is gone. Where the file system knows no
/// locks nobody can say that, and it stays.
///
/// # Errors
/// Host, if the host fails at its lock.
pub fn remove_dead_part(draft: &Path) -> Result<bool> {
    let dead = DeadDraft::find(draft, Duration::MAX)?;
    Ok(dead.is_some() && std::fs::remove_file(draft).is_ok())
}

impl AtomicFile {
    /// As [`create`](Self::create), of a file that replaces what stands at `place`: until it is finished it is called `NAME.part`, for people to see. Where a
    /// living process has that name, or something stands there that is no dead process's file, its name is hidden as that of any draft.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_part(place: &Path) -> Result<Self> {
        let Some((temporary, file)) = begin(place)? else {
            return Self::create(place, Existing::Replace);
        };
        Ok(Self {
            sink: Arc::new(FileSink::new(file, place, false).written_back_early()),
            place: place.to_owned(),
            temporary: Some(temporary),
            replaces: true,
            original: None,
            ownership: FileOwnership::default(),
            folder: None,
        })
    }
}

/// The draft, open and locked, if it can have that name.
fn begin(place: &Path) -> Result<Option<(PathBuf, File)>> {
    finish_at(place)?;
    AtomicFile::check_place(place, Existing::Replace)?;
    // A device is written in place; a link is replaced as ever.
    let is_plain = place
        .symlink_metadata()
        .map_or(true, |found| found.is_file());
    let name = place.file_name().map(part_name);
    let Some(name) = name.filter(|_| is_plain) else {
        return Ok(None);
    };
    let draft = place.with_file_name(name);
    let created = create_as(&draft, place, ANYONE)?;
    Ok(created.map(|file| (draft, file)))
}

fn part_name(name: &OsStr) -> OsString {
    let mut part = name.to_owned();
    part.push(PART);
    part
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::FileOffset;

    /// The names in a folder.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("readable");
        let names = entries.map(|entry| entry.expect("readable").file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into()).collect();
        names.sort();
        names
    }

    fn write(place: &Path, bytes: &[u8]) -> Result<AtomicFile> {
        let draft = AtomicFile::create_part(place)?;
        draft.sink().write_at(FileOffset::ZERO, bytes)?;
        Ok(draft)
    }

    #[test]
    fn it_is_seen_while_it_is_written_and_has_its_name_when_it_is_whole() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("a.001");
        let draft = write(&place, b"one")?;
        assert_eq!(names(folder.path()), ["a.001.part"]);
        draft.commit()?;
        assert_eq!(names(folder.path()), ["a.001"]);
        let draft = write(&place, b"two")?;
        assert_eq!(names(folder.path()), ["a.001", "a.001.part"]);
        assert_eq!(fs::read(&place).expect("there"), b"one");
        draft.commit()?;
        assert_eq!(names(folder.path()), ["a.001"]);
        assert_eq!(fs::read(&place).expect("there"), b"two");
        drop(write(&place, b"three")?);
        assert_eq!(names(folder.path()), ["a.001"]);
        assert_eq!(part_of("a.001.part"), Some("a.001"));
        assert_eq!((part_of("a.001"), part_of(".part")), (None, None));
        Ok(())
    }

    #[test]
    fn what_a_dead_process_left_goes_and_what_is_somebody_elses_stays() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("a.001");
        let part = folder.path().join("a.001.part");
        fs::write(&part, b"half").expect("room");
        write(&place, b"whole")?.commit()?;
        assert_eq!(names(folder.path()), ["a.001"]);
        // A living process's, a folder, a link, a file with two names: it is hidden then, and they stay.
        let other = folder.path().join("other");
        fs::write(&other, b"others").expect("room");
        for kind in ["living", "folder", "link", "linked"] {
            let mut lock = None;
            match kind {
                "living" => {
                    let file = File::create(&part).expect("room");
                    file.try_lock().expect("nobody has it");
                    lock = Some(file);
                }
                "folder" => fs::create_dir(&part).expect("room"),
                "link" => std::os::unix::fs::symlink(&other, &part).expect("room"),
                _ => fs::hard_link(&other, &part).expect("room"),
            }
            assert!(!remove_dead_part(&part)?, "{kind}");
            let draft = write(&place, kind.as_bytes())?;
            assert_ne!(draft.written_at(), part, "{kind}");
            draft.commit()?;
            assert_eq!(fs::read(&place).expect("there"), kind.as_bytes());
            assert_eq!(
                names(folder.path()),
                ["a.001", "a.001.part", "other"],
                "{kind}"
            );
            assert_eq!(fs::read(&other).expect("there"), b"others");
            drop(lock);
            let _ = fs::remove_file(&part).or_else(|_| fs::remove_dir(&part));
        }
        fs::write(&part, b"half").expect("room");
        assert!(remove_dead_part(&part)?);
        assert!(!part.exists());
        Ok(())
    }
}
