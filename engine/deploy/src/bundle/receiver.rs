//! A site's own end of a deployment, for all transports: bases are looked up and proven, steps kept open, images made and entered.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, FileVersion, Kind, Result};
use imgdelta_delta::ContentId;
use imgdelta_operations::{
    Stage, proof::prove, received_image::ReceivedFile, refilled_transport::refill,
};
use imgdelta_repository::catalogue::{ImageId, Listing, Presence, Record, Repository, Run};

use super::{
    DeliveryContext,
    entry::ImageRef,
    install::{here, install},
    outcome::Outcome,
    store_options::StoreOptions,
    unpack::{BaseDisk, EntryFiles, step},
};

/// The finer word for a base that was read and is another disk.
const BASE_MISMATCH: &str = "base_mismatch";

/// What a site knows while images come.
pub(crate) struct Receiver<'a> {
    site: &'a Repository,
    /// Images that only serve others, open.
    steps: HashMap<ContentId, BaseDisk>,
    /// Images that were read and are what their records say, as long as their files are these.
    proven: HashMap<ImageId, Vec<FileVersion>>,
    /// Images that are not what their records say: nothing is made from them.
    refuted: HashSet<ImageId>,
}

impl<'a> Receiver<'a> {
    /// Nothing has come yet.
    pub(crate) fn new(site: &'a Repository) -> Self {
        Self {
            site,
            steps: HashMap::new(),
            proven: HashMap::new(),
            refuted: HashSet::new(),
        }
    }

