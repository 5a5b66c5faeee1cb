//! How much may still be written to a file system, and how long a file may be there.

use std::{fs::File, os::fd::AsFd, path::Path};

use super::{FileSystem, folder::folder_of};
use crate::{Bytes, Error, Kind, Result};

/// FAT, of 12, 16 and 32 bits: the length of a file is a field of 32 bits there. exFAT is another type.
const FAT: u32 = 0x4d44;

/// What Linux calls exFAT. As on FAT, there are no holes: a file takes all of its length.
const EXFAT: u32 = 0x2011_bab0;

/// File systems that may store bytes in fewer: Btrfs, ZFS, bcachefs, F2FS. Whether something fits there shows when it is written.
const SHRINKING: [u32; 4] = [0x9123_683e, 0x2fc1_2fc1, 0xca45_1a4e, 0xf2f5_2010];

/// What a file system still takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    /// How much is free to this user.
    pub free: Bytes,
    /// How long a file may be, where that is less than any disk.
    pub longest_file: Option<Bytes>,
    /// Whether what was never written takes no room.
    pub has_holes: bool,
    /// Whether bytes may take less room than they are.
    pub shrinks: bool,
}

impl FreeSpace {
    /// That of the file system of `folder`; `None` where the host does not say.
    #[must_use]
    pub fn at(folder: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(folder).ok()?;
        Some(Self::of(&found, FileSystem::at(folder)))
    }

    /// That of the file system where a file at `place` would stand.
    #[must_use]
    pub fn beside(place: &Path) -> Option<Self> {
        Self::at(folder_of(place))
    }

    /// That of the file system of an open file.
    #[must_use]
    pub fn of_file(file: &File) -> Option<Self> {
        let found = rustix::fs::fstatvfs(file.as_fd()).ok()?;
        Some(Self::of(&found, FileSystem::of_file(file)))
    }

    /// Refuses a file of `len` bytes at `place`, if none is so long there.
    ///
    /// # Errors
    /// Host (`file_too_long`).
    pub fn require_file(&self, len: Bytes, place: &Path) -> Result<()> {
        match self.longest_file {
            Some(longest) if longest < len => {
                let message = format!(
                    "its file would have {} bytes, the file system there is FAT and holds {} at most",
                    len.0, longest.0
                );
                Err(Error::new(Kind::Host, message)
                    .with_code(Error::FILE_TOO_LONG)
                    .in_file(place))
            }
            _ => Ok(()),
        }
    }

    fn of(found: &rustix::fs::StatVfs, kind: FileSystem) -> Self {
        Self {
            free: Bytes(found.f_bavail.saturating_mul(found.f_frsize)),
            shrinks: SHRINKING.contains(&kind.magic),
            has_holes: ![FAT, EXFAT].contains(&kind.magic),
            longest_file: (kind.magic == FAT).then_some(Bytes(u32::MAX as u64)),
        }
    }

    /// Refuses what takes `needed` bytes of `folder`, if fewer are free there, and each takes one.
    ///
    /// # Errors
    /// Host (`no_space`), with both figures.
    pub fn require(&self, needed: Bytes, folder: &Path) -> Result<()> {
        if needed <= self.free || self.shrinks {
            return Ok(());
        }
        let message = format!(
            "there is no room: {needed} ({} bytes) are needed, {} ({} bytes) are free",
            needed.0, self.free, self.free.0
        );
        Err(Error::new(Kind::Host, message)
            .with_code(Error::NO_SPACE)
            .in_file(folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_is_free_is_refused_with_both_figures() {
        let space = FreeSpace {
            free: Bytes::mib(1),
            longest_file: None,
            has_holes: true,
            shrinks: false,
        };
        assert!(
            FreeSpace {
                shrinks: true,
                ..space
            }
            .require(Bytes::mib(2), Path::new("here"))
            .is_ok()
        );
        assert!(space.require(Bytes::mib(1), Path::new("here")).is_ok());
        let error = space.require(Bytes(1_048_577), Path::new("here"));
        let error = error.expect_err("a byte more");
        assert_eq!((error.kind(), error.code()), (Kind::Host, "no_space"));
        let message = error.to_string();
        assert!(message.contains("1048577 bytes"), "{message}");
        assert!(message.contains("1048576 bytes"), "{message}");
    }

    #[test]
    fn a_folder_and_a_file_in_it_have_the_same_space() {
        let folder = tempfile::tempdir().expect("a place");
        let file = tempfile::tempfile_in(folder.path()).expect("room");
        let (one, other) = (FreeSpace::at(folder.path()), FreeSpace::of_file(&file));
        let (one, other) = (one.expect("it says"), other.expect("it says"));
        assert_eq!(one.longest_file, other.longest_file);
        assert!(one.free > Bytes::ZERO);
        assert_eq!(FreeSpace::at(Path::new("/no/such/folder")), None);
    }
}
