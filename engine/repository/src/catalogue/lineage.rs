//! Whether an image descends from another: the link of a chain proves it, enough common windows make it likely, the user may say so.

use std::path::Path;

use imgdelta_core::Result;
use imgdelta_delta::{
    Digest,
    digest_cache::{LONGEST_RUN, LeafReader, LeafRun},
};

use super::{
    Repository,
    listing::Listing,
    names::ImageId,
    record::{Parent, ParentEvidence, Record},
};
use crate::planning::{LeafStream, Leaves, Overlap, Run, overlap};

/// The share of an image's windows, in percent, that its parent must hold for a lineage to be called measured.
pub const LEAST_PERCENT: u32 = 10;

impl Repository {
    /// The parent of an image: `link` if its file is a child of that one's, else the one that the user says, with how far the leaves
    /// of both bear that out.
    ///
    /// # Errors
    /// Usage, if there is no such image.
    pub(super) fn lineage(
        &self,
        listing: &Listing,
        said: Option<&str>,
        link: Option<&ImageId>,
        leaves: &Path,
        notes: &mut Vec<String>,
    ) -> Result<Option<Parent>> {
        let said = said.map(|word| listing.find(word)).transpose()?;
        if let Some(link) = link {
            if let Some(said) = said.filter(|said| said.id != *link) {
                notes.push(format!(
                    "its file is a child of {link}, which is its parent; '{}' is not",
                    said.name
                ));
            }
            return Ok(Some(Parent {
                id: link.clone(),
                known: ParentEvidence::Linked,
            }));
        }
        let Some(said) = said else {
            return Ok(None);
        };
        let known = match self.common(said, leaves) {
            Some(common) if common.reaches(LEAST_PERCENT) => ParentEvidence::Measured,
            common => {
                let why = common.map_or_else(
                    || "its leaf digests are not there".to_owned(),
                    |common| format!("it holds {} of {} windows", common.held, common.data),
                );
                notes.push(format!(
                    "'{}' is recorded as the parent only because it was said to be: {why}",
                    said.name
                ));
                ParentEvidence::Declared
            }
        };
        Ok(Some(Parent {
            id: said.id.clone(),
            known,
        }))
    }

    /// What an image here holds of the disk with these leaves; `None` if its own are missing or damaged.
    fn common(&self, other: &Record, leaves: &Path) -> Option<Overlap> {
        let theirs = self.leaves(other).ok().flatten()?;
        overlap(row(LeafReader::open(leaves).ok()?), row(theirs)).ok()
    }
}

/// The leaves of a disk as they are weighed.
#[must_use]
pub fn row(leaves: LeafReader) -> LeafStream<'static> {
    LeafStream::new(leaves.size(), leaves_of(leaves))
}

/// The leaves of a disk, one by one, zeros run by run.
#[must_use]
pub fn leaves_of(leaves: LeafReader) -> Leaves<'static> {
    Box::new(Steps { leaves, run: None })
}

/// Goes over leaves one by one, over zeros run by run. It ends with the first failure.
struct Steps {
    leaves: LeafReader,
    /// What is left of the run that was read last.
    run: Option<std::vec::IntoIter<Digest>>,
}

impl Iterator for Steps {
    type Item = Result<Run>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(leaf) = self.run.as_mut().and_then(Iterator::next) {
            return Some(Ok(Run::Leaf(leaf)));
        }
        match self.leaves.next_run(LONGEST_RUN).transpose()? {
            Ok(LeafRun::Zero(count)) => Some(Ok(Run::Zero(count))),
            Ok(LeafRun::Leaves(leaves)) => {
                let mut leaves = leaves.into_iter();
                let first = leaves.next();
                self.run = Some(leaves);
                first.map(|leaf| Ok(Run::Leaf(leaf)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
