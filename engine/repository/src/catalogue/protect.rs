//! Golden images are made from, and not started: their files are read-only, so that nobody boots one by mistake. Who takes the word back gets
//! the permissions back.
//!
//! Where the host does not let that be done, as with another user's file or on FAT, the image is golden all the same.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use super::{Repository, record::Record};

/// The permissions to write: of the owner, the group and all others.
const WRITING: u32 = 0o222;

/// The permissions among what the host calls the mode.
const PERMISSIONS: u32 = 0o7777;

impl Repository {
    /// Makes the files of a golden image read-only, and gives those of another one back what they had. Returns the record as it is to be
    /// written then.
    pub(super) fn with_permissions(&self, mut record: Record) -> Record {
        let is_golden = record.golden;
        for file in &mut record.files {
            let Ok(place) = self.paths.place(&file.path) else {
                continue;
            };
            match (is_golden, file.mode) {
                (true, None) => file.mode = protect(&place),
                (false, Some(mode)) => {
                    release(&place, mode);
                    file.mode = None;
                }
                _ => {}
            }
        }
        record
    }
}

impl Repository {
    /// Makes the files of an image that was mended read-only again, if they were before.
    pub(super) fn protect_again(&self, record: &Record) {
        for file in record.files.iter().filter(|file| file.mode.is_some()) {
            if let Ok(place) = self.paths.place(&file.path) {
                protect(&place);
            }
        }
    }
}

/// Makes a file read-only; the permissions that it had, if it could be written to and cannot any more.
fn protect(place: &Path) -> Option<u32> {
    let found = fs::symlink_metadata(place).ok()?;
    let mode = found.permissions().mode() & PERMISSIONS;
    if !found.is_file() || mode & WRITING == 0 {
        return None;
    }
    fs::set_permissions(place, Permissions::from_mode(mode & !WRITING)).ok()?;
    Some(mode)
}

/// Gives a file back the permissions to write that it had. Others may have been changed since.
fn release(place: &Path, mode: u32) {
    if let Ok(found) = fs::symlink_metadata(place)
        && found.is_file()
    {
        let now = found.permissions().mode() & PERMISSIONS;
        let _ = fs::set_permissions(place, Permissions::from_mode(now | (mode & WRITING)));
    }
}
