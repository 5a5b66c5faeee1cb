//! `repo add --dedup`: an image is stored as what differs from the best base that is here, in that one's format, if that is smaller.
//!
//! Which base is best is the matter of [`choice`](crate::choice).

use std::path::Path;

use imgdelta_core::{AtomicFile, Bytes, Result};
use imgdelta_delta::{Proof, digest_cache::LeafReader};
use imgdelta_operations::{
    Disk,
    stored_image::{ChildDraft, NewChild, NoChild, room_on_disk},
};
use imgdelta_registry::{OpenSpec, extension_of};

use super::{
    Repository, Run,
    enter::Files,
    facts::Holdings,
    lineage::leaves_of,
    listing::Listing,
    record::{How, Record},
    store::Stored,
    words::Name,
};
use crate::choice::{Choice, Facts, Leaves, Node, Rules, Span, choose};

/// What became of an image that was to be stored as a difference.
#[derive(Debug)]
pub(super) enum Deduplicated {
    /// It was.
    Stored(Box<Stored>),
    /// It was not: its disk is here already.
    Known(Box<Record>),
    /// It was not: why.
    Whole(String),
}

impl Repository {
    /// Stores a disk as what differs from the best base that is here. The disk is read once to choose it, and once more where the two
    /// differ.
    ///
    /// # Errors
    /// As [`store`](Self::store).
    pub(super) fn deduplicate(
        &self,
        disk: &Disk,
        name: &Name,
        listing: &Listing,
        run: &Run<'_>,
    ) -> Result<Deduplicated> {
        let (proof, leaves) = self.prove(disk, listing, run)?;
        if let Some(known) = listing.by_content(&proof.id) {
            return Ok(Deduplicated::Known(Box::new(known.clone())));
        }
        let choice = self.best_base(&proof, leaves.written_at(), listing, run)?;
        let Some(base) = choice
            .base()
            .and_then(|base| listing.find(&base.image).ok())
        else {
            return Ok(Deduplicated::Whole(
                "no image here holds enough of it".to_owned(),
            ));
        };
        let most = disk.file_len().min(choice.whole);
        match self.difference(disk, proof, leaves, base, name, run)? {
            Ok((stored, len)) if len < most => Ok(Deduplicated::Stored(Box::new(stored))),
            Ok((_, len)) => Ok(Deduplicated::Whole(format!(
                "as a child of '{}' it would take {} bytes, which is not less",
                base.name, len.0
            ))),
            Err(why) => Ok(Deduplicated::Whole(why)),
        }
    }

    /// The best base here for a disk that is not entered yet.
    fn best_base(
        &self,
        proof: &Proof,
        leaves: &Path,
        listing: &Listing,
        run: &Run<'_>,
    ) -> Result<Choice> {
        let holdings = Holdings::of(self, listing);
        let here = holdings.nodes();
        let guest = Node {
            // No id of the repository looks like this.
            id: format!("+{}", proof.id),
            content_id: proof.id,
            size: proof.size,
            parent: None,
        };
        let mut all = here.clone();
        all.push(guest.clone());
        let facts = Beside {
            holdings,
            guest: &guest.id,
            leaves,
        };
        let rules = Rules::default();
        (run.work).install(|| choose(&all, &here, &guest.id, &facts, &rules))?
    }

    /// Writes what differs as a child of `base`, in that one's format, and proves it; or says why that cannot be.
    fn difference(
        &self,
        disk: &Disk,
        proof: Proof,
        leaves: AtomicFile,
        base: &Record,
        name: &Name,
        run: &Run<'_>,
    ) -> Result<Result<(Stored, Bytes), String>> {
        let parent = self.open_disk(base)?;
        let child = NewChild {
            base: &parent.chain,
            parent: &parent.top,
            target: &disk.chain,
            target_format: disk.top.driver.format,
            exec: run.work,
        };
        let written = child.write(|| self.free_place(name, extension_of(base.format)))?;
        let ChildDraft { place, drafts } = match written {
            Ok(written) => written,
            Err(NoChild::Rule(fault)) => {
                let why = fault.message();
                return Ok(Err(format!(
                    "'{}' can have no such child: {why}",
                    base.name
                )));
            }
            Err(NoChild::Size { format, .. }) => {
                return Ok(Err(format!("{format} holds no disk of its size")));
            }
        };
        let len = room_on_disk(drafts.written_at())?;
        if !self.is_proven(drafts.written_at(), base, &proof, run)? {
            let why = "is not what its record says: 'imgdelta repo verify' says where";
            return Ok(Err(format!("'{}' {why}", base.name)));
        }
        let stored = Stored {
            files: Files::AtomicFileSet(place, drafts),
            format: base.format,
            proof,
            leaves,
            link: Some(base.id.clone()),
            how: How::Difference,
        };
        Ok(Ok((stored, len)))
    }

    /// Whether the child, opened as it will be, is the disk that was to be stored.
    fn is_proven(&self, child: &Path, base: &Record, proof: &Proof, run: &Run<'_>) -> Result<bool> {
        let stored = Disk::open(&OpenSpec {
            path: child.to_owned(),
            format: Some(base.format),
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

impl Facts for Beside<'_> {
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
