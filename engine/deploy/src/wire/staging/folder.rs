//! The folder of an offer at the site, `.imgdelta/incoming/BASE+IMAGE/`, and its lock.
//!
//! No link is followed, and all is reached from open folders: what is a link leads to what somebody else owns.

use std::{fs::File, io, time::SystemTime};

use imgdelta_core::{Error, FileLock, HeldFolder, HeldPlace, Kind, LockWait, Result};
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::ImageId;

/// The file that keeps a second conversation away. No part has such a name.
pub(super) const LOCK: &str = ".lock";

/// `BASE+IMAGE`, without regard to case, and only `+IMAGE` for a whole image. Two long ids are more than a file's name may have; what
/// they are hashed to has no `+`.
pub(super) fn folder_name(base: Option<&ImageId>, image: &ImageId) -> String {
    const LONGEST: usize = 240;
    let stem = |id: &ImageId| id.stem().to_ascii_lowercase();
    let base = base.map(stem).unwrap_or_default();
    let name = format!("{base}+{}", stem(image));
    match name.len() {
        ..=LONGEST => name,
        _ => Digest::plain(name.as_bytes()).to_string(),
    }
}

/// Makes the folder, and opens it. What is a link leads to what somebody else owns: files there would be deleted as those of an earlier offer.
fn make(place: &HeldPlace) -> Result<HeldFolder> {
    place.make_folder().map_err(|cause| {
        let path = place.path();
        match place.metadata().is_ok_and(|found| found.is_symlink()) {
            true => Error::new(Kind::Reference, "is a link in the repository's own folder")
                .with_code("outside")
                .in_file(&path),
            false => Error::host("cannot create the folder", cause).in_file(&path),
        }
    })
}

/// Opens the folder at `place`, which is made if it is not there, and takes its lock. Where the file system knows none, the digests find out what two
/// conversations at once have made of it.
pub(super) fn lock(place: &HeldPlace, wait: LockWait) -> Result<(HeldFolder, FileLock)> {
    /// How often another one may have ended just now and taken it away.
    const TRIES: u32 = 64;
    let while_working = || {
        Error::new(Kind::Busy, "another deployment is sending the same image")
            .with_code("locked")
            .in_file(&place.path())
            .with_hint("wait with --wait 5m")
    };
    for _ in 0..TRIES {
        let folder = make(place)?;
        let locked = folder.place(LOCK);
        let path = locked.path();
        let file = match regular(locked.open_or_create()) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(Error::host("cannot lock", cause).in_file(&path)),
        };
        let lock = FileLock::acquire(file, &path, wait, while_working)?;
        if lock.stands_in(&locked) {
            // `gc` is to see that it is in use.
            let _ = lock.file().set_modified(SystemTime::now());
            return Ok((folder, lock));
        }
    }
    Err(while_working())
}

/// What was opened in the folder, if it is a file and nothing else.
pub(super) fn regular(opened: io::Result<File>) -> io::Result<File> {
    let file = opened?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("is not a regular file")),
    }
}
