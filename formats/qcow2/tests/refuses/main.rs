//! One row for each rule that a qcow2 file can break; a rule without a row fails.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

#[path = "../reading/mod.rs"]
mod reading;
mod rows;

use std::{collections::BTreeSet, sync::Arc};

use imgdelta_core::{Error, Image, Kind, Result, Source, VirtOffset};
use imgdelta_qcow2::DRIVER;
use reading::{Beside, how, memory, walk};
use rows::rows;

/// Who meets the rule.
#[derive(Clone, Copy, Debug)]
enum By {
    /// Whoever opens the image or reads all of its disk.
    Reading,
    /// A check.
    Checking,
    /// Whoever reads where the layer is silent.
    ReadingSilence,
}

/// A rule and an image that breaks it.
struct Row {
    code: &'static str,
    kind: Kind,
    by: By,
    source: Arc<dyn Source>,
    data: Option<Vec<u8>>,
}

/// A row of an image that does not read.
fn row(code: &'static str, kind: Kind, bytes: Vec<u8>) -> Row {
    Row {
        code,
        kind,
        by: By::Reading,
        source: memory(&bytes),
        data: None,
    }
}

/// A row of an image that does not read, and is damaged.
fn bad(code: &'static str, bytes: Vec<u8>) -> Row {
    row(code, Kind::Corrupt, bytes)
}

/// A row of an image that reads, and that a check finds damaged.
fn checked(code: &'static str, bytes: Vec<u8>) -> Row {
    Row {
        by: By::Checking,
        ..bad(code, bytes)
    }
}

/// What whoever meets the rule is told, if it is told.
fn met(row: &Row) -> Result<Option<Error>> {
    let beside = Beside::of(row.data.clone().map(|bytes| ("a.data".to_owned(), bytes)));
    let how = how(Arc::clone(&row.source), &beside);
    let opened =
        |image: Result<Arc<dyn Image>>| image.and_then(|image| walk(&*image, |_, _, _| ()));
    match row.by {
        By::Reading => Ok(opened((DRIVER.open)(how)).err()),
        By::ReadingSilence => {
            let image = (DRIVER.open)(how)?;
            let silent = image.extent_at(VirtOffset(512 << 10))?;
            Ok(image.read_compressed(&[silent], &mut [0; 512]).err())
        }
        By::Checking => Ok(match (DRIVER.check)(how) {
            Ok(report) => report
                .faults
                .into_iter()
                .find(|fault| fault.code() == row.code),
            Err(error) => Some(error),
        }),
    }
}

#[test]
fn every_rule_is_met_with_its_code_and_its_kind() -> Result<()> {
    let mut wrong = Vec::new();
    for row in rows() {
        let found = met(&row)?;
        let told = found.as_ref().map(|error| (error.code(), error.kind()));
        if told != Some((row.code, row.kind)) {
            wrong.push(format!("{} by {:?}: {found:?}", row.code, row.by));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn every_rule_has_a_row() {
    let codes = include_str!("../codes.txt").split_ascii_whitespace();
    let rules: BTreeSet<&str> = codes.filter(|word| word.starts_with("qcow2_")).collect();
    let met: BTreeSet<&str> = rows().iter().map(|row| row.code).collect();
    assert_eq!(rules, met);
}

#[test]
fn a_message_names_the_place_and_has_no_full_stop() -> Result<()> {
    for row in rows() {
        let Some(error) = met(&row)? else { continue };
        let message = error.message();
        assert!(!message.ends_with('.'), "{message}");
        let first = message.chars().next().unwrap_or('?');
        assert!(
            !first.is_uppercase() || message.starts_with('L'),
            "{message}"
        );
        let place = error.location();
        let is_placed = place.offset.is_some() || place.structure.is_some();
        let has_none = ["qcow2_no_data", "qcow2_too_scattered", "qcow2_not_utf8"];
        assert!(is_placed || has_none.contains(&row.code), "{error}");
    }
    Ok(())
}
