//! `verify`: images are held against their content ids. What is wrong with one is a finding, not a failure.

use std::path::PathBuf;

use imgdelta_core::Result;
use imgdelta_operations::{Context, Stage};
use serde::Serialize;

use super::{failed::Failed, image::shown, target::Target};
use crate::catalogue::{Verdict, Verified};

/// Images that are to be verified.
#[derive(Clone, Debug)]
pub struct Verify {
    target: Target,
    images: Vec<String>,
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
    /// What the user should know.
    pub notes: Vec<String>,
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
        }
    }

    /// Only these: each by its name, its id, or the first digits of that; all, if none is named.
    #[must_use]
    pub fn images(mut self, images: impl IntoIterator<Item = String>) -> Self {
        self.images = images.into_iter().collect();
        self
    }

    /// Reads the images. Nothing is written, and no lock is needed.
    ///
    /// # Errors
    /// As [`Repository::open`](crate::catalogue::Repository::open) and [`Repository::verify`](crate::catalogue::Repository::verify).
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
        let all = repository.verify(&self.images, &how, |one| {
            if told.is_ok() {
                told = each(VerifiedImage::of(one));
            }
        })?;
        told?;
        let sound = all.iter().filter(|one| one.is_sound()).count();
        let listing = repository.list()?;
        let records = listing.faults().iter().filter(|_| self.images.is_empty());
        Ok(VerifySummary {
            repository: shown(repository.folder()),
            sound,
            faults: all.len() - sound,
            records: records.map(Failed::of).collect(),
        })
    }
}

impl VerifiedImage {
    fn of(one: &Verified) -> Self {
        let mut verified = Self {
            name: one.record.name.to_string(),
            id: one.record.id.to_string(),
            verdict: "sound",
            found: None,
            windows: None,
            regions: Vec::new(),
            error: None,
            notes: one.notes.clone(),
        };
        match &one.verdict {
            Verdict::Sound => {}
            Verdict::DamagedLeaves(why) => {
                verified.verdict = "damaged_leaves";
                let note =
                    format!("its leaf digests are damaged: {why}; adding it again makes them anew");
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
                let regions = regions.iter().map(|region| Region {
                    start: region.start,
                    length: region.end.saturating_sub(region.start),
                });
                verified.regions = regions.collect();
            }
            Verdict::Unreadable(error) => {
                verified.verdict = "unreadable";
                verified.error = Some(Failed::of(error));
            }
        }
        verified
    }
}
