//! The files of a volume with their extents.

use imgdelta_core::{Error, Kind, Result};

use crate::{
    contents::Contents,
    disk::Disk,
    entry::Entry,
    exfat, ext, fat,
    fault::{Fault, Found},
    ntfs,
    partition::Volume,
    window::Window,
    xfs,
};

/// The files of a volume: each is told once, with the first of its names that is met.
pub struct Files<'d>(Entries<'d>);

/// The files of a volume, in no order that means anything; what the file system keeps for itself comes with them. Directories are read as they
/// are come to, so that as little as possible is in memory.
///
/// A volume need not be clean: what is told then is what stands on the disk, as it is.
///
/// # Errors
/// Those of the disk. Corrupt or unsupported, if the volume holds no file system that is listed here, or one that is not sound.
pub fn files<'d>(disk: &'d dyn Disk, volume: &Volume) -> Result<Files<'d>> {
    match entries(disk, volume).map_err(error)? {
        Some(entries) => Ok(Files(entries)),
        None => {
            let contents = volume.contents;
            let why = format!("files of a volume that holds {contents} are not listed");
            Err(Error::new(Kind::Unsupported, why))
        }
    }
}

/// What the reader of a volume tells, one after another.
type Entries<'d> = Box<dyn Iterator<Item = Found<Entry>> + 'd>;

/// As [`files`], with what stops the reader; `None` if the volume holds no file system that is listed here.
pub(crate) fn entries<'d>(disk: &'d dyn Disk, volume: &Volume) -> Found<Option<Entries<'d>>> {
    let window = Window::new(disk, volume.start, volume.len);
    Ok(Some(match volume.contents {
        Contents::Ext => Box::new(ext::files(window)?),
        Contents::Fat => Box::new(fat::files(window)?),
        Contents::ExFat => Box::new(exfat::files(window)?),
        Contents::Ntfs => Box::new(ntfs::files(window)?),
        Contents::Xfs => Box::new(xfs::files(window)?),
        _ => return Ok(None),
    }))
}

impl Iterator for Files<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map_err(error))
    }
}

/// A volume that is not sound is an error to who wants its files.
fn error(fault: Fault) -> Error {
    match fault {
        Fault::Disk(error) => error,
        Fault::Unsound(why) | Fault::Suspended(why) => Error::new(
            Kind::Corrupt,
            format!("the file system is not sound: {why}"),
        ),
    }
}
