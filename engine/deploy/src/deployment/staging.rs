//! The folder at a site for files that are being received.
//!
//! Each deployment has one of its own, so that two at once do not mix.

use std::{fs, path::PathBuf};

use imgdelta_core::{Error, Kind, Result};
use imgdelta_repository::catalogue::Repository;

/// The folder at the site for what is under way to it. It goes when all is done, whatever becomes of it; what a killed process leaves,
/// `gc` finds.
pub(super) struct StagingFolder {
    pub(super) folder: PathBuf,
}

impl StagingFolder {
    /// Makes one that no other deployment has.
    pub(super) fn make(site: &Repository) -> Result<Self> {
        let incoming = site.incoming();
        fs::create_dir_all(&incoming)
            .map_err(|cause| Error::host("cannot create the folder", cause).in_file(&incoming))?;
        let process = std::process::id();
        for number in 0..1000_u32 {
            let folder = incoming.join(format!("by-path-{process}-{number}"));
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Self { folder }),
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(cause) => {
                    return Err(Error::host("cannot create the folder", cause).in_file(&folder));
                }
            }
        }
        Err(Error::new(Kind::Busy, "many deployments are under way to it").in_file(&incoming))
    }
}

impl Drop for StagingFolder {
    /// What cannot be removed, or comes back after a power cut, stays for `gc`: nobody is told that it is gone.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
