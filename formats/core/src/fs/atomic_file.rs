//! Outputs that appear whole or not at all: written beside their place under a temporary name, synced, renamed, folder synced.
//!
//! Nothing else in the project renames. A full disk, a kill or a pulled stick leaves no file that looks finished.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Bytes, Error, FileOffset, FileSink, FileVersion, Kind, LockAttempt, Result, Sink, Source,
    fs::rollback::Rollback, try_lock,
};

/// A file in the making. Dropped before [`commit`](AtomicFile::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    sink: Arc<FileSink>,
    place: PathBuf,
    /// `None` for a device, which is written in place.
    temporary: Option<PathBuf>,
    replaces: bool,
}

/// Whether what already stands in an output's place may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It may not.
    Keep,
    /// It may.
    Replace,
}

impl AtomicFile {
    /// Starts a file that will stand at `place`; or opens the block device there.
    ///
    /// # Errors
    /// Usage, if something stands there that may not be replaced; Host, if the host cannot.
    pub fn create(place: &Path, existing: Existing) -> Result<Self> {
        Self::check_place(place, existing)?;
        if fs::metadata(place).is_ok_and(|metadata| metadata.file_type().is_block_device()) {
            let file = File::options()
                .write(true)
                .open(place)
                .map_err(|cause| Error::host("cannot open", cause).in_file(place))?;
            let sink = Arc::new(FileSink::new(file, place, true));
            return Ok(Self {
                sink,
                place: place.to_owned(),
                temporary: None,
                replaces: true,
            });
        }
        let (temporary, file) = Self::create_beside(place)?;
        let sink = Arc::new(FileSink::new(file, place, false));
        Ok(Self {
            sink,
            place: place.to_owned(),
            temporary: Some(temporary),
            replaces: existing == Existing::Replace,
        })
    }

    /// Refuses a place where something stands that may not be replaced, before any work is done.
    ///
    /// # Errors
    /// Usage, if so.
    pub fn check_place(place: &Path, existing: Existing) -> Result<()> {
        let Ok(metadata) = fs::symlink_metadata(place) else {
            return Ok(());
        };
        if metadata.is_dir() {
            return Err(Error::new(Kind::Usage, "is a folder, not a file")
                .with_code("exists")
                .in_file(place));
        }
        if existing == Existing::Replace {
            return Ok(());
        }
        let what = if metadata.file_type().is_block_device() {
            "is a block device"
        } else {
            "already exists"
        };
        Err(Error::new(Kind::Usage, what)
            .with_code("exists")
            .in_file(place)
            .with_hint("use --force to replace it, or -o with another name"))
    }

    /// Takes away what a run that was killed has left beside `place`: for runs that find nothing to write there.
    ///
    /// # Errors
    /// Host, if the host does not let anything be written there.
    pub fn clear(place: &Path) -> Result<()> {
        let (temporary, _locked) = Self::create_beside(place)?;
        Rollback::clear(&temporary);
        fs::remove_file(&temporary)
            .map_err(|cause| Error::host("cannot delete", cause).in_file(&temporary))
    }