    /// The repository.
    pub(crate) const fn site(&self) -> &'a Repository {
        self.site
    }

    /// The image of that content, if its file is there too and nothing speaks against it.
    pub(crate) fn image<'l>(
        &self,
        listing: &'l Listing,
        content: &ContentId,
    ) -> Option<&'l Record> {
        let record = here(self.site, listing, content)?;
        (!self.refuted.contains(&record.id)).then_some(record)
    }

    /// Whether something can be made from a disk of that content.
    pub(crate) fn has(&self, listing: &Listing, content: &ContentId) -> bool {
        self.steps.contains_key(content) || self.image(listing, content).is_some()
    }

    /// Whether the disk may serve as a base: a step, or an image whose files are there. One that was touched is proven when it is read.
    pub(crate) fn may_have(&self, listing: &Listing, content: &ContentId) -> bool {
        self.steps.contains_key(content) || self.base_image(listing, content).is_some()
    }

    /// The image that may serve as a base.
    fn base_image<'l>(&self, listing: &'l Listing, content: &ContentId) -> Option<&'l Record> {
        let record = listing.by_content(content)?;
        let is_there = self.site.presence(record, listing) != Presence::Missing;
        (is_there && !self.refuted.contains(&record.id)).then_some(record)
    }

    /// How many steps are kept.
    pub(crate) fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Makes sure, by reading it, that the base of what is to come is what its record says.
    ///
    /// # Errors
    /// Chain, if it is not there, cannot be read, or is another disk; Interrupted.
    pub(crate) fn prove_base(
        &mut self,
        content: &ContentId,
        context: &DeliveryContext<'_>,
    ) -> Result<()> {
        if self.steps.contains_key(content) {
            return Ok(()); // It was proven when it came.
        }
        let listing = self.site.list()?;
        let record = self.base_image(&listing, content).ok_or_else(|| {
            let message = format!("the base {content} is not here any more");
            Error::new(Kind::Chain, message).with_code("base_unknown")
        })?;
        let proven = self.prove(record, context);
        self.blame(record, proven, &context.run, |_| true)
    }

    /// Reads an image, unless it was read before and nobody has written to it since.
    fn prove(&mut self, record: &Record, context: &DeliveryContext<'_>) -> Result<()> {
        let disk = self.site.open_disk(record)?;
        let layers = disk.chain.layers().iter();
        let versions: Vec<FileVersion> = layers
            .flat_map(|layer| layer.stamps().iter().cloned())
            .collect();
        if self.proven.get(&record.id) == Some(&versions) {
            return Ok(());
        }
        (context.on_stage)(Stage::ProveBase(record.name.as_str()));
        let found = prove(&disk.chain, context.run.work)?;
        if found.id == record.content_id {
            self.proven.insert(record.id.clone(), versions);
            return Ok(());
        }
        let message = format!("'{}' is not what its record says any more", record.name);
        Err(Error::new(Kind::Chain, message)
            .with_code(BASE_MISMATCH)
            .in_file(&disk.top.path)
            .with_detail(format!("recorded {}", record.content_id))
            .with_detail(format!("found    {}", found.id))
            .with_hint("'imgdelta repo verify' says what has changed"))
    }

    /// Makes the image of what has come and enters it; a step is kept for what is made from it.
    ///
    /// # Errors
    /// Chain, if the base is missing, cannot be read, or is another disk; as [`install`]; Interrupted. Nothing is entered then.
    pub(crate) fn take(
        &mut self,
        files: &EntryFiles<'_>,
        store: &StoreOptions,
        is_step: bool,
        context: &DeliveryContext<'_>,
    ) -> Result<Outcome> {
        let entry = files.entry;
        entry.require_known()?;
        let base_disk = entry
            .base
            .as_ref()
            .map(|base| self.base(base, &context.run))
            .transpose()?;
        let base = base_disk.as_ref();
        let outcome = if is_step {
            step(files, base, context).map(|made| {
                self.steps.insert(entry.content_id, made);
                Outcome::Step
            })
        } else {
            install(self.site, files, base, store, context).map(Outcome::from)
        };
        match base.and_then(|base| Some((base, base.entered()?))) {
            Some((base, (record, _))) => self.blame(record, outcome, &context.run, |error| {
                blames_base(error, base)
            }),
            None => outcome,
        }
    }

    /// Writes to `to` the transport file `file` with windows of the one `windows` in place of those that are damaged.
    ///
    /// # Errors
    /// Chain, if the base is not here; as [`refill`].
    pub(crate) fn refill(
        &mut self,
        base: &ImageRef,
        (file, windows): (&ReceivedFile, &ReceivedFile),
        to: &Path,
        run: &Run<'_>,
    ) -> Result<()> {
        let base_disk = self.base(base, run)?;
        refill(file, windows, base_disk.chain(), to)
    }

    /// The base of an entry, open.
    fn base(&mut self, base: &ImageRef, run: &Run<'_>) -> Result<BaseDisk> {
        if let Some(step) = self.steps.get(&base.content_id) {
            return Ok(step.clone());
        }
        let listing = self.site.list()?;
        let Some(record) = self.base_image(&listing, &base.content_id) else {
            let message = match here(self.site, &listing, &base.content_id) {
                Some(refuted) => format!("'{}' is not what its record says", refuted.name),
                None => format!("its base '{}' is not here", base.name),
            };
            return Err(Error::new(Kind::Chain, message).with_code("no_base"));
        };
        let opened = BaseDisk::of(self.site, record);
        self.blame(record, opened, run, |_| true)
    }

    /// Remembers of an image that was to serve as a base whether a failure is its fault; then it is said to be that of a base. If its content is to
    /// blame, its record says so from now on.
    fn blame<T>(
        &mut self,
        record: &Record,
        outcome: Result<T>,
        run: &Run<'_>,
        is_its: impl Fn(&Error) -> bool,
    ) -> Result<T> {
        outcome.map_err(|error| {
            if error.kind() == Kind::Interrupted || !is_its(&error) {
                return error;
            }
            self.refuted.insert(record.id.clone());
            if error.code() == BASE_MISMATCH {
                // Where that cannot be written, the next deployment finds it out once more.
                let _ = self.site.refute(&record.id, run);
            }
            match error.kind() {
                Kind::Chain => error,
                _ => unusable(&error, record),
            }
        })
    }
}

/// Whether a failure says something of the base: that it is another disk, or that its files cannot be read.
fn blames_base(error: &Error, base: &BaseDisk) -> bool {
    let is_its = |file: &PathBuf| base.has_file(file);
    error.kind() == Kind::Chain || error.location().file.as_ref().is_some_and(is_its)
}

/// A base that cannot be read is none.
fn unusable(error: &Error, record: &Record) -> Error {
    let message = format!("'{}' cannot serve as a base: {error}", record.name);
    let unusable = Error::new(Kind::Chain, message)
        .with_code("base_unusable")
        .with_hint("'imgdelta repo verify' says what is wrong with it");
    error.details().iter().fold(unusable, Error::with_detail)
}
