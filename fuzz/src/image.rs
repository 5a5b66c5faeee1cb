//! Any bytes as an image: whatever they are, opening ends in an error or in a disk that keeps the promises of `Image`.

use std::sync::Arc;

use imgdelta_core::{
    AuxFiles, Bytes, Driver, FileOffset, Format, Image, MemSource, NoAuxFiles, Open, Options,
    ProbeWindow, Repair, Result, Source, VirtOffset,
};
use imgdelta_delta::Manifest;

/// Most extents that are walked, and most bytes that are read: a small file may describe a large disk.
const MOST_EXTENTS: usize = 4096;
const MOST_READS: usize = 64;

/// Any file that an image names is this one.
#[derive(Debug)]
struct Anything(Arc<dyn Source>);

impl AuxFiles for Anything {
    fn open(&self, _: &str) -> Result<Arc<dyn Source>> {
        Ok(Arc::clone(&self.0))
    }
}

/// As [`open`], with `head` over the first bytes: a change of the magic leads nowhere.
pub(crate) fn open_as(format: Format, head: &[u8], bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if let Some(place) = bytes.get_mut(..head.len()) {
        place.copy_from_slice(head);
    }
    open(format, &bytes);
}

/// Opens, checks and walks `bytes` as an image of `format`, with checksums that count and with checksums that do not.
pub(crate) fn open(format: Format, bytes: &[u8]) {
    open_source(format, Arc::new(MemSource(bytes.to_vec())));
}

/// As [`open`], from any source.
pub(crate) fn open_source(format: Format, source: Arc<dyn Source>) {
    let Some(driver) = imgdelta_registry::DRIVERS
        .iter()
        .find(|driver| driver.format == format)
    else {
        panic!("no driver for {format}");
    };
    if let Ok(peek) = ProbeWindow::of(&*source) {
        let _ = (driver.probe)(&peek);
    }
    let _ = (driver.references)(&source);
    let _ = (driver.check)(request(&source, &NoAuxFiles, &[]));
    let forgiving: Vec<String> = driver
        .open_options
        .iter()
        .filter(|key| **key != "size")
        .map(|key| match *key {
            "footer" => "footer=scan".to_owned(),
            key => format!("{key}=ignore"),
        })
        .collect();
    if let Some(repair) = driver.repair
        && let Ok(repair) = repair(request(&source, &NoAuxFiles, &[]))
    {
        mended(driver, &repair);
    }
    let companion = Anything(Arc::clone(&source));
    for options in [&[], forgiving.as_slice()] {
        if let Ok(image) = (driver.open)(request(&source, &companion, options)) {
            walk(driver, &*image);
        }
    }
}

/// What was mended holds the same disk, and nothing is left to be mended.
fn mended(driver: &Driver, repair: &Repair) {
    const MOST: u64 = 64 << 20;
    if repair.len.0 > MOST {
        return;
    }
    let mut bytes = vec![0; repair.len.in_memory()];
    let len = repair.source.len().min(repair.len).in_memory();
    let part = bytes.get_mut(..len).unwrap_or_default();
    if repair.source.read_at(FileOffset::ZERO, part).is_err() {
        return;
    }
    for patch in &repair.patches {
        let at = Bytes(patch.at.0).in_memory();
        let place = bytes.get_mut(at..at + patch.bytes.len());
        let Some(place) = place else {
            panic!("a patch at {at} lies beyond the file")
        };
        place.copy_from_slice(&patch.bytes);
    }
    let source: Arc<dyn Source> = Arc::new(MemSource(bytes));
    let again = driver
        .repair
        .map(|repair| repair(request(&source, &NoAuxFiles, &[])));
    match again {
        Some(Ok(again)) => assert!(again.done.is_empty(), "mended twice: {:?}", again.done),
        other => panic!("what was mended does not open: {other:?}"),
    }
}

fn request<'a>(
    source: &Arc<dyn Source>,
    aux_files: &'a dyn AuxFiles,
    options: &[String],
) -> Open<'a> {
    let Ok(options) = Options::parse(options) else {
        panic!("{options:?} are options")
    };
    Open {
        source: Arc::clone(source),
        aux_files,
        options,
        snapshot: None,
    }
}

/// The map covers the disk without gap or overlap, and what is called data can be read, or the failure is an error.
fn walk(driver: &Driver, image: &dyn Image) {
    let size = image.metadata().size;
    let mut at = VirtOffset::ZERO;
    let mut reads = 0;
    for _ in 0..MOST_EXTENTS {
        if at.0 >= size.0 {
            return;
        }
        let Ok(extent) = image.extent_at(at) else {
            return;
        };
        assert_eq!(
            extent.at, at,
            "{driver:?}: an extent starts where it was asked for"
        );
        assert!(
            extent.len > Bytes::ZERO,
            "{driver:?}: an extent is not empty"
        );
        assert!(
            extent.end().0 <= size.0,
            "{driver:?}: an extent ends on the disk"
        );
        if extent.state.holds_data() && reads < MOST_READS {
            reads += 1;
            read_twice(driver, image, at, extent.len);
        }
        at = extent.end();
    }
}

/// The same bytes come back whole and in parts.
fn read_twice(driver: &Driver, image: &dyn Image, at: VirtOffset, len: Bytes) {
    let len = len.min(Bytes::kib(160)).in_memory();
    let (mut whole, mut parts) = (vec![0; len], vec![1; len]);
    let (first, second) = parts.split_at_mut(len / 3);
    let parts_read = image
        .read_data(at, first)
        .and_then(|()| image.read_data(at.saturating_add(Bytes::from(len / 3)), second));
    if image.read_data(at, &mut whole).is_ok() && parts_read.is_ok() {
        assert!(
            whole == parts,
            "{driver:?}: the same bytes whole and in parts at {at}"
        );
    }
}

/// Any bytes as a manifest: an error, or one that comes back the same.
pub(crate) fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::from_json(bytes) {
        let Ok(json) = manifest.to_json() else {
            panic!("a manifest that was read can be written")
        };
        assert_eq!(
            Manifest::from_json(&json).ok(),
            Some(manifest),
            "it comes back the same"
        );
    }
}
