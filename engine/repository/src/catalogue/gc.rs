//! `repo gc`: what killed processes left behind goes. No image and no record is touched.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::{OsStr, OsString},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use imgdelta_core::{
    Error, HeldFolder, HeldPlace, LockAttempt, Result,
    fs::{DeadDraft, DraftKind, draft_kind, finish_commits},
    try_lock,
};
use imgdelta_delta::ContentId;

use super::{
    Repository, Run,
    layout::{is_missing, reduced_name},
    listing::Listing,
    lock_owner::LockOwner,
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
}

/// Files that go, or are only counted.
#[derive(Debug, Default)]
struct Sweep {
    swept: Swept,
    /// The folders that are to be synced, by their paths; `None`, if files are only counted.
    changed: Option<BTreeMap<PathBuf, HeldFolder>>,
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
    /// Removes leaf digests of disks that are not here, what is known of reduced images that cannot be read any more, drafts of processes that are dead, and what a deployment began to receive more
    /// than [`KEPT`] ago.
    ///
    /// # Errors
    /// Busy, if another process changes the repository; Host, if the host cannot.
    pub fn gc(&self, run: &Run<'_>) -> Result<Swept> {
        let change = self.change(run, "gc")?;
        finish_commits(&self.paths.folder)?;
        let sweep = Sweep {
            changed: Some(BTreeMap::new()),
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
        let leaves = self.paths.leaves_folder()?;
        // Of a record that cannot be read nobody knows which leaves it needs.
        if let Some(leaves) = &leaves
            && listing.faults().is_empty()
        {
            let reduced = self.reduced_in_use(listing)?;
            let needed = self.needed_leaves(listing, &reduced)?;
            sweep.folder(leaves, |place| {
                let is_needed = needed.contains(place.name());
                Ok(Dead::if_so(!is_needed && is_leaves(place)))
            })?;
            if let Some(folder) = self.paths.reduced_folder()? {
                let needed: HashSet<OsString> =
                    reduced.iter().map(|id| reduced_name(id).into()).collect();
                sweep.folder(&folder, |place| {
                    Ok(Dead::if_so(
                        !needed.contains(place.name()) && is_reduced(place),
                    ))
                })?;
            }
        }
        // What is replaced in these folders is replaced under the lock, which is ours now.
        let reduced = self.paths.reduced_folder()?;
        let guarded = [
            self.paths.images()?,
            self.paths.entering()?,
            leaves,
            reduced,
        ];
        for folder in guarded.iter().flatten() {
            sweep.folder(folder, |place| dead_draft(place, |_| true))?;
        }
        let own = self.paths.own_folder();
        sweep.folder(own, |place| dead_draft(place, is_old))?;
        match HeldFolder::open(&self.paths.folder) {
            Ok(folder) => sweep.folder(&folder, |place| dead_draft(place, is_old))?,
            Err(cause) if is_missing(&cause) => {}
            Err(cause) => return Err(cannot_list(cause, &self.paths.folder)),
        }
        sweep.folder(own, |place| Ok(Dead::if_so(is_dead_claim(place))))?;
        if let Some(incoming) = self.paths.incoming_there()? {
            sweep.old(&incoming)?;
        }
        sweep.end()
    }

    /// The names of the leaf files that the records, and reduced images of them, need.
    fn needed_leaves(&self, listing: &Listing, reduced: &[ContentId]) -> Result<HashSet<OsString>> {
        let mut needed = HashSet::new();
        let records = listing.records().into_iter();
        let contents = records.map(|record| &record.content_id).chain(reduced);
        for content in contents {
            let place = self.paths.leaves(content)?;
            needed.extend(place.map(|place| place.name().to_owned()));
        }
        Ok(needed)
    }
}

impl Sweep {
    /// Removes the files of a folder that are to go.
    fn folder(
        &mut self,
        folder: &HeldFolder,
        goes: impl Fn(&HeldPlace) -> Result<Option<Dead>>,
    ) -> Result<()> {
        for place in places(folder)? {
            // Links are nothing that a repository makes.
            if is_file(&place)
                && let Some(dead) = goes(&place)?
            {
                self.remove(&place)?;
                drop(dead);
            }
        }
        Ok(())
    }

    /// Removes old files below a folder, and the folders that are empty then. One in which a conversation holds its lock is left alone.
    fn old(&mut self, folder: &HeldFolder) -> Result<()> {
        for place in places(folder)? {
            // A link is no folder, and where it leads is not looked at.
            let Ok(inner) = place.open_folder() else {
                if is_old(&place) {
                    self.remove(&place)?;
                }
                continue;
            };
            let mut old = places(&inner)?;
            old.retain(|inner| is_file(inner) && is_old(inner));
            if old.is_empty() && !is_old(&place) {
                continue;
            }
            let Some(unused) = unused(&inner)? else {
                continue;
            };
            for inner in old {
                self.remove(&inner)?;
            }
            if let Some(changed) = &mut self.changed
                && place.remove_folder().is_ok()
            {
                changed.remove(inner.path());
                changed.insert(folder.path().to_owned(), folder.clone());
            }
            drop(unused);
        }
        Ok(())
    }

