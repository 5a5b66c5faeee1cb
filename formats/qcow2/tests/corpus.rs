//! Real images that others made read as the corpus's manifest says.

mod reading;

use std::{error::Error, sync::Arc};

use imgdelta_core::FileSource;
use imgdelta_fixtures::peers;
use imgdelta_qcow2::DRIVER;
use reading::{Folder, how, walk};
use sha2::{Digest, Sha256};

/// It lost its refcount block; qemu-img check finds the same three faults.
const CUT: &str = "qcow2/shared-mime-info/disk.qcow2";

#[test]
fn every_qcow2_image_of_the_corpus_reads_as_its_manifest_says() -> Result<(), Box<dyn Error>> {
    let Some(corpus) = peers::corpus() else {
        return Ok(());
    };
    let mut read = 0;
    for row in corpus.of("qcow2") {
        let source = Arc::new(FileSource::open(&row.file)?);
        let folder = Folder(row.file.parent().ok_or("it lies in a folder")?);
        let image = (DRIVER.open)(how(Arc::clone(&source) as _, &folder))?;
        let facts = image.metadata();
        assert_eq!(Some(facts.size.0), row.virtual_size, "{}", row.rel);
        let version = row.variant.split([' ', ',']).nth(1);
        assert_eq!(Some(facts.variant.as_str()), version, "{}", row.rel);
        let backing = row.variant.split("backing ").nth(1);
        // The manifest has the last part of a name.
        let hint = image.parent().and_then(|link| link.hints.first());
        let name = hint.and_then(|hint| hint.text.rsplit('/').next());
        assert_eq!(name, backing, "{}", row.rel);
        let report = (DRIVER.check)(how(source, &folder))?;
        let faults = report.faults.len();
        let expected = if row.rel == CUT { 3 } else { 0 };
        assert_eq!(faults, expected, "{}: {:?}", row.rel, report.faults);
        if let (Some(expected), None) = (&row.content_sha256, backing) {
            let mut digest = Sha256::new();
            walk(&*image, |_, bytes, _| digest.update(bytes))?;
            let found: String = digest
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(&found, expected, "{}", row.rel);
            read += 1;
        }
    }
    assert!(read > 10, "only {read} were read");
    Ok(())
}
