//! A medium with a file system of its own on it: an image file on a loop device, mounted, and taken away again whatever happens. Sticks
//! have exFAT, through FUSE; XFS shares blocks between files. What is carried on it is the tests' own.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::host::{are_there, done, skipped, tool};

/// A file system, and what it takes to make and mount it.
struct System {
    make: &'static [&'static str],
    mount: &'static [&'static str],
    /// The programs, with the Debian packages that have them.
    programs: [(&'static str, &'static str); 3],
}

/// As sticks have it.
const EXFAT: System = System {
    make: &["mkfs.exfat"],
    mount: &["mount.exfat-fuse"],
    programs: [
        ("mkfs.exfat", "exfatprogs"),
        ("mount.exfat-fuse", "exfat-fuse"),
        ("losetup", "mount"),
    ],
};

/// Where a clone of a file shares its blocks.
const XFS: System = System {
    make: &["mkfs.xfs", "-q", "-m", "reflink=1"],
    mount: &["mount", "-t", "xfs"],
    programs: [
        ("mkfs.xfs", "xfsprogs"),
        ("mount", "mount"),
        ("losetup", "mount"),
    ],
};

/// A medium, mounted or not.
pub(crate) struct Medium {
    system: &'static System,
    folder: TempDir,
    device: String,
    is_mounted: bool,
}

/// How it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// What is written there stays.
    Full,
    /// Nothing can be written there.
    ReadOnly,
}

impl Medium {
    /// A medium of so many bytes with exFAT, mounted; `None`, loudly, where a program is missing or the machine does not allow it.
    pub(crate) fn exfat(size: u64) -> Option<Self> {
        Self::with(&EXFAT, size)
    }

    /// The same with XFS.
    pub(crate) fn xfs(size: u64) -> Option<Self> {
        Self::with(&XFS, size)
    }

    fn with(system: &'static System, size: u64) -> Option<Self> {
        if !are_there(&system.programs) {
            return None;
        }
        // What the machine does not allow nobody can install.
        let medium = Self::made(system, size);
        medium
            .inspect_err(|why| skipped(&format!("no medium: {why}")))
            .ok()
    }

    fn made(system: &'static System, size: u64) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|cause| cause.to_string())?;
        let image = folder.path().join("image");
        let made = File::create(&image).and_then(|file| file.set_len(size));
        made.and_then(|()| fs::create_dir(folder.path().join("mounted")))
            .map_err(|cause| cause.to_string())?;
        done(command(system.make).arg(&image))?;
        let device = done(tool("losetup").args(["--find", "--show"]).arg(&image))?;
        let mut medium = Self {
            system,
            folder,
            device: device.trim().to_owned(),
            is_mounted: false,
        };
        medium.try_mount(Access::Full)?;
        Ok(medium)
    }

    /// The folder in which it is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// Puts it in.
    pub(crate) fn mount(&mut self, access: Access) {
        self.try_mount(access).expect("it was mounted before");
    }

    /// Takes it out. Who serves it still writes down that it was taken out in order when the host has forgotten it.
    pub(crate) fn unmount(&mut self) {
        done(tool("umount").arg(self.root())).expect("nobody uses it");
        self.is_mounted = false;
        let until = Instant::now() + Duration::from_secs(30);
        while self.is_served() {
            assert!(Instant::now() < until, "its server does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether a process was called with its folder, as its server was.
    fn is_served(&self) -> bool {
        let root = self.root();
        let processes = fs::read_dir("/proc").expect("Linux has it");
        let mut lines = processes
            .flatten()
            .filter_map(|process| fs::read(process.path().join("cmdline")).ok());
        lines.any(|line| {
            let mut words = line.split(|byte| *byte == 0);
            words.any(|word| word == root.as_os_str().as_encoded_bytes())
        })
    }

    /// How many bytes are free on it.
    pub(crate) fn free(&self) -> u64 {
        let room = rustix::fs::statvfs(self.root()).expect("it is mounted");
        room.f_bavail * room.f_frsize
    }

    /// Fills it with a file until so many bytes are free.
    pub(crate) fn fill(&self, name: &str, left: u64) {
        let len = self.free().checked_sub(left).expect("so many are free");
        let file = File::create(self.root().join(name)).expect("room");
        let mut zeros = io::Read::take(io::repeat(0), len);
        io::copy(&mut zeros, &mut &file).expect("room");
        file.sync_all().expect("room");
    }

    fn try_mount(&mut self, access: Access) -> Result<(), String> {
        let mut command = command(self.system.mount);
        if access == Access::ReadOnly {
            command.args(["-o", "ro"]);
        }
        done(command.arg(&self.device).arg(self.root()))?;
        self.is_mounted = true;
        // FUSE may say so and not do it.
        let mounts = fs::read_to_string("/proc/mounts").map_err(|cause| cause.to_string())?;
        let root = format!(" {} ", self.root().display());
        match mounts.contains(&root) {
            true => Ok(()),
            false => Err("it is not mounted after it was".to_owned()),
        }
    }
}

impl Drop for Medium {
    fn drop(&mut self) {
        if self.is_mounted {
            // A process of the test may still stand in it.
            let _ = done(tool("umount").arg("--lazy").arg(self.root()));
        }
        let _ = done(tool("losetup").args(["--detach", &self.device]));
    }
}

/// A program and its first arguments.
fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().expect("a program");
    let mut command = tool(program);
    command.args(arguments);
    command
}