    /// Removes a regular file and counts it.
    fn remove(&mut self, place: &HeldPlace) -> Result<()> {
        let found = place.metadata().ok();
        let bytes = found.as_ref().map_or(0, |metadata| metadata.len());
        if let Some(changed) = &mut self.changed {
            if found.is_none_or(|metadata| metadata.is_file()) {
                match place.remove() {
                    Err(cause) if !is_missing(&cause) => {
                        return Err(Error::host("cannot remove", cause).in_file(&place.path()));
                    }
                    _ => {}
                }
            }
            let folder = place.folder();
            changed.insert(folder.path().to_owned(), folder.clone());
        }
        self.swept.bytes = self.swept.bytes.saturating_add(bytes);
        self.swept.removed.push(place.path());
        Ok(())
    }

    /// What went, for good.
    fn end(self) -> Result<Swept> {
        for folder in self.changed.unwrap_or_default().values() {
            folder.sync()?;
        }
        Ok(self.swept)
    }
}

/// What stands in a folder, in order of name.
fn places(folder: &HeldFolder) -> Result<Vec<HeldPlace>> {
    folder
        .places()
        .map_err(|cause| cannot_list(cause, folder.path()))
}

fn cannot_list(cause: std::io::Error, folder: &Path) -> Error {
    Error::host("cannot list", cause).in_file(folder)
}

/// Whether a regular file stands there.
fn is_file(place: &HeldPlace) -> bool {
    place.metadata().is_ok_and(|metadata| metadata.is_file())
}

/// Whether it is a file of leaves that a repository made: called as a content id, and beginning as such files do.
fn is_leaves(place: &HeldPlace) -> bool {
    const MAGIC: &[u8; 15] = b"imgdelta leaves";
    let name = Path::new(place.name());
    let stem = name.file_stem().and_then(OsStr::to_str);
    let is_named = name.extension() == Some(OsStr::new("leaves"))
        && stem.is_some_and(|stem| stem.len() == 64 && stem.bytes().all(|c| c.is_ascii_hexdigit()));
    let mut begins = [0; MAGIC.len()];
    is_named
        && open_regular(place).is_some_and(|mut file| file.read_exact(&mut begins).is_ok())
        && begins == *MAGIC
}

/// Whether it is called as what is known of a reduced image.
fn is_reduced(place: &HeldPlace) -> bool {
    let name = Path::new(place.name());
    let stem = name.file_stem().and_then(OsStr::to_str);
    name.extension() == Some(OsStr::new("json"))
        && stem.is_some_and(|stem| stem.len() == 64 && stem.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// Opens a regular file to be read; no link is followed.
fn open_regular(place: &HeldPlace) -> Option<File> {
    let file = place.open_to_read().ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// A draft that is nobody's, locked: a lock ends with its process, and a run that takes the draft over now does not lose it. Of what a draft
/// replaced there may be a second name, which is needed for the blink of an eye: `is_over` says whether that has passed.
fn dead_draft(place: &HeldPlace, is_over: impl Fn(&HeldPlace) -> bool) -> Result<Option<Dead>> {
    match draft_kind(place.name()) {
        None => return Ok(None),
        Some(DraftKind::Kept) => return Ok(Dead::if_so(is_over(place))),
        Some(DraftKind::Draft) => {}
    }
    let found = DeadDraft::find_in(place, KEPT)?;
    Ok(found.map(|draft| Dead {
        _lock: None,
        _draft: Some(draft),
    }))
}

/// A folder of what came in, if no conversation holds the lock in it; where there are no locks, its age is all that tells.
fn unused(folder: &HeldFolder) -> Result<Option<Dead>> {
    let place = folder.place(".lock");
    let Ok(file) = place.open_to_write() else {
        return Ok(Dead::if_so(true));
    };
    Ok(match try_lock(&file, &place.path())? {
        LockAttempt::Acquired => Some(Dead {
            _lock: Some(file),
            _draft: None,
        }),
        LockAttempt::Busy => None,
        LockAttempt::Unsupported => Dead::if_so(true),
    })
}

/// Whether it was made by a process that died while it took a lock file, or took one over. Ours is `lock.held`, and nobody else's is of use.
fn is_dead_claim(place: &HeldPlace) -> bool {
    let name = place.name();
    let is_claim = name.as_encoded_bytes().starts_with(b"lock.") && name != "lock.held";
    is_claim && (is_old(place) || LockOwner::read(place).is_some_and(|owner| owner.is_dead()))
}

/// Whether nobody has written to it for long.
fn is_old(place: &HeldPlace) -> bool {
    let modified = place.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > KEPT))
}
