//! Every malformed image of the fixtures, opened as a user opens it: with its parents, under the policy, and read to the end.

use std::{
    fs,
    time::{Duration, Instant},
};

use imgdelta_core::Result;
use imgdelta_fixtures::broken::{Case, Expect, Special, all_cases};
use imgdelta_registry::{OpenSpec, check_image, open_chain};

use crate::place::{Place, read};

/// A parent whose time is not the recorded one. It reads, and nothing is said of it: the time is that of the file on its host, which
/// every copy changes, so the note would stand under every chain that ever travelled.
const STAMP: &str = "vhd-31-parent-stamp-wrong";

/// Reads the case's whole disk, and returns what was noted on the way.
fn read_case(place: &Place, case: &Case) -> Result<(Vec<u8>, Vec<String>)> {
    let chain = open_chain(&OpenSpec::of(place.at(&case.files[0].0)))?;
    let notes = chain
        .iter()
        .flat_map(|one| one.notes.iter().chain(&one.image.metadata().notes));
    let notes = notes.cloned().collect();
    Ok((read(&chain)?, notes))
}

/// What is wrong with the answer to a case, if something is.
fn complaint(case: &Case) -> Option<String> {
    let place = Place::new();
    for (name, bytes) in &case.files {
        place.put(name, bytes);
    }
    for (name, special) in &case.special {
        match special {
            Special::Fifo => place.pipe(name),
        }
    }
    let before = fs::read_dir(place.at("")).expect("it is there").count();
    let begun = Instant::now();
    let found = read_case(&place, case);
    let exit = found
        .as_ref()
        .map_or_else(|error| i32::from(error.kind().exit()), |_| 0);
    let shown = |what: &str| {
        let found = found.as_ref().map(|(disk, notes)| (disk.len(), notes));
        Some(format!("{}: {what}: {found:?}", case.name))
    };
    if begun.elapsed() > Duration::from_secs(5) {
        return shown("it took too long");
    }
    if fs::read_dir(place.at("")).expect("it is there").count() != before {
        return shown("files were left");
    }
    match case.expect {
        Expect::Refused { .. } if exit != case.exit => shown("another exit"),
        Expect::Refused { .. } => match &found {
            Err(error) if error.location().file.is_none() => shown("no file is named"),
            _ => None,
        },
        Expect::Reads { note } => match (&found, &case.disk) {
            (Err(_), _) => shown("it is refused"),
            (Ok((_, notes)), _) if note && notes.is_empty() && case.name != STAMP => {
                shown("nothing is noted")
            }
            (Ok((disk, _)), Some(recipe)) if !disk.is_empty() && *disk != recipe.expected(None) => {
                Some(format!("{}: wrong bytes", case.name))
            }
            _ => None,
        },
        Expect::CheckFinds { .. } if exit != 0 => shown("it does not read"),
        Expect::CheckFinds { .. } => {
            let report = check_image(&OpenSpec::of(place.at(&case.files[0].0)));
            match report {
                // A leak harms no content: it is a note.
                Ok(report) if report.faults.is_empty() && report.notes.is_empty() => {
                    shown("the check finds nothing")
                }
                Ok(_) => None,
                Err(error) => Some(format!("{}: no check: {error}", case.name)),
            }
        }
    }
}

#[test]
fn every_malformed_image_gets_its_answer() {
    let wrong: Vec<String> = all_cases().filter_map(|case| complaint(&case)).collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
