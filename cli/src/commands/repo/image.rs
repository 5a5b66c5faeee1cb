//! An image of a repository as results name it.

use imgdelta_repository::catalogue::{Known, Listing, Record};
use serde::Serialize;

/// An image.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Image {
    /// What the user calls it.
    pub(crate) name: String,
    /// What it is known by everywhere.
    pub(crate) id: String,
    /// What its disk was proven to be.
    pub(crate) content_id: String,
    /// The size of its disk in bytes.
    pub(crate) size: u64,
    /// Its format.
    pub(crate) format: &'static str,
    /// The image that it descends from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Parent>,
    /// The user's words for it.
    pub(crate) tags: Vec<String>,
    /// Whether others are to be made from it.
    pub(crate) golden: bool,
}

/// The image that another one descends from.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Parent {
    /// Its id.
    pub(crate) id: String,
    /// Its name, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// How that is known: `linked`, `measured`, `declared`.
    pub(crate) known: Known,
}

impl Image {
    /// What a record says of it; names of parents are looked up among the records.
    pub(crate) fn of(record: &Record, listing: &Listing) -> Self {
        Self {
            name: record.name.to_string(),
            id: record.id.to_string(),
            content_id: record.content_id.to_string(),
            size: record.size,
            format: record.format.name(),
            parent: record.parent.as_ref().map(|parent| Parent {
                id: parent.id.to_string(),
                name: listing
                    .by_id(&parent.id)
                    .map(|there| there.name.to_string()),
                known: parent.known,
            }),
            tags: record.tags.iter().map(ToString::to_string).collect(),
            golden: record.golden,
        }
    }
}

/// An id as people read it: of a content id the first digits, which name it wherever an image is asked for.
pub(crate) fn short(id: &str) -> &str {
    match id.strip_prefix("imgdelta1:") {
        Some(digits) => digits.get(..12).unwrap_or(digits),
        None => id,
    }
}
