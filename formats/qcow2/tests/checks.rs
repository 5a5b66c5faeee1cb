//! Our check and qemu-img's say the same, of sound images and of damaged ones.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::{error::Error, path::Path, process::Command, sync::Arc};

use imgdelta_core::{Bytes, CheckReport, FileSource, Result as Outcome};
use imgdelta_fixtures::{
    Fill, Recipe,
    peers::{self, Peer},
    qcow2::{Bitmap, Built, Compression, Qcow2Spec, Snapshot},
};
use imgdelta_qcow2::DRIVER;
use reading::{Beside, Folder, how, long, memory};

/// What qemu-img counts: corruptions, leaks.
fn qemu_counts(path: &Path) -> Result<(u64, u64), Box<dyn Error>> {
    let output = Command::new("qemu-img")
        .args(["check", "-f", "qcow2", "--output=json"])
        .arg(path)
        .output()?;
    let found: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let count = |name| found[name].as_u64().unwrap_or_default();
    Ok((count("corruptions") + count("check-errors"), count("leaks")))
}

/// Our report, and our count of leaks.
fn our_counts(path: &Path) -> Outcome<(CheckReport, u64)> {
    let folder = Folder(path.parent().unwrap_or(Path::new(".")));
    let report = (DRIVER.check)(how(Arc::new(FileSource::open(path)?), &folder))?;
    let leaked = report.counts.iter().find(|(name, _)| *name == "leaked");
    let leaked = leaked.map_or(0, |(_, count)| *count);
    Ok((report, leaked))
}

/// Holds both against each other: whether there is a fault, and how many clusters are leaked.
fn agrees(name: &str, path: &Path) -> Result<(), Box<dyn Error>> {
    let (corruptions, leaks) = qemu_counts(path)?;
    let (report, leaked) = our_counts(path)?;
    let faults = &report.faults;
    assert_eq!(
        !faults.is_empty(),
        corruptions > 0,
        "{name}: {corruptions}, {faults:?}"
    );
    // What a broken entry named is leaked for us; qemu follows some of them.
    if faults.is_empty() {
        assert_eq!(leaked, leaks, "{name}: {report:?}");
    }
    Ok(())
}

/// Images that use each kind of cluster.
fn specs() -> Vec<(&'static str, Qcow2Spec)> {
    let recipe = Recipe::scatter(1 << 20, 8192, 4);
    let start = Qcow2Spec::new(recipe.clone(), 12);
    let bitmap = Bitmap {
        name: "one".into(),
        flags: 2,
        granularity_bits: 16,
        dirty: vec![3],
    };
    vec![
        ("plain", start.clone()),
        ("version 2", Qcow2Spec::version_2(recipe.clone(), 12)),
        (
            "packed",
            Qcow2Spec {
                compression: Some(Compression::deflate()),
                ..start.clone()
            },
        ),
        (
            "extended",
            Qcow2Spec {
                extended_l2: true,
                ..Qcow2Spec::new(recipe.clone(), 14)
            },
        ),
        (
            "snapshots and bitmaps",
            Qcow2Spec {
                snapshots: vec![Snapshot::new("1", "one", recipe)],
                bitmaps: vec![bitmap],
                ..start.clone()
            },
        ),
        (
            "narrow refcounts",
            Qcow2Spec {
                refcount_order: 1,
                ..start
            },
        ),
    ]
}

/// Flips bits of every structure in turn.
fn damaged(built: &Built) -> Vec<(String, Vec<u8>)> {
    let layout = &built.layout;
    let at = |offset: u64| Bytes(offset).in_memory();
    let mut all = Vec::new();
    let mut flip = |name: &str, offset: u64, index: u64, bit: u8| {
        let mut bytes = built.image.clone();
        bytes[at(offset + index)] ^= bit;
        all.push((format!("{name}, byte {index}, bit {bit:#x}"), bytes));
    };
    for index in [0, 6, 7] {
        flip(
            "L1 entry",
            layout.l1,
            index,
            if index == 7 { 1 } else { 0x80 },
        );
    }
    // The copied flag, a moved cluster, a reserved bit, of the first data cluster.
    for (table, number) in layout.l2.iter().zip(0..2) {
        for (index, bit) in [(0, 0x80), (5, 1), (6, 0x10), (0, 0x20)] {
            flip(&format!("L2 table {number}"), *table, index, bit);
        }
    }
    for block in &layout.refcount_blocks {
        for index in [0, 1, 5, 8, 40] {
            flip("refcount block", *block, index, 1);
        }
    }
    flip("refcount table", layout.refcount_table, 7, 2);
    all
}

