//! An image of a repository as reports name it.

use crate::catalogue::{Known, Listing, Record};
use serde::Serialize;

/// An image.
#[derive(Clone, Debug, Serialize)]
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
    pub parent: Option<Parent>,
    /// The user's words for it.
    pub tags: Vec<String>,
    /// Whether others are to be made from it.
    pub golden: bool,
}

/// The image that another one descends from.
#[derive(Clone, Debug, Serialize)]
pub struct Parent {
    /// Its id.
    pub id: String,
    /// Its name, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How that is known: `linked`, `measured`, `declared`.
    pub known: Known,
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
