//! The folder at a site for files that are being received.
//!
//! Each deployment has one of its own, so that two at once do not mix.

use imgdelta_core::{Error, HeldFolder, HeldPlace, Kind, Result};
use imgdelta_repository::catalogue::Repository;

/// The folder at the site for what is under way to it. It goes when all is done, whatever becomes of it; what a killed process leaves,
/// `gc` finds.
pub(crate) struct StagingFolder {
    /// Open: whatever is put in the place of it or of a folder above it, all is done in this one.
    pub(crate) folder: HeldFolder,
    /// Where that stands.
    place: HeldPlace,
}

impl StagingFolder {
    /// Makes one that no other deployment has.
    pub(crate) fn make(site: &Repository) -> Result<Self> {
        let incoming = site.incoming_folder()?;
        let process = std::process::id();
        for number in 0..1000_u32 {
            let place = incoming.place(format!("by-path-{process}-{number}"));
            match place.make_new_folder() {
                Ok(folder) => return Ok(Self { folder, place }),
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(cause) => {
                    let path = place.path();
                    return Err(Error::host("cannot create the folder", cause).in_file(&path));
                }
            }
        }
        Err(Error::new(Kind::Busy, "many deployments are under way to it").in_file(incoming.path()))
    }
}

impl Drop for StagingFolder {
    /// What cannot be removed, or comes back after a power cut, stays for `gc`: nobody is told that it is gone. Folders in it are not ours.
    fn drop(&mut self) {
        for place in self.folder.places().unwrap_or_default() {
            let _ = place.remove();
        }
        let _ = self.place.remove_folder();
    }
}
