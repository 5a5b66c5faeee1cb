//! Every malformed image of the fixtures gets its answer: read, refused with its exit status, or found by a check.
//!
//! What a chain is refused for is the registry's answer, and tested there.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::collections::BTreeSet;

use imgdelta_core::Result;
use imgdelta_fixtures::{
    Recipe,
    broken::{Case, Expect, qed_cases},
    qed::QedSpec,
    vhd::Order,
};
use reading::{check, open, read_over};

/// The cases whose answer needs no other file.
fn cases() -> impl Iterator<Item = Case> {
    qed_cases()
        .into_iter()
        .filter(|case| !case.name.ends_with("backing-missing"))
}

/// Opens the case's image and reads all of it; what it noted.
fn read(case: &Case) -> Result<Vec<String>> {
    let image = open(&case.files[0].1)?;
    let found = read_over(&*image, &[])?;
    if let Some(disk) = &case.disk {
        assert!(found == disk.expected(None), "{}: wrong bytes", case.name);
    }
    Ok(image.metadata().notes.clone())
}

#[test]
fn every_malformed_image_gets_its_answer() {
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
        let bytes = &case.files[0].1;
        let found = check(bytes);
        let is_sound = found.as_ref().is_ok_and(|report| report.faults.is_empty());
        let must_be = matches!(case.expect, Expect::Reads { .. });
        assert_eq!(is_sound, must_be, "{}: {found:?}", case.name);
    }
}

#[test]
fn what_reading_passes_over_is_told_to_who_reads_all() -> Result<()> {
    for case in cases() {
        let finds = matches!(case.expect, Expect::CheckFinds { .. });
        if let Ok(image) = open(&case.files[0].1)
            && (finds || matches!(case.expect, Expect::Reads { .. }))
        {
            assert_eq!(image.passed_over()?.is_empty(), !finds, "{}", case.name);
        }
    }
    Ok(())
}

#[test]
fn every_rule_is_broken_by_some_image() {
    let mut met: BTreeSet<String> = BTreeSet::new();
    for bytes in qed_cases().into_iter().map(|case| case.files[0].1.clone()) {
        match open(&bytes).and_then(|image| read_over(&*image, &[])) {
            Err(error) => drop(met.insert(error.code().to_owned())),
            Ok(_) => {
                if let Ok(report) = check(&bytes) {
                    met.extend(report.faults.iter().map(|fault| fault.code().to_owned()));
                }
            }
        }
    }
    let codes = include_str!("codes.txt").split_ascii_whitespace();
    let missing: Vec<&str> = codes
        .filter(|word| word.starts_with("qed_") && !met.contains(*word))
        .collect();
    assert!(missing.is_empty(), "no image breaks {missing:?}");
}

#[test]
fn no_flipped_bytes_make_it_panic_or_hang() {
    let mut state = 1_u64;
    let mut below = |most: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % most
    };
    for order in [Order::Ascending, Order::Shuffled(3)] {
        let spec = QedSpec {
            order,
            marks_zero: true,
            ..QedSpec::new(Recipe::scatter(1 << 18, 4096, 3), 4096)
        };
        let image = spec.build();
        for round in 0..400 {
            let mut bytes = image.clone();
            for _ in 0..=below(4) {
                // Half of the flips meet the header and the first tables.
                let reach = if round % 2 == 0 { 9000 } else { bytes.len() };
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
