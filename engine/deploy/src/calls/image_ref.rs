//! An image as reports of deployments name it.

use imgdelta_repository::catalogue::Listing;
use serde::Serialize;

/// An image, by what it is called in the repository that it stands in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageRef {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

impl ImageRef {
    /// That id with that name.
    pub(super) const fn new(id: String, name: String) -> Self {
        Self { id, name }
    }

    /// The image of that id among these records; of one that is not there, the id stands for the name.
    pub(super) fn of(id: &str, listing: &Listing) -> Self {
        let record = id.parse().ok().and_then(|id| listing.by_id(&id));
        let name = record.map_or_else(|| id.to_owned(), |record| record.name.to_string());
        Self::new(id.to_owned(), name)
    }
}
