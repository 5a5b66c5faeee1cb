//! What must be true of each disk, kept by hand beside the repository.

use std::collections::BTreeSet;

use crate::disks::Sha;

/// Whether an image stands in a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Nobody said that it was added, or it was removed.
    #[default]
    Gone,
    /// It was said to be added.
    Here,
    /// A line that adds it was killed.
    MayBeHere,
    /// A line that removes it was killed.
    MayGo,
}

/// A disk, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What it holds.
    pub(crate) sha: Sha,
    /// Which disk it is.
    pub(crate) family: u64,
    /// Which one of the family.
    pub(crate) number: u64,
    /// Its id, as soon as a line has told it.
    pub(crate) id: Option<String>,
    /// What it may be called at headquarters: several, where a line that renames it was killed.
    pub(crate) names: BTreeSet<String>,
    /// Tags that it has there for sure.
    pub(crate) tags: BTreeSet<String>,
    /// Tags that it may have besides.
    pub(crate) maybe_tags: BTreeSet<String>,
    /// Whether its file stands there by somebody's own hand.
    pub(crate) by_hand: bool,
    /// At headquarters.
    pub(crate) hq: Stand,
    /// At the second repository.
    pub(crate) second: Stand,
}

impl Entry {
    /// A disk of which nothing is known yet.
    pub(crate) fn new(family: u64, number: u64, sha: Sha) -> Self {
        Self {
            sha,
            family,
            number,
            id: None,
            names: BTreeSet::new(),
            tags: BTreeSet::new(),
            maybe_tags: BTreeSet::new(),
            by_hand: false,
            hq: Stand::Gone,
            second: Stand::Gone,
        }
    }

    /// Its only name, if there is no doubt.
    pub(crate) fn name(&self) -> Option<&str> {
        let mut names = self.names.iter();
        names
            .next()
            .filter(|_| self.names.len() == 1)
            .map(String::as_str)
    }
}
