//! Every malformed qcow2 image of the fixtures gets its answer: read, refused with its exit status, or found by a check.
//!
//! What a chain is refused for is the registry's answer, and tested there.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{CheckReport, Result};
use imgdelta_fixtures::broken::{Case, Class, Expect, qcow2_cases};
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
    Ok(image.facts().notes.clone())
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
