//! Finds the parent of a layer: looks where the policy allows, takes the first image that is the one the child was made over.
//!
//! A candidate that does not fit is passed over and remembered, so that the error can say of each what was wrong with it: see `missing`. Which
//! format a candidate has is settled in `format`, and what is done with one whose identity is another in `other`.

mod format;
mod missing;
mod other;

use std::{io, path::Path, path::PathBuf, sync::Arc};

use imgdelta_core::{
    Driver, Error, FileSource, Format, Identity, Kind, Options, ParentLink, Result, Sectors, Source,
};

use crate::{
    identity_search::{self, SearchedFolder},
    layer::{Layer, Opened, Packed},
    listing::{Listings, NotListed},
    name_matching::alike,
    open_spec::OpenSpec,
    policy::Candidate,
    probe::Registry,
    refusal::Refused,
    sandbox::{self, OpenFailure},
};

/// The most images that are kept because they are the parent in another state.
const MOST_CHANGED: usize = 16;

/// The search for one parent.
#[derive(Debug)]
pub(crate) struct ParentSearch<'a> {
    formats: Registry,
    /// How the top image was to be opened.
    spec: &'a OpenSpec,
    /// The layers so far, top first.
    chain: &'a [Opened],
    /// The last of them.
    child: &'a Opened,
    /// What it says of its parent.
    link: &'a ParentLink,
    /// The folders that were read for the chain.
    listings: &'a mut Listings,
    /// Candidates that were passed over, and why.
    passed: RejectedCandidates,
}

/// What was wrong with the candidates, the first of each kind.
#[derive(Debug, Default)]
struct RejectedCandidates {
    /// It does not open as an image: it is the parent's own error.
    failed: Option<Error>,
    /// It stands in the chain already.
    looping: Option<PathBuf>,
    /// It has another identity, or none.
    others: Vec<Opened>,
    /// The policy refuses it.
    refused: Vec<Refused>,
    /// The host would not open it.
    host: Option<Error>,
    /// It is not there.
    looked: Vec<(PathBuf, io::Error)>,
    /// Folders in which no image is the parent.
    searched: Vec<SearchedFolder>,
    /// Folders in which names in other letters were not looked for.
    not_listed: Vec<NotListed>,
}

/// How a candidate came to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CandidateOrigin {
    /// The user says that it is the parent.
    Named,
    /// A path that the child records leads to it.
    Recorded,
}

impl<'a> ParentSearch<'a> {
    /// The search for the parent that `child`, the last of `chain`, names in `link`.
    pub(crate) fn new(
        formats: Registry,
        spec: &'a OpenSpec,
        chain: &'a [Opened],
        child: &'a Opened,
        link: &'a ParentLink,
        listings: &'a mut Listings,
    ) -> Self {
        Self {
            formats,
            spec,
            chain,
            child,
            link,
            listings,
            passed: RejectedCandidates::default(),
        }
    }

    /// Finds and opens it.
    ///
    /// # Errors
    /// As [`open_chain`](crate::open_chain).
    pub(crate) fn find(mut self) -> Result<Opened> {
        let named = self.chain.len().saturating_sub(1);
        let found = match self.spec.policy.parent.get(named) {
            Some(path) => {
                let path = self.formats.file_of(path);
                self.accept(
                    Arc::new(FileSource::open(&path)?),
                    &path,
                    CandidateOrigin::Named,
                )?
            }
            None => match self.follow()? {
                Some(parent) => Some(parent),
                None => self.search()?,
            },
        };
        match found {
            Some(parent) => Ok(parent),
            None => self.known_other()?.ok_or_else(|| self.error()),
        }
    }

