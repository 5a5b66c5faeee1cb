//! `check`: is an image sound?

use imgdelta_core::{CheckReport, Error, FileSource, Result};
use imgdelta_registry::{check_image, probe};
use serde::Serialize;

use super::{Outcome, Run, writing::shown};
use crate::job;

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
    /// What is not as it should be but harms no content.
    pub(crate) notes: Vec<String>,
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
    let CheckReport {
        faults,
        notes,
        counts,
    } = check_image(spec)?;
    Ok(Checked {
        path: shown(&job.image.path),
        format: driver.format.name(),
        sound: faults.is_empty(),
        more: faults.len() >= CheckReport::LIMIT,
        faults: faults.iter().map(fault).collect(),
        counts: counts
            .into_iter()
            .map(|(name, count)| Count { name, count })
            .collect(),
        notes,
    })
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
