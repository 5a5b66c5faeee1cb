//! Every rule that a VHDX can break, broken: one row a rule, and a rule without a row fails.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod blocks;
mod front;
mod metadata;
#[path = "../reading/mod.rs"]
mod reading;

use std::{collections::BTreeSet, sync::Arc};

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Result, Source};
use imgdelta_vhdx::{
    DRIVER,
    layout::{MetadataEntry, RegionEntry},
};
use reading::{
    built::{BAT, Built, M, dynamic},
    check, how, open, refusal,
};

/// What is broken, how that is told, and a part of it.
type Row = (&'static str, Error, &'static str);

fn no(built: Built) -> Error {
    refusal(built.0)
}

/// The only fault that a check finds in an image that opens.
fn found(built: Built) -> Error {
    open(built.0.clone()).expect("it opens");
    let mut faults = check(built.0).expect("it can be checked").faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

fn u32s(value: usize) -> [u8; 4] {
    (value as u32).to_le_bytes()
}

fn u64s(value: u64) -> [u8; 8] {
    value.to_le_bytes()
}

/// A file that is longer than what there is in memory of it.
#[derive(Debug)]
struct Long(Vec<u8>, u64);

impl Source for Long {
    fn len(&self) -> Bytes {
        Bytes(self.1)
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        buf.fill(0);
        let start = usize::try_from(at.0).unwrap_or(usize::MAX);
        let bytes = self.0.get(start..).unwrap_or_default();
        buf.iter_mut()
            .zip(bytes)
            .for_each(|(place, byte)| *place = *byte);
        Ok(())
    }
}

fn no_long(built: Built) -> Error {
    let source: Arc<dyn Source> = Arc::new(Long(built.0, 2 << 30));
    let how = how(source, &[]).expect("no options");
    (DRIVER.open)(how).expect_err("it must be refused")
}

#[test]
fn every_rule_is_broken_and_told() {
    let rows: Vec<Row> = [
        front::header_rows(),
        front::log_rows(),
        front::region_rows(),
        metadata::item_rows(),
        metadata::value_rows(),
        metadata::locator_rows(),
        blocks::block_rows(),
        blocks::check_rows(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut broken = BTreeSet::new();
    for (code, error, part) in &rows {
        assert_eq!(error.code(), *code, "{error}");
        assert!(error.message().contains(part), "{error}: {part}");
        assert!(!error.message().ends_with('.'), "{error}");
        assert!(
            matches!(error.kind(), Kind::Corrupt | Kind::Unsupported),
            "{error}"
        );
        broken.insert((*code).to_owned());
    }
    let rules: BTreeSet<String> = include_str!("../codes.txt")
        .split_ascii_whitespace()
        .filter(|text| text.starts_with("vhdx_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(broken, rules);
}

#[test]
fn a_refusal_says_where() {
    let error = refusal(dynamic().bat(7, 5).0);
    let at = BAT + 7 * 8;
    assert_eq!(
        error.to_string(),
        format!("the state of block 7 is 5, which is reserved (BAT, offset {at})")
    );
    let error = refusal(dynamic().header("version", &[2]).0);
    assert_eq!(
        error.to_string(),
        "header version is 2, 1 is required (header, version, offset 131138)"
    );
}

#[test]
fn what_the_file_says_nothing_of_needs_no_room() -> Result<()> {
    // A region and an item that nobody knows and nobody must; a place that a state makes meaningless.
    let region = RegionEntry {
        guid: [5; 16],
        file_offset: 6 << 20,
        length: 1 << 20,
        flags: 0,
    };
    let item = MetadataEntry {
        item_id: [5; 16],
        offset: 0,
        length: 0,
        flags: 1,
        reserved: 0,
    };
    let built = dynamic()
        .long(7 * M)
        .third_region(&region)
        .sixth_item(&item)
        .bat(3, u64::MAX << 20 | 2);
    let image = open(built.0.clone())?;
    assert!(
        image
            .metadata()
            .details
            .contains(&("UserItems", "1".into()))
    );
    assert!(check(built.0)?.faults.is_empty());
    Ok(())
}
