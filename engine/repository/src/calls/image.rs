//! An image of a repository as reports name it.

use std::path::Path;

use serde::Serialize;

use crate::catalogue::{Listing, Look, ParentEvidence, Presence, Record};

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Image {
    /// What the user calls it.
    pub name: String,
    /// What it is known by everywhere.
    pub id: String,
    /// What its disk was proven to be.
    pub content_id: String,
    /// The size of its disk in bytes.
    pub size: u64,
    /// Its format.
    pub format: &'static str,
    /// The image that it descends from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<ImageParent>,
    /// The user's words for it.
    pub tags: Vec<String>,
    /// Whether others are to be made from it.
    pub golden: bool,
    /// Whether its files are immutable.
    #[serde(skip_serializing_if = "is_not")]
    pub immutable: bool,
    /// What a look at its files says, where that was asked: it is not said of an image that is there.
    #[serde(skip_serializing_if = "is_present")]
    pub presence: Presence,
}

/// Whether there is nothing to be said of it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_present(presence: &Presence) -> bool {
    presence.is_present()
}

/// Whether a flag need not be said.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_not(flag: &bool) -> bool {
    !*flag
}

/// The image that another one descends from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageParent {
    /// Its id.
    pub id: String,
    /// Its name, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How that is known: `linked`, `measured`, `declared`.
    pub known: ParentEvidence,
}

/// An image by its names alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageRef {
    /// Its id.
    pub id: String,
    /// Its name; its id, where nobody knows the name.
    pub name: String,
}

impl Image {
    /// What a record says of it; names of parents are looked up among the records.
    #[must_use]
    pub fn of(record: &Record, listing: &Listing) -> Self {
        Self {
            name: record.name.to_string(),
            id: record.id.to_string(),
            content_id: record.content_id.to_string(),
            size: record.size,
            format: record.format.name(),
            parent: record.parent.as_ref().map(|parent| ImageParent {
                id: parent.id.to_string(),
                name: listing
                    .by_id(&parent.id)
                    .map(|there| there.name.to_string()),
                known: parent.known,
            }),
            tags: record.tags.iter().map(ToString::to_string).collect(),
            golden: record.golden,
            immutable: record.immutable,
            presence: Presence::Present,
        }
    }

    /// As [`of`](Self::of), with what a look at its files says.
    #[must_use]
    pub fn seen(record: &Record, listing: &Listing, look: &Look<'_>) -> Self {
        Self {
            presence: look.at(record),
            ..Self::of(record, listing)
        }
    }
}

impl ImageRef {
    /// That id and that name.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
        }
    }

    /// The image of that id, its name looked up among the records.
    #[must_use]
    pub fn of(id: &str, listing: &Listing) -> Self {
        let record = id.parse().ok().and_then(|id| listing.by_id(&id));
        Self {
            id: id.to_owned(),
            name: record.map_or_else(|| id.to_owned(), |record| record.name.to_string()),
        }
    }
}

/// A path as reports name it.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
