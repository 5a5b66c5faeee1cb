//! An image that came, over the base that it was made from and over another one.

use std::{fs, path::Path};

use imgdelta_core::{Bytes, Format, Kind, Result};
use imgdelta_delta::{Manifest, RunProgress, digest_cache::LeafWriter, exec::ExecContext};
use imgdelta_operations::{
    Disk,
    proof::{KnownBelow, prove, prove_keeping},
    received_image::{ReceivedFile, ReceivedImage},
    stored_image::{SentChild, WholeImage, new_image, relinked},
};
use imgdelta_registry::{OpenSpec, new_parent};
use tempfile::TempDir;

const MIB: usize = 1 << 20;

/// A raw disk of 2 MiB, all bytes `fill` but those `changed` in its middle.
fn disk(place: &Path, name: &str, fill: u8, changed: u8) -> Result<Disk> {
    let mut bytes = vec![fill; 2 * MIB];
    bytes.splice(MIB..=MIB, [changed]);
    fs::write(place.join(name), bytes).expect("room");
    Disk::open(&OpenSpec::of(place.join(name)))
}

/// A child in qcow2 of `base` that makes `target`, with its manifest.
fn child(place: &Path, base: &Disk, target: &Disk) -> Result<Manifest> {
    let progress = RunProgress::default();
    let path = place.join("child.qcow2");
    let sent = SentChild {
        base: ("golden", base),
        target: ("patched", target),
        exec: ExecContext::new(1, &progress),
    };
    let link = new_parent(&base.top, &path)?;
    let made = sent.write(&new_image(&path, Format::Qcow2), link, None)?;
    let manifest = sent.manifest("child", Format::Qcow2, &made)?;
    made.drafts.commit()?;
    Ok(manifest)
}

#[test]
fn a_child_that_came_makes_its_disk_over_the_base_it_was_made_from_only() -> Result<()> {
    let place = TempDir::new().expect("a place");
    let place = place.path();
    let base = disk(place, "base.raw", 7, 7)?;
    let target = disk(place, "target.raw", 7, 8)?;
    let other = disk(place, "other.raw", 9, 9)?;
    let manifest = child(place, &base, &target)?;
    let progress = RunProgress::default();
    let exec = ExecContext::new(2, &progress);
    let size = Bytes::mib(2);
    let file = place.join("child.qcow2");
    let over = |base: &Disk| {
        ReceivedImage::over(
            &ReceivedFile::open(&file)?,
            Format::Qcow2,
            size,
            &base.chain,
            manifest.clone(),
        )
    };
    let wanted = prove(&target.chain, exec)?;
    // Unproven, proven before, and over another base: what is written is the promised disk or nothing.
    for (proven_before, base, expected) in [
        (false, &base, Ok(wanted.id)),
        (true, &base, Ok(wanted.id)),
        (false, &other, Err("base_mismatch")),
        (true, &other, Err("base_mismatch")),
    ] {
        let mut came = over(base)?;
        let found = (|| {
            if proven_before {
                came.prove_base(exec)?;
                assert!(came.is_proven());
            }
            let leaves = LeafWriter::create(&place.join("leaves"))?;
            let whole = WholeImage::begin(Format::Raw, came.disk().disk(), |_| {
                Ok(((), place.join("result.raw")))
            })?;
            let (written, _) = came.write(whole.output.writer, leaves, false, exec)?;
            Ok(written.proof.map(|proof| proof.id))
        })();
        let found = found.map_err(|error: imgdelta_core::Error| error.code());
        assert_eq!(found, expected.map(Some), "proven before: {proven_before}");
        assert!(!place.join("result.raw").exists());
    }
    Ok(())
}

#[test]
fn an_image_of_another_size_than_was_promised_is_damage() -> Result<()> {
    let place = TempDir::new().expect("a place");
    let base = disk(place.path(), "base.raw", 7, 7)?;
    let file = place.path().join("base.raw");
    let file = ReceivedFile::open(&file)?;
    let whole = |size| ReceivedImage::whole(&file, Format::Raw, Bytes(size));
    assert_eq!(whole(2 << 20)?.disk().size(), base.size());
    // A format that counts in sectors holds a disk of odd length rounded up.
    assert_eq!(
        whole((2 << 20) - 511)?.disk().size(),
        Bytes((2 << 20) - 511)
    );
    for wrong in [(2 << 20) - 512, (2 << 20) + 1, 0, u64::MAX] {
        let error = whole(wrong).expect_err("another size");
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Corrupt, "size_mismatch"),
            "{wrong}"
        );
    }
    Ok(())
}

#[test]
fn a_copied_child_names_its_new_parent_and_is_proven_by_its_leaves() -> Result<()> {
    let place = TempDir::new().expect("a place");
    let place = place.path();
    let base = disk(place, "base.raw", 7, 7)?;
    let target = disk(place, "target.raw", 7, 8)?;
    child(place, &base, &target)?;
    let moved = disk(place, "moved.raw", 7, 7)?;
    let progress = RunProgress::default();
    let exec = ExecContext::new(1, &progress);
    let leaves = || LeafWriter::create(&place.join("leaves"));
    let driver = Disk::open(&OpenSpec::of(place.join("child.qcow2")))?
        .top
        .driver;
    let bytes = fs::read(place.join("child.qcow2")).expect("it reads");
    let spec = new_image(&place.join("copy.qcow2"), Format::Qcow2);
    let copy = imgdelta_core::AtomicFile::create(&spec.path, spec.existing)?;
    copy.sink()
        .write_at(imgdelta_core::FileOffset::ZERO, &bytes)?;
    let copied = relinked(&copy, driver, &moved.top)?;
    assert_eq!(
        copied.parents.first().map(|one| one.path.clone()),
        Some(place.join("moved.raw"))
    );
    let (_, known) = prove_keeping(&moved, None, leaves, exec)?;
    let below = || {
        let leaves = imgdelta_delta::digest_cache::LeafReader::open(known.written_at()).ok()?;
        Some(KnownBelow {
            disk: copied.below()?,
            leaves,
        })
    };
    let wanted = prove(&target.chain, exec)?;
    for below in [None, below()] {
        assert_eq!(prove_keeping(&copied, below, leaves, exec)?.0.id, wanted.id);
    }
    Ok(())
}
