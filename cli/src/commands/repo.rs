//! `repo` and what is read of a repository: one file a kind of work. Records, images and locks are the matter of the catalogue.

mod add;
mod edit;
mod image;
mod init;
mod look;
mod remove;
mod scan;
mod sweep;
mod verify;

use std::time::Duration;

use imgdelta_core::{Error, Result};
use imgdelta_repository::catalogue::{self, Repository};
use serde::Serialize;

use super::Run;

pub(crate) use add::{Added, One, add};
pub(crate) use edit::{Edited, edit};
pub(crate) use image::{Image, short};
pub(crate) use init::{Inited, init};
pub(crate) use look::{Branch, Listed, Shown, Tree, list, show, tree};
pub(crate) use remove::{Removed, remove};
pub(crate) use scan::{Scanned, scan};
pub(crate) use sweep::{Swept, gc};
pub(crate) use verify::{Verdicts, Verified, verify};

/// Something that went wrong with one image of several.
#[derive(Debug, Serialize)]
pub(crate) struct Failed {
    /// Stable, as in an error.
    pub(crate) code: String,
    /// The exit status that it would have by itself.
    pub(crate) exit: u8,
    /// Where it went wrong, and what; not stable.
    pub(crate) message: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Failed {
    /// What an error says; `interrupted` is the exit status of a run that was stopped.
    pub(in crate::commands) fn of(error: &Error, interrupted: u8) -> Self {
        Self {
            code: error.code().to_owned(),
            exit: match error.kind() {
                imgdelta_core::Kind::Interrupted => interrupted,
                kind => kind.exit(),
            },
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
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

/// What to say of records that cannot be read.
pub(super) fn unreadable(listing: &catalogue::Listing) -> Vec<String> {
    let faults = listing.faults().iter();
    faults
        .map(|fault| match fault.code() {
            "change_unreadable" => fault.to_string(),
            _ => format!("a record cannot be read: {fault}"),
        })
        .collect()
}
