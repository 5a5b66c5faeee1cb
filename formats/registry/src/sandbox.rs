//! Opens a file below a folder without ever leaving it, and only if it is a regular file.
//!
//! The kernel walks the path (openat2), so nobody can put a link into it between a check and the opening. A kernel without that gets the
//! check and then the opening. Whether the path may be looked at has been decided before.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use imgdelta_core::fs::committed_at;
use rustix::{
    fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2},
    io::Errno,
};

use crate::refusal::Reason;

/// Why a file was not opened.
#[derive(Debug)]
pub(crate) enum OpenFailure {
    /// Nothing is there.
    NotThere(io::Error),
    /// Something is there that is not to be opened.
    Refused(Reason),
    /// The host failed.
    Host(io::Error),
}

/// How often the kernel is asked again when somebody renames in the middle of its walk.
const RETRIES: usize = 16;

/// Opens the regular file `inside` below `root` for reading. A link may stand on the way as long as it leads to a place below `root`. A file
/// that was committed with others and has not got its name yet is opened where it is: in the same folder, so below `root` too.
pub(crate) fn open(root: &Path, inside: &Path) -> Result<File, OpenFailure> {
    let committed = committed_at(&root.join(inside)).and_then(|draft| {
        let draft = draft.file_name()?;
        open_named(root, &inside.with_file_name(draft)).ok()
    });
    match committed {
        Some(file) => Ok(file),
        None => open_named(root, inside),
    }
}

