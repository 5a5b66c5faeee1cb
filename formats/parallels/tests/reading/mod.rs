//! What the tests share: disks of one file and of several in memory, opened and checked.

#![allow(dead_code, unused_imports, reason = "not every test needs every verb")]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{
    AuxFiles, Bytes, CheckReport, Error, FileOffset, Image, Kind, MemSource, Open, Options, Result,
    Source,
};
use imgdelta_parallels::DRIVER;

/// A file in memory that has a name.
#[derive(Debug)]
struct Named {
    path: PathBuf,
    bytes: MemSource,
}

impl Source for Named {
    fn len(&self) -> Bytes {
        self.bytes.len()
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        self.bytes.read_at(at, buf)
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// The files of a disk, the one to be opened in front.
pub(crate) struct Files(Vec<(String, Vec<u8>)>);

impl AuxFiles for Files {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((name, bytes)) => Ok(source(name, bytes)),
            None => Err(Error::new(Kind::Chain, format!("no file '{name}'"))),
        }
    }
}

fn source(name: &str, bytes: &[u8]) -> Arc<dyn Source> {
    Arc::new(Named {
        path: name.into(),
        bytes: MemSource(bytes.to_vec()),
    })
}

/// How the first of the files is to be opened.
fn how<'a>(files: &'a Files, options: &[&str], snapshot: Option<&str>) -> Result<Open<'a>> {
    let first = files.0.first();
    let (name, bytes) = first.ok_or_else(|| Error::new(Kind::Usage, "no file"))?;
    Ok(Open {
        source: source(name, bytes),
        aux_files: files,
        options: Options::parse(options)?,
        snapshot: snapshot.map(str::to_owned),
    })
}

/// Opens a disk of several files.
pub(crate) fn open_files(
    files: &[(String, Vec<u8>)],
    options: &[&str],
    snapshot: Option<&str>,
) -> Result<Arc<dyn Image>> {
    (DRIVER.open)(how(&Files(files.to_vec()), options, snapshot)?)
}

/// Checks a disk of several files.
pub(crate) fn check_files(files: &[(String, Vec<u8>)]) -> Result<CheckReport> {
    (DRIVER.check)(how(&Files(files.to_vec()), &[], None)?)
}

/// Opens a disk of one file.
pub(crate) fn open(bytes: &[u8]) -> Result<Arc<dyn Image>> {
    open_files(&[("disk.hds".to_owned(), bytes.to_vec())], &[], None)
}

/// Checks a disk of one file.
pub(crate) fn check(bytes: &[u8]) -> Result<CheckReport> {
    check_files(&[("disk.hds".to_owned(), bytes.to_vec())])
}

pub(crate) use imgdelta_fixtures::read_over;
