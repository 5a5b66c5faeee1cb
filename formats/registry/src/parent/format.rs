//! Which format a parent has: what its child records, what the user says, what its bytes say.
//!
//! Bytes are asked where an identity proves what they say, or where the user names the file. A raw disk's bytes are its guest's: what a child
//! records of its format beats them.

use std::path::Path;

use imgdelta_core::{
    Driver, Error, Format, Identity, Kind, ProbeResult, ProbeWindow, Result, Source,
};

use super::{CandidateOrigin, ParentSearch};

impl ParentSearch<'_> {
    /// The formats in which a candidate is opened, one after the other until it is the parent: none, if it has no format that is known, which
    /// is then remembered.
    ///
    /// # Errors
    /// Reference, if nobody says the format of a parent whose bytes are not asked; Unsupported, if there is no driver for it.
    pub(super) fn drivers(
        &mut self,
        source: &dyn Source,
        path: &Path,
        origin: CandidateOrigin,
    ) -> Result<Vec<&'static Driver>> {
        let said = self.spec.policy.backing_format;
        let said = said.map(|format| self.driver(format)).transpose()?;
        let is_probed = self.child.driver.child.is_some_and(|rule| rule.probed);
        if is_probed {
            return Ok(self.said_or_probed(said, source, path));
        }
        let recorded = self.link.format.map(|format| self.driver(format));
        let recorded = recorded.transpose()?;
        match (recorded, said, origin) {
            (Some(recorded), said, CandidateOrigin::Named) => {
                Ok(self.recorded_or_named(recorded, said, source, path))
            }
            (Some(recorded), _, CandidateOrigin::Recorded) => Ok(vec![recorded]),
            (None, Some(said), _) => Ok(vec![said]),
            (None, None, CandidateOrigin::Named) => Ok(self.probed(source, path)),
            (None, None, CandidateOrigin::Recorded) => Err(self.unsaid()),
        }
    }

    /// Of a parent that has an identity: the format that the user says, and where the image is not the parent so, the one that its bytes say. It
    /// may be another parent of the chain that the user speaks of.
    fn said_or_probed(
        &mut self,
        said: Option<&'static Driver>,
        source: &dyn Source,
        path: &Path,
    ) -> Vec<&'static Driver> {
        match said {
            None => self.probed(source, path),
            Some(said) if self.link.or_raw => vec![said],
            Some(said) => {
                let others = self.claiming(source).into_iter();
                let others = others.filter(|other| other.format != said.format);
                std::iter::once(said).chain(others).collect()
            }
        }
    }

    /// Of a file that the user names for a parent whose format is recorded: that, where the bytes agree, and else what the user says, or they.
    fn recorded_or_named(
        &mut self,
        recorded: &'static Driver,
        said: Option<&'static Driver>,
        source: &dyn Source,
        path: &Path,
    ) -> Vec<&'static Driver> {
        let is_raw = recorded.format == Format::Raw;
        let claiming = self.claiming(source);
        let agrees = if is_raw {
            claiming.is_empty()
        } else {
            claiming.iter().any(|one| one.format == recorded.format)
        };
        match said {
            _ if agrees => vec![recorded],
            Some(said) => vec![said],
            // Its guest may have written what the bytes say.
            None if is_raw => vec![recorded],
            None => self.probed(source, path),
        }
    }

    /// What the bytes say, whatever the name, where an identity proves it; else only what the name does not contradict. If nobody can say it,
    /// that is remembered.
    fn probed(&mut self, source: &dyn Source, path: &Path) -> Vec<&'static Driver> {
        let claiming = self.claiming(source);
        if !claiming.is_empty() && !self.link.identities.iter().all(Identity::is_null) {
            return claiming;
        }
        match self.formats.probe(source, path, None) {
            Ok(driver) => vec![driver],
            Err(error) => {
                let error = error
                    .map_hint(|hint| hint.replace("--input-format", "--backing-format"))
                    .in_file(path);
                let error = self.of_parent(error);
                self.passed.failed.get_or_insert(error);
                Vec::new()
            }
        }
    }

    /// Those that know the bytes as theirs.
    fn claiming(&self, source: &dyn Source) -> Vec<&'static Driver> {
        let Ok(peek) = ProbeWindow::of(source) else {
            return Vec::new();
        };
        let all = self.formats.0.iter().copied();
        all.filter(|driver| !matches!((driver.probe)(&peek), ProbeResult::No))
            .collect()
    }

    fn driver(&self, format: Format) -> Result<&'static Driver> {
        self.formats
            .driver(format)
            .map_err(|error| self.of_parent(error))
    }

    /// Nobody says it.
    fn unsaid(&self) -> Error {
        Error::new(
            Kind::Reference,
            "does not record the format of its parent, and its bytes are not trusted to say",
        )
        .with_code("backing_format_missing")
        .in_file(&self.child.path)
        .with_hint("say it with --backing-format")
    }
}
