//! Several files that get their names together: a process that is killed at any moment leaves all old ones or all new ones.
//!
//! What makes that so is the record of [`commit_record`](super::commit_record): written when all drafts are whole and durable, taken away
//! when all have their names. Readers follow it; whoever writes there next finishes what it says.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    commit_record::{CommitRecord, Member, RECORD, Trace},
    draft::{ANYONE, create_beside},
    folder::{folder_of, sync_folder},
    immutable,
    placement::rename_new,
    recovery::{PATIENCE, Slot, busy, finish, wait_for},
    rollback::Rollback,
};
use crate::{Error, FileVersion, Kind, Result};

/// A draft that is whole, durable and about to get its name.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    /// Where it stands.
    pub(crate) draft: PathBuf,
    /// Where it goes.
    pub(crate) place: PathBuf,
    /// Whether it may replace what stands there.
    pub(crate) replaces: bool,
    /// Of which file it is a new version: no other one is replaced.
    pub(crate) over: Option<FileVersion>,
}

/// Why a set did not get its names.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What went wrong.
    pub(crate) error: Error,
    /// Whether the new files are read all the same, for what was done could not be undone: drafts that have no names yet are needed.
    pub(crate) is_committed: bool,
}

/// Gives drafts their names, in this order, all or none.
///
/// # Errors
/// Usage, if something took a place meanwhile; Busy, if another process is giving names there and does not end; Host, if the host cannot.
/// What stood in the places stands there again then, as far as the host lets us.
pub(crate) fn commit(files: &[Whole]) -> std::result::Result<(), Failed> {
    let failed = |error| Failed {
        error,
        is_committed: false,
    };
    let record = match files {
        [] => return Ok(()),
        [one] => {
            wait_for(&one.place).map_err(failed)?;
            None
        }
        [first, ..] => {
            let folder = folder_of(&first.place);
            let is_one_folder = files.iter().all(|file| folder_of(&file.place) == folder);
            match is_one_folder {
                true => Recorded::write(folder, files).map_err(failed)?,
                false => None,
            }
        }
    };
    let mut placed = Vec::new();
    let done = place_all(files, &mut placed);
    if let Err(error) = done {
        // A later file needs the earlier ones: where one stays, so do they.
        let is_recorded = record.is_some();
        let mut undone = placed.iter().rev().map(|one| one.undo(is_recorded));
        let is_undone = undone.all(|one| one.is_ok());
        let is_committed = match &record {
            // Read by its record, the set is the new one until that is gone.
            Some(record) => !is_undone || record.remove().is_err(),
            None => !is_undone && placed.len() == files.len(),
        };
        if is_committed && is_recorded {
            placed.into_iter().for_each(Rollback::abandon);
        } else if is_recorded && let Some(first) = files.first() {
            // Neither the record nor a rename must come back.
            let _ = sync_folder(folder_of(&first.place));
        }
        return Err(Failed {
            error,
            is_committed,
        });
    }
    drop(placed);
    if let Some(record) = record {
        // A record of files that all have their names does no harm.
        let _ = record.remove();
    }
    Ok(())
}

fn place_all(files: &[Whole], placed: &mut Vec<Rollback>) -> Result<()> {
    for file in files {
        placed.push(place_one(file)?);
    }
    let mut folders: Vec<&Path> = files.iter().map(|file| folder_of(&file.place)).collect();
    folders.dedup();
    folders.into_iter().try_for_each(sync_folder)
}

/// Gives one draft its name.
fn place_one(file: &Whole) -> Result<Rollback> {
    let Whole { draft, place, .. } = file;
    if let Some(over) = &file.over
        && FileVersion::at(place).as_ref() != Some(over)
    {
        return Err(replaced(place));
    }
    let is_taken = file.replaces && fs::symlink_metadata(place).is_ok();
    let rollback = Rollback::over(place, draft, is_taken);
    let renamed = match file.replaces {
        true => fs::rename(draft, place),
        false => rename_new(draft, place),
    };
    match renamed {
        Ok(()) => Ok(rollback),
        Err(cause) if !file.replaces && cause.kind() == io::ErrorKind::AlreadyExists => {
            Err(appeared(place))
        }
        Err(_) if file.replaces && immutable::is_immutable(place) => Err(immutable::refused(place)),
        Err(cause) => Err(Error::host("cannot rename into place", cause).in_file(place)),
    }
}

fn appeared(place: &Path) -> Error {
    Error::new(Kind::Usage, "appeared while it was being written")
        .with_code("exists")
        .in_file(place)
}

/// What to say of a file that is not the one that was opened any more.
pub(crate) fn replaced(place: &Path) -> Error {
    Error::new(
        Kind::Host,
        "was changed or replaced since it was opened; what stands there now stays",
    )
    .with_code("input_changed")
    .in_file(place)
    .with_hint("run the command once more")
}

/// A record that stands in its folder and is ours.
#[derive(Debug)]
struct Recorded {
    place: PathBuf,
    /// Its lock says that we live.
    _file: File,
}

impl Recorded {
    /// Writes down, durably, that these drafts are whole and get their names. `None`, if something stands there that is not ours: then they
    /// get their names one after another, with nothing to follow if we are killed.
    fn write(folder: &Path, files: &[Whole]) -> Result<Option<Self>> {
        let place = folder.join(RECORD);
        loop {
            match finish(folder, PATIENCE)? {
                Slot::Living => return Err(busy(&place)),
                Slot::Foreign => return Ok(None),
                Slot::Free => {}
            }
            let members = files.iter().map(member_of).collect::<Result<_>>()?;
            let text = CommitRecord { members }.text();
            let (draft, mut file) = create_beside(&place, ANYONE)?;
            let written = file
                .write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(|cause| Error::host("cannot write", cause).in_file(&place));
            // The drafts' own names must be durable before the record that speaks of them.
            let named = written
                .and_then(|()| sync_folder(folder))
                .and_then(|()| match rename_new(&draft, &place) {
                    Ok(()) => Ok(true),
                    Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                    Err(cause) => {
                        Err(Error::host("cannot rename into place", cause).in_file(&place))
                    }
                });
            if !matches!(named, Ok(true)) {
                let _ = fs::remove_file(&draft);
            }
            if named? {
                let recorded = Self { place, _file: file };
                if let Err(error) = sync_folder(folder) {
                    let _ = recorded.remove();
                    return Err(error);
                }
                return Ok(Some(recorded));
            }
        }
    }

    fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.place)
    }
}

/// One file as it is recorded.
fn member_of(file: &Whole) -> Result<Member> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_owned();
    let written = fs::symlink_metadata(&file.draft)
        .map_err(|cause| Error::host("cannot look at", cause).in_file(&file.draft))?;
    let old = fs::symlink_metadata(&file.place).ok();
    if old.is_some() && !file.replaces {
        return Err(appeared(&file.place));
    }
    Ok(Member {
        draft: name(&file.draft),
        written: Trace::of(&written),
        name: name(&file.place),
        old: old.as_ref().map(Trace::of),
    })
}

#[cfg(test)]
mod tests;
