//! `check`: is an image sound? `--repair` writes one that is, as far as nothing needs to be guessed.

use std::{path::PathBuf, sync::atomic::Ordering};

use imgdelta_core::{AtomicFile, CheckReport, Driver, Error, Existing, FileSource, Repair, Result};
use imgdelta_delta::mend;
use imgdelta_registry::{OpenSpec, check_image, probe, refuse_inputs, repair_image};
use serde::Serialize;

use super::{Outcome, Run, writing::shown};
use crate::job::{self, Ids};

/// What a check found.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    /// The image.
    pub(crate) path: String,
    /// Its format.
    pub(crate) format: &'static str,
    /// Whether no rule is broken.
    pub(crate) sound: bool,
    /// Rules that are broken, at most [`CheckReport::LIMIT`].
    pub(crate) faults: Vec<Fault>,
    /// Whether there may be more than are listed.
    pub(crate) more: bool,
    /// What was counted.
    pub(crate) counts: Vec<Count>,
    /// What was mended. All else is then said of the mended image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repair: Option<Repaired>,
    /// What is not as it should be but harms no content.
    pub(crate) notes: Vec<String>,
    /// Whether `--repair` could mend something of it.
    #[serde(skip)]
    pub(crate) can_repair: bool,
}

/// An image that was mended.
#[derive(Debug, Serialize)]
pub(crate) struct Repaired {
    /// Where the mended image stands.
    pub(crate) output: String,
    /// What was done, a line each.
    pub(crate) mended: Vec<String>,
}

/// A broken rule.
#[derive(Debug, Serialize)]
pub(crate) struct Fault {
    /// Stable.
    pub(crate) code: &'static str,
    /// Not stable.
    pub(crate) message: String,
    /// In which structure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) structure: Option<&'static str>,
    /// In which field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<&'static str>,
    /// Where in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u64>,
    /// All of it in one line, for people.
    #[serde(skip)]
    pub(crate) line: String,
}

/// What was counted.
#[derive(Debug, Serialize)]
pub(crate) struct Count {
    /// Of what.
    pub(crate) name: &'static str,
    /// How many.
    pub(crate) count: u64,
}

impl Outcome for Checked {
    const SCHEMA: &'static str = "imgdelta/check/1";

    fn exit(&self) -> u8 {
        u8::from(!self.sound)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Looks for faults in an image, its parents apart.
pub(crate) fn check(job: &job::Check, run: &Run<'_>) -> Result<Checked> {
    job::refuse_stream(&job.image.path, "an image to be checked")?;
    run.signals.may_end_at_once(true);
    let spec = &job.image;
    let driver = probe(&FileSource::open(&spec.path)?, &spec.path, spec.format)
        .map_err(|error| error.in_file(&spec.path))?;
    match &job.repair {
        None => {
            let work = run.work(Ids::OfContent)?;
            let report = work.install(|| check_image(spec))??;
            Ok(tell(job, driver, report, None))
        }
        Some(goal) => repair(job, goal, driver, run),
    }
}

/// Writes the mended image, and checks it before it gets its name.
fn repair(job: &job::Check, goal: &job::Repair, driver: &Driver, run: &Run<'_>) -> Result<Checked> {
    let repair = repair_image(&job.image)?;
    let (place, existing) = place_of(job, goal, &repair)?;
    let output = match goal {
        job::Repair::Into { output, .. } => shown(output),
        job::Repair::InPlace => shown(&job.image.path),
    };
    if repair.done.is_empty() && matches!(goal, job::Repair::InPlace) {
        AtomicFile::clear(&place)?;
        let mended = Vec::new();
        let report = check_image(&job.image)?;
        return Ok(tell(job, driver, report, Some(Repaired { output, mended })));
    }
    run.signals.may_end_at_once(false);
    run.begun.store(true, Ordering::Relaxed);
    let work = run.work(Ids::OfContent)?;
    run.showing.phase(format!("mend {}", shown(&place)));
    let draft = mend(&place, existing, &repair, work.watch)?;
    // The log, which it may have been asked to ignore, is empty now.
    let report = check_image(&OpenSpec {
        format: Some(driver.format),
        ..OpenSpec::of(draft.written_at())
    })?;
    draft.commit()?;
    let mended = repair.done;
    Ok(tell(job, driver, report, Some(Repaired { output, mended })))
}

/// Where the mended image goes, and whether it may replace what stands there.
fn place_of(job: &job::Check, goal: &job::Repair, repair: &Repair) -> Result<(PathBuf, Existing)> {
    match goal {
        job::Repair::Into { output, existing } => {
            let stamps: Vec<_> = repair.source.stamp()?.into_iter().collect();
            refuse_inputs(output, &stamps)?;
            Ok((output.clone(), *existing))
        }
        // The file itself, not a link to it, gets the new bytes.
        job::Repair::InPlace => {
            let place = std::fs::canonicalize(&job.image.path)
                .map_err(|cause| Error::host("cannot find", cause).in_file(&job.image.path))?;
            Ok((place, Existing::Replace))
        }
    }
}

fn tell(
    job: &job::Check,
    driver: &Driver,
    report: CheckReport,
    repair: Option<Repaired>,
) -> Checked {
    let CheckReport {
        faults,
        notes,
        counts,
    } = report;
    Checked {
        path: shown(&job.image.path),
        format: driver.format.name(),
        can_repair: driver.repair.is_some(),
        repair,
        sound: faults.is_empty(),
        more: faults.len() >= CheckReport::LIMIT,
        faults: faults.iter().map(fault).collect(),
        counts: counts
            .into_iter()
            .map(|(name, count)| Count { name, count })
            .collect(),
        notes,
    }
}

fn fault(error: &Error) -> Fault {
    let place = error.place();
    Fault {
        code: error.code(),
        message: error.message().to_owned(),
        structure: place.structure,
        field: place.field,
        offset: place.offset.map(|offset| offset.0),
        line: error.to_string(),
    }
}
