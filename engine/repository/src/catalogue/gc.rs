//! `repo gc`: what killed processes left behind goes. No image and no record is touched.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, DirEntry, File},
    path::{Path, PathBuf},
    time::Duration,
};

use imgdelta_core::{
    Error, Result,
    fs::{DraftKind, draft_kind, finish_commits, is_listed},
};

use super::{
    Repository, Run,
    listing::Listing,
    rooms::{self, is_missing},
};

/// How long what a deployment has received so far is kept.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What was swept away.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Files that were removed.
    pub removed: Vec<PathBuf>,
    /// How many bytes they had.
    pub bytes: u64,
    /// Whether they are only counted.
    is_foreseen: bool,
}

impl Repository {
    /// Removes leaf digests of disks that are not here, drafts of processes that are dead, and what a deployment began to receive more
    /// than [`KEPT`] ago.
    ///
    /// # Errors
    /// Busy, if another process changes the repository; Host, if the host cannot.
    pub fn gc(&self, run: &Run<'_>) -> Result<Swept> {
        let change = self.change(run, "gc")?;
        finish_commits(&self.rooms.folder)?;
        self.sweep(&change.listing, Swept::default())
    }

    /// What [`gc`](Self::gc) would remove now. Nothing is removed, and no lock is needed.
    ///
    /// # Errors
    /// Host, if the host cannot list it.
    pub fn garbage(&self) -> Result<Swept> {
        let nothing = Swept {
            is_foreseen: true,
            ..Swept::default()
        };
        self.sweep(&self.list()?, nothing)
    }

    fn sweep(&self, listing: &Listing, mut swept: Swept) -> Result<Swept> {
        // Of a record that cannot be read nobody knows which leaves it needs.
        if listing.faults().is_empty() {
            let records = listing.records();
            let needed: HashSet<PathBuf> = records
                .iter()
                .map(|record| self.rooms.leaves(&record.content_id))
                .collect();
            swept.sweep(&self.rooms.leaves_folder(), |entry| {
                is_leaves(&entry.path()) && !needed.contains(&entry.path())
            })?;
        }
        // What is replaced in these folders is replaced under the lock, which is ours now.
        let guarded = [
            self.rooms.images(),
            self.rooms.entering(),
            self.rooms.leaves_folder(),
        ];
        for folder in &guarded {
            swept.sweep(folder, |entry| is_dead_draft(entry, |_| true))?;
        }
        for folder in [&self.rooms.own_folder(), &self.rooms.folder] {
            swept.sweep(folder, |entry| is_dead_draft(entry, is_old))?;
        }
        // Who takes over a lock writes it beside first.
        swept.sweep(&self.rooms.own_folder(), |entry| {
            let name = entry.file_name();
            let is_beside = name.as_encoded_bytes().starts_with(b"lock.") && name != "lock.held";
            is_beside && is_old(&entry.path())
        })?;
        swept.sweep_old(&self.rooms.incoming())?;
        Ok(swept)
    }
}

impl Swept {
    /// Removes the files of a folder that are to go.
    fn sweep(&mut self, folder: &Path, goes: impl Fn(&DirEntry) -> bool) -> Result<()> {
        for entry in entries(folder)? {
            // Links are nothing that a repository makes.
            if entry.file_type().is_ok_and(|kind| kind.is_file()) && goes(&entry) {
                self.remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes old files below a folder, and the folders that are empty then.
    fn sweep_old(&mut self, folder: &Path) -> Result<()> {
        for entry in entries(folder)? {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                // Looked at before it changes: what is removed from a folder makes it young.
                let mut goes = is_old(&entry.path());
                for inner in entries(&entry.path())? {
                    let is_file = inner.file_type().is_ok_and(|kind| kind.is_file());
                    if is_file && is_old(&inner.path()) {
                        self.remove(&inner.path())?;
                        goes = true;
                    }
                }
                if goes && !self.is_foreseen {
                    // It goes only if it is empty.
                    let _ = fs::remove_dir(entry.path());
                }
            } else if is_old(&entry.path()) {
                self.remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes a file and counts it.
    fn remove(&mut self, place: &Path) -> Result<()> {
        let bytes = fs::symlink_metadata(place).map_or(0, |metadata| metadata.len());
        if !self.is_foreseen {
            rooms::remove(place)?;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.removed.push(place.to_owned());
        Ok(())
    }
}

/// What stands in a folder, in order of name; nothing, if there is none.
fn entries(folder: &Path) -> Result<Vec<DirEntry>> {
    let failed = |cause| Error::host("cannot list", cause).in_file(folder);
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(cause) if is_missing(&cause) => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    };
    let mut entries = listed.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

/// Whether it is a file of leaves, and no draft of one.
fn is_leaves(place: &Path) -> bool {
    place.extension() == Some(OsStr::new("leaves"))
        && !place
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether it is a draft and nobody holds its lock: a lock ends with its process. Of what a draft replaced there may be a second name,
/// which is needed for the blink of an eye: `is_over` says whether that has passed.
fn is_dead_draft(entry: &DirEntry, is_over: impl Fn(&Path) -> bool) -> bool {
    match draft_kind(&entry.file_name()) {
        None => return false,
        Some(DraftKind::Kept) => return is_over(&entry.path()),
        Some(DraftKind::Draft) => {}
    }
    // It was committed, and has only not got its name yet.
    if is_listed(
        entry.path().parent().unwrap_or(Path::new(".")),
        &entry.file_name(),
    ) {
        return false;
    }
    let file = File::options().read(true).write(true).open(entry.path());
    match file.map(|file| file.try_lock()) {
        Ok(Ok(())) => true,
        Ok(Err(fs::TryLockError::WouldBlock)) | Err(_) => false,
        // Where there are no locks, only its age tells.
        Ok(Err(fs::TryLockError::Error(_))) => is_old(&entry.path()),
    }
}

/// Whether nobody has written to it for long.
fn is_old(place: &Path) -> bool {
    let modified = fs::symlink_metadata(place).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > KEPT))
}
