//! `init`: a folder becomes a repository.

use std::path::{Path, PathBuf};

use imgdelta_core::{Error, Format, Kind, Result};
use imgdelta_operations::Context;
use imgdelta_registry::driver_of_new;
use serde::Serialize;

use super::image::shown;
use crate::catalogue::{Repository, Signer};

/// A folder that is to become a repository.
#[derive(Clone, Debug)]
pub struct Init {
    folder: PathBuf,
    format: Format,
    signer: Option<Signer>,
    dry_run: bool,
}

/// A repository that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InitReport {
    /// Its folder, as it was named.
    pub repository: String,
    /// Its id; after a dry run it has none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The format of images that are made there.
    pub default_format: &'static str,
    /// Who must have signed what is received there from a medium.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// Whether nothing was written.
    pub dry_run: bool,
}

impl InitReport {
    /// Of a repository that was started elsewhere; `id` is none after a dry run.
    #[must_use]
    pub const fn new(
        repository: String,
        id: Option<String>,
        format: Format,
        dry_run: bool,
    ) -> Self {
        Self {
            repository,
            id,
            default_format: format.name(),
            signer: None,
            dry_run,
        }
    }
}

impl Init {
    /// A repository in `folder`, which is made if it is not there; its images are qcow2 unless asked for otherwise.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            format: Format::Qcow2,
            signer: None,
            dry_run: false,
        }
    }

    /// The format of images that are made there.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Who must have signed what is received there from a medium; nobody, unless this is said.
    #[must_use]
    pub fn signer(mut self, signer: Option<Signer>) -> Self {
        self.signer = signer;
        self
    }

    /// Whether nothing is to be written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Makes the folder a repository. What stands in it is left alone; [`Scan`](super::Scan) takes it in.
    ///
    /// # Errors
    /// Usage, if it is one already (`exists`); Unsupported, if the format is not written (`only_read`); Host, if the host cannot; Interrupted.
    pub fn run(&self, context: &Context) -> Result<InitReport> {
        context.progress().go_on()?;
        let id = if self.dry_run {
            driver_of_new(self.format)?;
            self.signer.as_ref().map_or(Ok(()), Signer::require_files)?;
            refuse_existing(&self.folder)?;
            None
        } else {
            let made = Repository::init_requiring(&self.folder, self.format, self.signer.clone())?;
            Some(made.about().id.to_string())
        };
        Ok(InitReport {
            repository: shown(&self.folder),
            id,
            default_format: self.format.name(),
            signer: self.signer.clone(),
            dry_run: self.dry_run,
        })
    }
}

/// Refuses a folder that is a repository.
fn refuse_existing(folder: &Path) -> Result<()> {
    match Repository::open(folder) {
        Err(error) if error.code() == "no_repository" => Ok(()),
        Err(error) => Err(error),
        Ok(_) => {
            let error = Error::new(Kind::Usage, "is a repository already");
            Err(error.with_code("exists").in_file(folder))
        }
    }
}
