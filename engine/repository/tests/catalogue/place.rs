//! A place for repositories and images, and how operations are done there.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use imgdelta_core::{Format, ParentSpec, Result};
use imgdelta_delta::{Convert, DigestCache, ExecContext, Make, RunProgress};
use imgdelta_fixtures::golden;
use imgdelta_operations::Disk;
use imgdelta_registry::{OpenSpec, OutputSpec, create, new_parent};
use imgdelta_repository::catalogue::{Add, Added, Record, Repository, Run};
use tempfile::TempDir;

/// A folder that goes when the test ends.
pub(crate) struct Place {
    folder: TempDir,
    progress: RunProgress,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a place"),
            progress: RunProgress::default(),
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes one of the golden story's files there.
    pub(crate) fn golden(&self, name: &str) -> PathBuf {
        let files = golden::files();
        let (_, bytes) = files
            .iter()
            .find(|(known, _)| *known == name)
            .expect("the story has such a file");
        let path = self.at(name);
        fs::write(&path, bytes).expect("room");
        path
    }

    /// Writes any bytes there.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("it is below")).expect("room");
        fs::write(&path, bytes).expect("room");
        path
    }

    pub(crate) fn repository(&self, name: &str) -> Result<Repository> {
        Repository::init(&self.at(name), Format::Qcow2)
    }

    pub(crate) fn run(&self) -> Run<'_> {
        Run {
            work: self.work(),
            wait: Duration::from_secs(10),
        }
    }

    pub(crate) fn work(&self) -> ExecContext<'_> {
        ExecContext {
            time: Some(1_700_000_000),
            ..ExecContext::new(2, &self.progress)
        }
    }

    /// Adds an image under the name of its file.
    pub(crate) fn add(&self, repository: &Repository, image: &Path) -> Result<Added> {
        let add = Add {
            image: OpenSpec::of(image),
            ..Add::default()
        };
        repository.add(&add, &self.run())
    }

    /// Makes a child that turns `base` into `target`, at `name`.
    pub(crate) fn child(&self, base: &Path, target: &Path, name: &str) -> Result<PathBuf> {
        let path = self.at(name);
        let (base, target) = (open(base)?, open(target)?);
        let parent: ParentSpec = new_parent(&base.top, &path)?;
        let output = create(&spec(&path), target.chain.disk(), Some(parent))?;
        Make {
            base: &base.chain,
            target: &target.chain,
            proves: false,
            memory: &DigestCache::none(),
            work: self.work(),
        }
        .run(output.writer)?;
        output.drafts.commit()?;
        Ok(path)
    }

    /// Writes a disk as one image of the format that the name says.
    pub(crate) fn convert(&self, source: &Path, name: &str) -> Result<PathBuf> {
        let path = self.at(name);
        let disk = open(source)?;
        let output = create(&spec(&path), disk.chain.disk(), None)?;
        Convert {
            disk: &disk.chain,
            proves: false,
            memory: &DigestCache::none(),
            work: self.work(),
        }
        .run(output.writer)?;
        output.drafts.commit()?;
        Ok(path)
    }
}

fn spec(path: &Path) -> OutputSpec {
    OutputSpec {
        ..OutputSpec::of(path)
    }
}

/// Opens an image with no options.
pub(crate) fn open(path: &Path) -> Result<Disk> {
    Disk::open(&OpenSpec::of(path))
}

/// All bytes of an image's disk, opened as `convert` would, with no options.
pub(crate) fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    let disk = open(path)?;
    let size = disk.chain.size().in_memory();
    let mut bytes = vec![0; size];
    disk.chain
        .read_at(imgdelta_core::VirtOffset::ZERO, &mut bytes)?;
    Ok(bytes)
}

/// The place of an image's file.
pub(crate) fn file_of(repository: &Repository, record: &Record) -> PathBuf {
    repository.folder().join(record.files[0].path.as_path())
}

/// The names of all files below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("it is there") {
            let path = entry.expect("it reads").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let inside = path.strip_prefix(folder).expect("it is below");
                files.push(inside.display().to_string());
            }
        }
    }
    files.sort();
    files
}
