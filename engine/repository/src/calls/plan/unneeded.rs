//! What of the images on their way certainly nobody needs, as the file systems on their disks say. No other part of a plan opens an image.

use std::collections::{HashMap, hash_map::Entry};

use imgdelta_core::{Kind, Result};
use imgdelta_operations::{Context, Unneeded, UnneededRuns, UnusedBytes};

use super::report::PlanReport;
use crate::{
    catalogue::{Listing, Record, Repository, lineage::row},
    planning::{LeafStream, Span, differing},
};

/// What is asked, and where the images are.
pub(super) struct Unused<'a> {
    pub(super) repository: &'a Repository,
    pub(super) listing: &'a Listing,
    pub(super) what: &'a [Unneeded],
}

/// What was found of each image so far, by its id; `None` where its disk does not tell.
type Looked = HashMap<String, Option<UnneededRuns>>;

impl Unused<'_> {
    /// Says of each image on its way how much of it nobody needs, and in the plan's notes why that is not known, or nothing.
    ///
    /// # Errors
    /// Corrupt, if leaf digests are damaged; Interrupted.
    pub(super) fn tell(&self, report: &mut PlanReport, context: &Context) -> Result<()> {
        let mut looked = Looked::new();
        let legs = report.sites.iter_mut().flat_map(|site| &mut site.legs);
        for leg in legs {
            context.progress().go_on()?;
            let Some(image) = self.record(&leg.image.id) else {
                continue;
            };
            let found = match looked.entry(leg.image.id.clone()) {
                Entry::Occupied(found) => found.into_mut(),
                Entry::Vacant(place) => place.insert(self.look(image, &mut report.notes)?),
            };
            let base = leg.base.as_ref();
            let base = base.and_then(|base| self.record(&base.image.id));
            leg.unneeded = match found {
                Some(unneeded) => self.among(unneeded, image, base)?,
                None => None,
            };
        }
        Ok(())
    }

    /// Looks at the disk of an image.
    fn look(&self, image: &Record, notes: &mut Vec<String>) -> Result<Option<UnneededRuns>> {
        let found = self
            .repository
            .open_disk(image)
            .and_then(|disk| UnneededRuns::of(&disk, self.what));
        match found {
            Ok(unneeded) => {
                notes.extend_from_slice(unneeded.notes());
                Ok(Some(unneeded))
            }
            Err(error) if error.kind() == Kind::Interrupted => Err(error),
            Err(error) => {
                let name = &image.name;
                notes.push(format!(
                    "what of '{name}' nobody needs is not known: {error}"
                ));
                Ok(None)
            }
        }
    }

    /// How much of the windows that travel it is; `None`, if they are not known.
    fn among(
        &self,
        unneeded: &UnneededRuns,
        image: &Record,
        base: Option<&Record>,
    ) -> Result<Option<UnusedBytes>> {
        let leaves = |record: &Record| -> Result<Option<LeafStream<'static>>> {
            Ok(self.repository.leaves(record)?.map(row))
        };
        let Some(wanted) = leaves(image)? else {
            return Ok(None);
        };
        let base = match base {
            Some(base) => leaves(base)?,
            None => None,
        };
        let windows = differing(wanted, base.unwrap_or_else(LeafStream::nothing))?;
        let count = |spans: Vec<Span>| unneeded.among(spans.iter().map(|span| (span.at, span.len)));
        Ok(windows.map(count))
    }

    fn record(&self, id: &str) -> Option<&Record> {
        self.listing.by_id(&id.parse().ok()?)
    }
}
