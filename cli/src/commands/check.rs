//! `check`: is an image sound? `--repair` writes one that is, as far as nothing needs to be guessed.

use std::{path::PathBuf, sync::atomic::Ordering};

use imgdelta_core::{AtomicFile, CheckReport, Driver, Error, FileSource, Kind, Result};
use imgdelta_delta::{Replaced, mend, mend_in_place};
use imgdelta_registry::{OpenSpec, OpenedRepair, check_image, probe, refuse_inputs, repair_image};
use serde::Serialize;

use super::{
    Outcome, Run,
    writing::{lost_note, shown},
};
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
    if matches!(job.repair, Some(job::Repair::InPlace(_))) {
        AtomicFile::settle(&spec.path)?;
    }
    let driver = probe(&FileSource::open(&spec.path)?, &spec.path, spec.format)
        .map_err(|error| error.in_file(&spec.path))?;
    match &job.repair {
        None => Ok(tell(job, driver, check_image(spec)?, None)),
        Some(goal) => repair(job, goal, driver, run),
    }
}

/// Writes the mended image, and checks it before it gets its name.
fn repair(job: &job::Check, goal: &job::Repair, driver: &Driver, run: &Run<'_>) -> Result<Checked> {
    let opened = repair_image(&job.image)?;
    let output = match goal {
        job::Repair::Into { output, .. } => {
            let stamps: Vec<_> = opened.stamp.iter().cloned().collect();
            refuse_inputs(output, &stamps)?;
            shown(output)
        }
        job::Repair::InPlace(_) => shown(&job.image.path),
    };
    if opened.repair.done.is_empty() && matches!(goal, job::Repair::InPlace(_)) {
        AtomicFile::clear(&real(&job.image)?)?;
        let mended = Vec::new();
        let report = check_image(&job.image)?;
        return Ok(tell(job, driver, report, Some(Repaired { output, mended })));
    }
    run.signals.may_end_at_once(false);
    run.begun.store(true, Ordering::Relaxed);
    run.showing.phase(format!("mend {output}"));
    let (draft, lost) = mended(job, goal, &opened, run)?;
    // The log, which it may have been asked to ignore, is empty now.
    let report = check_image(&OpenSpec {
        format: Some(driver.format),
        ..OpenSpec::of(draft.written_at())
    })?;
    draft.commit()?;
    let mended = opened.repair.done;
    let mut told = tell(job, driver, report, Some(Repaired { output, mended }));
    told.notes.extend(lost_note(&job.image.path, &lost));
    Ok(told)
}

/// The mended image, which has no name yet, and what it could not keep of the damaged one beside the bytes.
fn mended(
    job: &job::Check,
    goal: &job::Repair,
    opened: &OpenedRepair,
    run: &Run<'_>,
) -> Result<(AtomicFile, Vec<String>)> {
    let OpenedRepair {
        repair,
        file,
        stamp,
    } = opened;
    let watch = run.work(Ids::OfContent)?.watch;
    match goal {
        job::Repair::Into { output, existing } => {
            Ok((mend(output, *existing, repair, watch)?, Vec::new()))
        }
        job::Repair::InPlace(attributes) => {
            let opened = stamp.as_ref().ok_or_else(|| {
                Error::new(Kind::Unsupported, "is no file").in_file(&job.image.path)
            })?;
            let image = Replaced {
                place: &real(&job.image)?,
                file,
                opened,
                attributes: *attributes,
            };
            mend_in_place(image, repair, watch)
        }
    }
}

/// The image's own path: the file itself, not a link to it, gets the new bytes.
fn real(image: &OpenSpec) -> Result<PathBuf> {
    std::fs::canonicalize(&image.path)
        .map_err(|cause| Error::host("cannot find", cause).in_file(&image.path))
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
