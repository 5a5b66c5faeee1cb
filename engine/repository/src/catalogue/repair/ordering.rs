//! In which order images are mended: parents before their children.

use std::collections::HashSet;

use crate::catalogue::{Listing, Record, names::ImageId};

/// The images that are named, or all, and those that they cannot be read without; parents before their children, else in order of name.
pub(super) fn parents_first(listing: &Listing, named: &HashSet<ImageId>) -> Vec<Record> {
    /// As deep as a chain may be.
    const DEEPEST: usize = 256;
    let above = |record: &Record| {
        let mut ids = Vec::new();
        let mut next = record.linked_parent().and_then(|id| listing.by_id(id));
        while let Some(parent) = next.filter(|_| ids.len() < DEEPEST) {
            ids.push(parent.id.clone());
            next = parent.linked_parent().and_then(|id| listing.by_id(id));
        }
        ids
    };
    let mut needed = named.clone();
    for record in listing.records() {
        if named.contains(&record.id) {
            needed.extend(above(record));
        }
    }
    let mut all: Vec<(usize, Record)> = listing
        .records()
        .into_iter()
        .filter(|record| named.is_empty() || needed.contains(&record.id))
        .map(|record| (above(record).len(), record.clone()))
        .collect();
    all.sort_by_key(|(depth, _)| *depth);
    all.into_iter().map(|(_, record)| record).collect()
}
