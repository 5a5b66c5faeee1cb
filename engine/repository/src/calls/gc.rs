//! `gc`: what killed processes left behind goes.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::Result;
use imgdelta_operations::Context;
use serde::Serialize;

use super::{image::shown, target::Target};

/// A repository that is to be swept.
#[derive(Clone, Debug)]
pub struct Gc {
    target: Target,
}

/// What was swept away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GcReport {
    /// The repository's folder.
    pub repository: String,
    /// Files that were removed.
    pub removed: Vec<String>,
    /// How long they were together, in bytes.
    pub bytes: u64,
    /// Whether nothing was removed.
    pub dry_run: bool,
}

impl Gc {
    /// The repository in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            target: Target::of(folder),
        }
    }

    /// How long to wait while another process changes the repository; not at all, unless this is said.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.target.wait = wait;
        self
    }

    /// Whether it is only counted what would go.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.target.dry_run = dry_run;
        self
    }

    /// Sweeps away what killed processes left behind; no image and no record is touched.
    ///
    /// # Errors
    /// As [`Repository::open`](crate::catalogue::Repository::open) and [`Repository::gc`](crate::catalogue::Repository::gc);
    /// Interrupted.
    pub fn run(&self, context: &Context) -> Result<GcReport> {
        let repository = self.target.open(context)?;
        let swept = if self.target.dry_run {
            repository.garbage()?
        } else {
            repository.gc(&self.target.run(context)?)?
        };
        Ok(GcReport {
            repository: shown(repository.folder()),
            removed: swept.removed.iter().map(|place| shown(place)).collect(),
            bytes: swept.bytes,
            dry_run: self.target.dry_run,
        })
    }
}
