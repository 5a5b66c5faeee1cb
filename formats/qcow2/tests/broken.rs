//! Every malformed qcow2 image of the fixtures gets its answer: read, refused with its exit status, or found by a check.
//!
//! What a chain is refused for is the registry's answer, and tested there.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{CheckReport, Result};
use imgdelta_fixtures::{
    Recipe,
    broken::{Case, Class, Expect, qcow2_cases},
    qcow2::{Compression, Qcow2Spec, Snapshot},
};
use imgdelta_qcow2::DRIVER;
use reading::{Beside, how, memory, read_all, walk};

/// Opens the case's image and reads all of it; what it noted.
fn read(case: &Case) -> Result<Vec<String>> {
    let beside = Beside::of(case.files[1..].iter().cloned());
    let image = (DRIVER.open)(how(memory(&case.files[0].1), &beside))?;
    walk(&*image, |_, _, _| ())?;
    if let (Some(disk), None) = (&case.disk, image.parent()) {
        let found = read_all(&*image)?;
        assert!(found == disk.expected(None), "{}: wrong bytes", case.name);
    }
    Ok(image.metadata().notes.clone())
}

/// Checks the case's image.
fn check(case: &Case) -> Result<CheckReport> {
    let beside = Beside::of(case.files[1..].iter().cloned());
    (DRIVER.check)(how(memory(&case.files[0].1), &beside))
}

/// Whether the answer needs other images than this one.
fn is_of_a_chain(case: &Case) -> bool {
    let names = ["q-24", "q-25", "q-26", "q-h-backing-missing", "q-h-chain"];
    names.iter().any(|name| case.name.starts_with(name))
}

#[test]
fn every_malformed_image_gets_its_answer() {
    let mut wrong = Vec::new();
    for case in qcow2_cases() {
        let found = read(&case);
        let exit = found
            .as_ref()
            .map_or_else(|error| i32::from(error.kind().exit()), |_| 0);
        let right = match case.expect {
            Expect::Reads { note } => found.as_ref().is_ok_and(|notes| !note || !notes.is_empty()),
            Expect::Refused { .. } if is_of_a_chain(&case) => exit == 0 || exit == case.exit,
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
fn a_check_finds_what_reading_does_not() -> Result<()> {
    for case in qcow2_cases() {
        if let Expect::CheckFinds { class } = case.expect {
            let report = check(&case)?;
            let is_found = !report.faults.is_empty()
                // A leak harms no content: it is a note and a count.
                || (class == Class::Field && report.notes.iter().any(|note| note.contains("leaked")));
            assert!(is_found, "{}: {report:?}", case.name);
        }
    }
    Ok(())
}

#[test]
fn a_check_calls_nothing_sound_that_cannot_be_read() {
    for case in qcow2_cases().iter().filter(|case| !is_of_a_chain(case)) {
        let structure = !case.name.starts_with("q-17") && !case.name.starts_with("q-22");
        if let (Expect::Refused { .. }, true) = (case.expect, structure) {
            let found = check(case);
            let is_sound = found.as_ref().is_ok_and(|report| report.faults.is_empty());
            assert!(!is_sound, "{}: {found:?}", case.name);
        }
    }
}

#[test]
fn no_flipped_bytes_make_it_panic_or_hang() {
    let recipe = Recipe::scatter(256 << 10, 4096, 3);
    let start = Qcow2Spec::new(recipe.clone(), 9);
    let specs = [
        Qcow2Spec {
            compression: Some(Compression::deflate()),
            snapshots: vec![Snapshot::new("1", "one", recipe.clone())],
            ..start.clone()
        },
        Qcow2Spec {
            compression: Some(Compression::zstd(2)),
            ..start
        },
        Qcow2Spec {
            extended_l2: true,
            ..Qcow2Spec::new(recipe, 14)
        },
    ];
    let mut state = 1_u64;
    let mut next = |most: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % most
    };
    for spec in specs {
        let image = spec.build();
        for round in 0..400 {
            let mut bytes = image.clone();
            for _ in 0..=next(4) {
                // Half of the flips meet the header.
                let reach = if round % 2 == 0 { 112 } else { bytes.len() };
                let at = next(reach);
                bytes[at] ^= 1 << next(8);
            }
            if round % 7 == 0 {
                bytes.truncate(next(image.len()));
            }
            let beside = Beside::default();
            if let Ok(image) = (DRIVER.open)(how(memory(&bytes), &beside))
                && image.metadata().size.0 < 1 << 30
            {
                let _ = walk(&*image, |_, _, _| ());
            }
            let _ = (DRIVER.check)(how(memory(&bytes), &beside));
        }
    }
}
