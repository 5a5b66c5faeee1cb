//! What we write is what was asked for, as other projects and our own reader see it.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod kinds;
mod links;
#[path = "../reading/mod.rs"]
mod reading;
mod refusals;
mod streams;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use imgdelta_core::{
    BlockState, Bytes, Create, Error, FinishParams, Format, Image, Kind, MemSink, OneOutput,
    Options, Outputs, ParentSpec, Payload, PipeSink, Result, Sink, Unit, VirtOffset,
};
use imgdelta_fixtures::{
    Recipe,
    peers::{self, Peer},
};
use imgdelta_vmdk::{DRIVER, layout::SparseHeader};
use proptest::prelude::*;
use reading::{Files, check, open, read_over};

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const KINDS: [&str; 6] = [
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "streamOptimized",
    "vmfs",
];

/// The files of one image, in memory.
#[derive(Default)]
struct DigestCache {
    main: Arc<MemSink>,
    others: Mutex<BTreeMap<String, Arc<MemSink>>>,
    /// Names that are taken, where an image is replaced.
    taken: Vec<&'static str>,
    /// Whether it is a base, and called so.
    is_base: bool,
}

impl Outputs for DigestCache {
    fn main(&self) -> Result<Arc<dyn Sink>> {
        Ok(Arc::clone(&self.main) as Arc<dyn Sink>)
    }

    fn other(&self, name: &str) -> Result<Arc<dyn Sink>> {
        let sink = Arc::new(MemSink::default());
        let mut others = self.others.lock().expect("not poisoned");
        assert!(others.insert(name.into(), Arc::clone(&sink)).is_none());
        Ok(sink)
    }

    fn name(&self) -> Option<String> {
        let name = if self.is_base {
            "base.vmdk"
        } else {
            "disk.vmdk"
        };
        Some(name.into())
    }

    fn is_free(&self, name: &str) -> bool {
        !self.taken.contains(&name)
    }

    fn replaces(&self) -> bool {
        !self.taken.is_empty()
    }
}

impl DigestCache {
    fn files(&self) -> Files {
        let others = self.others.lock().expect("not poisoned");
        let others = others
            .iter()
            .map(|(name, sink)| (name.clone(), sink.bytes()));
        let main = (self.name().unwrap_or_default(), self.main.bytes());
        std::iter::once(main).chain(others).collect()
    }
}

/// What an image is to be.
#[derive(Default)]
struct Job<'a> {
    options: &'a [&'a str],
    parent: Option<(ParentSpec, &'a [u8])>,
    seed: Option<[u8; 32]>,
}

fn seed_of(disk: &[u8]) -> [u8; 32] {
    let mut seed = [1_u8; 32];
    for (at, byte) in disk.iter().enumerate() {
        let place = &mut seed[at % 32];
        *place = place.rotate_left(1) ^ byte;
    }
    seed
}

/// Writes `disk`; grains that are the parent's are absent, those that are zero are said to be where the format can.
fn write_to(outputs: &dyn Outputs, disk: &[u8], job: &Job<'_>) -> Result<()> {
    let below = job.parent.as_ref().map(|(_, below)| *below);
    let mut writer = DRIVER.start(Create {
        outputs,
        disk: Bytes::from(disk.len()).into(),
        options: Options::parse(job.options)?,
        parent: job.parent.as_ref().map(|(parent, _)| parent.clone()),
        seed: job.seed,
    })?;
    let shape = writer.shape();
    let mut whole = disk.to_vec();
    whole.resize(shape.size.in_memory(), 0);
    let mut encoder = writer.encoder();
    let unit_len = shape.unit.in_memory();
    for (number, piece) in whole.chunks(unit_len).enumerate() {
        let at = number * unit_len;
        let is_zero = piece.iter().all(|byte| *byte == 0);
        let grain = match below {
            Some(below) if &below[at..at + piece.len()] == piece => BlockState::Absent,
            Some(_) if is_zero && shape.marks_zero => BlockState::Zero,
            None if is_zero => BlockState::Absent,
            _ => BlockState::Data,
        };
        if grain == BlockState::Absent {
            continue;
        }
        let unit = Unit {
            at: VirtOffset(at as u64),
            bytes: piece,
            grains: &[grain],
        };
        let mut small = Vec::new();
        let payload = encoder.encode(&unit, &mut small)?.payload;
        let stored = if payload == Payload::Compressed {
            small.as_slice()
        } else {
            piece
        };
        if let Some(placed) = writer.place(&unit, payload, Bytes::from(stored.len()))? {
            placed.sink.write_at(placed.at, stored)?;
        }
    }
    let seed = seed_of(disk);
    writer.finish(&FinishParams { seed, time: None })
}

fn write(disk: &[u8], job: &Job<'_>) -> Result<Files> {
    let outputs = DigestCache::default();
    write_to(&outputs, disk, job)?;
    Ok(outputs.files())
}

