//! `repo verify`: images are held against their content ids. What is wrong with one is a finding, not a failure.

use imgdelta_core::Result;
use imgdelta_repository::catalogue;
use serde::Serialize;

use super::{Failed, failure};
use crate::commands::{Outcome, Run, shown};

/// What was found of one image.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    /// Its name.
    pub(crate) name: String,
    /// Its id.
    pub(crate) id: String,
    /// `sound`, `changed` or `unreadable`.
    pub(crate) verdict: &'static str,
    /// Its content id as it is now, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<String>,
    /// How many windows of 64 KiB differ, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) windows: Option<u64>,
    /// Where it differs: the first runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) regions: Vec<Region>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Failed>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// A run of a disk.
#[derive(Debug, Serialize)]
pub(crate) struct Region {
    /// Where it starts.
    pub(crate) start: u64,
    /// How long it is.
    pub(crate) length: u64,
}

/// What was found in all.
#[derive(Debug, Serialize)]
pub(crate) struct Verdicts {
    /// The repository's folder.
    pub(crate) repository: String,
    /// How many images are what their records say.
    pub(crate) sound: usize,
    /// How many are not.
    pub(crate) faults: usize,
    /// Records that cannot be read.
    pub(crate) records: Vec<Failed>,
}

impl Outcome for Verdicts {
    const SCHEMA: &'static str = "imgdelta/repo-verify/1";

    fn exit(&self) -> u8 {
        u8::from(self.faults > 0 || !self.records.is_empty())
    }
}

/// Holds images against their content ids, `words` or all; each is handed to `row` as soon as it is known.
pub(crate) fn verify(
    words: &[String],
    run: &Run<'_>,
    row: &mut dyn FnMut(Verified) -> Result<()>,
) -> Result<Verdicts> {
    run.signals.may_end_at_once(true);
    let repository = run.repository()?;
    run.showing
        .phase(format!("verify {}", repository.folder().display()));
    let mut told = Ok(());
    let how = run.catalogue(std::time::Duration::ZERO)?;
    let all = repository.verify(words, &how, |one| {
        if told.is_ok() {
            told = row(verified(one, run));
        }
    })?;
    told?;
    let sound = all.iter().filter(|one| one.is_sound()).count();
    let listing = repository.list()?;
    let records = listing.faults().iter().filter(|_| words.is_empty());
    Ok(Verdicts {
        repository: shown(repository.folder()),
        sound,
        faults: all.len() - sound,
        records: records.map(|error| failure(error, run)).collect(),
    })
}

fn verified(one: &catalogue::Verified, run: &Run<'_>) -> Verified {
    let mut verified = Verified {
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
        catalogue::Verdict::Sound => {}
        catalogue::Verdict::Changed {
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
        catalogue::Verdict::Unreadable(error) => {
            verified.verdict = "unreadable";
            verified.error = Some(failure(error, run));
        }
    }
    verified
}
