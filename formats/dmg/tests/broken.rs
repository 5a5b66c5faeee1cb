//! Every malformed image of the fixtures gets its answer: read or refused with its exit status.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::collections::BTreeSet;

use imgdelta_core::Result;
use imgdelta_fixtures::{
    Recipe,
    broken::{Case, Expect, dmg_cases},
    dmg::{Codec, DmgSpec},
};
use reading::{check, open, read_over};

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
    for case in dmg_cases() {
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
fn a_check_calls_sound_what_reads_and_nothing_else() {
    for case in dmg_cases() {
        let found = check(&case.files[0].1);
        let is_sound = found.as_ref().is_ok_and(|report| report.faults.is_empty());
        let must_be = matches!(case.expect, Expect::Reads { .. });
        assert_eq!(is_sound, must_be, "{}: {found:?}", case.name);
    }
}

#[test]
fn every_rule_is_broken_by_some_image() {
    let mut met: BTreeSet<String> = BTreeSet::new();
    let images = dmg_cases().into_iter().map(|case| case.files[0].1.clone());
    // Without a trailer it is no UDIF image, whatever its name.
    for bytes in images.chain([vec![7; 100], vec![7; 1024]]) {
        let read = open(&bytes).and_then(|image| read_over(&*image, &[]));
        if let Err(error) = read {
            met.insert(error.code().to_owned());
        }
        for fault in check(&bytes).iter().flat_map(|report| &report.faults) {
            met.insert(fault.code().to_owned());
        }
    }
    let codes = include_str!("codes.txt").split_ascii_whitespace();
    let missing: Vec<&str> = codes
        .filter(|word| word.starts_with("dmg_") && !met.contains(*word))
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
    for codec in Codec::ALL {
        let spec = DmgSpec {
            resource_fork: true,
            ..DmgSpec::new(Recipe::scatter(1 << 17, 16 << 10, 3), codec)
        };
        let image = spec.build();
        for round in 0..200 {
            let mut bytes = image.clone();
            for _ in 0..=below(4) {
                // A third of the flips meet the trailer, a third the tables in front of it.
                let reach = [512, 3000, bytes.len()][round % 3].min(bytes.len());
                let at = bytes.len() - 1 - below(reach);
                bytes[at] ^= 1 << below(8);
            }
            if round % 7 == 0 {
                let cut = below(1000);
                bytes.drain(..cut);
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
