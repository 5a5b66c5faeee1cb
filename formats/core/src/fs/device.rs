//! Block devices as outputs: opened so that nobody else can hold them meanwhile.
//!
//! Whether old contents may be replaced is for the user to say. A device in use is another matter: nothing makes that right.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{OFlags, major, minor},
    io::Errno,
};

use crate::{Error, Kind, Result};

/// Opens the block device at `place` for writing.
///
/// # Errors
/// Busy, if it or a part of it is mounted, or held by another device (a RAID, a volume group, a loop) or as swap space; Host, if the host
/// cannot open it.
pub(crate) fn open_unused(place: &Path) -> Result<File> {
    // The kernel lets a loop device over this one be, which does not claim it.
    if fs::metadata(place).is_ok_and(|found| !loops_over(found.rdev()).is_empty()) {
        return Err(in_use(place));
    }
    // Without O_CREAT, O_EXCL claims a block device: the kernel refuses what is mounted or held.
    let opened = File::options()
        .write(true)
        .custom_flags(OFlags::EXCL.bits().cast_signed())
        .open(place);
    opened.map_err(|cause| match Errno::from_io_error(&cause) {
        Some(Errno::BUSY) => in_use(place),
        _ => Error::host("cannot open", cause).in_file(place),
    })
}

/// What to say of a device that is in use.
fn in_use(place: &Path) -> Error {
    let uses = fs::metadata(place).map_or_else(|_| Vec::new(), |found| uses_of(found.rdev()));
    let mut error = Error::new(
        Kind::Busy,
        "is in use, a device is only written when nothing else holds it",
    )
    .with_code("device_in_use")
    .in_file(place)
    .with_hint("unmount it or choose another device, --force does not help");
    if uses.is_empty() {
        error = error.with_detail("held by the kernel or by another program");
    }
    for one in uses {
        error = error.with_detail(one);
    }
    error
}

/// Where the device of this number, its partitions, or the disk whose partition it is, are in use.
fn uses_of(device: u64) -> Vec<String> {
    let sys = PathBuf::from(format!(
        "/sys/dev/block/{}:{}",
        major(device),
        minor(device)
    ));
    let mut uses = Vec::new();
    let Ok(own) = fs::canonicalize(sys) else {
        return uses;
    };
    let loops = loops_over(device).into_iter();
    uses.extend(loops.map(|name| format!("/dev/{name} stands on it")));
    let mut devices = vec![own.clone()];
    if own.join("partition").exists() {
        devices.extend(own.parent().map(Path::to_owned));
    } else if let Ok(entries) = fs::read_dir(&own) {
        let parts = entries.filter_map(|entry| Some(entry.ok()?.path()));
        devices.extend(parts.filter(|part| part.join("partition").exists()));
    }
    devices.sort();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    for device in devices {
        let name = device.file_name().unwrap_or_default().to_string_lossy();
        let number = fs::read_to_string(device.join("dev")).unwrap_or_default();
        for mounted in mounted_at(&mounts, number.trim(), &name) {
            uses.push(format!("/dev/{name} is mounted at {mounted}"));
        }
        let path = format!("/dev/{name}");
        if swaps
            .lines()
            .any(|line| line.split(' ').next() == Some(&path))
        {
            uses.push(format!("{path} is swap space"));
        }
        for holder in names_in(&device.join("holders")) {
            uses.push(format!("{path} is held by /dev/{holder}"));
        }
    }
    uses
}

/// The loop devices whose blocks stand on the device of that number.
fn loops_over(device: u64) -> Vec<String> {
    let mut loops = names_in(Path::new("/sys/block"));
    loops.retain(|name| {
        let backing = Path::new("/sys/block").join(name).join("loop/backing_file");
        let path = fs::read_to_string(backing).unwrap_or_default();
        let found = fs::metadata(path.trim_end_matches('\n'));
        found.is_ok_and(|found| found.file_type().is_block_device() && found.rdev() == device)
    });
    loops
}

/// The folders at which the device of that number, or that name, is mounted. Some file systems have numbers of their own.
fn mounted_at(mounts: &str, number: &str, name: &str) -> Vec<String> {
    let path = format!("/dev/{name}");
    let mut folders = Vec::new();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (found, folder) = (words.nth(2), words.nth(1));
        let source = words.skip_while(|word| *word != "-").nth(2);
        if (found == Some(number) || source == Some(&path))
            && let Some(folder) = folder
        {
            folders.push(unescaped(folder));
        }
    }
    folders
}

/// Text of mountinfo, in which blanks and backslashes stand as three octal digits.
fn unescaped(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// What a folder holds, in order; nothing, if there is none.
fn names_in(folder: &Path) -> Vec<String> {
    let names = |entries: fs::ReadDir| -> io::Result<Vec<String>> {
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    let mut names = fs::read_dir(folder).and_then(names).unwrap_or_default();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_number_and_by_name() {
        let mounts = "36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw\n\
                      37 35 0:44 / /pool rw shared:2 - btrfs /dev/sdb1 rw\n\
                      38 35 98:1 / /other rw - ext4 /dev/sdc1 rw\n";
        assert_eq!(mounted_at(mounts, "98:0", "root7"), ["/mnt/a b"]);
        assert_eq!(mounted_at(mounts, "8:17", "sdb1"), ["/pool"]);
        assert!(mounted_at(mounts, "98:7", "sdd").is_empty());
    }
}
