//! `repo add --dedup`: an image is stored as what differs from the best base that is here, if that is smaller: in that one's format, or in the
//! repository's own, where a child of that hangs on a base of any format.
//!
//! Which base is best is the matter of [`planning`](crate::planning). How many images must be read for one is bounded: each night's image would
//! else be a child of the night's before, and hypervisors open few of them.

use std::path::Path;

use imgdelta_core::{AtomicFile, Bytes, Driver, Format, Result};
use imgdelta_delta::{Proof, digest_cache::LeafReader};
use imgdelta_operations::{
    Disk,
    stored_image::{ChildDraft, NewChild, room_on_disk},
};
use imgdelta_registry::{OpenSpec, driver_of_new, extension_of};

use super::{
    Repository, Run,
    facts::Holdings,
    import::ImageFiles,
    lineage::leaves_of,
    listing::Listing,
    names::Name,
    record::{ProvenanceKind, Record},
    store::{LinkedTo, Stored},
};
use crate::planning::{Choice, Leaves, Measurements, Node, Rules, Span, choose};

/// The most images that one is read from, unless the user says another number.
pub const MOST_DEEP: usize = 32;

/// The most images that one can be read from at all.
const DEEPEST: usize = 256;

/// An image that is to be stored as a difference.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest<'a> {
    /// Its disk.
    pub(super) disk: &'a Disk,
    /// What it will be called.
    pub(super) name: &'a Name,
    /// The format that it is to have, if the user says one.
    pub(super) format: Option<Format>,
    /// The most images that it may be read from, itself among them.
    pub(super) most_deep: usize,
    /// What is here.
    pub(super) listing: &'a Listing,
}

/// What became of an image that was to be stored as a difference.
#[derive(Debug)]
pub(super) enum Deduplicated {
    /// It was; what the user should know.
    Stored(Box<Stored>, Option<String>),
    /// It was not: its disk is here already.
    Known(Box<Record>),
    /// It was not: why.
    Whole(String),
}

/// The base for a difference.
struct Base<'a> {
    record: &'a Record,
    /// What storing the image whole is estimated to take.
    whole: Bytes,
    /// Why it is not the best one.
    note: Option<String>,
}

impl Repository {
    /// Stores a disk as what differs from the best base that is here. The disk is read once to choose it, and once more where the two
    /// differ.
    ///
    /// # Errors
    /// As [`store`](Self::store).
    pub(super) fn deduplicate(&self, guest: &Guest<'_>, run: &Run<'_>) -> Result<Deduplicated> {
        let listing = guest.listing;
        let (proof, leaves) = self.prove(guest.disk, listing, run)?;
        if let Some(known) = listing.by_content(&proof.id) {
            return Ok(Deduplicated::Known(Box::new(known.clone())));
        }
        let base = match self.base_for(guest, &proof, leaves.written_at(), run)? {
            Ok(base) => base,
            Err(why) => return Ok(Deduplicated::Whole(why)),
        };
        let most = guest.disk.file_len().min(base.whole);
        match self.difference(guest, proof, leaves, base.record, run)? {
            Ok((stored, len)) if len < most => {
                Ok(Deduplicated::Stored(Box::new(stored), base.note))
            }
            Ok((_, len)) => Ok(Deduplicated::Whole(format!(
                "as a child of '{}' it would take {} bytes, which is not less",
                base.record.name, len.0
            ))),
            Err(why) => Ok(Deduplicated::Whole(why)),
        }
    }

