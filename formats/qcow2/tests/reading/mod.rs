//! Opens images for tests: from memory, with their auxiliary files beside them, through the driver as the registry does.
//!
//! No verdict is given here.

// Each test program uses its part of this.
#![allow(dead_code, reason = "not every test program needs every verb")]
#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

use std::{collections::HashMap, path::Path, sync::Arc};

use imgdelta_core::{
    AuxFiles, Bytes, Error, FileOffset, FileSource, Image, Kind, MemSource, Open, Options, Result,
    Source, State, VirtOffset,
};
use imgdelta_fixtures::{Fill, Recipe, qcow2::Qcow2Spec};
use imgdelta_qcow2::DRIVER;

/// The files that lie beside an image.
#[derive(Default)]
pub(crate) struct Beside(HashMap<String, Arc<dyn Source>>);

impl Beside {
    /// These files.
    pub(crate) fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let source = |bytes| Arc::new(MemSource(bytes)) as Arc<dyn Source>;
        Self(
            files
                .into_iter()
                .map(|(name, bytes)| (name, source(bytes)))
                .collect(),
        )
    }
}

impl AuxFiles for Beside {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        if name.contains(['/', ':']) {
            return Err(Error::new(Kind::Reference, format!("'{name}' is refused")));
        }
        let file = self.0.get(name).map(Arc::clone);
        file.ok_or_else(|| Error::new(Kind::Chain, format!("'{name}' is not there")))
    }
}

/// The files in a folder.
pub(crate) struct Folder<'a>(pub(crate) &'a Path);

impl AuxFiles for Folder<'_> {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(FileSource::open(&self.0.join(name))?))
    }
}

/// How to open `source`.
pub(crate) fn how<'a>(source: Arc<dyn Source>, aux_files: &'a dyn AuxFiles) -> Open<'a> {
    Open {
        source,
        aux_files,
        options: Options::default(),
        snapshot: None,
    }
}

/// Bytes in memory.
pub(crate) fn memory(bytes: &[u8]) -> Arc<dyn Source> {
    Arc::new(MemSource(bytes.to_vec()))
}

/// Opens an image in memory with nothing beside it.
pub(crate) fn open(bytes: &[u8]) -> Result<Arc<dyn Image>> {
    (DRIVER.open)(how(memory(bytes), &Beside::default()))
}

/// Opens an image in memory with an option.
pub(crate) fn open_with(bytes: &[u8], option: &str) -> Result<Arc<dyn Image>> {
    let beside = Beside::default();
    let mut open = how(memory(bytes), &beside);
    open.options = Options::parse(&[option])?;
    (DRIVER.open)(open)
}

/// The whole layer, zero where it is silent.
pub(crate) fn read_all(image: &dyn Image) -> Result<Vec<u8>> {
    let mut disk = vec![0; image.metadata().size.in_memory()];
    let mut at = VirtOffset::ZERO;
    while at.0 < image.metadata().size.0 {
        let extent = image.extent_at(at)?;
        let range = Bytes(at.0).in_memory()..Bytes(extent.end().0).in_memory();
        if extent.state.holds_data() {
            image.read_data(at, &mut disk[range])?;
        }
        at = extent.end();
    }
    Ok(disk)
}

/// Looks at the whole disk without keeping it: the map, and the bytes of a piece at a time.
pub(crate) fn walk(image: &dyn Image, mut see: impl FnMut(VirtOffset, &[u8], State)) -> Result<()> {
    let mut piece = vec![0; 1 << 20];
    let mut at = VirtOffset::ZERO;
    while at.0 < image.metadata().size.0 {
        let extent = image.extent_at(at)?;
        let len = extent.len.in_memory().min(piece.len());
        let part = &mut piece[..len];
        part.fill(0);
        if extent.state.holds_data() {
            image.read_data(at, part)?;
        }
        see(at, part, extent.state);
        at = at.saturating_add(Bytes::from(len));
    }
    Ok(())
}

/// A small image as the start of a very long file.
#[derive(Debug)]
pub(crate) struct Long(Vec<u8>, u64);

impl Source for Long {
    fn len(&self) -> Bytes {
        Bytes(self.1)
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        for (byte, place) in buf.iter_mut().zip(Bytes(at.0).in_memory()..) {
            *byte = self.0.get(place).copied().unwrap_or_default();
        }
        Ok(())
    }
}

/// An image of 512-byte clusters in a file of `len` bytes, its data clusters at these places.
pub(crate) fn long(len: u64, places: &[u64]) -> Long {
    let recipe = Recipe::of(
        512 << 10,
        (0..places.len() as u64).map(|n| (n * 512, 512, Fill::Text)),
    );
    let built = Qcow2Spec::new(recipe, 9).build_files();
    let mut bytes = built.image;
    for (place, number) in places.iter().zip(0..) {
        let table = Bytes(built.layout.l2[number / 64]).in_memory();
        let entry = table + 8 * (number % 64);
        bytes[entry..entry + 8].copy_from_slice(&(1 << 63 | place).to_be_bytes());
    }
    Long(bytes, len)
}

/// A disk of several L2 tables' reach where clusters are small.
pub(crate) fn recipe(cluster_bits: u32, seed: u64) -> Recipe {
    let cluster = 1_u64 << cluster_bits;
    let size = (cluster * 40).clamp(512 << 10, 24 << 20) + 512;
    match seed % 3 {
        0 => Recipe::scatter(size, cluster, seed),
        1 => Recipe::sectors(size, seed),
        _ => Recipe::small(size),
    }
}
