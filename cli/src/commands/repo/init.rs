//! `repo init`: a folder becomes a repository.

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::catalogue::Repository;
use serde::Serialize;

use crate::{
    commands::{Outcome, Run, shown},
    job,
};

/// A repository that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Inited {
    /// Its folder, as it was named.
    pub(crate) repository: String,
    /// Its id; with `--dry-run` it has none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// The format of images that are made there.
    pub(crate) default_format: &'static str,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
}

impl Outcome for Inited {
    const SCHEMA: &'static str = "imgdelta/repo-init/1";
}

/// Makes a folder a repository.
pub(crate) fn init(job: &job::Init, run: &Run<'_>) -> Result<Inited> {
    let folder = &run.settings.repository.value;
    let id = if job.dry_run {
        match Repository::open(folder) {
            Err(error) if error.code() == "no_repository" => None,
            Err(error) => return Err(error),
            Ok(_) => {
                let error = Error::new(Kind::Usage, "is a repository already");
                return Err(error.with_code("exists").in_file(folder));
            }
        }
    } else {
        let made = Repository::init(folder, job.format)?;
        Some(made.about().id.to_string())
    };
    Ok(Inited {
        repository: shown(folder),
        id,
        default_format: job.format.name(),
        dry_run: job.dry_run,
    })
}
