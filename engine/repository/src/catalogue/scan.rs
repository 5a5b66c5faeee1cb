//! `repo scan`: takes a folder in as it is. Files stay where they stand, and none of them is the repository's to delete.

mod files;

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, FileVersion, Kind, Result, parallel};
use imgdelta_operations::Disk;
use imgdelta_registry::OpenSpec;

use self::files::{Names, is_image, spelled, walk};
use super::{
    Added, Repository, Run, add::Add, import::NewImage, kinship::Link, layout::is_missing,
    listing::Listing, names::ImageId, record::Record, store::Stored, verify::SIDE_BY_SIDE,
};

/// How many images are proven before they are entered together: each holds its leaves' draft open.
const TOGETHER: usize = 64;

/// What was found in a folder.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Images that were taken in.
    pub added: Vec<Record>,
    /// Images that were recorded before and have not changed since.
    pub known: Vec<Record>,
    /// Files whose disk is that of another image here.
    pub same: Vec<(PathBuf, Record)>,
    /// Files that look like images and could not be taken in; those that were recorded and have changed since are among them.
    pub faults: Vec<(PathBuf, Error)>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Repository {
    /// Takes in every image below the repository's folder that is not recorded yet. Parents come before their children, so that of
    /// those only what they change is read.
    ///
    /// # Errors
    /// Host, if the folder cannot be read; Busy; Interrupted. What is wrong with one image is a finding, not a failure.
    pub fn scan(&self, run: &Run<'_>) -> Result<Scanned> {
        let mut scanned = Scanned::default();
        let mut listing = self.list_finished(run)?;
        let mut candidates = self.candidates(&listing, &mut scanned)?;
        candidates.sort_by(|one, two| (one.depth, &one.path).cmp(&(two.depth, &two.path)));
        let mut waiting: Vec<NewImage> = Vec::new();
        let mut depth = 0;
        let mut names = Names::of(&listing);
        let _together = run.work.progress.together();
        let mut left = candidates.as_slice();
        while let Some(first) = left.first() {
            if first.depth != depth || waiting.len() >= TOGETHER {
                if let Some(now) = self.enter_all(&mut waiting, run, &mut scanned)? {
                    listing = now;
                }
                depth = first.depth;
            }
            let most = run.work.threads.clamp(1, SIDE_BY_SIDE);
            let part = left.iter().take(most.min(TOGETHER - waiting.len()));
            let count = part.take_while(|one| one.depth == depth).count();
            let (part, later) = left.split_at(count);
            left = later;
            let read = scanned.added.iter().map(|record| record.id.clone());
            let read: HashSet<ImageId> = read.collect();
            let looked = self.prove_new(part, &listing, &read, run)?;
            for (candidate, looked) in part.iter().zip(looked) {
                let arrival = looked.and_then(|looked| {
                    self.settle(candidate, looked, &listing, &mut names, &mut scanned)
                });
                match arrival {
                    Ok(arrival) => waiting.extend(arrival),
                    Err(error) => {
                        let error = spelled(&candidate.path, error);
                        scanned.faults.push((candidate.path.clone(), error));
                    }
                }
            }
        }
        self.enter_all(&mut waiting, run, &mut scanned)?;
        self.mend_links(run, &mut scanned)?;
        // What others removed meanwhile is no file that could not be taken in.
        scanned.faults.retain(|(path, _)| !is_gone(path));
        Ok(scanned)
    }

    /// Lets children lead to their parents again, whose files stand elsewhere now.
    fn mend_links(&self, run: &Run<'_>, scanned: &mut Scanned) -> Result<()> {
        let listing = self.list()?;
        let look = self.look(&listing);
        for child in listing.records() {
            let parent = child.linked_parent().and_then(|id| listing.by_id(id));
            let Some(parent) = parent.filter(|_| look.at(child).is_present()) else {
                continue;
            };
            run.work.progress.go_on()?;
            match self.mend_link(child, parent, &listing, run) {
                Ok(Link::Right) => {}
                Ok(Link::Mended) => {
                    let place = self.paths.folder.join(child.path()?.as_path());
                    scanned.faults.retain(|(path, _)| *path != place);
                    scanned.notes.push(format!(
                        "'{}' leads to '{}' again, whose file stands elsewhere now",
                        child.name, parent.name
                    ));
                }
                Ok(Link::Left(how)) => scanned.notes.push(how),
                Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                Err(error) => {
                    let place = self.paths.folder.join(child.path()?.as_path());
                    scanned.faults.push((place, error));
                }
            }
        }
        Ok(())
    }

    /// The files that [`scan`](Self::scan) would take in or refuse: images that no record names. Nothing is written, and of each no
    /// more is read than makes it an image.
    ///
    /// # Errors
    /// Host, if the folder cannot be read.
    pub fn unrecorded(&self) -> Result<Vec<PathBuf>> {
        let listing = self.list()?;
        let mut scanned = Scanned::default();
        let candidates = self.candidates(&listing, &mut scanned)?;
        let candidates = candidates.into_iter().map(|candidate| candidate.path);
        let faults = scanned.faults.into_iter().map(|(path, _)| path);
        let mut found: Vec<PathBuf> = candidates.chain(faults).collect();
        found.retain(|path| self.record_of(path, &listing).is_none());
        found.sort();
        Ok(found)
    }

    /// All files below the repository's folder that may be images.
    ///
    /// # Errors
    /// Host, if the folder cannot be read.
    pub(super) fn image_files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        walk(&self.paths.folder, 0, &mut files)?;
        files.sort();
        Ok(files)
    }

    /// Proves images side by side, those aside that are known. None of them may be the parent of another.
    ///
    /// # Errors
    /// Interrupted. What is wrong with one image is its own.
    fn prove_new(
        &self,
        candidates: &[Candidate],
        listing: &Listing,
        read: &HashSet<ImageId>,
        run: &Run<'_>,
    ) -> Result<Vec<Result<Looked>>> {
        let one = Run {
            work: run.work.shared_by(candidates.len()),
            ..*run
        };
        let look = |candidate: &Candidate| match self.look_at_file(candidate, listing, read, &one) {
            Err(error) if error.kind() == Kind::Interrupted => Err(error),
            looked => Ok(looked),
        };
        run.work.install(|| parallel::map(candidates, look))?
    }

    /// Proves one image, unless it is known.
    fn look_at_file(
        &self,
        candidate: &Candidate,
        listing: &Listing,
        read: &HashSet<ImageId>,
        run: &Run<'_>,
    ) -> Result<Looked> {
        let spec = self.spec_of(&candidate.path, listing);
        let disk = Disk::open(&spec)?;
        if let Some(record) = self.record_of(&candidate.path, listing) {
            if self.is_untouched(record, disk.top_versions()) {
                return Ok(Looked::Known(Box::new(record.clone())));
            }
            let back = self.taken_back(record, &disk, listing, run)?;
            return Ok(Looked::Known(Box::new(back)));
        }
        Ok(Looked::New {
            notes: disk.notes(),
            stored: Box::new(self.take_in(&disk, &spec, listing, read, run)?),
            spec,
        })
    }

    /// What becomes of an image that was looked at.
    fn settle(
        &self,
        candidate: &Candidate,
        looked: Looked,
        listing: &Listing,
        names: &mut Names,
        scanned: &mut Scanned,
    ) -> Result<Option<NewImage>> {
        let (stored, spec, mut notes) = match looked {
            Looked::Known(record) => {
                scanned.known.push(*record);
                return Ok(None);
            }
            Looked::New {
                stored,
                spec,
                notes,
            } => (*stored, spec, notes),
        };
        if let Some(there) = listing.by_content(&stored.proof.id)
            && self.presence(there, listing).is_present()
        {
            scanned.same.push((candidate.path.clone(), there.clone()));
            return Ok(None);
        }
        let add = Add {
            in_place: true,
            image: spec,
            ..Add::default()
        };
        let name = names.free(&candidate.path)?;
        let arrival = self.arrival(&add, name, stored, listing, &mut notes)?;
        scanned.notes.append(&mut notes);
        Ok(Some(arrival))
    }

    /// Enters what is waiting, the lock being taken once; the records as they are then, if there was anything.
    fn enter_all(
        &self,
        waiting: &mut Vec<NewImage>,
        run: &Run<'_>,
        scanned: &mut Scanned,
    ) -> Result<Option<Listing>> {
        if waiting.is_empty() {
            return Ok(None);
        }
        let mut change = self.change(run, "scan")?;
        for arrival in waiting.drain(..) {
            let path = arrival
                .path()
                .map(|path| self.paths.folder.join(path.as_path()));
            match self.enter_in(&mut change, arrival, run) {
                Ok(Added {
                    record,
                    is_new: true,
                    ..
                }) => scanned.added.push(record),
                Ok(Added { record, .. }) => scanned.same.push((path.unwrap_or_default(), record)),
                Err(error) if error.kind() == Kind::Host && error.code() != "image_changed" => {
                    return Err(error);
                }
                Err(error) => scanned.faults.push((path.unwrap_or_default(), error)),
            }
        }
        Ok(Some(change.listing))
    }

    /// The files that are images, each once: extents of others are none.
    fn candidates(&self, listing: &Listing, scanned: &mut Scanned) -> Result<Vec<Candidate>> {
        let mut files = Vec::new();
        walk(&self.paths.folder, 0, &mut files)?;
        files.sort();
        let mut candidates = Vec::new();
        let mut extents: HashSet<(u64, u64)> = HashSet::new();
        let mut faults = Vec::new();
        for path in files {
            if !is_image(&path) && self.record_of(&path, listing).is_none() {
                continue;
            }
            match Disk::open(&self.spec_of(&path, listing)) {
                Ok(disk) => {
                    let others = disk.top_versions().iter().skip(1);
                    extents.extend(others.map(|stamp| (stamp.device, stamp.inode)));
                    let depth = disk.chain.layers().len();
                    candidates.push(Candidate { path, depth });
                }
                Err(error) => {
                    let error = spelled(&path, error);
                    faults.push((path, error));
                }
            }
        }
        let is_own = |path: &Path| {
            let stamp = FileVersion::at(path);
            !stamp.is_some_and(|stamp| extents.contains(&(stamp.device, stamp.inode)))
        };
        candidates.retain(|candidate| is_own(&candidate.path));
        let faults = faults.into_iter().filter(|(path, _)| is_own(path));
        scanned.faults.extend(faults);
        Ok(candidates)
    }

    /// How a file below the repository's folder is opened: in its recorded format, or as its name and bytes say.
    fn spec_of(&self, path: &Path, listing: &Listing) -> OpenSpec {
        let spec = OpenSpec {
            path: path.to_owned(),
            policy: self.policy(),
            ..OpenSpec::default()
        };
        self.as_recorded(&spec, listing)
    }
}

/// Whether no file stands there any more.
fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|cause| is_missing(&cause))
}

/// What was found of a file that is an image.
enum Looked {
    /// It is recorded, and has not changed since.
    Known(Box<Record>),
    /// It was proven.
    New {
        stored: Box<Stored>,
        spec: OpenSpec,
        notes: Vec<String>,
    },
}

/// A file that is an image.
#[derive(Debug)]
struct Candidate {
    path: PathBuf,
    /// How many layers its chain has.
    depth: usize,
}
