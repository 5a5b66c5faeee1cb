//! Finishes what a killed process had committed, for whoever writes there next; waits for one that lives.
//!
//! The lock on a record ends with its process, whatever ends that.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::Duration,
};

use super::{
    commit_record::{CommitRecord, RECORD},
    draft::{is_at, open_to_lock},
    folder::{folder_of, sync_folder},
    lock::{LockAttempt, LockWait, try_lock},
    placement::rename_new,
    rollback::Rollback,
    standing::{MemberState, Standing, is_listed},
};
use crate::{Error, Kind, Result};

/// How long a commit of others is waited for: it is a handful of renames.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What stands where a record would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Nothing, now.
    Free,
    /// The record of a process that lives.
    Living,
    /// Something that is not ours to finish: another user's, damaged, of another version.
    Foreign,
}

/// Finishes what a killed process had committed, if the file at `place` was part of it.
///
/// # Errors
/// Host, if the host cannot.
pub(crate) fn finish_at(place: &Path) -> Result<()> {
    let folder = folder_of(place);
    if place
        .file_name()
        .is_some_and(|name| is_listed(folder, name))
    {
        finish(folder, Duration::ZERO)?;
    }
    Ok(())
}

/// Finishes what a killed process had committed in `folder`, whatever it was.
///
/// # Errors
/// Host, if the host cannot.
pub fn finish_commits(folder: &Path) -> Result<()> {
    finish(folder, Duration::ZERO).map(|_| ())
}

/// As [`finish_at`]; while another process is giving the file at `place` its name, waits for that.
pub(crate) fn wait_for(place: &Path) -> Result<()> {
    let folder = folder_of(place);
    if !place
        .file_name()
        .is_some_and(|name| is_listed(folder, name))
    {
        return Ok(());
    }
    match finish(folder, PATIENCE)? {
        Slot::Living => Err(busy(place)),
        Slot::Free | Slot::Foreign => Ok(()),
    }
}

pub(crate) fn busy(place: &Path) -> Error {
    Error::new(Kind::Busy, "is being given its name by another process").in_file(place)
}

/// Finishes what the record in `folder` says, once its process is dead.
pub(crate) fn finish(folder: &Path, patience: Duration) -> Result<Slot> {
    let finished = LockWait::at_most(patience).poll(|| finish_now(folder))?;
    Ok(finished.unwrap_or(Slot::Living))
}

/// As [`finish`]; `None`, if its process lives, or has just taken it away.
fn finish_now(folder: &Path) -> Result<Option<Slot>> {
    let place = folder.join(RECORD);
    let standing = match Standing::open(folder) {
        Ok(None) => return Ok(Some(Slot::Free)),
        Ok(Some(standing)) => standing,
        Err(_) => return Ok(Some(Slot::Foreign)),
    };
    let Some(record) = &standing.record else {
        return Ok(Some(Slot::Foreign));
    };
    if !standing.is_trusted(folder, None) {
        return Ok(Some(Slot::Foreign));
    }
    let Ok(file) = open_to_lock(&place) else {
        return Ok(None);
    };
    // Nobody else may have finished it before we had its lock.
    if is_at(&standing.file, &place) && is_dead(&file, &place)? && is_at(&file, &place) {
        complete(folder, &standing, record)?;
        return Ok(Some(Slot::Free));
    }
    Ok(None)
}

/// Whether the process that wrote it is gone: then its lock is ours. Where there are no locks, only its age tells.
fn is_dead(record: &File, place: &Path) -> Result<bool> {
    Ok(match try_lock(record, place)? {
        LockAttempt::Acquired => true,
        LockAttempt::Busy => false,
        LockAttempt::Unsupported => {
            let modified = record.metadata().and_then(|found| found.modified());
            modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > PATIENCE))
        }
    })
}

/// Does what is left of a commit.
fn complete(folder: &Path, standing: &Standing, record: &CommitRecord) -> Result<()> {
    for member in &record.members {
        let (draft, place) = (folder.join(&member.draft), folder.join(&member.name));
        let done = match standing.state(folder, member) {
            MemberState::Pending if member.old.is_none() => match rename_new(&draft, &place) {
                // Somebody else's file came first: it stays.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            },
            MemberState::Pending => fs::rename(&draft, &place),
            MemberState::Twice => fs::remove_file(&draft),
            MemberState::Over => Ok(()),
        };
        done.map_err(|cause| {
            Error::host("cannot finish what an earlier run committed", cause).in_file(&place)
        })?;
        Rollback::clear(&draft);
    }
    sync_folder(folder)?;
    let place = folder.join(RECORD);
    fs::remove_file(&place).map_err(|cause| Error::host("cannot delete", cause).in_file(&place))
}