    /// The best base here, or the best of those from which the image is not read through too many; or why there is none.
    fn base_for<'a>(
        &self,
        guest: &Guest<'a>,
        proof: &Proof,
        leaves: &Path,
        run: &Run<'_>,
    ) -> Result<Result<Base<'a>, String>> {
        let listing = guest.listing;
        let chosen = |choice: &Choice| {
            let base = choice.base()?;
            listing.by_id(&base.image.parse().ok()?)
        };
        let best = self.best_base(guest, proof, leaves, DEEPEST, run)?;
        let Some(record) = chosen(&best) else {
            return Ok(Err("no image here holds enough of it".to_owned()));
        };
        let most = guest.most_deep.clamp(1, DEEPEST);
        if listing.depth(record) < most {
            return Ok(Ok(Base {
                record,
                whole: best.whole,
                note: None,
            }));
        }
        let why = format!(
            "its best base, '{}', is read from {} images, and {most} in all are allowed (--max-depth)",
            record.name,
            listing.depth(record)
        );
        // One that leaves room for those that come after: right below the limit each of them would hang on the same base, and hold more than
        // the one before.
        let mut nearer = self.best_base(guest, proof, leaves, most.div_ceil(2), run)?;
        if chosen(&nearer).is_none() {
            nearer = self.best_base(guest, proof, leaves, most, run)?;
        }
        Ok(match chosen(&nearer) {
            Some(record) => Ok(Base {
                record,
                whole: nearer.whole,
                note: Some(format!("stored over '{}': {why}", record.name)),
            }),
            None => Err(why),
        })
    }

    /// The best base here for a disk that is not entered yet, of those that are read from fewer than `most` images.
    fn best_base(
        &self,
        guest: &Guest<'_>,
        proof: &Proof,
        leaves: &Path,
        most: usize,
        run: &Run<'_>,
    ) -> Result<Choice> {
        let holdings = Holdings::of(self, guest.listing);
        let mut here = holdings.nodes();
        let depths = guest.listing.depths();
        let is_deep = |id: &str| {
            depths
                .get(&id.to_ascii_lowercase())
                .is_none_or(|depth| *depth >= most)
        };
        for node in &mut here {
            node.is_there &= !is_deep(&node.id);
        }
        let new = Node {
            // No id of the repository looks like this.
            id: format!("+{}", proof.id),
            content_id: proof.id,
            size: proof.size,
            parent: None,
            is_there: true,
        };
        let mut all = here.clone();
        all.push(new.clone());
        let facts = Beside {
            holdings,
            guest: &new.id,
            leaves,
        };
        let rules = Rules::default();
        (run.work).install(|| choose(&all, &here, &new.id, &facts, &rules))?
    }

    /// Writes what differs as a child of `base` and proves it; or says why that cannot be.
    fn difference(
        &self,
        guest: &Guest<'_>,
        proof: Proof,
        leaves: AtomicFile,
        base: &Record,
        run: &Run<'_>,
    ) -> Result<Result<(Stored, Bytes), String>> {
        let parent = self.open_disk(base)?;
        let child = NewChild {
            base: &parent.chain,
            parent: &parent.top,
            target: &guest.disk.chain,
            target_format: guest.disk.top.driver.format,
            exec: run.work,
        };
        let mut why = String::new();
        for driver in self.child_formats(guest, base) {
            let place = || self.new_place(guest.name, extension_of(driver.format), guest.listing);
            let ChildDraft { place, drafts } = match child.write_as(driver, place)? {
                Ok(written) => written,
                Err(fault) => {
                    why = format!("'{}' can have no such child: {fault}", base.name);
                    continue;
                }
            };
            let format = driver.format;
            let len = room_on_disk(drafts.written_at())?;
            if !self.is_proven(drafts.written_at(), format, &proof, run)? {
                let why = "is not what its record says: 'imgdelta repo verify' says where";
                return Ok(Err(format!("'{}' {why}", base.name)));
            }
            let stored = Stored {
                files: ImageFiles::AtomicFileSet(place, drafts),
                format,
                proof,
                leaves,
                link: Some(LinkedTo::of(base)),
                how: ProvenanceKind::Difference,
            };
            return Ok(Ok((stored, len)));
        }
        Ok(Err(why))
    }

    /// The formats that a child of `base` may have, the best first: the one that the user says, or the base's and the repository's own.
    fn child_formats(&self, guest: &Guest<'_>, base: &Record) -> Vec<&'static Driver> {
        let mut formats = match guest.format {
            Some(format) => vec![format],
            None => vec![base.format, self.about().default_format],
        };
        formats.dedup();
        let drivers = formats.into_iter().map(driver_of_new);
        drivers.filter_map(Result::ok).collect()
    }

    /// Whether the child, opened as it will be, is the disk that was to be stored.
    fn is_proven(
        &self,
        child: &Path,
        format: Format,
        proof: &Proof,
        run: &Run<'_>,
    ) -> Result<bool> {
        let stored = Disk::open(&OpenSpec {
            path: child.to_owned(),
            format: Some(format),
            ..OpenSpec::default()
        })?;
        let (found, _) = self.prove(&stored, &self.list()?, run)?;
        Ok(found.id == proof.id)
    }
}

/// A repository's images, and one that is not entered yet.
struct Beside<'a> {
    holdings: Holdings<'a>,
    /// The id of that one.
    guest: &'a str,
    /// Its leaves.
    leaves: &'a Path,
}

impl Measurements for Beside<'_> {
    fn leaves(&self, image: &str) -> Result<Option<Leaves<'_>>> {
        if image == self.guest {
            return LeafReader::open(self.leaves).map(|leaves| Some(leaves_of(leaves)));
        }
        self.holdings.leaves(image)
    }

    fn allocation(&self, child: &str) -> Result<Option<Vec<Span>>> {
        if child == self.guest {
            return Ok(None);
        }
        self.holdings.allocation(child)
    }
}
