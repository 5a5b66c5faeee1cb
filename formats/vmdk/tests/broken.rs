//! Every malformed VMDK of the fixtures gets its answer: read, refused with its exit status, or found by a check.
//!
//! What paths and parents are refused for is the registry's answer, and tested there.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::Result;
use imgdelta_fixtures::{
    Recipe,
    broken::{Case, Expect, vmdk_cases},
    vmdk::{Layout, Stream, VmdkSpec},
};
use reading::{Dice, check, open, open_with, read_over};

/// Whether the answer is the registry's.
fn is_of_the_registry(case: &Case) -> bool {
    case.name.starts_with("vmdk-23")
        || case.name.starts_with("vmdk-25")
        || case.name.ends_with("03-capacity-0")
}

/// Opens the case's image and reads all of it; what it noted.
fn read(case: &Case) -> Result<Vec<String>> {
    let image = open(&case.files)?;
    let found = read_over(&*image, &[])?;
    if let (Some(disk), None) = (&case.disk, image.parent()) {
        assert!(found == disk.expected(None), "{}: wrong bytes", case.name);
    }
    Ok(image.metadata().notes.clone())
}

#[test]
fn every_malformed_image_gets_its_answer() {
    let mut wrong = Vec::new();
    for case in vmdk_cases().iter().filter(|case| !is_of_the_registry(case)) {
        // What has no head is refused by its name alone.
        if case.files[0].1.starts_with(&[0; 4]) || case.name.ends_with("cr-only") {
            assert!(open(&case.files).is_err(), "{}", case.name);
            continue;
        }
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
    for case in vmdk_cases().iter().filter(|case| !is_of_the_registry(case)) {
        let found = check(&case.files);
        let is_sound = found.as_ref().is_ok_and(|report| report.faults.is_empty());
        let must_be = matches!(case.expect, Expect::Reads { .. });
        // A directory that had to be mended reads, and is a fault.
        if !case.name.contains("mended") {
            assert_eq!(is_sound, must_be, "{}: {found:?}", case.name);
        }
    }
}

#[test]
fn a_stream_without_its_end_is_read_as_far_as_it_goes_where_that_is_asked_for() -> Result<()> {
    let recipe = Recipe::scatter(4 << 20, 64 << 10, 5);
    let mut files = VmdkSpec::new(recipe.clone(), Layout::Stream(Stream::VMware)).build();
    let whole = recipe.expected(None);
    let len = files[0].1.len();
    files[0].1.truncate(len - 1536);
    let image = open_with(&files, &["footer=scan"])?;
    assert!(read_over(&*image, &[])? == whole);
    files[0].1.truncate(len / 2);
    let image = open_with(&files, &["footer=scan"])?;
    let found = read_over(&*image, &[])?;
    let wrong = found
        .iter()
        .zip(&whole)
        .filter(|(one, other)| **one != 0 && one != other);
    assert_eq!(wrong.count(), 0);
    assert!(
        image
            .metadata()
            .notes
            .iter()
            .any(|note| note.contains("footer"))
    );
    Ok(())
}

#[test]
fn no_flipped_bytes_make_it_panic_or_hang() {
    let recipe = Recipe::scatter(1 << 20, 4096, 3);
    let layouts = [
        Layout::Sparse,
        Layout::Flat,
        Layout::Stream(Stream::VMware),
        Layout::Stream(Stream::Qemu),
        Layout::LoneCowd,
        Layout::LoneSeSparse,
    ];
    let mut dice = Dice(1);
    for layout in layouts {
        let files = VmdkSpec {
            grain: 8,
            ..VmdkSpec::new(recipe.clone(), layout)
        }
        .build();
        for round in 0..200 {
            let mut files = files.clone();
            let which = dice.below(files.len());
            let bytes = &mut files[which].1;
            for _ in 0..=dice.below(4) {
                // Half of the flips meet the front.
                let reach = if round % 2 == 0 { 1024 } else { bytes.len() };
                let at = dice.below(reach.min(bytes.len()));
                bytes[at] ^= 1 << dice.below(8);
            }
            if round % 7 == 0 {
                let len = dice.below(bytes.len());
                bytes.truncate(len);
            }
            if let Ok(image) = open_with(&files, &[])
                && image.metadata().size.0 < 1 << 28
            {
                let _ = read_over(&*image, &[]);
            }
            let _ = open_with(&files, &["footer=scan"]);
            let _ = check(&files);
        }
    }
}
