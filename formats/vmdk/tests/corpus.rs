//! Real images that others made read as the corpus's manifest says.

use std::{
    error::Error,
    path::Path,
    sync::{Arc, Mutex},
};

use imgdelta_core::{AuxFiles, Bytes, FileSource, Open, Options, Source, State, VirtOffset};
use imgdelta_fixtures::peers::{self, Row};
use imgdelta_vmdk::DRIVER;
use sha2::{Digest, Sha256};

/// The files of a folder.
struct Folder<'a>(&'a Path);

impl AuxFiles for Folder<'_> {
    fn open(&self, name: &str) -> imgdelta_core::Result<Arc<dyn Source>> {
        Ok(Arc::new(FileSource::open(&self.0.join(name))?))
    }
}

/// Reads one image; true if its content was compared.
fn read(row: &Row) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let folder = Folder(row.file.parent().ok_or("it lies in a folder")?);
    let how = || -> imgdelta_core::Result<Open<'_>> {
        Ok(Open {
            source: Arc::new(FileSource::open(&row.file)?),
            aux_files: &folder,
            options: Options::default(),
            snapshot: None,
        })
    };
    let Some(expected) = &row.content_sha256 else {
        // Devices, malformed ones, descriptors whose extents are not there.
        if row.virtual_size.is_none() {
            assert!(
                (DRIVER.open)(how()?).is_err(),
                "{} should be refused",
                row.rel
            );
        }
        return Ok(false);
    };
    let image = (DRIVER.open)(how()?).map_err(|error| format!("{}: {error}", row.rel))?;
    assert_eq!(
        Some(image.metadata().size.0),
        row.virtual_size,
        "{}",
        row.rel
    );
    let report = (DRIVER.check)(how()?)?;
    assert!(report.faults.is_empty(), "{}: {:?}", row.rel, report.faults);
    let mut digest = Sha256::new();
    let mut at = VirtOffset::ZERO;
    let mut piece = vec![0; 1 << 20];
    while at.0 < image.metadata().size.0 {
        let extent = image.extent_at(at)?.part(at, Bytes::mib(1));
        let bytes = piece.get_mut(..extent.len.in_memory()).ok_or("it fits")?;
        match extent.state {
            State::Data { .. } | State::Compressed { .. } => image.read_data(at, bytes)?,
            State::Absent | State::Zero => bytes.fill(0),
        }
        digest.update(bytes);
        at = extent.end();
    }
    let found: String = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(&found, expected, "{}", row.rel);
    Ok(true)
}

/// The disks are large and mostly zero: each thread takes the next one.
#[test]
fn every_vmdk_image_of_the_corpus_reads_as_its_manifest_says() {
    let Some(corpus) = peers::corpus() else {
        return;
    };
    let mut rows: Vec<&Row> = corpus.of("vmdk").collect();
    rows.sort_by_key(|row| row.virtual_size);
    let rows = Mutex::new(rows);
    let read_all = || {
        let mut count = 0;
        loop {
            let next = rows.lock().expect("no thread panics in it").pop();
            match next {
                Some(row) => count += usize::from(read(row).expect(&row.rel)),
                None => return count,
            }
        }
    };
    let read: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(read_all)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("it reads"))
            .sum()
    });
    assert!(read > 10, "only {read} were read");
}
