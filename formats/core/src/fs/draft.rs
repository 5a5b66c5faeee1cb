//! Files in the making: created under a draft's name and locked, so that the drafts of dead processes are told from those of living ones.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::OFlags;

use super::{
    draft_name::{DraftKind, draft_of, kept_of, old_names},
    folder::folder_of,
    held::HeldPlace,
    lock::{LockAttempt, try_lock},
    rollback::Rollback,
    standing::is_listed,
};
use crate::{Error, Kind, Result};

/// How many drafts of one file there may be at once.
const MOST: u32 = 100;

/// The permissions of a new file, of which the process's mask is taken.
pub(crate) const ANYONE: u32 = 0o666;

/// The permissions of a file that nobody else may read until it has its own.
pub(crate) const OWNER: u32 = 0o600;

/// Creates the draft of what will stand at `place`, empty and locked. What a dead process left of one is taken away.
///
/// # Errors
/// Usage, if `place` has no name; Busy, if too many runs write there; Host, if the host cannot.
pub(crate) fn create_beside(place: &Path, mode: u32) -> Result<(PathBuf, File)> {
    let name = place
        .file_name()
        .ok_or_else(|| Error::new(Kind::Usage, "is not the name of a file").in_file(place))?;
    clear_old_names(place, name);
    // Two runs may make the same file at once: the loser must not write into the winner's draft.
    for attempt in 0..MOST {
        let draft = draft_of(place, name, attempt);
        if let Some(file) = create_as(&draft, place, mode)? {
            return Ok((draft, file));
        }
    }
    Err(Error::new(Kind::Busy, "is being written by many other runs").in_file(place))
}

/// Creates the file at `draft`, empty and locked, as the draft of what will stand at `place`. What a dead process left there is taken away; `None`, if a
/// living one has it, or something else stands there.
///
/// # Errors
/// Host, if the host cannot.
pub(crate) fn create_as(draft: &Path, place: &Path, mode: u32) -> Result<Option<File>> {
    // Once more where a dead one's was taken away.
    for _ in 0..2 {
        let created = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(draft);
        match created {
            Ok(file) => {
                let is_ours = is_locked(&file, draft)? && is_only_at(&file, draft);
                if is_ours {
                    Rollback::clear(draft);
                }
                return Ok(is_ours.then_some(file));
            }
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                if !remove_dead(draft, place)? {
                    return Ok(None);
                }
            }
            Err(cause) => return Err(Error::host("cannot create", cause).in_file(place)),
        }
    }
    Ok(None)
}

/// Locks a new draft: until then, another run may have taken it for a dead one's.
fn is_locked(file: &File, draft: &Path) -> Result<bool> {
    match try_lock(file, draft) {
        Ok(attempt) => Ok(attempt != LockAttempt::Busy),
        Err(error) => {
            let _ = fs::remove_file(draft);
            Err(error)
        }
    }
}

/// Takes the draft of a dead process away; true if it is gone. Its file is not used again: whoever has it open, and whoever it belongs to,
/// could write to it.
fn remove_dead(draft: &Path, place: &Path) -> Result<bool> {
    // Its name was given by linking, and the process died before it took this one away.
    if is_same_file(draft, place) && !is_committed(draft) {
        return Ok(fs::remove_file(draft).is_ok());
    }
    // Without locks nobody knows whose it is.
    let dead = DeadDraft::find(draft, Duration::MAX)?;
    Ok(dead.is_some() && fs::remove_file(draft).is_ok())
}

/// A draft that is nobody's: a lock ends with its process, whatever ends that. Until this is dropped nobody else takes it away.
#[derive(Debug)]
pub struct DeadDraft {
    /// `None` where there are no locks.
    _lock: Option<File>,
}

impl DeadDraft {
    /// The draft at `draft`, if its process is dead, it stands under that name alone, and no record of a commit speaks of it. Where the
    /// file system knows no locks only its age tells: that nobody has written to it for so long.
    ///
    /// # Errors
    /// Host, if the host fails at its lock.
    pub fn find_in(draft: &HeldPlace, untouched: Duration) -> Result<Option<Self>> {
        let Ok(path) = draft.through() else {
            return Ok(None);
        };
        Self::find(&path, untouched).map_err(|error| draft.folder().named(error))
    }

    /// As [`find_in`](Self::find_in), by a path.
    ///
    /// # Errors
    /// Host, if the host fails at its lock.
    pub fn find(draft: &Path, untouched: Duration) -> Result<Option<Self>> {
        // One that may not be opened is somebody else's.
        let Ok(file) = open_to_lock(draft) else {
            return Ok(None);
        };
        let lock = match try_lock(&file, draft)? {
            LockAttempt::Acquired => Some(file),
            LockAttempt::Busy => return Ok(None),
            LockAttempt::Unsupported if is_untouched(&file, untouched) => None,
            LockAttempt::Unsupported => return Ok(None),
        };
        // Looked at under the lock: before, its process may have renamed it, or committed it and died.
        let is_only = lock.as_ref().is_none_or(|file| is_only_at(file, draft));
        Ok((is_only && !is_committed(draft)).then_some(Self { _lock: lock }))
    }
}

