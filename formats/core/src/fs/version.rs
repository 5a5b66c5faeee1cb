//! Which file on the host a file is, and in which version: what tells a changed file from an unchanged one.
//!
//! It holds all that the host knows of an inode without reading its content. Whether that is enough to remember anything by is said by its
//! [`FileSystem`].

use std::{
    fs::{File, Metadata},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
};

use super::file_system::FileSystem;

/// Which file on the host this is, and in which version: what tells a changed file from an unchanged one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileVersion {
    /// The file system that holds it.
    pub file_system: FileSystem,
    /// The device that holds it.
    pub device: u64,
    /// Its inode there.
    pub inode: u64,
    /// When that inode was made, in nanoseconds since 1970, where the file system says so: numbers of removed files are used again.
    pub born: Option<i128>,
    /// Its length in bytes.
    pub len: u64,
    /// Last change of its content, in nanoseconds since 1970.
    pub modified: i128,
    /// Last change of its content or its attributes, in nanoseconds since 1970.
    pub changed: i128,
    /// Whether it is a block device, whose times say nothing.
    pub is_device: bool,
}

impl FileVersion {
    fn new(metadata: &Metadata, len: u64, born: Option<i128>, file_system: FileSystem) -> Self {
        Self {
            file_system,
            device: metadata.dev(),
            inode: metadata.ino(),
            born,
            len,
            modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
            is_device: metadata.file_type().is_block_device(),
        }
    }

    /// The file at `path`, links followed, without opening it; `None` if there is none.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let len = metadata.len();
        Some(Self::new(
            &metadata,
            len,
            born_at(path),
            FileSystem::at(path),
        ))
    }

    /// An open file.
    pub(crate) fn of_file(file: &File) -> Option<Self> {
        let metadata = file.metadata().ok()?;
        Some(Self::of_open(file, &metadata, metadata.len()))
    }

    /// An open file of which the host says `metadata`, and that is `len` bytes long: of a device the host does not say it.
    pub(crate) fn of_open(file: &File, metadata: &Metadata, len: u64) -> Self {
        Self::new(metadata, len, born(file), FileSystem::of_file(file))
    }

    /// Whether both are the same file, in whatever version.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

fn nanos(seconds: i64, nanos: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

#[cfg(target_os = "linux")]
fn born(file: &File) -> Option<i128> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let found = statx(
        file.as_fd(),
        "",
        AtFlags::EMPTY_PATH,
        StatxFlags::BTIME | StatxFlags::BASIC_STATS,
    );
    birth_of(&found.ok()?)
}

#[cfg(target_os = "linux")]
fn born_at(path: &Path) -> Option<i128> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let asked = StatxFlags::BTIME | StatxFlags::BASIC_STATS;
    birth_of(&statx(CWD, path, AtFlags::empty(), asked).ok()?)
}

#[cfg(target_os = "linux")]
fn birth_of(found: &rustix::fs::Statx) -> Option<i128> {
    let is_known = found.stx_mask & rustix::fs::StatxFlags::BTIME.bits() != 0;
    let at = found.stx_btime;
    is_known.then(|| nanos(at.tv_sec, i64::from(at.tv_nsec)))
}

#[cfg(not(target_os = "linux"))]
fn born(file: &File) -> Option<i128> {
    since_1970(file.metadata().ok()?.created().ok()?)
}

#[cfg(not(target_os = "linux"))]
fn born_at(path: &Path) -> Option<i128> {
    since_1970(std::fs::metadata(path).ok()?.created().ok()?)
}

#[cfg(not(target_os = "linux"))]
fn since_1970(time: std::time::SystemTime) -> Option<i128> {
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i128::try_from(since.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_by_its_path_and_open() {
        let file = tempfile::NamedTempFile::new().expect("a place for a file");
        let (open, by_path) = (
            FileVersion::of_file(file.as_file()).expect("it is there"),
            FileVersion::at(file.path()).expect("it is there"),
        );
        assert_eq!(open, by_path);
        // Where nothing is remembered it does not matter whether it is known.
        assert!(open.born.is_some() || !open.file_system.tells_changes());
    }
}
