//! The files of one new image, all in the making until all are whole.
//!
//! What makes one file appear whole or not at all is [`AtomicFile`]; here stands what that means for several of them.

use std::{
    ffi::OsStr,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use imgdelta_core::{
    AtomicFile, Bytes, Error, Existing, FileVersion, Kind, Outputs, Ownership, Result, Sink,
    Source, fs::committed_at,
};

/// The files of one new image. Dropped before [`commit`](AtomicFileSet::commit), they leave nothing behind.
#[derive(Debug)]
pub struct AtomicFileSet {
    /// The file that carries the user's name.
    main: AtomicFile,
    /// Whether what stands in the others' places may be replaced.
    existing: Existing,
    /// What all of them are to have beside their bytes.
    ownership: Ownership,
    /// Files that are read: none of the set may take the place of one.
    inputs: Vec<FileVersion>,
    /// The files beside it, in the order in which they were asked for.
    others: Mutex<Vec<AtomicFile>>,
}

impl AtomicFileSet {
    /// Starts the file that will stand at `place`; or opens the block device there.
    ///
    /// # Errors
    /// As [`AtomicFile::create`] and [`refuse_inputs`].
    pub(crate) fn create(place: &Path, existing: Existing, inputs: &[FileVersion]) -> Result<Self> {
        refuse_inputs(place, inputs)?;
        Ok(Self {
            main: AtomicFile::create(place, existing)?,
            existing,
            ownership: Ownership::default(),
            inputs: inputs.to_vec(),
            others: Mutex::default(),
        })
    }

    /// Asks for owner, group or permissions of the main file, and of those that are asked for from now on.
    #[must_use]
    pub fn owned(mut self, ownership: Ownership) -> Self {
        self.main = self.main.owned(ownership);
        let others = std::mem::take(&mut self.others)
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let others = others.into_iter().map(|other| other.owned(ownership));
        self.others = Mutex::new(others.collect());
        self.ownership = ownership;
        self
    }

    /// Where the main file will stand.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.main.place()
    }

    /// Where the main file's bytes stand until it is committed: to be read back before.
    #[must_use]
    pub fn written_at(&self) -> &Path {
        self.main.written_at()
    }

    /// Has the main file hold what another file holds, see [`AtomicFile::share`].
    #[must_use]
    pub fn share(&self, original: &dyn Source, opened: &FileVersion) -> bool {
        self.main.share(original, opened)
    }

    /// How long all files are together, but for those called as in `except`: they are not the image's own.
    ///
    /// # Errors
    /// Host, if the host cannot tell.
    pub fn len_without(&self, except: &[String]) -> Result<Bytes> {
        self.sum_without(except, std::fs::Metadata::len)
    }

    /// How much of the host all files take together, but for those called as in `except`. A host that allocates late may not know yet.
    ///
    /// # Errors
    /// Host, if the host cannot tell.
    pub fn on_disk_without(&self, except: &[String]) -> Result<Bytes> {
        // A unit of the host's interface, whatever its file system.
        self.sum_without(except, |file| file.blocks().saturating_mul(512))
    }

    fn sum_without(
        &self,
        except: &[String],
        of: impl Fn(&std::fs::Metadata) -> u64,
    ) -> Result<Bytes> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = |draft: &&AtomicFile| {
            let name = draft.place().file_name();
            !except.iter().any(|other| name == Some(OsStr::new(other)))
        };
        let mut own = others.iter().filter(is_own).chain([&self.main]);
        own.try_fold(Bytes::ZERO, |sum, draft| {
            let file = std::fs::metadata(draft.written_at())
                .map_err(|cause| Error::host("cannot look at", cause).in_file(draft.place()))?;
            Ok(Bytes(sum.0.saturating_add(of(&file))))
        })
    }

    /// Makes all files durable and gives them their names, all or none, the main one last: who finds it finds the others too.
    ///
    /// # Errors
    /// As [`AtomicFile::commit_all`]: all is as it was before, since a part of an image is none.
    pub fn commit(self) -> Result<()> {
        let others = self
            .others
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        AtomicFile::commit_all(others.into_iter().chain([self.main]))
    }

    /// The place of the file called `name` beside the main one.
    fn beside(&self, name: &str) -> Result<PathBuf> {
        let refused = |why: &str| {
            let message = format!("the file '{}' {why}", name.escape_debug());
            Error::new(Kind::Usage, message).in_file(self.main.place())
        };
        if self.main.written_at() == self.main.place() {
            return Err(refused("cannot stand beside a device"));
        }
        let mut parts = Path::new(name).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(part)), None) if part == OsStr::new(name) => {
                Ok(self.main.place().with_file_name(name))
            }
            _ => Err(refused("is to stand beside it, its name leads elsewhere")),
        }
    }
}

impl Outputs for AtomicFileSet {
    fn main(&self) -> Result<Arc<dyn Sink>> {
        Ok(self.main.sink())
    }

