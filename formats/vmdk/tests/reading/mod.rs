//! What the tests share: images in memory with their files beside them, whole disks read.

#![allow(
    dead_code,
    unused_imports,
    clippy::indexing_slicing,
    reason = "not every test needs every verb"
)]

use std::{collections::HashMap, sync::Arc};

use imgdelta_core::{
    AuxFiles, CheckReport, Error, Image, Kind, MemSource, Open, Options, Result, Source,
};
use imgdelta_vmdk::DRIVER;

/// Files by name.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// The files beside an image.
#[derive(Default)]
pub(crate) struct Beside(HashMap<String, Arc<dyn Source>>);

impl Beside {
    pub(crate) fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let sources = files
            .into_iter()
            .map(|(name, bytes)| (name, Arc::new(MemSource(bytes)) as Arc<dyn Source>));
        Self(sources.collect())
    }
}

impl AuxFiles for Beside {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        let missing = || Error::new(Kind::Chain, format!("there is no {name}"));
        self.0.get(name).map(Arc::clone).ok_or_else(missing)
    }
}

/// What is asked of the driver.
pub(crate) fn how<'a>(bytes: &[u8], beside: &'a Beside, options: &[&str]) -> Result<Open<'a>> {
    Ok(Open {
        source: Arc::new(MemSource(bytes.to_vec())),
        aux_files: beside,
        options: Options::parse(options)?,
        snapshot: None,
    })
}

/// Opens the first file, the others beside it.
pub(crate) fn open_with(files: &Files, options: &[&str]) -> Result<Arc<dyn Image>> {
    let beside = Beside::of(files[1..].iter().cloned());
    (DRIVER.open)(how(&files[0].1, &beside, options)?)
}

/// As [`open_with`], with no options.
pub(crate) fn open(files: &Files) -> Result<Arc<dyn Image>> {
    open_with(files, &[])
}

/// Checks the first file.
pub(crate) fn check(files: &Files) -> Result<CheckReport> {
    let beside = Beside::of(files[1..].iter().cloned());
    (DRIVER.check)(how(&files[0].1, &beside, &[])?)
}

pub(crate) use imgdelta_fixtures::read_over;

/// A generator for damage: the same numbers each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most.max(1)
    }
}
