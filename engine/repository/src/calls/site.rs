//! What sites have, as far as it can be read here: from an inventory, or from the folder of a repository.

use std::path::{Path, PathBuf};

use imgdelta_core::{Error, Kind, Result};

use crate::catalogue::{Inventory, Repository};

/// What a site has: a file is an inventory, a folder is a repository.
///
/// # Errors
/// As [`Repository::open`] and [`Inventory::read`].
pub fn site_inventory(site: &Path) -> Result<Inventory> {
    if site.is_dir() {
        Repository::open(site)?.inventory()
    } else {
        Inventory::read(site)
    }
}

/// Refuses a site that is given twice.
///
/// # Errors
/// Usage, if one is.
pub fn refuse_twice(sites: &[PathBuf]) -> Result<()> {
    for (number, site) in sites.iter().enumerate() {
        if sites.iter().take(number).any(|before| before == site) {
            let message = "is given twice as a site";
            return Err(Error::new(Kind::Usage, message).in_file(site));
        }
    }
    Ok(())
}
