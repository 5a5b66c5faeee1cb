//! `repo scan`: the images that stand in the repository's folder are taken in as they are.

use std::sync::atomic::Ordering;

use imgdelta_core::Result;
use serde::Serialize;

use super::{Failed, Image, failure};
use crate::{
    commands::{Outcome, Run, shown},
    job::Manner,
};

/// What was found in a folder.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Scanned {
    /// The repository's folder.
    pub(crate) repository: String,
    /// Images that were taken in.
    pub(crate) added: Vec<Image>,
    /// How many were recorded before and have not changed since.
    pub(crate) known: usize,
    /// Files whose disk is that of another image.
    pub(crate) same: Vec<Same>,
    /// What could not be taken in.
    pub(crate) failed: Vec<Left>,
    /// With `--dry-run`: the files that would be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) found: Vec<String>,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// A file whose disk is that of another image.
#[derive(Debug, Serialize)]
pub(crate) struct Same {
    /// The file.
    pub(crate) path: String,
    /// The name of the image.
    pub(crate) image: String,
}

/// A file that looks like an image and could not be taken in.
#[derive(Debug, Serialize)]
pub(crate) struct Left {
    /// The file.
    pub(crate) path: String,
    /// Why.
    pub(crate) error: Failed,
}

impl Outcome for Scanned {
    const SCHEMA: &'static str = "imgdelta/repo-scan/1";

    fn exit(&self) -> u8 {
        self.failed.first().map_or(0, |failed| failed.error.exit)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Takes in what stands in the repository's folder.
pub(crate) fn scan(manner: Manner, run: &Run<'_>) -> Result<Scanned> {
    let repository = run.repository()?;
    run.showing
        .phase(format!("scan {}", repository.folder().display()));
    if manner.dry_run {
        let found = repository.unrecorded()?;
        return Ok(Scanned {
            repository: shown(repository.folder()),
            known: repository.list()?.len(),
            found: found.iter().map(|path| shown(path)).collect(),
            dry_run: true,
            ..Scanned::default()
        });
    }
    let before = repository.list()?.len();
    let scanned = repository.scan(&run.catalogue(manner.wait)?);
    let listing = repository.list()?;
    // If it is cut short now, what came in before is there.
    let has_begun = listing.len() > before;
    run.begun.store(has_begun, Ordering::Relaxed);
    let scanned = scanned?;
    let same = scanned.same.iter().map(|(path, record)| Same {
        path: shown(path),
        image: record.name.to_string(),
    });
    let failed = scanned.faults.iter();
    Ok(Scanned {
        repository: shown(repository.folder()),
        added: scanned
            .added
            .iter()
            .map(|record| Image::of(record, &listing))
            .collect(),
        known: scanned.known.len(),
        same: same.collect(),
        failed: failed
            .map(|(path, error)| Left {
                path: shown(path),
                error: failure(error, run),
            })
            .collect(),
        found: Vec::new(),
        dry_run: false,
        notes: scanned.notes,
    })
}
