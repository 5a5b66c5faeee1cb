//! Finds the parent of a layer: looks where the policy allows, takes the first image that is the one the child was made over.
//!
//! A candidate that does not fit is passed over and remembered, so that the error can say of each what was wrong with it.

use std::{io, path::Path, path::PathBuf, sync::Arc};

use imgdelta_core::{
    Driver, Error, FileSource, Format, Identity, Kind, Options, ParentLink, Result, Source,
};

use crate::{
    beneath::{self, Miss},
    open::{Layer, OpenSpec, Opened},
    policy::{Candidate, Refused},
    probe::Formats,
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
            let source = FileSource::open(path)?;
            let found = self.accept(source, path, driver);
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
        Err(self.error())
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
            path,
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
        let identity = &parent.image.facts().identity;
        let wanted = &self.link.identities;
        let fits = wanted.is_empty() || identity.as_ref().is_some_and(|own| wanted.contains(own));
        if !fits {
            self.passed.others.push((parent.path, identity.clone()));
            return None;
        }
        let is_known = |known: &Opened| match (&known.stamp, &parent.stamp) {
            (Some(known), Some(parent)) => known.is_same_file(parent),
            _ => false,
        };
        if self.chain.iter().any(is_known) {
            self.passed.looping.get_or_insert(parent.path);
            return None;
        }
        parent.notes.extend(self.size_note(&parent));
        Some(parent)
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

impl Finder<'_> {
    /// Why there is no parent: the most telling of what was wrong with the candidates.
    fn error(self) -> Error {
        let child = self.child.path.clone();
        let loops = self.passed.looping.as_ref().map(|path| self.looping(path));
        let other = self.other_identity();
        let Passed {
            failed,
            refused,
            host,
            looked,
            ..
        } = self.passed;
        if let Some(error) = failed.or(loops) {
            return error;
        }
        let mut error = match other {
            Some(other) => other,
            None if !refused.is_empty() => Error::new(
                Kind::Reference,
                "names its parent by a path that is not followed",
            )
            .with_code("reference_refused"),
            None => match host {
                Some(error) => return error,
                None if looked.is_empty() => {
                    Error::new(Kind::Chain, "does not say where its parent is")
                        .with_code("parent_missing")
                }
                None => {
                    Error::new(Kind::Chain, "its parent is missing").with_code("parent_missing")
                }
            },
        };
        for one in &refused {
            error = error.with_detail(one.to_string());
        }
        for (path, cause) in &looked {
            error = error.with_detail(format!("looked for {}: {cause}", path.display()));
        }
        error.in_file(&child).with_hint(
            "--search DIR adds a folder in which it may lie, --parent FILE names the parent itself",
        )
    }

    /// `parent chain loops: a -> b -> a`.
    fn looping(&self, again: &Path) -> Error {
        let name = |path: &Path| match path.file_name() {
            Some(name) => name.to_string_lossy().into_owned(),
            None => path.display().to_string(),
        };
        let mut names: Vec<String> = self.chain.iter().map(|one| name(&one.path)).collect();
        names.push(name(again));
        Error::new(
            Kind::Chain,
            format!("parent chain loops: {}", names.join(" -> ")),
        )
        .with_code("parent_loop")
        .in_file(&self.spec.path)
    }

    /// Files were found, and they are not the parent.
    fn other_identity(&self) -> Option<Error> {
        let (path, own) = self.passed.others.first()?;
        let own = match own {
            Some(own) => own.to_string(),
            None => "no identity".to_owned(),
        };
        let wanted: Vec<String> = self
            .link
            .identities
            .iter()
            .map(Identity::to_string)
            .collect();
        let mut error = Error::new(
            Kind::Chain,
            format!(
                "{} is not its parent: it has {own}, {} is required",
                path.display(),
                wanted.join(" or ")
            ),
        )
        .with_code("parent_identity");
        for (path, own) in self.passed.others.iter().skip(1) {
            let own = own
                .as_ref()
                .map_or("no identity".to_owned(), Identity::to_string);
            error = error.with_detail(format!("{} has {own}", path.display()));
        }
        Some(error)
    }
}
