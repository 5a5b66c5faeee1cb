//! Images of real tools, where the corpus is: each reads as its manifest says, and a log is replayed as qemu-img replays it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod reading;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use imgdelta_core::Image;
use imgdelta_fixtures::peers::{self, Peer};
use imgdelta_vhdx::DRIVER;
use reading::{Tested, check_file, digest, file, open_file, read_all, same};

/// An image and the parents that its links lead to, which stand beside it.
fn chain(path: &Path) -> Result<Vec<Arc<dyn Image>>, Box<dyn std::error::Error>> {
    let top = open_file(path)?;
    let mut chain = vec![top];
    while let Some(link) = chain.last().and_then(|image| image.parent()).cloned() {
        let references = (DRIVER.references)(&file(path)?)?;
        if chain.len() == 1 {
            assert_eq!(
                references.parent.as_ref(),
                Some(&link),
                "{}",
                path.display()
            );
        }
        let hint = link.hints.first().ok_or("no path")?;
        let name = hint.text.rsplit('\\').next().unwrap_or_default();
        let parent = path.with_file_name(name);
        if !parent.is_file() {
            return Err(format!("no {name}").into());
        }
        let parent = open_file(&parent)?;
        let is_meant = link
            .identities
            .iter()
            .any(|one| parent.metadata().is_called(one));
        assert!(is_meant, "{}: {link:?}", path.display());
        chain.push(parent);
    }
    Ok(chain)
}

/// Holds an image against its row of the manifest; whether it is one that reads.
fn reads_as_listed(row: &peers::Row) -> Result<bool, Box<dyn std::error::Error>> {
    let Some(size) = row.virtual_size else {
        let error = open_file(&row.file).expect_err(&row.rel);
        assert_eq!(error.code(), "vhdx_no_header", "{}: {error}", row.rel);
        return Ok(false);
    };
    let top = open_file(&row.file)?;
    assert_eq!(top.metadata().size.0, size, "{}", row.rel);
    let is_dirty = row.variant.contains("DIRTY LOG");
    let notes = &top.metadata().notes;
    let is_told = notes.iter().any(|note| note.contains("replayed"));
    assert_eq!(is_dirty, is_told, "{}: {notes:?}", row.rel);
    let report = check_file(&row.file)?;
    assert!(report.faults.is_empty(), "{}: {:?}", row.rel, report.faults);
    if let Some(sum) = &row.content_sha256 {
        assert_eq!(&digest(&chain(&row.file)?)?, sum, "{}", row.rel);
    }
    Ok(true)
}

#[test]
fn every_vhdx_of_the_corpus_reads_as_its_manifest_says() {
    let Some(corpus) = peers::corpus() else {
        return;
    };
    // Hashing the silence of large disks is what takes time here.
    let rows = Mutex::new(corpus.of("vhdx"));
    let read = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let row = rows.lock().expect("nobody failed").next();
                    let Some(row) = row else { break };
                    match reads_as_listed(row) {
                        Ok(reads) => read.fetch_add(usize::from(reads), Ordering::Relaxed),
                        Err(error) => panic!("{}: {error}", row.rel),
                    };
                }
            });
        }
    });
    let read = read.into_inner();
    assert!(read >= 14, "{read} images of the manifest were read");
}

#[test]
fn a_dirty_image_reads_as_it_does_once_qemu_img_has_replayed_its_log() -> Tested {
    let (Some(corpus), Some(_)) = (peers::corpus(), peers::find(Peer::QemuImg)) else {
        return Ok(());
    };
    let mut read = 0;
    let dirty = |row: &&peers::Row| row.variant.contains("DIRTY LOG");
    for row in corpus.of("vhdx").filter(dirty) {
        let folder = tempfile::tempdir()?;
        let copy = folder.path().join("copy.vhdx");
        std::fs::copy(&row.file, &copy)?;
        let replay = ["check", "-r", "all", copy.to_str().unwrap_or_default()];
        if let Err(error) = peers::qemu_img(&replay) {
            // It opens no children.
            assert!(row.variant.contains("differencing"), "{}: {error}", row.rel);
            continue;
        }
        let clean = open_file(&copy)?;
        assert!(
            clean
                .metadata()
                .notes
                .iter()
                .all(|note| !note.contains("replayed"))
        );
        let dirty = open_file(&row.file)?;
        assert!(same(&*dirty, &*clean)?, "{}", row.rel);
        read += 1;
    }
    assert!(read >= 1, "{read} images with a log were read");
    Ok(())
}

#[test]
fn children_of_windows_read_as_libvhdi_and_dissect_read_them() -> Tested {
    let (Some(corpus), Some(_), Some(_)) = (
        peers::corpus(),
        peers::find(Peer::Libyal),
        peers::find(Peer::Dissect),
    ) else {
        return Ok(());
    };
    let mut read = 0;
    // Neither replays a log, and of some the parent is not there.
    let is_whole = |row: &&peers::Row| {
        row.variant.contains("differencing")
            && !row.variant.contains("DIRTY LOG")
            && row.content_sha256.is_some()
    };
    for row in corpus.of("vhdx").filter(is_whole) {
        let chain = chain(&row.file)?;
        let disk = read_all(&chain)?;
        let (_, parent) = row.variant.split_once("parent ").ok_or("no parent")?;
        let parents = [row.file.with_file_name(parent)];
        let found = peers::libyal("vhdx", &row.file, &parents)?;
        assert!(found == disk, "{}: libvhdi reads another disk", row.rel);
        let found = peers::dissect("vhdx", &row.file, &[])?;
        assert!(found == disk, "{}: dissect reads another disk", row.rel);
        read += 1;
    }
    assert!(read >= 2, "{read} children were read");
    Ok(())
}