    fn create_beside(place: &Path) -> Result<(PathBuf, File)> {
        let name = place
            .file_name()
            .ok_or_else(|| Error::new(Kind::Usage, "is not the name of a file").in_file(place))?
            .to_string_lossy();
        // Two runs may make the same file at once: the loser must not write into the winner's draft.
        for attempt in 0..100_u32 {
            let suffix = if attempt == 0 {
                String::new()
            } else {
                format!("-{attempt}")
            };
            let temporary = place.with_file_name(format!(".{name}.imgdelta-tmp{suffix}"));
            match File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&temporary)
            {
                Ok(file) => {
                    // Until it was locked, another run may have taken it for a dead one's.
                    let is_ours = match try_lock(&file, &temporary) {
                        Ok(attempt) => attempt != LockAttempt::Busy,
                        Err(error) => {
                            let _ = fs::remove_file(&temporary);
                            return Err(error);
                        }
                    };
                    if is_ours && is_at(&file, &temporary) {
                        return Ok((temporary, file));
                    }
                }
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                    if let Some(file) = take_over(&temporary)? {
                        return Ok((temporary, file));
                    }
                }
                Err(cause) => return Err(Error::host("cannot create", cause).in_file(place)),
            }
        }
        Err(Error::new(Kind::Busy, "is being written by many other runs").in_file(place))
    }

    /// Starts a file that holds what `source` holds; holes stay holes. What it replaces passes its permissions on.
    ///
    /// # Errors
    /// As [`create`](AtomicFile::create); Usage, if it is a device; Host, if `source` cannot be read.
    pub fn holding(place: &Path, existing: Existing, source: &dyn Source) -> Result<Self> {
        let draft = Self::create(place, existing)?;
        if draft.sink.is_stale() {
            return Err(
                Error::new(Kind::Usage, "is a block device, a file is required").in_file(place),
            );
        }
        copy_stored(source, &*draft.sink)?;
        if let Ok(metadata) = fs::metadata(place) {
            let _ = fs::set_permissions(draft.written_at(), metadata.permissions());
        }
        Ok(draft)
    }

    /// Starts a new version of the file at `place`: the draft holds what `source`, the open file, holds now. The bytes are
    /// shared with it where the file system can do that; holes stay holes.
    ///
    /// # Errors
    /// As [`create`](AtomicFile::create); Host, if the file cannot be read.
    pub fn of_existing(place: &Path, source: &dyn Source) -> Result<Self> {
        let (temporary, file) = Self::create_beside(place)?;
        let original =
            File::open(place).map_err(|cause| Error::host("cannot open", cause).in_file(place))?;
        let sink = Arc::new(FileSink::new(file, place, false));
        let draft = Self {
            sink,
            place: place.to_owned(),
            temporary: Some(temporary),
            replaces: true,
        };
        if !draft.sink.share(&original) {
            copy_stored(source, &*draft.sink)?;
        }
        if let Ok(metadata) = original.metadata() {
            let _ = fs::set_permissions(draft.written_at(), metadata.permissions());
        }
        Ok(draft)
    }

    /// Has it hold what the file at `original` holds before anything is written to it, the blocks being shared; false, and nothing is done,
    /// where the file system cannot, or where that is not the file any more, in the version, that `opened` is the stamp of.
    #[must_use]
    pub fn share(&self, original: &Path, opened: &FileVersion) -> bool {
        open_same(original, opened).is_some_and(|original| self.sink.share(&original))
    }

    /// Where to write to.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.sink) as Arc<dyn Sink>
    }

    /// Where it will stand.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Where its bytes stand until then: to be read back before it is committed.
    #[must_use]
    pub fn written_at(&self) -> &Path {
        self.temporary.as_deref().unwrap_or(&self.place)
    }

    /// Makes it durable and gives it its name.
    ///
    /// # Errors
    /// As [`commit_all`](AtomicFile::commit_all).
    pub fn commit(self) -> Result<()> {
        Self::commit_all([self])
    }

    /// Makes several durable and gives them their names, in this order.
    ///
    /// # Errors
    /// Host, if the host cannot; Usage, if something took a place meanwhile. What stood in the places stands there again then,
    /// as far as the host still lets us.
    pub fn commit_all(drafts: impl IntoIterator<Item = Self>) -> Result<()> {
        let drafts: Vec<Self> = drafts.into_iter().collect();
        for draft in &drafts {
            draft.sink.sync()?;
        }
        let mut renamed = Vec::new();
        let done = drafts.into_iter().try_for_each(|draft| {
            renamed.extend(draft.take_place()?);
            Ok(())
        });
        let done = done.and_then(|()| {
            renamed
                .iter()
                .try_for_each(|renamed: &Rollback| renamed.sync_folder())
        });
        if done.is_err() {
            // A later file needs the earlier ones: where one stays, so do they.
            let _ = renamed.iter().rev().try_for_each(Rollback::undo);
        }
        done
    }

    /// Gives it its name; `None` for a device, which has it already.
    fn take_place(mut self) -> Result<Option<Rollback>> {
        let Some(temporary) = self.temporary.clone() else {
            return Ok(None);
        };
        let is_taken = fs::symlink_metadata(&self.place).is_ok();
        if !self.replaces && is_taken {
            return Err(
                Error::new(Kind::Usage, "appeared while it was being written")
                    .with_code("exists")
                    .in_file(&self.place),
            );
        }
        let renamed = Rollback::over(&self.place, &temporary, is_taken);
        fs::rename(&temporary, &self.place)
            .map_err(|cause| Error::host("cannot rename into place", cause).in_file(&self.place))?;
        self.temporary = None;
        Ok(Some(renamed))
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// The file at `place`, if it is still what was opened: another one may have taken its name.
fn open_same(place: &Path, opened: &FileVersion) -> Option<File> {
    let file = File::open(place).ok()?;
    (FileVersion::of_file(&file).as_ref() == Some(opened)).then_some(file)
}

/// Copies all that the host stores of `source`.
fn copy_stored(source: &dyn Source, sink: &dyn Sink) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    sink.set_len(source.len())?;
    let mut at = FileOffset::ZERO;
    while at.0 < source.len().0 {
        let stored = source.stored_at(at)?;
        while stored.is_data && at < stored.end {
            let len = stored.end.since(at).in_memory().min(buffer.len());
            let part = buffer.get_mut(..len).unwrap_or_default();
            source.read_at(at, part)?;
            sink.write_at(at, part)?;
            at = at.saturating_add(Bytes::from(len));
        }
        at = at.max(stored.end);
    }
    Ok(())
}

/// The draft of a run that was killed is nobody's: it is emptied and used. A lock ends with its process, whatever ends that.
fn take_over(temporary: &Path) -> Result<Option<File>> {
    let Ok(file) = File::options().read(true).write(true).open(temporary) else {
        return Ok(None);
    };
    // Without locks nobody knows whose it is.
    let is_nobodys = try_lock(&file, temporary)? == LockAttempt::Acquired;
    let is_ours = is_nobodys && is_at(&file, temporary) && file.set_len(0).is_ok();
    Ok(is_ours.then_some(file))
}