/// As [`open`], of exactly that name.
fn open_named(root: &Path, inside: &Path) -> Result<File, OpenFailure> {
    let folder = openat(
        CWD,
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(miss)?;
    match open_by_kernel(&folder, inside) {
        // An absolute link may still lead below the folder; the kernel says the same of one that does not.
        Err(Errno::XDEV) => {
            let inside = real_inside(root, inside)?;
            open_by_kernel(&folder, &inside).map_err(miss)?
        }
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => open_by_check(root, inside),
        other => other.map_err(miss)?,
    }
}

/// Opens by openat2: first as a place only, so that a pipe or a device is looked at and never opened.
fn open_by_kernel(folder: &OwnedFd, inside: &Path) -> Result<Result<File, OpenFailure>, Errno> {
    let place = walk(folder, inside, OFlags::PATH)?;
    if !is_regular(&place)? {
        return Ok(Err(OpenFailure::Refused(Reason::NotRegular)));
    }
    // What stands there may have been exchanged since, hence NONBLOCK and the second look.
    let file = walk(
        folder,
        inside,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
    )?;
    Ok(if is_regular(&file)? {
        Ok(File::from(file))
    } else {
        Err(OpenFailure::Refused(Reason::NotRegular))
    })
}

/// One walk below `folder`.
fn walk(folder: &OwnedFd, inside: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut result = Err(Errno::AGAIN);
    for _ in 0..RETRIES {
        result = openat2(
            folder,
            inside,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        );
        if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    result
}

/// Opens by checking first, for kernels before 5.6 and sandboxes that know no openat2.
fn open_by_check(root: &Path, inside: &Path) -> Result<File, OpenFailure> {
    let root = fs::canonicalize(root).map_err(io_miss)?;
    let real = root.join(real_inside(&root, inside)?);
    let look = fs::symlink_metadata(&real).map_err(io_miss)?;
    if !look.is_file() {
        return Err(OpenFailure::Refused(Reason::NotRegular));
    }
    let flags =
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(CWD, &real, flags, Mode::empty()).map_err(miss)?;
    if is_regular(&file).map_err(miss)? {
        Ok(File::from(file))
    } else {
        Err(OpenFailure::Refused(Reason::NotRegular))
    }
}

/// The path of `inside` below `root` with all links followed.
fn real_inside(root: &Path, inside: &Path) -> Result<PathBuf, OpenFailure> {
    let real = fs::canonicalize(root.join(inside)).map_err(io_miss)?;
    let root = fs::canonicalize(root).map_err(io_miss)?;
    match real.strip_prefix(&root) {
        Ok(inside) if !inside.as_os_str().is_empty() => Ok(inside.to_owned()),
        _ => Err(OpenFailure::Refused(Reason::Link)),
    }
}

/// The first `most` names in the folder `inside` below `root`, or in `root` itself where that is empty, in no order; nothing, if there is no such
/// folder there. A link may stand on the way as long as it leads to a place below `root`.
///
/// # Errors
/// If the host cannot list it.
pub(crate) fn names(root: &Path, inside: &Path, most: usize) -> io::Result<Vec<OsString>> {
    let folder = match open_folder(root, inside) {
        Ok(folder) => folder,
        Err(OpenFailure::Host(cause)) => return Err(cause),
        Err(OpenFailure::NotThere(_) | OpenFailure::Refused(_)) => return Ok(Vec::new()),
    };
    let names = Dir::new(folder)?.map(|entry| {
        let entry = entry?;
        Ok(OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
    });
    let is_entry =
        |name: &io::Result<OsString>| !matches!(name, Ok(name) if name == "." || name == "..");
    names.filter(is_entry).take(most).collect()
}

/// Opens a folder below `root`, or `root` itself.
fn open_folder(root: &Path, inside: &Path) -> Result<OwnedFd, OpenFailure> {
    const FOLDER: OFlags = OFlags::RDONLY
        .union(OFlags::DIRECTORY)
        .union(OFlags::CLOEXEC);
    let own = openat(CWD, root, FOLDER, Mode::empty()).map_err(miss)?;
    if inside.as_os_str().is_empty() {
        return Ok(own);
    }
    match walk(&own, inside, FOLDER) {
        Ok(folder) => Ok(folder),
        Err(Errno::XDEV) => walk(&own, &real_inside(root, inside)?, FOLDER).map_err(miss),
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
            let inside = real_inside(root, inside)?;
            openat(&own, &inside, FOLDER | OFlags::NOFOLLOW, Mode::empty()).map_err(miss)
        }
        Err(errno) => Err(miss(errno)),
    }
}

fn is_regular(file: &OwnedFd) -> Result<bool, Errno> {
    Ok(FileType::from_raw_mode(fstat(file)?.st_mode) == FileType::RegularFile)
}

fn miss(errno: Errno) -> OpenFailure {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => OpenFailure::NotThere(errno.into()),
        Errno::XDEV | Errno::LOOP => OpenFailure::Refused(Reason::Link),
        // A socket.
        Errno::NXIO => OpenFailure::Refused(Reason::NotRegular),
        other => OpenFailure::Host(other.into()),
    }
}

fn io_miss(cause: io::Error) -> OpenFailure {
    match Errno::from_io_error(&cause) {
        Some(errno) => miss(errno),
        None => OpenFailure::Host(cause),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::fs::symlink};

    use super::*;

    /// A way to open.
    type Way = fn(&Path, &Path) -> Result<File, OpenFailure>;

    fn both_ways(act: impl Fn(&str, Way)) {
        act("by kernel", open);
        act("by check", open_by_check);
    }

    fn content(file: Result<File, OpenFailure>) -> String {
        let mut text = String::new();
        file.expect("it may be opened")
            .read_to_string(&mut text)
            .expect("it reads");
        text
    }

    #[test]
    fn files_and_links_below_the_folder_are_opened() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let root = place.path().join("root");
        fs::create_dir_all(root.join("deep"))?;
        fs::write(root.join("deep/file"), "inside")?;
        symlink("deep/file", root.join("link"))?;
        symlink("../link", root.join("deep/back"))?;
        symlink(root.join("deep"), root.join("absolute"))?;
        symlink(&root, place.path().join("door"))?;
        both_ways(|which, open| {
            for inside in ["deep/file", "link", "deep/back", "absolute/file"] {
                for root in [&root, &place.path().join("door")] {
                    assert_eq!(
                        content(open(root, Path::new(inside))),
                        "inside",
                        "{which} {inside}"
                    );
                }
            }
        });
        Ok(())
    }

    #[test]
    fn nothing_outside_the_folder_is_opened() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let root = place.path().join("root");
        fs::create_dir_all(&root)?;
        fs::write(place.path().join("canary"), "secret")?;
        symlink("../canary", root.join("relative"))?;
        symlink(place.path().join("canary"), root.join("absolute"))?;
        symlink("..", root.join("up"))?;
        symlink("/proc/self/root", root.join("magic"))?;
        symlink("circle", root.join("circle"))?;
        both_ways(|which, open| {
            for inside in [
                "relative",
                "absolute",
                "up/canary",
                "magic/etc/passwd",
                "circle",
            ] {
                let miss = open(&root, Path::new(inside));
                assert!(
                    matches!(miss, Err(OpenFailure::Refused(Reason::Link))),
                    "{which} {inside}: {miss:?}"
                );
            }
        });
        Ok(())
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_waits() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let pipe = place.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        fs::create_dir(place.path().join("folder"))?;
        let _socket = std::os::unix::net::UnixListener::bind(place.path().join("socket"))?;
        both_ways(|which, open| {
            for inside in ["pipe", "folder", "socket"] {
                let miss = open(place.path(), Path::new(inside));
                assert!(
                    matches!(miss, Err(OpenFailure::Refused(Reason::NotRegular))),
                    "{which} {inside}: {miss:?}"
                );
            }
            let miss = open(Path::new("/dev"), Path::new("null"));
            assert!(
                matches!(miss, Err(OpenFailure::Refused(Reason::NotRegular))),
                "{which}"
            );
        });
        Ok(())
    }

    #[test]
    fn what_is_not_there_is_told_from_what_is_refused() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        fs::write(place.path().join("file"), "")?;
        let long = "x".repeat(5000);
        both_ways(|which, open| {
            for inside in ["none", "none/file", "file/none", long.as_str()] {
                let miss = open(place.path(), Path::new(inside));
                assert!(
                    matches!(miss, Err(OpenFailure::NotThere(_))),
                    "{which}: {miss:?}"
                );
            }
            let miss = open(&place.path().join("nowhere"), Path::new("file"));
            assert!(
                matches!(miss, Err(OpenFailure::NotThere(_))),
                "{which}: {miss:?}"
            );
        });
        Ok(())
    }
}
