//! `repo add --dedup`: an image is stored as what differs from the best base that is here, in that one's format, if that is smaller.
//!
//! Which base is best is the matter of [`choice`](crate::choice).

use std::{os::unix::fs::MetadataExt, path::Path};

use imgdelta_core::{AtomicFile, Bytes, Error, Outputs, Result, SECTOR};
use imgdelta_delta::{DigestCache, Make, Proof, digest_cache::LeafReader};
use imgdelta_operations::Disk;
use imgdelta_registry::{OpenSpec, check_child, create, extension_of, new_parent};

use super::{
    Repository, Run,
    enter::Files,
    facts::Holdings,
    lineage::leaves_of,
    listing::Listing,
    record::{How, Record},
    store::{Stored, output_spec},
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
        if let Err(fault) = check_child(parent.top.driver, &parent.traits(), &disk.traits()) {
            let why = fault.message();
            return Ok(Err(format!(
                "'{}' can have no such child: {why}",
                base.name
            )));
        }
        let (path, place) = self.free_place(name, extension_of(base.format))?;
        let link = new_parent(&parent.top, &place)?;
        let output = create(
            &output_spec(&place, base.format),
            disk.chain.disk(),
            Some(link),
        )?;
        if output.writer.shape().size != proof.size {
            return Ok(Err(format!("{} holds no disk of its size", base.format)));
        }
        Make {
            base: &parent.chain,
            target: &disk.chain,
            proves: false,
            memory: &DigestCache::none(),
            work: run.work,
        }
        .run(output.writer)?;
        // Some file systems count what a file takes only when it is written out.
        output.drafts.main()?.sync()?;
        let len = taken(output.drafts.written_at())?;
        if !self.is_proven(output.drafts.written_at(), base, &proof, run)? {
            let why = "is not what its record says: 'imgdelta repo verify' says where";
            return Ok(Err(format!("'{}' {why}", base.name)));
        }
        let stored = Stored {
            files: Files::AtomicFileSet(path, output.drafts),
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

/// How much room a file takes. A block that is there for a few sectors of it is mostly a hole, where the file system knows holes.
fn taken(file: &Path) -> Result<Bytes> {
    let metadata = std::fs::metadata(file)
        .map_err(|cause| Error::host("cannot look at", cause).in_file(file))?;
    Ok(Bytes(metadata.blocks().saturating_mul(SECTOR)))
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
