//! `verify`: images are held against their content ids. What is wrong with one is a finding, not a failure.

use std::{ops::Range, path::PathBuf, time::Duration};

use imgdelta_core::Result;
use imgdelta_operations::{Context, Stage};
use serde::Serialize;

use super::{failed::Failed, image::shown, target::Target};
use crate::catalogue::{MendedBy, Mending, Repair, Repository, Verdict, Verified};

/// Images that are to be verified.
#[derive(Clone, Debug)]
pub struct Verify {
    target: Target,
    images: Vec<String>,
    /// The repositories whose images have windows too; `None`: nothing is mended.
    repair: Option<Vec<PathBuf>>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// What was found of each image, in order of name; of images that were named, in that order.
    pub images: Vec<VerifiedImage>,
    /// What was found in all.
    #[serde(flatten)]
    pub summary: VerifySummary,
}

/// What was found of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifiedImage {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// `sound`, `damaged_leaves` (its disk is sound), `changed` or `unreadable`.
    pub verdict: &'static str,
    /// Its content id as it is now, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// How many windows of 64 KiB differ, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<u64>,
    /// Where it differs: the first runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failed>,
    /// What became of it, where images are mended and it was not what its record says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<MendedImage>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// What became of an image that was not what its record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MendedImage {
    /// Whether it is what its record says now; with a dry run: could be.
    pub mended: bool,
    /// How: `patched` (the right bytes in its files), `rewritten` (its disk anew), `relinked` (its file leads to its parent again), `leaves` (its leaf
    /// digests anew).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<&'static str>,
    /// How many windows of 64 KiB were damaged.
    pub windows: u64,
    /// The images that have the right ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<WindowsFrom>,
    /// How many windows no image has.
    pub missing_windows: u64,
    /// Where those are: the first runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Region>,
    /// Why it stays as it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failed>,
    /// Whether nothing was written.
    pub dry_run: bool,
}

/// An image that has windows which another one lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WindowsFrom {
    /// Its name.
    pub image: String,
    /// The folder of its repository, if that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// How many windows it has.
    pub windows: u64,
}

/// A run of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Region {
    /// Where it starts, in bytes of the disk.
    pub start: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

/// What was found in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifySummary {
    /// The repository's folder.
    pub repository: String,
    /// How many images are what their records say.
    pub sound: usize,
    /// How many are not.
    pub faults: usize,
    /// How many were mended, and are now; `None`, if that was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mended: Option<usize>,
    /// Records that cannot be read.
    pub records: Vec<Failed>,
}

impl VerifySummary {
    /// Whether no fault was found: neither with an image nor with a record.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.faults == 0 && self.records.is_empty()
    }
}

