//! What sites have: read from an inventory or from the folder of a repository, or asked of another host. What is made of it stands in `plan`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_deploy::wire::Target;
use imgdelta_repository::catalogue::{ImageId, Inventory, Repository};

use crate::{
    commands::{Run, line::converse},
    job::Known,
};

/// Headquarters, asking what sites have.
pub(super) struct Asking<'a> {
    pub(super) repository: &'a Repository,
    pub(super) wanted: Vec<ImageId>,
    pub(super) remote_program: &'a str,
    pub(super) run: &'a Run<'a>,
}

impl Asking<'_> {
    /// What the sites have.
    pub(super) fn lists(&self, sites: &[Known]) -> Result<Vec<Inventory>> {
        let given: Vec<PathBuf> = sites.iter().map(Known::shown).collect();
        refuse_twice(&given)?;
        let list = |site: &Known| match site {
            Known::Here(path) => list(path),
            Known::There(target) => self.list_of(target),
        };
        sites.iter().map(list).collect()
    }

    /// What a site on another host has of what is here.
    fn list_of(&self, target: &Target) -> Result<Inventory> {
        let own = self.repository.inventory()?;
        converse(
            target,
            self.remote_program,
            Duration::ZERO,
            self.run,
            |client| client.announce(&own, &self.wanted),
        )
    }
}

/// What a site has: a file is an inventory, a folder is a repository.
pub(in crate::commands) fn list(site: &Path) -> Result<Inventory> {
    if site.is_dir() {
        Repository::open(site)?.inventory()
    } else {
        Inventory::read(site)
    }
}

/// Refuses a site that is given twice.
pub(in crate::commands) fn refuse_twice(sites: &[PathBuf]) -> Result<()> {
    for (number, site) in sites.iter().enumerate() {
        if sites.iter().take(number).any(|before| before == site) {
            let message = "is given twice as a site";
            return Err(Error::new(Kind::Usage, message).in_file(site));
        }
    }
    Ok(())
}