/// Whether it was committed, and has only not got its name yet.
fn is_committed(draft: &Path) -> bool {
    let name = draft.file_name();
    name.is_some_and(|name| is_listed(folder_of(draft), name))
}

fn is_untouched(file: &File, time: Duration) -> bool {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > time))
}

/// Opens a file of ours for its lock. Network file systems lock for writing only what is open for writing.
pub(crate) fn open_to_lock(place: &Path) -> io::Result<File> {
    let open = |writes: bool| {
        File::options()
            .read(true)
            .write(writes)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
            .open(place)
    };
    open(true).or_else(|_| open(false))
}

/// Takes away the second names that killed runs left of the file at `place`: whoever does that changes its attributes, so it must be done
/// before the file is opened to be compared.
pub(crate) fn clear_kept(place: &Path) {
    let Some(name) = place.file_name() else {
        return;
    };
    clear_old_names(place, name);
    for attempt in 0..MOST {
        let draft = draft_of(place, name, attempt);
        let kept = kept_of(&draft);
        let is_kept = fs::symlink_metadata(&kept).is_ok();
        if !is_kept && fs::symlink_metadata(&draft).is_err() {
            return;
        }
        // While its draft lives, it is needed.
        let lives = open_to_lock(&draft)
            .is_ok_and(|file| !matches!(try_lock(&file, &draft), Ok(LockAttempt::Acquired)));
        if is_kept && !lives {
            let _ = fs::remove_file(&kept);
        }
    }
}

/// Whether both are names of one file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| {
        let found = fs::symlink_metadata(path)
            .ok()
            .filter(fs::Metadata::is_file)?;
        Some((found.dev(), found.ino()))
    };
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

/// Takes away what killed runs of older versions left beside `place`, under the names of that time.
fn clear_old_names(place: &Path, name: &OsStr) {
    for (old, kind) in old_names(place, name) {
        let is_there = fs::symlink_metadata(&old).is_ok_and(|found| found.is_file());
        if !is_there {
            continue;
        }
        match kind {
            DraftKind::Draft => {
                // What cannot be told from a living one's stays.
                let _ = remove_dead(&old, place);
            }
            DraftKind::Kept => {
                let _ = fs::remove_file(&old);
            }
        }
    }
}

/// Whether an open draft still has its name, and no other one: whoever finished it has renamed it.
fn is_only_at(file: &File, draft: &Path) -> bool {
    is_at(file, draft) && file.metadata().is_ok_and(|draft| draft.nlink() == 1)
}

/// Whether an open file still stands at `place`.
pub(crate) fn is_at(file: &File, place: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(place)) {
        (Ok(ours), Ok(there)) => {
            (ours.dev(), ours.ino()) == (there.dev(), there.ino()) && there.is_file()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draft_of_a_dead_run_is_replaced_by_a_file_of_our_own() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("x.qcow2");
        let (draft, file) = create_beside(&place, ANYONE)?;
        let (other, _other) = create_beside(&place, ANYONE)?;
        assert_ne!(draft, other, "it lives");
        drop(file);
        let held = File::options().write(true).open(&draft).expect("there");
        let (again, file) = create_beside(&place, OWNER)?;
        assert_eq!(draft, again, "it is dead");
        let inode = |file: &File| file.metadata().expect("it is open").ino();
        assert_ne!(inode(&held), inode(&file));
        assert_eq!(file.metadata().expect("it is open").mode() & 0o777, OWNER);
        Ok(())
    }

    #[test]
    fn what_older_versions_left_is_taken_away() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let at = |name: &str| folder.path().join(name);
        for name in [
            ".x.vhd.imgdelta-tmp",
            ".x.vhd.imgdelta-tmp-1",
            ".x.vhd.imgdelta-tmp-old",
            ".y.vhd.imgdelta-tmp",
        ] {
            fs::write(at(name), name).expect("room");
        }
        let alive = File::open(at(".x.vhd.imgdelta-tmp-1")).expect("there");
        alive.try_lock().expect("nobody holds it");
        let (draft, _file) = create_beside(&at("x.vhd"), ANYONE)?;
        fs::remove_file(draft).expect("there");
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .expect("readable")
            .map(|entry| entry.expect("readable").file_name())
            .collect();
        left.sort();
        assert_eq!(left, [".x.vhd.imgdelta-tmp-1", ".y.vhd.imgdelta-tmp"]);
        Ok(())
    }
}
