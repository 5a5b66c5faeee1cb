//! What the tests share: images in memory, opened and checked.

#![allow(dead_code, unused_imports, reason = "not every test needs every verb")]

use std::sync::Arc;

use imgdelta_core::{CheckReport, Image, MemSource, NoAuxFiles, Open, Options, Result};
use imgdelta_qcow1::DRIVER;

fn how(bytes: &[u8]) -> Open<'static> {
    Open {
        source: Arc::new(MemSource(bytes.to_vec())),
        aux_files: &NoAuxFiles,
        options: Options::default(),
        snapshot: None,
    }
}

/// Opens an image in memory.
pub(crate) fn open(bytes: &[u8]) -> Result<Arc<dyn Image>> {
    (DRIVER.open)(how(bytes))
}

/// Checks an image in memory.
pub(crate) fn check(bytes: &[u8]) -> Result<CheckReport> {
    (DRIVER.check)(how(bytes))
}

pub(crate) use imgdelta_fixtures::read_over;