#[test]
fn both_find_the_same_in_images_of_every_kind() -> Result<(), Box<dyn Error>> {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.qcow2");
    for (name, spec) in specs() {
        let built = spec.build_files();
        std::fs::write(&path, &built.image)?;
        agrees(name, &path)?;
        for (damage, bytes) in damaged(&built) {
            std::fs::write(&path, bytes)?;
            agrees(&format!("{name}, {damage}"), &path)?;
        }
    }
    Ok(())
}

#[test]
fn both_find_nothing_in_images_that_qemu_worked_on() -> Result<(), Box<dyn Error>> {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.qcow2");
    let name = path.to_str().ok_or("its path is text")?;
    for options in [
        "cluster_size=64k",
        "cluster_size=4k,refcount_bits=64",
        "extended_l2=on",
    ] {
        peers::qemu_img(&["create", "-q", "-f", "qcow2", "-o", options, name, "64M"])?;
        peers::qemu_io(&path, "qcow2", &["write -P 7 0 3M", "write -z 1M 1M"])?;
        for snapshot in ["one", "two"] {
            peers::qemu_img(&["snapshot", "-c", snapshot, name])?;
            peers::qemu_io(&path, "qcow2", &["write -P 9 2M 5M", "discard 0 1M"])?;
        }
        agrees(options, &path)?;
        peers::qemu_img(&["snapshot", "-d", "one", name])?;
        agrees(options, &path)?;
    }
    Ok(())
}

#[test]
fn stale_refcounts_of_a_dirty_image_are_a_note() -> Outcome<()> {
    let built = Qcow2Spec {
        dirty: true,
        ..Qcow2Spec::new(Recipe::small(1 << 20), 12)
    }
    .build_files();
    let mut bytes = built.image;
    let block = Bytes(built.layout.refcount_blocks[0]).in_memory();
    bytes[block..block + 100].fill(0);
    let report = (DRIVER.check)(how(memory(&bytes), &Beside::default()))?;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert!(
        report.notes[0].contains("50 are too low"),
        "{:?}",
        report.notes
    );
    Ok(())
}

#[test]
fn a_file_of_many_windows_is_counted_window_by_window() -> Outcome<()> {
    let places = [1 << 33, 1 << 36, (1 << 36) + 512];
    let source = Arc::new(long(1 << 37, &places));
    let report = (DRIVER.check)(how(source, &Beside::default()))?;
    let low = |code| {
        report
            .faults
            .iter()
            .filter(|fault| fault.code() == code)
            .count()
    };
    assert_eq!(low("qcow2_refcount_too_low"), 3, "{:?}", report.faults);
    Ok(())
}

#[test]
fn an_l2_table_that_is_named_by_all_entries_is_walked_once() -> Outcome<()> {
    let recipe = Recipe::of(1 << 20, [(0, 512, Fill::Text)]);
    let built = Qcow2Spec::new(recipe, 9).build_files();
    let mut bytes = built.image;
    let at = Bytes(built.layout.l1).in_memory();
    let entry = bytes[at..at + 8].to_vec();
    for number in 1..32 {
        bytes[at + 8 * number..at + 8 * number + 8].copy_from_slice(&entry);
    }
    let report = (DRIVER.check)(how(memory(&bytes), &Beside::default()))?;
    assert!(
        report
            .faults
            .iter()
            .any(|fault| fault.code() == "qcow2_overlap")
    );
    assert_eq!(report.counts[1], ("data", 1));
    Ok(())
}
