//! Images of real tools, where the corpus is: each reads as its manifest says.

mod driving;

use std::{path::Path, sync::Arc};

use driving::{Tested, how};
use imgdelta_core::{FileSource, Image, NoAuxFiles, Source, State, VirtOffset};
use imgdelta_fixtures::peers;
use imgdelta_vhd::DRIVER;
use sha2::{Digest as _, Sha256};

/// Opens a file of the corpus with what it needs: two old images have wrong checksums, and the manifest lists the size of images of
/// Virtual PC by their geometry.
fn open(path: &Path) -> imgdelta_core::Result<Arc<dyn Image>> {
    let source: Arc<dyn Source> = Arc::new(FileSource::open(path)?);
    let name = path.to_string_lossy().into_owned();
    let options: &[&str] = match () {
        () if name.ends_with("virtualpc-dynamic.vhd") => &["size=chs"],
        () if name.ends_with("dfvfs/image.vhd") || name.ends_with("image-differential.vhd") => {
            &["checksum=ignore"]
        }
        () => &[],
    };
    (DRIVER.open)(how(source, options, &NoAuxFiles)?)
}

/// Reads part of a chain, top first; what no layer says is zero.
fn read(chain: &[Arc<dyn Image>], at: VirtOffset, buf: &mut [u8]) -> imgdelta_core::Result<()> {
    let Some((top, below)) = chain.split_first() else {
        buf.fill(0);
        return Ok(());
    };
    let (mut at, mut rest) = (at, buf);
    while !rest.is_empty() {
        let extent = top.extent_at(at)?;
        let (part, later) = rest.split_at_mut(extent.len.in_memory().min(rest.len()));
        match extent.state {
            State::Absent => read(below, at, part)?,
            State::Zero => part.fill(0),
            State::Data { .. } | State::Compressed { .. } => top.read_data(at, part)?,
        }
        at = at.saturating_add(part.len().into());
        rest = later;
    }
    Ok(())
}

/// The digest of the whole disk of `chain`.
fn digest(chain: &[Arc<dyn Image>], size: u64) -> imgdelta_core::Result<String> {
    let mut sum = Sha256::new();
    let mut at = 0;
    let mut buf = vec![0; 1 << 20];
    while at < size {
        let len = buf
            .len()
            .min(usize::try_from(size - at).unwrap_or(usize::MAX));
        let part = buf.get_mut(..len).unwrap_or_default();
        read(chain, VirtOffset(at), part)?;
        sum.update(&*part);
        at += len as u64;
    }
    Ok(sum
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[test]
fn every_vhd_of_the_corpus_reads_as_its_manifest_says() -> Tested {
    let Some(corpus) = peers::corpus() else {
        return Ok(());
    };
    let mut read = 0;
    for row in corpus.of("vhd") {
        let Some(size) = row.virtual_size else {
            let error = open(&row.file).expect_err(&row.rel);
            assert_eq!(error.code(), "vhd_header_past_end", "{}: {error}", row.rel);
            continue;
        };
        let top = open(&row.file).map_err(|error| format!("{}: {error}", row.rel))?;
        assert_eq!(top.metadata().size.0, size, "{}", row.rel);
        let mut chain = vec![top];
        if let Some((_, parent)) = row.variant.split_once("parent ") {
            let base = open(&row.file.with_file_name(parent))?;
            let wanted = chain
                .iter()
                .filter_map(|child| child.parent())
                .flat_map(|link| &link.identities);
            let wanted: Vec<_> = wanted.collect();
            assert_eq!(
                wanted,
                base.metadata().identity.iter().collect::<Vec<_>>(),
                "{}",
                row.rel
            );
            chain.push(base);
        }
        match &row.content_sha256 {
            Some(sum) => assert_eq!(&digest(&chain, size)?, sum, "{}", row.rel),
            // Too large to hash: nothing is stored, as the manifest's notes say.
            None => {
                let all = chain
                    .first()
                    .map(|top| top.extent_at(VirtOffset::ZERO))
                    .transpose()?;
                assert_eq!(
                    all.map(|extent| extent.state),
                    Some(State::Absent),
                    "{}",
                    row.rel
                );
            }
        }
        let source: Arc<dyn Source> = Arc::new(FileSource::open(&row.file)?);
        let report = (DRIVER.check)(how(source, &[], &NoAuxFiles)?)?;
        let codes: Vec<_> = report.faults.iter().map(|fault| fault.code()).collect();
        assert!(
            codes.iter().all(|code| code.ends_with("checksum")),
            "{}: {codes:?}",
            row.rel
        );
        read += 1;
    }
    assert!(read >= 15, "{read} images of the manifest were read");
    Ok(())
}
