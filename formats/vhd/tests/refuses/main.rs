//! Every rule that a VHD can break, broken: one row a rule, and a rule without a row fails. Then every malformed image of the fixtures.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod answers;
#[path = "../driving/mod.rs"]
mod driving;
mod rows;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use driving::{S, Tested, check, how, memory, number, open, read_over, refusal};
use imgdelta_core::{
    AuxFiles, Bytes, Error, FileOffset, Kind, NoAuxFiles, ProbeResult, ProbeWindow, Result, Source,
};
use imgdelta_fixtures::{
    Fill, Recipe,
    broken::{Expect, vhd_cases},
    vhd::{Batmap, Bitmaps, FooterCopy, Locator, Parent, VhdSpec, seal_footer, seal_header},
};
use imgdelta_vhd::DRIVER;

/// Where the dynamic header and the BAT stand in every image here.
const HEADER: usize = 512;
const BAT: usize = 1536;
const BLOCK: u64 = 64 << 10;

/// 1 MiB in blocks of 64 KiB, of which the first two and the last are stored.
fn start() -> VhdSpec {
    let runs = [0, 1, 15].map(|block| (block * BLOCK, BLOCK, Fill::Pattern(block)));
    VhdSpec::dynamic(Recipe::of(1 << 20, runs), BLOCK as u32)
}

fn child() -> VhdSpec {
    VhdSpec::differencing(
        Recipe::sectors(1 << 20, 1),
        BLOCK as u32,
        [7; 16],
        "base.vhd",
    )
}

/// Both footers changed and sealed.
fn footers(spec: &VhdSpec, at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = spec.build();
    let end = bytes.len() - 512;
    let places = if bytes.starts_with(b"conectix") {
        vec![0, end]
    } else {
        vec![end]
    };
    for place in places {
        bytes[place + at..place + at + value.len()].copy_from_slice(value);
        seal_footer(&mut bytes[place..place + 512]);
    }
    bytes
}

/// The dynamic header changed and sealed.
fn header(spec: &VhdSpec, at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = spec.build();
    bytes[HEADER + at..HEADER + at + value.len()].copy_from_slice(value);
    seal_header(&mut bytes[HEADER..HEADER + 1024]);
    bytes
}

/// The BAT's entry of `block` changed.
fn bat(spec: &VhdSpec, block: usize, change: impl Fn(u32) -> u32) -> Vec<u8> {
    let mut bytes = spec.build();
    let at = BAT + 4 * block;
    let entry = u32::try_from(number::<4>(&bytes, at)).expect("four bytes");
    bytes[at..at + 4].copy_from_slice(&change(entry).to_be_bytes());
    bytes
}

fn tap(batmap: Batmap) -> VhdSpec {
    VhdSpec {
        creator: *b"tap\0",
        creator_version: 0x0001_0003,
        batmap: Some(batmap),
        ..start()
    }
}

/// A file that is called `disk.vhd`, with or without `disk.v01` beside it.
#[derive(Debug)]
struct Named(Arc<dyn Source>);

impl Source for Named {
    fn len(&self) -> Bytes {
        self.0.len()
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        self.0.read_at(at, buf)
    }

    fn path(&self) -> Option<&Path> {
        Some(Path::new("images/disk.vhd"))
    }
}

struct Pieces;

impl AuxFiles for Pieces {
    fn open(&self, name: &str) -> Result<Arc<dyn Source>> {
        if name == "disk.v01" {
            Ok(memory(vec![0; 512]))
        } else {
            NoAuxFiles.open(name)
        }
    }
}

fn first_piece(bytes: Vec<u8>, aux_files: &dyn AuxFiles) -> Error {
    let source: Arc<dyn Source> = Arc::new(Named(memory(bytes)));
    let asked = how(source, &[], aux_files).expect("no options");
    (DRIVER.open)(asked).expect_err("it is only a piece")
}

/// The first fault that a check finds.
fn found(bytes: Vec<u8>) -> Error {
    open(bytes.clone(), &[]).expect("it opens");
    let mut faults = check(bytes).expect("it can be checked").faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

/// Damaged footers: what they break, and a part of what is said.
#[test]
fn every_rule_has_a_file_that_breaks_it() {
    let rows = [rows::footer_rows(), rows::header_rows(), rows::block_rows()].concat_rows();
    let mut broken = BTreeSet::new();
    for (code, error, part) in &rows {
        assert_eq!(error.code(), *code, "{error}");
        assert!(error.message().contains(part), "{error}");
        assert!(!error.message().ends_with('.'), "{error}");
        broken.insert((*code).to_owned());
    }
    let rules: BTreeSet<String> = include_str!("../codes.txt")
        .split_ascii_whitespace()
        .filter(|text| text.starts_with("vhd_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(broken, rules);
}

/// Rows put together: errors cannot be copied.
trait Rows<T> {
    fn concat_rows(self) -> Vec<T>;
}

impl<T, const N: usize> Rows<T> for [Vec<T>; N] {
    fn concat_rows(self) -> Vec<T> {
        self.into_iter().flatten().collect()
    }
}

#[test]
fn a_refusal_says_where() {
    let error = refusal(header(&start(), 28, &[0, 0, 0, 1]));
    assert_eq!(
        error.to_string(),
        "the BAT covers 65536 bytes, the disk has 1048576 (dynamic header, max_table_entries, offset 540)"
    );
    let error = refusal(bat(&start(), 1, |old| old - 1));
    assert_eq!(error.location().offset, Some(FileOffset(1540)));
    assert_eq!(
        refusal(footers(&start(), 60, &[0; 4]))
            .location()
            .offset
            .map(|at| at.0 % 512),
        Some(60)
    );
}
