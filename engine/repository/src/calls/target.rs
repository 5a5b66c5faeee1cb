//! The repository that a call is for, and how it is to be changed.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::Result;
use imgdelta_operations::{Context, Ids};

use crate::catalogue::{self, Repository};

/// The repository that a call is for, and how it is to be changed.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its folder.
    pub(super) folder: PathBuf,
    /// How long to wait while another process changes it.
    pub(super) wait: Duration,
    /// Whether nothing is to be changed.
    pub(super) dry_run: bool,
}

impl Target {
    /// Changed for good, and only if nobody else is changing it.
    pub(super) fn of(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            wait: Duration::ZERO,
            dry_run: false,
        }
    }

    /// Opens it, unless the call was stopped before it began.
    ///
    /// # Errors
    /// Interrupted; as [`Repository::open`].
    pub(super) fn open(&self, context: &Context) -> Result<Repository> {
        context.progress().go_on()?;
        Repository::open(&self.folder)
    }

    /// How the catalogue is to work.
    ///
    /// # Errors
    /// As [`Context::exec`].
    pub(super) fn run<'a>(&self, context: &'a Context) -> Result<catalogue::Run<'a>> {
        Ok(catalogue::Run {
            work: context.exec(Ids::OfContent)?,
            wait: self.wait,
        })
    }
}
