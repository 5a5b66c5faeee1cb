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
pub struct Files<'d>(Box<dyn Iterator<Item = Found<Entry>> + 'd>);

/// The files of a volume, in no order that means anything; what the file system keeps for itself comes with them. Directories are read as they
/// are come to, so that as little as possible is in memory.
///
/// A volume need not be clean: what is told then is what stands on the disk, as it is.
///
/// # Errors
/// Those of the disk. Corrupt or unsupported, if the volume holds no file system that is listed here, or one that is not sound.
pub fn files<'d>(disk: &'d dyn Disk, volume: &Volume) -> Result<Files<'d>> {
    let window = Window::new(disk, volume.start, volume.len);
    let files: Found<Box<dyn Iterator<Item = _>>> = match volume.contents {
        Contents::Ext => ext::files(window).map(|walk| Box::new(walk) as _),
        Contents::Fat => fat::files(window).map(|walk| Box::new(walk) as _),
        Contents::ExFat => exfat::files(window).map(|walk| Box::new(walk) as _),
        Contents::Ntfs => ntfs::files(window).map(|list| Box::new(list) as _),
        Contents::Xfs => xfs::files(window).map(|walk| Box::new(walk) as _),
        contents => {
            let why = format!("files of a volume that holds {contents} are not listed");
            return Err(Error::new(Kind::Unsupported, why));
        }
    };
    files.map(Files).map_err(error)
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