    fn other(&self, name: &str) -> Result<Arc<dyn Sink>> {
        let place = self.beside(name)?;
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let is_taken = place == self.main.place() || others.iter().any(|one| one.place() == place);
        if is_taken {
            return Err(Error::new(Kind::Usage, "would be two files of one image")
                .with_code("exists")
                .in_file(&place));
        }
        refuse_inputs(&place, &self.inputs)?;
        let draft = AtomicFile::create(&place, self.existing)?.owned(self.ownership);
        let sink = draft.sink();
        others.push(draft);
        Ok(sink)
    }

    fn name(&self) -> Option<String> {
        let name = self.main.place().file_name()?;
        Some(name.to_str()?.to_owned())
    }

    fn is_free(&self, name: &str) -> bool {
        let Ok(place) = self.beside(name) else {
            return false;
        };
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let is_taken = place == self.main.place() || others.iter().any(|one| one.place() == place);
        !is_taken && std::fs::symlink_metadata(&place).is_err()
    }

    fn replaces(&self) -> bool {
        self.existing == Existing::Replace
    }
}

/// Refuses an output that is one of the files that are read, whatever it is called: by another path, through a link, as another name
/// of the same file.
///
/// # Errors
/// Usage, if so.
pub fn refuse_inputs(output: &Path, inputs: &[FileVersion]) -> Result<()> {
    // An input that was committed and has not got its name yet was read where it is.
    let committed = committed_at(output);
    let output_stamp = FileVersion::at(committed.as_deref().unwrap_or(output));
    let Some(output_stamp) = output_stamp else {
        return Ok(());
    };
    if inputs.iter().any(|input| input.is_same_file(&output_stamp)) {
        return Err(Error::new(
            Kind::Usage,
            "is read and is to be written: no input is ever changed",
        )
        .with_code("output_is_input")
        .in_file(output)
        .with_hint("choose another output, --force does not help"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use imgdelta_core::FileOffset;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("it is there")
            .map(|entry| {
                entry
                    .expect("it reads")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    fn two_files(folder: &Path, existing: Existing) -> Result<AtomicFileSet> {
        let drafts = AtomicFileSet::create(&folder.join("disk.img"), existing, &[])?;
        drafts.main()?.write_at(FileOffset::ZERO, b"main")?;
        drafts
            .other("disk-1.img")?
            .write_at(FileOffset::ZERO, b"other")?;
        Ok(drafts)
    }

    #[test]
    fn all_files_appear_together_or_none() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        drop(two_files(folder.path(), Existing::Keep)?);
        assert!(names(folder.path()).is_empty());
        let drafts = two_files(folder.path(), Existing::Keep)?;
        let written = fs::read(drafts.written_at()).expect("it can be read back");
        assert_eq!(written, b"main");
        assert_eq!(drafts.len_without(&[])?, Bytes(9));
        assert_eq!(drafts.len_without(&["disk-1.img".into()])?, Bytes(4));
        drafts.commit()?;
        assert_eq!(names(folder.path()), ["disk-1.img", "disk.img"]);
        Ok(())
    }

    #[test]
    fn a_name_is_free_where_nothing_stands_and_nothing_will() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let drafts =
            AtomicFileSet::create(&folder.path().join("disk.vmdk"), Existing::Replace, &[])?;
        assert_eq!(drafts.name().as_deref(), Some("disk.vmdk"));
        assert!(drafts.replaces());
        fs::write(folder.path().join("old"), "").expect("room");
        drafts.other("begun")?;
        for (name, is_free) in [
            ("new", true),
            ("old", false),
            ("begun", false),
            ("disk.vmdk", false),
            ("../up", false),
        ] {
            assert_eq!(drafts.is_free(name), is_free, "{name}");
        }
        Ok(())
    }

    #[test]
    fn when_one_file_cannot_be_placed_none_stays() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let drafts = two_files(folder.path(), Existing::Keep)?;
        fs::write(folder.path().join("disk.img"), "somebody else's").expect("room");
        let error = drafts.commit().expect_err("the main place is taken");
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "exists"));
        assert_eq!(names(folder.path()), ["disk.img"]);
        let there = fs::read(folder.path().join("disk.img")).expect("it is there");
        assert_eq!(there, b"somebody else's");
        Ok(())
    }

    #[test]
    fn another_file_stands_beside_the_main_one_and_replaces_nothing_unasked() -> Result<()> {
        let folder = tempfile::tempdir().expect("a place");
        let drafts = AtomicFileSet::create(&folder.path().join("disk.img"), Existing::Keep, &[])?;
        for name in ["", ".", "..", "../up", "/etc/x", "a/b", "a/", "./a"] {
            let error = drafts.other(name).expect_err("it leads elsewhere");
            assert_eq!(error.kind(), Kind::Usage, "{name}");
        }
        drafts.other("a")?;
        assert_eq!(drafts.other("a").expect_err("twice").code(), "exists");
        assert_eq!(
            drafts.other("disk.img").expect_err("twice").code(),
            "exists"
        );
        fs::write(folder.path().join("b"), "old").expect("room");
        assert_eq!(drafts.other("b").expect_err("it exists").code(), "exists");
        Ok(())
    }
}
