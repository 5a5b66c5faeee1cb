//! Files that the host lets nobody write to, rename or delete, not even root, as long as they have the immutable attribute: said as that, with what
//! takes it off.

use std::{fs::File, os::unix::fs::OpenOptionsExt, path::Path};

use rustix::fs::{IFlags, OFlags, ioctl_getflags};

use crate::{Error, Kind};

/// Whether an open file is immutable, as far as its file system says.
pub(crate) fn is_open_immutable(file: &File) -> bool {
    ioctl_getflags(file).is_ok_and(|flags| flags.contains(IFlags::IMMUTABLE))
}

/// Whether the file at `place` is immutable, as far as its file system says. A link is none.
pub(crate) fn is_immutable(place: &Path) -> bool {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(place);
    opened.is_ok_and(|file| is_open_immutable(&file))
}

/// What to say of an immutable file that is to be replaced.
pub(crate) fn refused(place: &Path) -> Error {
    let hint = format!(
        "'chattr -i {}' as root takes that off; of an image of a repository, 'imgdelta repo golden IMAGE --off' does",
        place.display()
    );
    Error::new(
        Kind::Host,
        "is immutable: nobody replaces it, not even root",
    )
    .with_code("immutable")
    .in_file(place)
    .with_hint(hint)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::ioctl_setflags;

    use crate::{AtomicFile, Existing, FileOffset, FileSource, FileVersion, Kind, Result};

    use super::*;

    /// Sets or takes off the attribute; false, where the host does not let it.
    fn set(place: &Path, on: bool) -> bool {
        let file = File::open(place).expect("it is there");
        let Ok(mut flags) = ioctl_getflags(&file) else {
            return false;
        };
        flags.set(IFlags::IMMUTABLE, on);
        ioctl_setflags(&file, flags).is_ok()
    }

    #[test]
    fn an_immutable_file_is_refused_with_what_takes_that_off() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("disk");
        fs::write(&place, "old").expect("room");
        if !set(&place, true) {
            return Ok(()); // Not root, or a file system without it.
        }
        let source = FileSource::open(&place)?;
        let opened = FileVersion::at(&place).expect("it is there");
        let changed = AtomicFile::of_existing(&place, &source, &opened, &source);
        let begun = AtomicFile::create(&place, Existing::Replace);
        assert!(set(&place, false));
        let draft = AtomicFile::create(&place, Existing::Replace)?;
        draft.sink().write_at(FileOffset::ZERO, b"new")?;
        // Made so while the draft is written.
        assert!(set(&place, true));
        let replaced = draft.commit();
        assert!(set(&place, false));
        for error in [changed.map(drop), begun.map(drop), replaced] {
            let error = error.expect_err("it is immutable");
            assert_eq!((error.kind(), error.code()), (Kind::Host, "immutable"));
            let hint = error.hint().expect("what to do");
            assert!(hint.contains(&format!("chattr -i {}", place.display())));
        }
        assert_eq!(fs::read(&place).expect("there"), b"old");
        let left = fs::read_dir(folder.path()).expect("readable");
        assert_eq!(left.count(), 1, "no draft is left");
        AtomicFile::of_existing(
            &place,
            &source,
            &FileVersion::at(&place).expect("there"),
            &source,
        )?;
        Ok(())
    }
}
