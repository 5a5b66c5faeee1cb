//! What went wrong with one of several: the others go on.

use imgdelta_core::{Error, Kind};
use serde::Serialize;

use crate::catalogue::Listing;

/// What went wrong with one image, file or record of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Failed {
    /// What kind of error it is, to act on; JSON has its class of exit status.
    #[serde(skip)]
    pub kind: Kind,
    /// Stable, as in an error.
    pub code: String,
    /// The exit status that it would have by itself: that of its kind.
    pub exit: u8,
    /// Where it went wrong, and what; not stable.
    pub message: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failed {
    /// What an error says.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            code: error.code().to_owned(),
            exit: error.kind().exit(),
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

/// What to say of records that cannot be read.
#[must_use]
pub fn unreadable(listing: &Listing) -> Vec<String> {
    let faults = listing.faults().iter();
    faults
        .map(|fault| format!("a record cannot be read: {fault}"))
        .collect()
}
