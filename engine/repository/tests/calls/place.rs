//! A place for repositories and images, and the context of calls there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use imgdelta_core::Result;
use imgdelta_operations::{Context, Make};
use imgdelta_registry::{OpenSpec, OutputSpec};
use imgdelta_repository::calls::{Add, AddReport, AddSpec, Init};
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

/// How large the disks are: four windows of leaf digests.
pub(crate) const SIZE: usize = 256 << 10;

/// A folder that goes when the test ends.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a place"),
        }
    }

    /// With an empty repository `hq`.
    pub(crate) fn with_repository() -> Result<Self> {
        let place = Self::new();
        Init::new(place.hq()).run(&context())?;
        Ok(place)
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn hq(&self) -> PathBuf {
        self.at("hq")
    }

    /// Writes a raw image whose windows hold these bytes.
    pub(crate) fn image(&self, name: &str, windows: [u8; 4]) -> PathBuf {
        let path = self.at(name);
        let window = SIZE / windows.len();
        let bytes: Vec<u8> = windows
            .iter()
            .flat_map(|byte| vec![*byte; window])
            .collect();
        fs::write(&path, bytes).expect("room");
        path
    }

    /// Makes a qcow2 child that turns `base` into `target`.
    pub(crate) fn child(&self, base: &Path, target: &Path, name: &str) -> Result<PathBuf> {
        let path = self.at(name);
        let (base, target) = (OpenSpec::of(base), OpenSpec::of(target));
        Make::new(base, target, OutputSpec::of(&path)).run(&context())?;
        Ok(path)
    }

    /// Adds images to `hq`, each under the name of its file.
    pub(crate) fn add(&self, images: &[&Path]) -> Result<AddReport> {
        Add::new(self.hq(), images.iter().map(|image| spec(image))).run(&context())
    }

    /// Every file below the place, and what it holds.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("it is there") {
                let path = entry.expect("it reads").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).expect("it reads");
                    files.insert(path, bytes);
                }
            }
        }
        files
    }
}

/// Two threads, and a time that is always the same.
pub(crate) fn context() -> Context {
    Context::new().threads(2).time(Some(1_700_000_000))
}

/// An image to be added.
pub(crate) fn spec(image: &Path) -> AddSpec {
    AddSpec {
        image: OpenSpec::of(image),
        ..AddSpec::default()
    }
}

/// A report as a program sees it.
pub(crate) fn json(report: &impl Serialize) -> Value {
    serde_json::to_value(report).expect("plain data")
}
