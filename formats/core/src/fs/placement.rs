//! Gives a draft its name, over what stands there or only if nothing does.

use std::{fs, io, path::Path};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

/// Renames `from` to `to`, if nothing stands there.
///
/// # Errors
/// `AlreadyExists`, if something does, however late it came; that of the host.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Sandboxes that do not know the call say PERM; it may be meant, and then the next call says so too.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => link_new(from, to),
        other => Ok(other?),
    }
}

/// As [`rename_new`], for file systems that only replace when they rename: a second name is never given over another file.
fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => {
            // It has its name; that it has another one too does no harm, and the next run takes that away.
            let _ = fs::remove_file(from);
            Ok(())
        }
        Err(cause) if has_no_links(&cause) => {
            // Nothing better is left: a file that comes in between is lost.
            if fs::symlink_metadata(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        Err(cause) => Err(cause),
    }
}

/// Whether the file system knows no second names, as FAT, exFAT and some FUSE ones.
fn has_no_links(cause: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(cause),
        Some(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::MLINK)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_stays_with_its_file() {
        let folder = tempfile::tempdir().expect("a place");
        let at = |name: &str| folder.path().join(name);
        for rename in [rename_new, link_new] {
            fs::write(at("draft"), "new").expect("room");
            fs::write(at("taken"), "somebody else's").expect("room");
            let error = rename(&at("draft"), &at("taken")).expect_err("it is taken");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(at("taken")).expect("there"), b"somebody else's");
            rename(&at("draft"), &at("free")).expect("it is free");
            assert_eq!(fs::read(at("free")).expect("there"), b"new");
            assert!(!at("draft").exists());
            fs::remove_file(at("free")).expect("there");
        }
    }
}
