//! What calls on repositories tell: an image, and what went wrong with one of several, as plain data.

mod failed;
mod image;

pub use self::{
    failed::Failed,
    image::{Image, Parent},
};

use crate::catalogue::Listing;

/// What to say of records that cannot be read: a note for each.
#[must_use]
pub fn unreadable(listing: &Listing) -> Vec<String> {
    let faults = listing.faults().iter();
    faults
        .map(|fault| format!("a record cannot be read: {fault}"))
        .collect()
}
