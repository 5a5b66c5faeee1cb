//! `repo` and what is read of a repository: one file a kind of work. Records, images and locks are the matter of the catalogue.

mod add;
mod edit;
mod init;
mod look;
mod remove;
mod scan;
mod sweep;
mod verify;

use std::time::Duration;

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::catalogue::{self, Repository};

use super::Run;

pub(crate) use imgdelta_repository::calls::{Failed, Image, unreadable};

pub(crate) use add::{Added, One, add};
pub(crate) use edit::{Edited, edit};
pub(crate) use init::{Inited, init};
pub(crate) use look::{Branch, Listed, Shown, Tree, list, show, tree};
pub(crate) use remove::{Removed, remove};
pub(crate) use scan::{Scanned, scan};
pub(crate) use sweep::{Swept, gc};
pub(crate) use verify::{Verdicts, Verified, verify};

/// What went wrong with one image of several; of a run that was stopped, with the exit status that its signal has.
fn failure(error: &Error, run: &Run<'_>) -> Failed {
    let mut failed = Failed::of(error);
    if error.kind() == Kind::Interrupted {
        failed.exit = run.signals.exit();
    }
    failed
}

impl Run<'_> {
    /// The repository that is meant.
    pub(super) fn repository(&self) -> Result<Repository> {
        Repository::open(&self.settings.repository.value)
    }

    /// How the catalogue is to work.
    pub(super) fn catalogue(&self, wait: Duration) -> Result<catalogue::Run<'_>> {
        Ok(catalogue::Run {
            work: self.exec(),
            wait,
        })
    }
}
