//! `repo gc`: what killed processes left behind goes. No image and no record is touched.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, DirEntry, File},
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use imgdelta_core::{
    Error, LockAttempt, Removals, Result,
    fs::{DeadDraft, DraftKind, draft_kind, finish_commits},
    try_lock,
};
use rustix::fs::OFlags;

use super::{Repository, Run, listing::Listing, lock_owner::LockOwner, rooms::is_missing};

/// How long what a deployment has received so far is kept.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What was swept away.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Files that were removed.
    pub removed: Vec<PathBuf>,
    /// How many bytes they had.
    pub bytes: u64,
}

/// Files that go, or are only counted.
#[derive(Debug, Default)]
struct Sweep {
    swept: Swept,
    /// `None`, if they are only counted.
    removals: Option<Removals>,
}

/// Something that goes: a lock on it, where there is one, keeps others from taking it meanwhile.
#[derive(Debug)]
struct Dead {
    _lock: Option<File>,
    _draft: Option<DeadDraft>,
}

impl Dead {
    /// It goes, if it is so.
    fn if_so(goes: bool) -> Option<Self> {
        goes.then_some(Self {
            _lock: None,
            _draft: None,
        })
    }
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
        let sweep = Sweep {
            removals: Some(Removals::default()),
            ..Sweep::default()
        };
        self.sweep(&change.listing, sweep)
    }

    /// What [`gc`](Self::gc) would remove now. Nothing is removed, and no lock is needed.
    ///
    /// # Errors
    /// Host, if the host cannot list it.
    pub fn garbage(&self) -> Result<Swept> {
        self.sweep(&self.list()?, Sweep::default())
    }

    fn sweep(&self, listing: &Listing, mut sweep: Sweep) -> Result<Swept> {
        // Of a record that cannot be read nobody knows which leaves it needs.
        if listing.faults().is_empty() {
            let records = listing.records();
            let needed: HashSet<PathBuf> = records
                .iter()
                .map(|record| self.rooms.leaves(&record.content_id))
                .collect();
            sweep.folder(&self.rooms.leaves_folder(), |entry| {
                let place = entry.path();
                Ok(Dead::if_so(is_leaves(&place) && !needed.contains(&place)))
            })?;
        }
        // What is replaced in these folders is replaced under the lock, which is ours now.
        let guarded = [
            self.rooms.images(),
            self.rooms.entering(),
            self.rooms.leaves_folder(),
        ];
        for folder in &guarded {
            sweep.folder(folder, |entry| dead_draft(entry, |_| true))?;
        }
        for folder in [&self.rooms.own_folder(), &self.rooms.folder] {
            sweep.folder(folder, |entry| dead_draft(entry, is_old))?;
        }
        sweep.folder(&self.rooms.own_folder(), |entry| {
            Ok(Dead::if_so(is_dead_claim(entry)))
        })?;
        sweep.old(&self.rooms.incoming())?;
        sweep.end()
    }
}

impl Sweep {
    /// Removes the files of a folder that are to go.
    fn folder(
        &mut self,
        folder: &Path,
        goes: impl Fn(&DirEntry) -> Result<Option<Dead>>,
    ) -> Result<()> {
        for entry in entries(folder)? {
            // Links are nothing that a repository makes.
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && let Some(dead) = goes(&entry)? {
                self.remove(&entry.path())?;
                drop(dead);
            }
        }
        Ok(())
    }

    /// Removes old files below a folder, and the folders that are empty then. One in which a conversation holds its lock is left alone.
    fn old(&mut self, folder: &Path) -> Result<()> {
        for entry in entries(folder)? {
            let place = entry.path();
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if is_old(&place) {
                    self.remove(&place)?;
                }
                continue;
            }
            let mut old = entries(&place)?;
            old.retain(|inner| {
                inner.file_type().is_ok_and(|kind| kind.is_file()) && is_old(&inner.path())
            });
            if old.is_empty() && !is_old(&place) {
                continue;
            }
            let Some(unused) = unused(&place)? else {
                continue;
            };
            for inner in old {
                self.remove(&inner.path())?;
            }
            if let Some(removals) = &mut self.removals {
                removals.remove_empty_folder(&place);
            }
            drop(unused);
        }
        Ok(())
    }

    /// Removes a file and counts it.
    fn remove(&mut self, place: &Path) -> Result<()> {
        let bytes = fs::symlink_metadata(place).map_or(0, |metadata| metadata.len());
        if let Some(removals) = &mut self.removals {
            removals.remove_regular(place)?;
        }
        self.swept.bytes = self.swept.bytes.saturating_add(bytes);
        self.swept.removed.push(place.to_owned());
        Ok(())
    }

    /// What went, for good.
    fn end(self) -> Result<Swept> {
        if let Some(mut removals) = self.removals {
            removals.sync()?;
        }
        Ok(self.swept)
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

/// Whether it is a file of leaves that a repository made: called as a content id, and beginning as such files do.
fn is_leaves(place: &Path) -> bool {
    const MAGIC: &[u8; 15] = b"imgdelta leaves";
    let stem = place.file_stem().and_then(OsStr::to_str);
    let is_named = place.extension() == Some(OsStr::new("leaves"))
        && stem.is_some_and(|stem| stem.len() == 64 && stem.bytes().all(|c| c.is_ascii_hexdigit()));
    let mut begins = [0; MAGIC.len()];
    is_named
        && open_regular(place).is_some_and(|mut file| file.read_exact(&mut begins).is_ok())
        && begins == *MAGIC
}

/// Opens a regular file to be read; no link is followed.
fn open_regular(place: &Path) -> Option<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(place);
    let file = opened.ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// A draft that is nobody's, locked: a lock ends with its process, and a run that takes the draft over now does not lose it. Of what a draft
/// replaced there may be a second name, which is needed for the blink of an eye: `is_over` says whether that has passed.
fn dead_draft(entry: &DirEntry, is_over: impl Fn(&Path) -> bool) -> Result<Option<Dead>> {
    let place = entry.path();
    match draft_kind(&entry.file_name()) {
        None => return Ok(None),
        Some(DraftKind::Kept) => return Ok(Dead::if_so(is_over(&place))),
        Some(DraftKind::Draft) => {}
    }
    let found = DeadDraft::find(&place, KEPT)?;
    Ok(found.map(|draft| Dead {
        _lock: None,
        _draft: Some(draft),
    }))
}

/// A folder of what came in, if no conversation holds the lock in it; where there are no locks, its age is all that tells.
fn unused(folder: &Path) -> Result<Option<Dead>> {
    let place = folder.join(".lock");
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = File::options()
        .read(true)
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(&place);
    let Ok(file) = opened else {
        return Ok(Dead::if_so(true));
    };
    Ok(match try_lock(&file, &place)? {
        LockAttempt::Acquired => Some(Dead {
            _lock: Some(file),
            _draft: None,
        }),
        LockAttempt::Busy => None,
        LockAttempt::Unsupported => Dead::if_so(true),
    })
}

/// Whether it was made by a process that died while it took a lock file, or took one over. Ours is `lock.held`, and nobody else's is of use.
fn is_dead_claim(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    let is_claim = name.as_encoded_bytes().starts_with(b"lock.") && name != "lock.held";
    let place = entry.path();
    is_claim && (is_old(&place) || LockOwner::read(&place).is_some_and(|owner| owner.is_dead()))
}

/// Whether nobody has written to it for long.
fn is_old(place: &Path) -> bool {
    let modified = fs::symlink_metadata(place).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > KEPT))
}
