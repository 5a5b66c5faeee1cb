//! What went wrong with one of several: the others go on.

use imgdelta_core::{Error, Kind};
use serde::Serialize;

use crate::catalogue::{Listing, Look, Presence, Record};

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
        .map(|fault| match fault.code() {
            "change_unreadable" => fault.to_string(),
            _ => format!("a record cannot be read: {fault}"),
        })
        .collect()
}

/// What to say of images that are left out, for they are not what their records say.
#[must_use]
pub fn left_out(look: &Look<'_>) -> Option<String> {
    /// Most images that are named.
    const MOST: usize = 10;
    let all: Vec<(&Record, Presence)> = look.absent().collect();
    let named = all.iter().take(MOST);
    let named: Vec<String> = named
        .map(|(record, presence)| format!("{} ({})", record.name, presence.word()))
        .collect();
    let more = all.len().saturating_sub(MOST);
    let more = (more > 0).then(|| format!(" and {more} more"));
    (!all.is_empty()).then(|| {
        format!(
            "left out, for their files are not what was recorded: {}{}; 'imgdelta repo scan' takes in again what was only touched, 'imgdelta repo add' and deployments bring the rest anew",
            named.join(", "),
            more.unwrap_or_default()
        )
    })
}
