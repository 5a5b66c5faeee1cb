//! `require-signer`: a repository receives from a medium only what somebody has signed, or whatever comes.

use std::{path::PathBuf, time::Duration};

use imgdelta_core::Result;
use imgdelta_operations::Context;
use serde::Serialize;

use super::{image::shown, target::Target};
use crate::catalogue::Signer;

/// Who must have signed what a repository receives from a medium.
#[derive(Clone, Debug)]
pub struct RequireSigner {
    target: Target,
    signer: Option<Signer>,
}

/// Who must have signed, now and before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RequireSignerReport {
    /// The repository's folder.
    pub repository: String,
    /// Who must have signed from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// Who must have until now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Signer>,
    /// Whether nothing was written.
    pub dry_run: bool,
}

impl RequireSigner {
    /// This signer for the repository in `folder`; `None`: nobody.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, signer: Option<Signer>) -> Self {
        Self {
            target: Target::of(folder),
            signer,
        }
    }

    /// How long to wait while another process changes the repository; not at all, unless this is said.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.target.wait = wait;
        self
    }

    /// Whether nothing is to be written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.target.dry_run = dry_run;
        self
    }

    /// Writes it down.
    ///
    /// # Errors
    /// As [`Repository::open`](crate::catalogue::Repository::open) and
    /// [`Repository::require_signer`](crate::catalogue::Repository::require_signer); Interrupted.
    pub fn run(&self, context: &Context) -> Result<RequireSignerReport> {
        let repository = self.target.open(context)?;
        let before = repository.about().signer.clone();
        if self.target.dry_run {
            self.signer.as_ref().map_or(Ok(()), Signer::require_files)?;
        } else {
            repository.require_signer(self.signer.clone(), &self.target.run(context)?)?;
        }
        Ok(RequireSignerReport {
            repository: shown(repository.folder()),
            signer: self.signer.clone(),
            before,
            dry_run: self.target.dry_run,
        })
    }
}
