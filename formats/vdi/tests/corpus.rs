//! Real images that others made read as the corpus's manifest says.

use std::{error::Error, sync::Arc};

use imgdelta_core::{Bytes, FileSource, NoAuxFiles, Open, Options, State, VirtOffset};
use imgdelta_fixtures::peers;
use imgdelta_vdi::DRIVER;
use sha2::{Digest, Sha256};

#[test]
fn every_vdi_image_of_the_corpus_reads_as_its_manifest_says() -> Result<(), Box<dyn Error>> {
    let Some(corpus) = peers::corpus() else {
        return Ok(());
    };
    let mut read = 0;
    for row in corpus.of("vdi") {
        let how = || -> Result<Open<'_>, Box<dyn Error>> {
            Ok(Open {
                source: Arc::new(FileSource::open(&row.file)?),
                aux_files: &NoAuxFiles,
                options: Options::default(),
                snapshot: None,
            })
        };
        let image = (DRIVER.open)(how()?)?;
        assert_eq!(
            Some(image.metadata().size.0),
            row.virtual_size,
            "{}",
            row.rel
        );
        (DRIVER.check)(how()?)?;
        let Some(expected) = &row.content_sha256 else {
            continue;
        };
        let mut digest = Sha256::new();
        let mut at = VirtOffset::ZERO;
        let mut piece = vec![0; 1 << 20];
        while at.0 < image.metadata().size.0 {
            let extent = image.extent_at(at)?;
            let extent = extent.part(at, Bytes::mib(1));
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
        read += 1;
    }
    assert!(read > 10, "only {read} were read");
    Ok(())
}
