//! Every rule that a VDI file can break has an image that breaks it: a rule without one fails here.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::collections::BTreeSet;

use imgdelta_fixtures::broken::vdi_cases;
use reading::{check, open, read_over};

/// The codes of all rules, as the source lists them.
fn rules() -> BTreeSet<&'static str> {
    let source = include_str!("../src/fault.rs");
    let codes = source.split("=> \"").skip(1);
    codes.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_rule_is_broken_by_some_image() {
    let mut met: BTreeSet<String> = BTreeSet::new();
    for case in vdi_cases() {
        let bytes = &case.files[0].1;
        match open(bytes).and_then(|image| read_over(&*image, &[])) {
            Err(error) => drop(met.insert(error.code().to_owned())),
            Ok(_) => {
                if let Ok(report) = check(bytes) {
                    met.extend(report.faults.iter().map(|fault| fault.code().to_owned()));
                }
            }
        }
    }
    let missing: Vec<&str> = rules()
        .into_iter()
        .filter(|rule| !met.contains(*rule))
        .collect();
    assert!(missing.is_empty(), "no image breaks {missing:?}");
}