fn of_kind<'a>(options: &'a [&'a str]) -> Job<'a> {
    Job {
        options,
        ..Job::default()
    }
}

fn put(folder: &Path, files: &Files) -> std::io::Result<PathBuf> {
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(folder.join(&files[0].0))
}

/// An image as the parent of a child that stands beside it.
fn parent_of(image: &dyn Image, name: &str) -> ParentSpec {
    ParentSpec {
        format: Some(image.metadata().format),
        size: image.metadata().size,
        relative: Some(name.into()),
        absolute: format!("/images/{name}"),
        identity: image.metadata().identity.clone(),
        details: image.metadata().details.clone(),
    }
}

#[test]
fn every_kind_reads_back_and_qemu_7zip_and_libvmdk_read_it() -> Outcome {
    let has = |peer| peers::find(peer).is_some();
    let (qemu, sevenzip, libyal) = (has(Peer::QemuImg), has(Peer::SevenZip), has(Peer::Libyal));
    for kind in KINDS {
        for size in [512, 64 * KIB, 64 * KIB + 512, MIB - 512, 40 * MIB + 1000] {
            let mut disk = Recipe::scatter(size, 100 * KIB, size).expected(None);
            let options = [format!("subformat={kind}")];
            let files = write(&disk, &of_kind(&[&options[0]]))?;
            disk.resize(disk.len().next_multiple_of(512), 0);
            assert!(read_over(&*open(&files)?, &[])? == disk, "{kind}, {size}");
            let report = check(&files)?;
            assert!(
                report.faults.is_empty() && report.notes.is_empty(),
                "{kind}: {report:?}"
            );
            let folder = tempfile::tempdir()?;
            let image = put(folder.path(), &files)?;
            let raw = folder.path().join("expected.raw");
            std::fs::write(&raw, &disk)?;
            if qemu {
                peers::qemu_compare(&image, "vmdk", &raw, "raw")
                    .map_err(|said| format!("{kind}, {size}: {said}"))?;
            }
            if sevenzip {
                assert!(
                    peers::sevenzip(&image, "vmdk")? == disk,
                    "7-Zip, {kind}, {size}"
                );
            }
            if libyal {
                assert!(
                    peers::libyal("vmdk", &image, &[])? == disk,
                    "libvmdk, {kind}, {size}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn virtualbox_reads_sparse_images_and_streams() -> Outcome {
    if peers::find(Peer::VirtualBox).is_none() {
        return Ok(());
    }
    let disk = Recipe::scatter(3 * MIB, 100 * KIB, 9).expected(None);
    for kind in ["monolithicSparse", "streamOptimized"] {
        let option = format!("subformat={kind}");
        let files = write(&disk, &of_kind(&[&option]))?;
        let folder = tempfile::tempdir()?;
        let image = put(folder.path(), &files)?;
        assert!(peers::virtualbox_raw(&image, &[])? == disk, "{kind}");
    }
    Ok(())
}

#[test]
fn children_are_read_over_their_parents_by_qemu_libvmdk_and_virtualbox() -> Outcome {
    let has = |peer| peers::find(peer).is_some();
    let (qemu, libyal, virtualbox) = (has(Peer::QemuImg), has(Peer::Libyal), has(Peer::VirtualBox));
    let below = Recipe::scatter(3 * MIB, 100 * KIB, 3).expected(None);
    let mut target = below.clone();
    target[MIB as usize..MIB as usize + 200_000].fill(0);
    target[2 * MIB as usize + 7] ^= 1;
    for (base_kind, options) in [
        ("monolithicSparse", &[][..]),
        ("monolithicFlat", &[]),
        ("monolithicSparse", &["subformat=twoGbMaxExtentSparse"]),
        ("monolithicSparse", &["zeroed_grain=on"]),
    ] {
        let option = format!("subformat={base_kind}");
        let outputs = DigestCache {
            is_base: true,
            ..DigestCache::default()
        };
        write_to(&outputs, &below, &of_kind(&[&option]))?;
        let base_files = outputs.files();
        let base = open(&base_files)?;
        let job = Job {
            options,
            parent: Some((parent_of(&*base, "base.vmdk"), &below)),
            seed: None,
        };
        let files = write(&target, &job)?;
        let image = open(&files)?;
        assert!(read_over(&*image, &below)? == target);
        assert!(check(&files)?.faults.is_empty());
        let link = image.parent().ok_or("it is a child")?;
        assert!(base.metadata().is_called(&link.identities[0]));
        let folder = tempfile::tempdir()?;
        let base_file = put(folder.path(), &base_files)?;
        let child = put(folder.path(), &files)?;
        let raw = folder.path().join("expected.raw");
        std::fs::write(&raw, &target)?;
        if qemu {
            peers::qemu_compare(&child, "vmdk", &raw, "raw")
                .map_err(|said| format!("{options:?}: {said}"))?;
        }
        if libyal && options != ["zeroed_grain=on"] {
            assert!(
                peers::libyal("vmdk", &child, std::slice::from_ref(&base_file))? == target,
                "libvmdk, {options:?}"
            );
        }
        // It refuses version 2, which zeroed grains need.
        if virtualbox && base_kind == "monolithicSparse" && options.is_empty() {
            assert!(
                peers::virtualbox_raw(&child, &[base_file])? == target,
                "VirtualBox"
            );
        }
    }
    Ok(())
}

#[test]
fn an_image_that_replaces_another_takes_fresh_names() -> Outcome {
    let disk = Recipe::scatter(MIB, 4096, 3).expected(None);
    let outputs = DigestCache {
        taken: vec!["disk-flat.vmdk", "disk-2-flat.vmdk"],
        ..DigestCache::default()
    };
    write_to(&outputs, &disk, &of_kind(&["subformat=monolithicFlat"]))?;
    let files = outputs.files();
    assert_eq!(files[1].0, "disk-3-flat.vmdk");
    assert!(read_over(&*open(&files)?, &[])? == disk);
    Ok(())
}