    /// Follows the paths that the child records: as they are recorded, then as the system that recorded them may mean them.
    fn follow(&mut self) -> Result<Option<Opened>> {
        let (candidates, refused) = self.spec.policy.candidates(self.link, &self.child.path);
        self.passed.refused = refused;
        for candidate in &candidates {
            if let Some(mut parent) = self.look(candidate)? {
                parent.notes.extend(self.note(candidate));
                return Ok(Some(parent));
            }
        }
        let mut fitting: Vec<Opened> = Vec::new();
        let (others, not_listed) = alike(&candidates, self.listings);
        for one in others {
            if let Some(mut parent) = self.look(&one.candidate)? {
                parent.notes.push(one.note(&self.child.path));
                push_new(&mut fitting, parent);
            }
        }
        // Where no identity proves the one that was found, there may be another.
        let is_proven = self.link.identities.iter().any(|one| !one.is_null());
        let limit = not_listed.iter().find(|one| one.is_limit());
        if let Some(limit) = limit.filter(|_| !is_proven && !fitting.is_empty()) {
            return Err(self.not_all_looked_at(&limit.to_string()));
        }
        self.passed.not_listed = not_listed;
        self.only(fitting)
    }

    /// Opens what stands at a place, if it is the parent.
    fn look(&mut self, candidate: &Candidate) -> Result<Option<Opened>> {
        match sandbox::open(&candidate.root, &candidate.inside) {
            Ok(file) => {
                let source = Arc::new(FileSource::of(file, &candidate.path)?);
                self.accept(source, &candidate.path, CandidateOrigin::Recorded)
            }
            Err(miss) => {
                self.pass(candidate, miss);
                Ok(None)
            }
        }
    }

    /// Looks for it by its identity alone, where the format's children are found so.
    fn search(&mut self) -> Result<Option<Opened>> {
        let is_searched = self.child.driver.child.is_some_and(|rule| rule.searched);
        if !is_searched || self.link.identities.iter().all(Identity::is_null) {
            return Ok(None);
        }
        let (child, spec, formats) = (self.child, self.spec, self.formats);
        let (mut fitting, mut changed): (Vec<Opened>, Vec<Opened>) = (Vec::new(), Vec::new());
        // What is wrong with an image that nobody named is of no interest.
        let passed = std::mem::take(&mut self.passed);
        let searched = identity_search::images(&child.path, &spec.policy, formats, |found| {
            let parent = self.open_as(
                found.driver,
                &found.source,
                &found.path,
                CandidateOrigin::Recorded,
            );
            if let Some(parent) = parent {
                push_new(&mut fitting, parent);
            }
            // Unless it is the very image, written to since.
            let others = std::mem::take(&mut self.passed).others.into_iter();
            let others = others.filter(|other| self.is_in_another_state(other));
            changed.extend(others.take(MOST_CHANGED.saturating_sub(changed.len())));
        });
        self.passed = RejectedCandidates { searched, ..passed };
        for one in changed {
            push_new(&mut self.passed.others, one);
        }
        // The same disk in another format may bear the same id; a child is seldom over that.
        let own = child.driver.format;
        if fitting.iter().any(|one| one.driver.format == own) {
            fitting.retain(|one| one.driver.format == own);
        }
        let mut found = self.only(fitting)?;
        if let Some(parent) = &mut found
            && !self.link.hints.is_empty()
        {
            parent.notes.push(format!(
                "found by its identity as {}: the path in {} does not lead to it",
                parent.path.display(),
                child.path.display()
            ));
        }
        Ok(found)
    }

    /// The one that fits, if there is no other.
    fn only(&self, mut fitting: Vec<Opened>) -> Result<Option<Opened>> {
        if fitting.len() > 1 {
            return Err(self.ambiguous(&fitting));
        }
        Ok(fitting.pop())
    }

    /// Opens a candidate, if it is the parent.
    fn accept(
        &mut self,
        source: Arc<dyn Source>,
        path: &Path,
        origin: CandidateOrigin,
    ) -> Result<Option<Opened>> {
        for driver in self.drivers(&*source, path, origin)? {
            if let Some(parent) = self.open_as(driver, &source, path, origin) {
                return Ok(Some(parent));
            }
        }
        Ok(None)
    }

    /// Opens a candidate in that format, if it is the parent.
    fn open_as(
        &mut self,
        driver: &'static Driver,
        source: &Arc<dyn Source>,
        path: &Path,
        origin: CandidateOrigin,
    ) -> Option<Opened> {
        let layer = Layer {
            source: Arc::clone(source),
            path: path.into(),
            driver,
            options: self.options(driver.format),
            snapshot: None,
            packed: Packed::default(),
        };
        match layer.open(&self.spec.policy) {
            Err(error) => {
                let error = self.of_parent(error);
                self.passed.failed.get_or_insert(error);
                None
            }
            Ok(parent) => self.fitting(parent, origin),
        }
    }

