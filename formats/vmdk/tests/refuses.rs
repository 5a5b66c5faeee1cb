//! Every rule that a VMDK can break has an image that breaks it: a rule without one fails here.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::collections::BTreeSet;

use imgdelta_core::VirtOffset;
use imgdelta_fixtures::{
    Recipe,
    broken::vmdk_cases,
    vmdk::{Layout, Stream, VmdkSpec},
};
use reading::{Files, check, open, open_with, read_over};

/// The codes of all rules.
fn rules() -> BTreeSet<&'static str> {
    let codes = include_str!("codes.txt").split_ascii_whitespace();
    codes.filter(|word| word.starts_with("vmdk_")).collect()
}

/// The codes that opening, reading and checking give.
fn met(files: &Files, options: &[&str]) -> Vec<String> {
    match open_with(files, options).and_then(|image| read_over(&*image, &[])) {
        Err(error) => vec![error.code().to_owned()],
        Ok(_) => check(files).map_or_else(
            |error| vec![error.code().to_owned()],
            |report| {
                report
                    .faults
                    .iter()
                    .map(|fault| fault.code().to_owned())
                    .collect()
            },
        ),
    }
}

/// Images that break rules which the list of malformed images does not.
fn more() -> Vec<Files> {
    let recipe = || Recipe::scatter(1 << 20, 64 << 10, 2);
    let flat = VmdkSpec::new(recipe(), Layout::Flat).build();
    let text = |from: &str, to: &str| {
        let mut files = flat.clone();
        files[0].1 = String::from_utf8_lossy(&files[0].1)
            .replace(from, to)
            .into_bytes();
        files
    };
    let sparse = |from: &str, to: &str| {
        let mut files = VmdkSpec::new(recipe(), Layout::Sparse).build();
        let bytes = &mut files[0].1;
        let at = bytes
            .windows(from.len())
            .position(|part| part == from.as_bytes());
        let at = at.expect("it is there");
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        files
    };
    // The first grain of a disk with one directory stands on its own table, at sector 22.
    let mut over = VmdkSpec {
        redundant: false,
        ..VmdkSpec::new(recipe(), Layout::Sparse)
    }
    .build();
    over[0].1[22 * 512..][..4].copy_from_slice(&22_u32.to_le_bytes());
    vec![
        over,
        vec![("disk-ctk.vmdk".into(), b"\xa2\x72\x19\xf6".repeat(256))],
        // A text that is none, and an extent that the descriptor in its own file does not name alone.
        vec![("disk.vmdk".into(), b"version=1\nname=disk\n".to_vec())],
        many_files(),
        text("# The Disk Data Base", &"\n".repeat(300_000)),
        twice(),
        sparse("# The Disk Data Base", "RW 1 ZERO           "),
        // A child of nothing, with a hint.
        text(
            "parentCID=ffffffff",
            "parentCID=ffffffff\nparentFileNameHint=\"x\"",
        ),
    ]
}

/// An extent that two lines name.
fn twice() -> Files {
    let mut files = VmdkSpec::new(
        Recipe::scatter(1 << 20, 64 << 10, 2),
        Layout::SplitSparse(1 << 20),
    )
    .build();
    let text = String::from_utf8_lossy(&files[0].1).into_owned();
    let lines = text.lines().map(|line| match line.starts_with("RW ") {
        true => format!("{line}\n{line}\n"),
        false => format!("{line}\n"),
    });
    files[0].1 = lines.collect::<String>().into_bytes();
    files
}

/// One file more than a place can name.
fn many_files() -> Files {
    let names: Vec<String> = (0..65_536).map(|number| format!("{number}.img")).collect();
    let lines = names.iter().map(|name| format!("RW 1 FLAT \"{name}\" 0\n"));
    let text =
        "# Disk DescriptorFile\ncreateType=\"custom\"\n".to_owned() + &lines.collect::<String>();
    let others = names.into_iter().map(|name| (name, vec![0; 512]));
    std::iter::once(("disk.vmdk".to_owned(), text.into_bytes()))
        .chain(others)
        .collect()
}

#[test]
fn every_rule_is_broken_by_some_image() {
    let mut found: BTreeSet<String> = BTreeSet::new();
    for case in vmdk_cases() {
        found.extend(met(&case.files, &[]));
    }
    for files in more() {
        found.extend(met(&files, &[]));
    }
    // A stream that is gone through marker by marker.
    let mut stream = VmdkSpec::new(
        Recipe::scatter(1 << 20, 64 << 10, 2),
        Layout::Stream(Stream::VMware),
    )
    .build();
    let len = stream[0].1.len();
    stream[0].1.truncate(len - 1536);
    let first = 128 * 512;
    let mut back = stream.clone();
    back[0].1[first..first + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    found.extend(met(&back, &["footer=scan"]));
    let mut kind = stream.clone();
    kind[0].1[first..first + 16].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0]);
    found.extend(met(&kind, &["footer=scan"]));
    // Asked for what is not stored.
    let image =
        open(&VmdkSpec::new(Recipe::empty(1 << 20), Layout::Sparse).build()).expect("it opens");
    let silent = image.extent_at(VirtOffset(5000)).expect("it is silent");
    let error = image
        .read_compressed(&[silent], &mut [0; 8])
        .expect_err("nothing is there");
    found.insert(error.code().to_owned());
    let missing: Vec<&str> = rules()
        .into_iter()
        .filter(|rule| !found.contains(*rule))
        .collect();
    assert!(missing.is_empty(), "no image breaks {missing:?}");
}
