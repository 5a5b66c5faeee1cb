//! Finds the parent of a layer: looks where the policy allows, takes the first image that is the one the child was made over.
//!
//! A candidate that does not fit is passed over and remembered, so that the error can say of each what was wrong with it: see `missing`.

mod missing;

use std::{io, path::Path, path::PathBuf, sync::Arc};

use imgdelta_core::{
    Driver, Error, FileSource, Format, Identity, Kind, Options, ParentLink, Result, Sectors, Source,
};

use crate::{
    beneath::{self, Miss},
    layer::{Layer, OpenSpec, Opened},
    policy::{Candidate, Refused},
    probe::Formats,
    search::{self, Searched},
};

/// The search for one parent.
#[derive(Debug)]
pub(crate) struct Finder<'a> {
    formats: Formats,
    /// How the top image was to be opened.
    spec: &'a OpenSpec,
    /// The layers so far, top first.
    chain: &'a [Opened],
    /// The last of them.
    child: &'a Opened,
    /// What it says of its parent.
    link: &'a ParentLink,
    /// Candidates that were passed over, and why.
    passed: Passed,
}

/// What was wrong with the candidates, the first of each kind.
#[derive(Debug, Default)]
struct Passed {
    /// It does not open as an image: it is the parent's own error.
    failed: Option<Error>,
    /// It stands in the chain already.
    looping: Option<PathBuf>,
    /// It has another identity, or none.
    others: Vec<(PathBuf, Option<Identity>)>,
    /// The policy refuses it.
    refused: Vec<Refused>,
    /// The host would not open it.
    host: Option<Error>,
    /// It is not there.
    looked: Vec<(PathBuf, io::Error)>,
    /// Folders in which no image is the parent.
    searched: Vec<Searched>,
}

impl<'a> Finder<'a> {
    /// The search for the parent that `child`, the last of `chain`, names in `link`.
    pub(crate) fn new(
        formats: Formats,
        spec: &'a OpenSpec,
        chain: &'a [Opened],
        child: &'a Opened,
        link: &'a ParentLink,
    ) -> Self {
        Self {
            formats,
            spec,
            chain,
            child,
            link,
            passed: Passed::default(),
        }
    }

    /// Finds and opens it.
    ///
    /// # Errors
    /// As [`open_chain`](crate::open_chain).
    pub(crate) fn find(mut self) -> Result<Opened> {
        let named = self.chain.len().saturating_sub(1);
        if let Some(path) = self.spec.policy.parent.get(named) {
            let driver = self.driver()?;
            let path = self.formats.file_of(path);
            let source = FileSource::open(&path)?;
            let found = self.accept(source, &path, driver);
            return found.ok_or_else(|| self.error());
        }
        let (candidates, refused) = self.spec.policy.candidates(self.link, &self.child.path);
        self.passed.refused = refused;
        for candidate in candidates {
            match beneath::open(&candidate.root, &candidate.inside) {
                Ok(file) => {
                    let driver = self.driver()?;
                    let source = FileSource::of(file, &candidate.path)?;
                    if let Some(mut parent) = self.accept(source, &candidate.path, driver) {
                        parent.notes.extend(self.note(&candidate));
                        return Ok(parent);
                    }
                }
                Err(miss) => self.pass(candidate, miss),
            }
        }
        match self.search()? {
            Some(parent) => Ok(parent),
            None => Err(self.error()),
        }
    }

    /// Looks for it by its identity alone, where the format's children are found so.
    fn search(&mut self) -> Result<Option<Opened>> {
        let is_searched = self.child.driver.child.is_some_and(|rule| rule.searched);
        if !is_searched || self.link.identities.is_empty() {
            return Ok(None);
        }
        let driver = self.driver()?;
        let (child, spec) = (self.child, self.spec);
        let mut fitting: Vec<Opened> = Vec::new();
        // What is wrong with an image that nobody named is of no interest.
        let passed = std::mem::take(&mut self.passed);
        let searched = search::images(&child.path, &spec.policy, driver, |found| {
            if let Some(parent) = self.accept(found.source, &found.path, driver) {
                let is_new = fitting.iter().all(|known| !is_same_file(known, &parent));
                if is_new {
                    fitting.push(parent);
                }
            }
        });
        self.passed = Passed { searched, ..passed };
        let Some(mut parent) = fitting.pop() else {
            return Ok(None);
        };
        if fitting.is_empty() {
            if !self.link.hints.is_empty() {
                parent.notes.push(format!(
                    "found by its identity as {}: the path in {} does not lead to it",
                    parent.path.display(),
                    self.child.path.display()
                ));
            }
            return Ok(Some(parent));
        }
        fitting.push(parent);
        Err(self.ambiguous(&fitting))
    }

    /// The parent's format: what is recorded, else what the user says. Its bytes are never asked: if the parent is raw, its guest writes
    /// them.
    fn driver(&self) -> Result<&'static Driver> {
        let format = self.link.format.or(self.spec.policy.backing_format);
        let format = format.ok_or_else(|| {
            Error::new(
                Kind::Reference,
                "does not record the format of its parent, and its bytes are not trusted to say",
            )
            .with_code("backing_format_missing")
            .in_file(&self.child.path)
            .with_hint("say it with --backing-format")
        })?;
        self.formats
            .driver(format)
            .map_err(|error| self.of_parent(error))
    }

    /// Opens a candidate, if it is the parent.
    fn accept(
        &mut self,
        source: FileSource,
        path: &Path,
        driver: &'static Driver,
    ) -> Option<Opened> {
        let format = driver.format;
        let layer = Layer {
            source: Arc::new(source) as Arc<dyn Source>,
            path: path.into(),
            driver,
            options: self.options(format),
            snapshot: None,
        };
        match layer.open(&self.spec.policy) {
            Err(error) => {
                let error = self.of_parent(error);
                self.passed.failed.get_or_insert(error);
                None
            }
            Ok(parent) => self.fitting(parent),
        }
    }

    /// The parent, if it is the right one. Identity comes first: a child may bear the name of its parent.
    fn fitting(&mut self, mut parent: Opened) -> Option<Opened> {
        let facts = parent.image.facts();
        let wanted = &self.link.identities;
        if !wanted.is_empty() && !wanted.iter().any(|wanted| facts.is_called(wanted)) {
            let identity = facts.identity.clone();
            self.passed.others.push((parent.path, identity));
            return None;
        }
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
        let (own, other) = (self.child.image.facts(), parent.image.facts());
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
    fn pass(&mut self, candidate: Candidate, miss: Miss) {
        match miss {
            Miss::NotThere(cause) => self.passed.looked.push((candidate.path, cause)),
            Miss::Refused(reason) => self.passed.refused.push(Refused {
                field: candidate.field,
                text: candidate.path.display().to_string(),
                reason,
            }),
            Miss::Host(cause) => {
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

    /// Formats whose children have their parent's size read others all the same, as every hypervisor's do.
    fn size_note(&self, parent: &Opened) -> Option<String> {
        let same_size = self.child.driver.child.is_some_and(|rule| rule.same_size);
        let (own, other) = (self.child.image.facts().size, parent.image.facts().size);
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

/// Whether both are one file, by whatever names.
fn is_same_file(one: &Opened, other: &Opened) -> bool {
    match (&one.stamp, &other.stamp) {
        (Some(one), Some(other)) => one.is_same_file(other),
        _ => false,
    }
}
