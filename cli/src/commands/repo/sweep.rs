//! `repo gc`: what killed processes left behind goes.

use imgdelta_core::Result;
use serde::Serialize;

use crate::{
    commands::{Outcome, Run, shown},
    job::Manner,
};

/// What was swept away.
#[derive(Debug, Serialize)]
pub(crate) struct Swept {
    /// The repository's folder.
    pub(crate) repository: String,
    /// Files that were removed.
    pub(crate) removed: Vec<String>,
    /// How long they were together.
    pub(crate) bytes: u64,
    /// Whether nothing was removed.
    pub(crate) dry_run: bool,
}

impl Outcome for Swept {
    const SCHEMA: &'static str = "imgdelta/repo-gc/1";
}

/// Sweeps away what killed processes left behind.
pub(crate) fn gc(manner: Manner, run: &Run<'_>) -> Result<Swept> {
    let repository = run.repository()?;
    let swept = if manner.dry_run {
        repository.garbage()?
    } else {
        repository.gc(&run.catalogue(manner.wait)?)?
    };
    Ok(Swept {
        repository: shown(repository.folder()),
        removed: swept.removed.iter().map(|place| shown(place)).collect(),
        bytes: swept.bytes,
        dry_run: manner.dry_run,
    })
}