impl Verify {
    /// All images of the repository in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            target: Target::of(folder),
            images: Vec::new(),
            repair: None,
        }
    }

    /// Whether images that are not what their records say are made so again, from windows that other images of the repository have; `from`: and
    /// of those in these folders.
    #[must_use]
    pub fn repair(mut self, from: impl IntoIterator<Item = PathBuf>) -> Self {
        self.repair = Some(from.into_iter().collect());
        self
    }

    /// How long to wait while another process changes the repository; not at all, unless this is said.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.target.wait = wait;
        self
    }

    /// Whether it is only worked out what could be mended, and nothing is written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.target.dry_run = dry_run;
        self
    }

    /// Only these: each by its name, its id, or the first digits of that; all, if none is named.
    #[must_use]
    pub fn images(mut self, images: impl IntoIterator<Item = String>) -> Self {
        self.images = images.into_iter().collect();
        self
    }

    /// Reads the images. Without a repair nothing is written but records of images that are sound though a look at their files says otherwise, and
    /// no lock is needed.
    ///
    /// # Errors
    /// As [`Repository::open`](crate::catalogue::Repository::open), [`Repository::verify`](crate::catalogue::Repository::verify) and
    /// [`Repository::repair`](crate::catalogue::Repository::repair).
    pub fn run(&self, context: &Context) -> Result<VerifyReport> {
        let mut images = Vec::new();
        let summary = self.run_each(context, &mut |image| {
            images.push(image);
            Ok(())
        })?;
        Ok(VerifyReport { images, summary })
    }

    /// As [`run`](Self::run); each image is handed to `each` as soon as it is known, instead of being kept.
    ///
    /// # Errors
    /// As [`run`](Self::run); those of `each`, which is not called again after one.
    pub fn run_each(
        &self,
        context: &Context,
        each: &mut dyn FnMut(VerifiedImage) -> Result<()>,
    ) -> Result<VerifySummary> {
        let repository = self.target.open(context)?;
        context.begin(Stage::Verify(repository.folder()));
        let mut told = Ok(());
        let how = self.target.run(context)?;
        let report = |one: &Verified| {
            if told.is_ok() {
                told = each(VerifiedImage::of(one, self.target.dry_run));
            }
        };
        let all = match &self.repair {
            None => repository.verify(&self.images, &how, report)?,
            Some(from) => {
                let from = from.iter().map(|folder| Repository::open(folder));
                let repair = Repair {
                    from: &from.collect::<Result<Vec<_>>>()?,
                    dry_run: self.target.dry_run,
                };
                repository.repair(&self.images, repair, &how, report)?
            }
        };
        told?;
        let is_sound = |one: &&Verified| match &one.mending {
            // What could be is not.
            Some(_) if self.target.dry_run => matches!(one.verdict, Verdict::Sound),
            _ => one.is_sound(),
        };
        let sound = all.iter().filter(is_sound).count();
        let mended = all.iter().filter(|one| {
            let mending = one.mending.as_ref();
            mending.is_some_and(|mending| mending.how.is_some() && !self.target.dry_run)
        });
        let listing = repository.list()?;
        let records = listing.faults().iter().filter(|_| self.images.is_empty());
        Ok(VerifySummary {
            repository: shown(repository.folder()),
            sound,
            faults: all.len() - sound,
            mended: self.repair.is_some().then(|| mended.count()),
            records: records.map(Failed::of).collect(),
        })
    }
}

impl Region {
    const fn of(run: &Range<u64>) -> Self {
        Self {
            start: run.start,
            length: run.end.saturating_sub(run.start),
        }
    }
}

impl MendedImage {
    fn of(mending: &Mending, dry_run: bool) -> Self {
        let from = mending.from.iter().map(|one| WindowsFrom {
            image: one.image.to_string(),
            repository: one.repository.as_deref().map(shown),
            windows: one.windows,
        });
        Self {
            mended: mending.how.is_some(),
            how: mending.how.map(MendedBy::word),
            windows: mending.damaged,
            from: from.collect(),
            missing_windows: mending.missing_windows,
            missing: mending.missing.iter().map(Region::of).collect(),
            error: mending.error.as_ref().map(Failed::of),
            dry_run,
        }
    }
}

impl VerifiedImage {
    fn of(one: &Verified, dry_run: bool) -> Self {
        let mut verified = Self {
            name: one.record.name.to_string(),
            id: one.record.id.to_string(),
            verdict: "sound",
            found: None,
            windows: None,
            regions: Vec::new(),
            error: None,
            repair: one
                .mending
                .as_ref()
                .map(|one| MendedImage::of(one, dry_run)),
            notes: one.notes.clone(),
        };
        verified
            .notes
            .extend(one.mending.iter().flat_map(|one| one.notes.iter().cloned()));
        match &one.verdict {
            Verdict::Sound => {}
            Verdict::DamagedLeaves(why) => {
                verified.verdict = "damaged_leaves";
                let note = format!(
                    "its leaf digests are damaged: {why}; 'imgdelta repo verify --repair' makes them anew"
                );
                verified.notes.push(note);
            }
            Verdict::Changed {
                found,
                regions,
                windows,
            } => {
                verified.verdict = "changed";
                verified.found = Some(found.to_string());
                verified.windows = Some(*windows).filter(|windows| *windows > 0);
                verified.regions = regions.iter().map(Region::of).collect();
            }
            Verdict::Unreadable(error) => {
                verified.verdict = "unreadable";
                verified.error = Some(Failed::of(error));
            }
        }
        verified
    }
}
