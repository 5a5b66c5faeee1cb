//! Every malformed VDI of the fixtures gets its answer: read, refused with its exit status, or found by a check.
//!
//! What a chain is refused for is the registry's answer, and tested there.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::Result;
use imgdelta_fixtures::{
    Recipe,
    broken::{Case, Expect, vdi_cases},
    vdi::VdiSpec,
};
use reading::{check, open, read_over};

/// Whether the answer is the registry's.
fn is_of_a_chain(case: &Case) -> bool {
    let names = ["15-parent", "15-two", "h-own"];
    names.iter().any(|name| case.name.contains(name))
}

/// Opens the case's image and reads all of it; what it noted.
fn read(case: &Case) -> Result<Vec<String>> {
    let image = open(&case.files[0].1)?;
    let found = read_over(&*image, &[])?;
    if let (Some(disk), None) = (&case.disk, image.parent()) {
        assert!(found == disk.expected(None), "{}: wrong bytes", case.name);
    }
    Ok(image.metadata().notes.clone())
}

#[test]
fn every_malformed_image_gets_its_answer() {
    let mut wrong = Vec::new();
    for case in vdi_cases().iter().filter(|case| !is_of_a_chain(case)) {
        let found = read(case);
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
fn a_check_finds_what_reading_does_not_and_calls_nothing_sound_that_cannot_be_read() {
    for case in vdi_cases().iter().filter(|case| !is_of_a_chain(case)) {
        let found = check(&case.files[0].1);
        let is_sound = found.as_ref().is_ok_and(|report| report.faults.is_empty());
        // A counter that is behind reads, and is a fault.
        if !case.name.contains("14-past-allocated") {
            let must_be = matches!(case.expect, Expect::Reads { .. });
            assert_eq!(is_sound, must_be, "{}: {found:?}", case.name);
        }
    }
}

#[test]
fn no_flipped_bytes_make_it_panic_or_hang() {
    let spec = VdiSpec::dynamic(Recipe::scatter(1 << 20, 4096, 3), 4096);
    let mut state = 1_u64;
    let mut below = |most: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % most
    };
    for spec in [
        spec.clone(),
        VdiSpec {
            old: true,
            ..spec.clone()
        },
        VdiSpec { extra: 512, ..spec },
    ] {
        let image = spec.build();
        for round in 0..400 {
            let mut bytes = image.clone();
            for _ in 0..=below(4) {
                // Half of the flips meet header and map.
                let reach = if round % 2 == 0 { 1024 } else { bytes.len() };
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
