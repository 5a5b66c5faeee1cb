//! What the tests share: images opened through the driver, whole disks read, other tools' images.

#![allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "not every test needs every verb"
)]

pub(crate) mod built;

use std::{path::Path, sync::Arc};

use imgdelta_core::{
    Bytes, CheckReport, Error, FileSource, Image, MemSource, NoAuxFiles, Open, Options, Result,
    Source, State, VirtOffset,
};
use imgdelta_vhdx::DRIVER;
use sha2::{Digest as _, Sha256};

/// What a test ends with.
pub(crate) type Tested = std::result::Result<(), Box<dyn std::error::Error>>;

/// What is asked of the driver for `source`.
pub(crate) fn how(source: Arc<dyn Source>, options: &[&str]) -> Result<Open<'static>> {
    Ok(Open {
        source,
        aux_files: &NoAuxFiles,
        options: Options::parse(options)?,
        snapshot: None,
    })
}

/// Bytes as a source.
pub(crate) fn memory(bytes: Vec<u8>) -> Arc<dyn Source> {
    Arc::new(MemSource(bytes))
}

/// A file as a source.
pub(crate) fn file(path: &Path) -> Result<Arc<dyn Source>> {
    Ok(Arc::new(FileSource::open(path)?))
}

/// Opens an image in memory.
pub(crate) fn open(bytes: Vec<u8>) -> Result<Arc<dyn Image>> {
    open_with(bytes, &[])
}

/// Opens an image in memory with options.
pub(crate) fn open_with(bytes: Vec<u8>, options: &[&str]) -> Result<Arc<dyn Image>> {
    (DRIVER.open)(how(memory(bytes), options)?)
}

/// Opens an image in a file.
pub(crate) fn open_file(path: &Path) -> Result<Arc<dyn Image>> {
    (DRIVER.open)(how(file(path)?, &[])?)
}

/// Checks an image in memory.
pub(crate) fn check(bytes: Vec<u8>) -> Result<CheckReport> {
    (DRIVER.check)(how(memory(bytes), &[])?)
}

/// Checks an image in a file.
pub(crate) fn check_file(path: &Path) -> Result<CheckReport> {
    (DRIVER.check)(how(file(path)?, &[])?)
}

/// Why an image in memory cannot be opened.
///
/// # Panics
/// If it can.
pub(crate) fn refusal(bytes: Vec<u8>) -> Error {
    open(bytes).expect_err("it must be refused")
}

/// Reads part of a chain, top first; what no layer says is zero.
pub(crate) fn read(chain: &[Arc<dyn Image>], at: VirtOffset, buf: &mut [u8]) -> Result<()> {
    let Some((top, below)) = chain.split_first() else {
        buf.fill(0);
        return Ok(());
    };
    let (mut at, mut rest) = (at, buf);
    while !rest.is_empty() {
        if at.0 >= top.metadata().size.0 {
            rest.fill(0);
            break;
        }
        let extent = top.extent_at(at)?;
        assert_eq!(extent.at, at, "an extent starts where it was asked for");
        assert!(extent.len.0 > 0, "an extent is not empty");
        assert!(
            extent.end().0 <= top.metadata().size.0,
            "an extent passes the end"
        );
        let (part, later) = rest.split_at_mut(extent.len.in_memory().min(rest.len()));
        match extent.state {
            State::Absent => read(below, at, part)?,
            State::Zero => part.fill(0),
            State::Data { file, at: place } => {
                top.read_data(at, part)?;
                let mut same = vec![0; part.len()];
                let end = place.0 + part.len() as u64;
                let source = &top.metadata().files[usize::from(file)];
                if end <= source.len().0 {
                    source.read_at(place, &mut same)?;
                    assert!(same == part, "the file and the layer say the same at {at}");
                }
            }
            State::Compressed { .. } => panic!("nothing is packed in a VHDX"),
        }
        at = at.saturating_add(part.len().into());
        rest = later;
    }
    Ok(())
}

/// The whole disk of a chain, which must not be large.
pub(crate) fn read_all(chain: &[Arc<dyn Image>]) -> Result<Vec<u8>> {
    let size = chain
        .first()
        .map_or(0, |top| top.metadata().size.in_memory());
    let mut disk = vec![0; size];
    read(chain, VirtOffset::ZERO, &mut disk)?;
    Ok(disk)
}

/// Whether two images without parents hold the same disk; where both hold nothing, nothing is read.
pub(crate) fn same(one: &dyn Image, other: &dyn Image) -> Result<bool> {
    let size = one.metadata().size;
    let mut at = VirtOffset::ZERO;
    let mut same = size == other.metadata().size;
    while same && at.0 < size.0 {
        let (here, there) = (one.extent_at(at)?, other.extent_at(at)?);
        let both = [(one, here), (other, there)];
        let mut len = here.len.min(there.len);
        if both.iter().any(|(_, extent)| extent.state.holds_data()) {
            len = len.min(Bytes::mib(4));
            let mut disks = [vec![0; len.in_memory()], vec![0; len.in_memory()]];
            for ((image, extent), disk) in both.into_iter().zip(&mut disks) {
                if extent.state.holds_data() {
                    image.read_data(at, disk)?;
                }
            }
            same = disks[0] == disks[1];
        }
        at = at.saturating_add(len);
    }
    Ok(same)
}

/// The digest of the whole disk of a chain.
pub(crate) fn digest(chain: &[Arc<dyn Image>]) -> Result<String> {
    let size = chain.first().map_or(0, |top| top.metadata().size.0);
    let mut sum = Sha256::new();
    let mut at = 0;
    let mut buf = vec![0; 4 << 20];
    while at < size {
        let len = buf
            .len()
            .min(usize::try_from(size - at).unwrap_or(usize::MAX));
        read(chain, VirtOffset(at), &mut buf[..len])?;
        sum.update(&buf[..len]);
        at += len as u64;
    }
    Ok(hex(&sum.finalize()))
}

/// Bytes as hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