/// Whether an open draft still has its name, and no other one: whoever finished it has renamed it.
fn is_at(file: &File, temporary: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(temporary)) {
        (Ok(ours), Ok(there)) => {
            (ours.dev(), ours.ino()) == (there.dev(), there.ino())
                && there.is_file()
                && there.nlink() == 1
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_that_was_opened_is_cloned() {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("base.raw");
        fs::write(&place, b"base").expect("room");
        let opened = FileVersion::at(&place).expect("it is there");
        assert!(open_same(&place, &opened).is_some());
        let other = folder.path().join("other.raw");
        fs::write(&other, b"evil").expect("room");
        fs::rename(&other, &place).expect("room");
        assert!(open_same(&place, &opened).is_none(), "another file");
        let opened = FileVersion::at(&place).expect("it is there");
        fs::write(&place, b"longer").expect("room");
        assert!(open_same(&place, &opened).is_none(), "another version");
    }

    #[test]
    fn a_dropped_draft_leaves_nothing() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("child.vhd");
        let draft = AtomicFile::create(&place, Existing::Keep)?;
        draft.sink().write_at(FileOffset(0), b"half")?;
        drop(draft);
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
        Ok(())
    }

    #[test]
    fn a_committed_draft_stands_in_its_place_and_is_not_replaced_unasked() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("child.vhd");
        let draft = AtomicFile::create(&place, Existing::Keep)?;
        draft.sink().write_at(FileOffset(0), b"whole")?;
        draft.commit()?;
        assert_eq!(fs::read(&place).expect("it is there"), b"whole");
        assert_eq!(
            AtomicFile::create(&place, Existing::Keep)
                .expect_err("it exists")
                .kind(),
            Kind::Usage
        );
        drop(AtomicFile::create(&place, Existing::Replace)?);
        assert_eq!(fs::read(&place).expect("it is still there"), b"whole");
        Ok(())
    }

    #[test]
    fn when_one_of_several_cannot_have_its_place_all_is_as_it_was() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let at = |name| folder.path().join(name);
        fs::write(at("old"), "old").expect("room");
        let drafts = [
            AtomicFile::create(&at("new"), Existing::Keep)?,
            AtomicFile::create(&at("old"), Existing::Replace)?,
            AtomicFile::create(&at("taken"), Existing::Keep)?,
        ];
        fs::write(at("taken"), "somebody else's").expect("room");
        let error = AtomicFile::commit_all(drafts).expect_err("one place is taken");
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "exists"));
        assert_eq!(fs::read(at("old")).expect("it is there"), b"old");
        let names = fs::read_dir(folder.path()).expect("readable");
        assert_eq!(names.count(), 2, "old and taken");
        Ok(())
    }

    #[test]
    fn the_draft_of_a_dead_run_is_taken_over() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("x.qcow2");
        fs::write(folder.path().join(".x.qcow2.imgdelta-tmp"), b"old half").expect("room");
        let draft = AtomicFile::create(&place, Existing::Keep)?;
        draft.sink().write_at(FileOffset(0), b"new")?;
        let other = AtomicFile::create(&place, Existing::Keep)?;
        assert_ne!(draft.written_at(), other.written_at());
        draft.commit()?;
        assert_eq!(fs::read(&place).expect("it is there"), b"new");
        Ok(())
    }

    #[test]
    fn what_a_dead_run_left_is_cleared_away() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let at = |name: &str| folder.path().join(name);
        for name in ["x.vhd", ".x.vhd.imgdelta-tmp", ".x.vhd.imgdelta-tmp-old"] {
            fs::write(at(name), name).expect("room");
        }
        AtomicFile::clear(&at("x.vhd"))?;
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
        assert_eq!(fs::read(at("x.vhd")).expect("it is there"), b"x.vhd");
        Ok(())
    }

    #[test]
    fn a_new_version_starts_as_what_the_file_holds_and_keeps_its_holes() -> Result<()> {
        use std::os::unix::fs::FileExt;
        let folder = tempfile::tempdir().expect("a place");
        let place = folder.path().join("child.vhd");
        let file = File::create(&place).expect("room");
        file.set_len(8 << 20).expect("room");
        file.write_all_at(b"middle", 4 << 20).expect("room");
        let source = crate::FileSource::open(&place)?;
        let draft = AtomicFile::of_existing(&place, &source)?;
        draft.sink().write_at(FileOffset(4 << 20), b"MIDDLE")?;
        draft.commit()?;
        let bytes = fs::read(&place).expect("it is there");
        assert_eq!(bytes.len(), 8 << 20);
        assert_eq!(&bytes[4 << 20..(4 << 20) + 7], b"MIDDLE\0");
        assert!(
            fs::metadata(&place).expect("it is there").blocks() * 512 < 1 << 20,
            "holes stay holes"
        );
        Ok(())
    }
}