    /// The parent, if it is the right one. Identity comes first: a child may bear the name of its parent.
    fn fitting(&mut self, mut parent: Opened, origin: CandidateOrigin) -> Option<Opened> {
        if !self.is_called_right(&parent) {
            if !self.has_no_name(&parent, origin) {
                self.passed.others.push(parent);
                return None;
            }
            let format = parent.driver.format;
            parent.notes.push(format!(
                "{format} has no identity: only its path on the command line says that it is the parent"
            ));
        }
        self.sound(parent)
    }

    /// The candidate, unless its chain would have no end or its guest would see other sectors.
    fn sound(&mut self, mut parent: Opened) -> Option<Opened> {
        if self.chain.iter().any(|known| is_same_file(known, &parent)) {
            self.passed.looping.get_or_insert(parent.path);
            return None;
        }
        if let Some(error) = self.other_sectors(&parent) {
            self.passed.failed.get_or_insert(error);
            return None;
        }
        parent.notes.extend(self.size_note(&parent));
        Some(parent)
    }

    /// Where both say how large the guest's sectors are, they must say the same.
    fn other_sectors(&self, parent: &Opened) -> Option<Error> {
        let says = |image: &Opened| image.driver.sectors == Sectors::Recorded;
        let (own, other) = (self.child.image.metadata(), parent.image.metadata());
        let differ = own.logical_sector != other.logical_sector;
        (says(self.child) && says(parent) && differ).then(|| {
            let message = format!(
                "its disk has sectors of {} bytes, that of its child has {}",
                other.logical_sector.0, own.logical_sector.0
            );
            let error = Error::new(Kind::Chain, message).with_code("sector_size");
            self.of_parent(error.in_file(&parent.path))
        })
    }

    /// A parent is opened as the top image was, where the options are of its format.
    fn options(&self, format: Format) -> Options {
        match self.chain.first() {
            Some(top) if top.driver.format == format => self.spec.options.clone(),
            _ => Options::default(),
        }
    }

    /// Remembers what was wrong with a candidate that could not be opened.
    fn pass(&mut self, candidate: &Candidate, miss: OpenFailure) {
        match miss {
            OpenFailure::NotThere(cause) => {
                self.passed.looked.push((candidate.path.clone(), cause))
            }
            OpenFailure::Refused(reason) => self.passed.refused.push(Refused {
                field: candidate.field,
                text: candidate.path.display().to_string(),
                reason,
            }),
            OpenFailure::Host(cause) => {
                let error = Error::host("cannot open", cause).in_file(&candidate.path);
                let error = self.of_parent(error);
                self.passed.host.get_or_insert(error);
            }
        }
    }

    /// An error in the parent says whose parent it is.
    fn of_parent(&self, error: Error) -> Error {
        error.with_detail(format!("it is the parent of {}", self.child.path.display()))
    }

    /// What to say when a parent stands elsewhere than recorded.
    fn note(&self, candidate: &Candidate) -> Option<String> {
        candidate.by_name.then(|| {
            format!(
                "found by its name alone as {}: {} records another folder",
                candidate.path.display(),
                self.child.path.display()
            )
        })
    }

    /// Registry whose children have their parent's size read others all the same, as every hypervisor's do.
    fn size_note(&self, parent: &Opened) -> Option<String> {
        let same_size = self.child.driver.child.is_some_and(|rule| rule.same_size);
        let (own, other) = (
            self.child.image.metadata().size,
            parent.image.metadata().size,
        );
        (same_size && own != other).then(|| {
            format!(
                "its disk has {} bytes, that of its child {} has {}",
                other.0,
                self.child.path.display(),
                own.0
            )
        })
    }
}

/// Adds an image, unless its file is among them already by another name.
fn push_new(all: &mut Vec<Opened>, image: Opened) {
    if all.iter().all(|known| !is_same_file(known, &image)) {
        all.push(image);
    }
}

/// Whether both are one file, by whatever names.
fn is_same_file(one: &Opened, other: &Opened) -> bool {
    match (&one.stamp, &other.stamp) {
        (Some(one), Some(other)) => one.is_same_file(other),
        _ => false,
    }
}
