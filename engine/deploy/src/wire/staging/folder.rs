//! The folder of an offer at the site, `.imgdelta/incoming/BASE+IMAGE/`, and its lock.
//!
//! No link is followed: what is a link leads to what somebody else owns.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::SystemTime,
};

use imgdelta_core::{Error, FileLock, Kind, LockWait, Result};
use imgdelta_delta::Digest;
use imgdelta_repository::catalogue::ImageId;
use rustix::fs::OFlags;

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

/// Makes the folder. What is a link leads to what somebody else owns: files there would be deleted as those of an earlier offer.
fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .map_err(|cause| Error::host("cannot create the folder", cause).in_file(folder))?;
    let is_link = |one: &&Path| fs::symlink_metadata(one).is_ok_and(|found| found.is_symlink());
    // It stands in `.imgdelta/incoming/`.
    match folder.ancestors().take(3).find(is_link) {
        None => Ok(()),
        Some(link) => Err(
            Error::new(Kind::Reference, "is a link in the repository's own folder")
                .with_code("outside")
                .in_file(link),
        ),
    }
}

/// Takes the lock of a folder. Where the file system knows none, the digests find out what two conversations at once have made of it.
pub(super) fn lock(folder: &Path, wait: LockWait) -> Result<FileLock> {
    /// How often another one may have ended just now and taken it away.
    const TRIES: u32 = 64;
    let place = folder.join(LOCK);
    let while_working = || {
        Error::new(Kind::Busy, "another deployment is sending the same image")
            .with_code("locked")
            .in_file(folder)
            .with_hint("wait with --wait 5m")
    };
    for _ in 0..TRIES {
        make(folder)?;
        let file = match open_regular(File::options().write(true).create(true), &place) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(Error::host("cannot lock", cause).in_file(&place)),
        };
        let lock = FileLock::acquire(file, &place, wait, while_working)?;
        if lock.stands_at(&place) {
            // `gc` is to see that it is in use.
            let _ = lock.file().set_modified(SystemTime::now());
            return Ok(lock);
        }
    }
    Err(while_working())
}

/// Opens a file that an earlier offer has made, or makes it: no link is followed, and nothing but a file is opened.
pub(super) fn open_regular(options: &mut fs::OpenOptions, place: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(place)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("is not a regular file")),
    }
}
