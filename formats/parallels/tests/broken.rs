//! Every malformed disk of the fixtures gets its answer: read, refused with its exit status, or found by a check.
//!
//! What files may be opened is the registry's answer, and tested there.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::collections::BTreeSet;

use imgdelta_core::Result;
use imgdelta_fixtures::{
    Recipe,
    broken::{Case, Expect, parallels_cases},
    parallels::{BundleSpec, ParallelsSpec},
};
use reading::{check, check_files, open, open_files, read_over};

/// The cases whose answer is the format's.
fn cases() -> impl Iterator<Item = Case> {
    let is_own = |case: &Case| !case.name.contains("17-file");
    parallels_cases().into_iter().filter(is_own)
}

/// Opens the case's disk and reads all of it; what it noted.
fn read(case: &Case) -> Result<Vec<String>> {
    let image = open_files(&case.files, &[], None)?;
    let found = read_over(&*image, &[])?;
    if let Some(disk) = &case.disk {
        assert!(found == disk.expected(None), "{}: wrong bytes", case.name);
    }
    Ok(image.metadata().notes.clone())
}

#[test]
fn every_malformed_disk_gets_its_answer() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = read(&case);
        let exit = found
            .as_ref()
            .map_or_else(|error| i32::from(error.kind().exit()), |_| 0);
        let right = match case.expect {
            Expect::Reads { note } => found.as_ref().is_ok_and(|notes| !note || !notes.is_empty()),
            Expect::Refused { .. } => exit == case.exit,
            Expect::CheckFinds { .. } => exit == 0,
        };
        if !right {
            wrong.push(format!("{}: {:?}, found {found:?}", case.name, case.expect));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_check_finds_what_reading_does_not_and_calls_nothing_sound_that_does_not_open() {
    for case in cases() {
        let found = check_files(&case.files);
        let is_sound = found.as_ref().is_ok_and(|report| report.faults.is_empty());
        let must_be = matches!(case.expect, Expect::Reads { .. });
        assert_eq!(is_sound, must_be, "{}: {found:?}", case.name);
    }
}

#[test]
fn what_reading_passes_over_is_told_once_to_who_reads_all() -> Result<()> {
    for case in cases() {
        let finds = matches!(case.expect, Expect::CheckFinds { .. });
        if let Ok(image) = open_files(&case.files, &[], None)
            && (finds || matches!(case.expect, Expect::Reads { .. }))
        {
            // Where blocks begin is a note already.
            let is_noted = case.name.contains("09-data-off");
            let told = image.passed_over()?;
            assert_eq!(
                told.is_empty(),
                !finds || is_noted,
                "{}: {told:?}",
                case.name
            );
        }
    }
    Ok(())
}

/// Descriptors that no test writes to a disk: too long, too many files.
fn too_large() -> Vec<Vec<(String, Vec<u8>)>> {
    let mut long = BundleSpec::new(vec![Recipe::empty(1 << 16)], 8).build();
    long[0].1.resize(5 << 20, b'\n');
    let mut many = BundleSpec::new(vec![Recipe::empty(1 << 16)], 8).build();
    let text = String::from_utf8(many[0].1.clone()).expect("it is text");
    let start = text.find("<Image>").expect("it is there");
    let end = text.find("</Image>").expect("it is there") + "</Image>".len();
    let images = text[start..end].repeat(5000);
    many[0].1 = [&text[..start], &images, &text[end..]]
        .concat()
        .into_bytes();
    vec![long, many]
}

#[test]
fn every_rule_is_broken_by_some_disk() {
    let mut met: BTreeSet<String> = BTreeSet::new();
    let files = parallels_cases().into_iter().map(|case| case.files);
    for files in files.chain(too_large()) {
        let image = open_files(&files, &[], None);
        match image.and_then(|image| read_over(&*image, &[])) {
            Err(error) => drop(met.insert(error.code().to_owned())),
            Ok(_) => {
                if let Ok(report) = check_files(&files) {
                    met.extend(report.faults.iter().map(|fault| fault.code().to_owned()));
                }
            }
        }
    }
    let codes = include_str!("codes.txt").split_ascii_whitespace();
    let missing: Vec<&str> = codes
        .filter(|word| word.starts_with("parallels_") && !met.contains(*word))
        .collect();
    assert!(missing.is_empty(), "no disk breaks {missing:?}");
}

/// A small generator: the same changes in every run.
fn generator() -> impl FnMut(usize) -> usize {
    let mut state = 1_u64;
    move |most: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % most
    }
}

#[test]
fn no_flipped_bytes_make_a_file_panic_or_hang() {
    let mut below = generator();
    let recipe = || Recipe::scatter(1 << 18, 4096, 3);
    for spec in [
        ParallelsSpec::new(recipe(), 8),
        ParallelsSpec::old(recipe(), 8),
    ] {
        let image = spec.build();
        for round in 0..400 {
            let mut bytes = image.clone();
            for _ in 0..=below(4) {
                // Half of the flips meet header and BAT.
                let reach = if round % 2 == 0 { 320 } else { bytes.len() };
                let at = below(reach);
                bytes[at] ^= 1 << below(8);
            }
            if round % 7 == 0 {
                bytes.truncate(below(image.len()));
            }
            if let Ok(image) = open(&bytes)
                && image.metadata().size.0 < 1 << 28
            {
                let _ = read_over(&*image, &[]);
            }
            let _ = check(&bytes);
        }
    }
}

#[test]
fn no_flipped_bytes_make_a_descriptor_panic_or_hang() {
    let mut below = generator();
    let layers = vec![
        Recipe::scatter(1 << 16, 4096, 3),
        Recipe::scatter(1 << 16, 4096, 4),
    ];
    let files = BundleSpec::new(layers, 8).build();
    for _ in 0..1000 {
        let mut files = files.clone();
        let bytes = &mut files[0].1;
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            bytes[at] ^= 1 << below(8);
        }
        if let Ok(image) = open_files(&files, &[], None)
            && image.metadata().size.0 < 1 << 28
        {
            let _ = read_over(&*image, &[]);
        }
        let _ = check_files(&files);
    }
}
