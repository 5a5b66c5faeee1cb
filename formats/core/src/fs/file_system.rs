//! Which file system holds a file, and whether it tells a changed file from an unchanged one.
//!
//! Whoever remembers what a file held believes its times. Where those need not move when the content does (memory file systems with writable
//! maps, file systems that only keep seconds or no change time, servers whose clients cache times), nothing may be remembered.

use std::{fs::File, os::fd::AsFd, path::Path};

/// A file system of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileSystem {
    /// Its type: what `statfs` calls `f_type`, cut to 32 bits; 0 where that is not known.
    pub magic: u32,
    /// Which one of that type: what `statvfs` calls `f_fsid`; 0 where that is not known.
    pub id: u64,
}

/// Types whose inodes have times of at least microseconds, and a change time that no program can set. An overlay is none of them: what holds
/// its files cannot be seen from inside.
const TRUSTED: [u32; 6] = [
    0x0000_ef53, // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
    0xca45_1a4e, // bcachefs
];

/// Types that share blocks between files when they are asked to copy: XFS and Btrfs.
const SHARING: [u32; 2] = [0x5846_5342, 0x9123_683e];

impl FileSystem {
    /// Whether files of it share blocks where it is asked to copy from one to another.
    #[must_use]
    pub fn shares_blocks(&self) -> bool {
        SHARING.contains(&self.magic)
    }

    /// That of an open file.
    #[must_use]
    pub fn of_file(file: &File) -> Self {
        let file = file.as_fd();
        Self::known(
            rustix::fs::fstatfs(file).ok(),
            rustix::fs::fstatvfs(file).ok(),
        )
    }

    /// That of the file at `path`, links followed.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self::known(
            rustix::fs::statfs(path).ok(),
            rustix::fs::statvfs(path).ok(),
        )
    }

    #[cfg(target_os = "linux")]
    fn known(kind: Option<rustix::fs::StatFs>, id: Option<rustix::fs::StatVfs>) -> Self {
        // How wide the field is, and whether it has a sign, depends on the processor.
        let magic = kind.map_or(0, |kind| i128::from(kind.f_type) & 0xffff_ffff);
        Self {
            magic: u32::try_from(magic).unwrap_or(0),
            id: id.map_or(0, |id| id.f_fsid),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn known(_: Option<rustix::fs::StatFs>, id: Option<rustix::fs::StatVfs>) -> Self {
        Self {
            magic: 0,
            id: id.map_or(0, |id| id.f_fsid),
        }
    }

    /// Whether an inode's times move whenever somebody writes to the file. An unknown file system is not believed.
    #[must_use]
    pub fn tells_changes(&self) -> bool {
        TRUSTED.contains(&self.magic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_in_memory_is_not_believed_and_an_unknown_one_neither() {
        let of = |magic| FileSystem { magic, id: 1 };
        for (name, magic) in [
            ("nothing known", 0),
            ("tmpfs", 0x0102_1994),
            ("ramfs", 0x8584_58f6),
            ("FAT", 0x4d44),
            ("exFAT", 0x2011_bab0),
            ("FUSE", 0x6573_5546),
            ("NFS", 0x6969),
            ("SMB", 0x517b),
            ("SMB 2", 0xfe53_4d42),
            ("CIFS", 0xff53_4d42),
            ("9p", 0x0102_1997),
            ("AFS", 0x5346_414f),
            ("Ceph", 0x00c3_6400),
            ("overlay", 0x794c_7630),
        ] {
            assert!(!of(magic).tells_changes(), "{name}");
        }
        assert!(of(0xef53).tells_changes() && of(0x9123_683e).tells_changes());
    }

    #[test]
    fn a_file_and_its_path_say_the_same() {
        let file = tempfile::NamedTempFile::new().expect("a place for a file");
        assert_eq!(
            FileSystem::of_file(file.as_file()),
            FileSystem::at(file.path())
        );
        assert_eq!(FileSystem::at(Path::new("/proc/self/stat")).magic, 0x9fa0);
    }
}
