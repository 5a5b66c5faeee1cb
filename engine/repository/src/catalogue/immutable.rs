//! Golden images as files that nobody writes to, renames or deletes, not even root: the host's immutable attribute (`chattr +i`). Only root sets it
//! and takes it off, and only file systems that know it keep it.
//!
//! It is taken off before a file of the image is replaced or deleted, and set again on what took its place.

use std::{
    fs::File,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use imgdelta_core::{Error, Kind, Result};
use rustix::{
    fs::{IFlags, OFlags, ioctl_getflags, ioctl_setflags},
    io::Errno,
};

use super::{Repository, record::Record};

impl Repository {
    /// Makes the files of an image immutable, all or none.
    ///
    /// # Errors
    /// Host, if the host or the file system does not let it; nothing is changed then.
    pub(super) fn make_immutable(&self, record: &Record) -> Result<()> {
        let mut done: Vec<PathBuf> = Vec::new();
        for file in &record.files {
            let place = self.paths.place(&file.path)?;
            match set(&place, true) {
                Ok(true) => done.push(place),
                Ok(false) => {}
                Err(error) => {
                    for place in done {
                        let _ = set(&place, false);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Takes the attribute off the files of an image that has it: they are about to be replaced, deleted or given back to their user.
    ///
    /// # Errors
    /// Host, if the host does not let it.
    pub(super) fn lift_immutable(&self, record: &Record) -> Result<()> {
        if !record.immutable {
            return Ok(());
        }
        for file in &record.files {
            // What is missing, or not the repository's any more, has nothing to be taken off.
            if let Ok(place) = self.paths.place(&file.path) {
                set(&place, false)?;
            }
        }
        Ok(())
    }

    /// Has the files of an image immutable that was so before they were replaced. Whoever took the attribute off could set it; where it cannot be
    /// set again, the image is golden all the same.
    pub(super) fn immutable_again(&self, record: &Record) {
        if record.immutable {
            let _ = self.make_immutable(record);
        }
    }

    /// Makes sure that images here can be made immutable, before one is copied for that: with a file that goes at once.
    ///
    /// # Errors
    /// Host, if the host or the file system does not let it.
    pub(super) fn can_be_immutable(&self) -> Result<()> {
        let name = format!(".immutable-{}", uuid::Uuid::new_v4());
        let place = self.paths.incoming()?.place(name);
        let path = place.path();
        let made = place.create_new();
        let made = made.map_err(|cause| Error::host("cannot write", cause).in_file(&path))?;
        let can = set_open(&made, &path, true).and_then(|_| set_open(&made, &path, false));
        let _ = place.remove();
        can.map(drop).map_err(|error| {
            Error::new(error.kind(), error.message().to_owned())
                .with_code(error.code())
                .in_file(&self.paths.folder)
                .with_hint(HINT)
        })
    }
}

/// What helps where it cannot be set.
const HINT: &str = "run it as root on a file system that has the attribute (ext4, XFS, Btrfs), or without --immutable: golden files are read-only all the same";

/// Sets or takes off the attribute; true, if that changed something.
fn set(place: &Path, on: bool) -> Result<bool> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let real = std::fs::canonicalize(place)
        .map_err(|cause| Error::host("cannot find", cause).in_file(place))?;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(real)
        .map_err(|cause| Error::host("cannot open", cause).in_file(place))?;
    set_open(&file, place, on)
}

/// As [`set`], of an open file.
fn set_open(file: &File, place: &Path, on: bool) -> Result<bool> {
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        let message = "is no regular file, and only such are immutable";
        return Err(Error::new(Kind::Host, message).in_file(place));
    }
    let now = match ioctl_getflags(file) {
        Ok(now) => now,
        // Nothing to be taken off.
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) if !on => {
            return Ok(false);
        }
        Err(errno) => return Err(refused(place, on, errno)),
    };
    if now.contains(IFlags::IMMUTABLE) == on {
        return Ok(false);
    }
    let mut wanted = now;
    wanted.set(IFlags::IMMUTABLE, on);
    ioctl_setflags(file, wanted).map_err(|errno| refused(place, on, errno))?;
    Ok(true)
}

fn refused(place: &Path, on: bool, errno: Errno) -> Error {
    let what = match errno {
        Errno::PERM | Errno::ACCESS if on => "cannot be made immutable: only root may",
        Errno::PERM | Errno::ACCESS => "is immutable, and only root takes that off",
        _ => "cannot be made immutable: its file system does not have the attribute",
    };
    let error = Error::new(Kind::Host, what)
        .with_code("immutable")
        .in_file(place);
    match on {
        true => error.with_hint(HINT),
        false => error.with_hint("'imgdelta repo golden IMAGE --off' as root takes it off"),
    }
}
