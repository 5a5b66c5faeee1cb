//! Folders made and synced: what is created in one or deleted from it is durable when the folder is.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use rustix::io::Errno;

use crate::{Error, Result};

/// Makes a folder, and those above it as far as they are not there, durably.
///
/// # Errors
/// Host, if the host cannot.
pub fn create_folders(folder: &Path) -> Result<()> {
    let is_missing = |one: &&Path| !one.as_os_str().is_empty() && fs::metadata(one).is_err();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(folder)
        .map_err(|cause| Error::host("cannot create the folder", cause).in_file(folder))?;
    missing
        .into_iter()
        .try_for_each(|made| sync_folder(folder_of(made)))
}

/// Makes durable what stands in a folder and what does not any more. One that has gone itself has nothing to keep.
///
/// # Errors
/// Host, if the host cannot.
pub fn sync_folder(folder: &Path) -> Result<()> {
    let opened = match File::open(folder) {
        Ok(opened) => opened,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => {
            return Err(Error::host("cannot open the folder", cause).in_file(folder));
        }
    };
    sync_opened(&opened)
        .map_err(|cause| Error::host("cannot sync the folder", cause).in_file(folder))
}

/// Makes durable what stands in an open folder and what does not any more.
pub(crate) fn sync_opened(folder: &File) -> io::Result<()> {
    match folder.sync_all() {
        Err(cause) if !knows_no_sync(&cause) => Err(cause),
        _ => Ok(()),
    }
}

/// Some network and FUSE file systems know no sync of a folder.
fn knows_no_sync(cause: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(cause),
        Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
    )
}

/// The folder in which `place` stands.
pub(crate) fn folder_of(place: &Path) -> &Path {
    match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_as_far_as_they_are_not_there() -> Result<()> {
        let place = tempfile::tempdir().expect("a place");
        let deep = place.path().join("a/b/c");
        create_folders(&deep)?;
        create_folders(&deep)?;
        assert!(deep.is_dir());
        let file = place.path().join("file");
        fs::write(&file, "").expect("room");
        assert!(create_folders(&file.join("below")).is_err());
        Ok(())
    }

    #[test]
    fn a_folder_that_has_gone_has_nothing_to_keep() -> Result<()> {
        let place = tempfile::tempdir().expect("a place");
        sync_folder(place.path())?;
        sync_folder(&place.path().join("gone"))
    }
}
