//! A check reads grain tables and unpacks grains on all threads and tells the same as on one.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{Result, SECTOR};
use imgdelta_fixtures::{
    Fill, Recipe, check_on_threads,
    vmdk::{Layout, Stream, VmdkSpec},
};
use reading::{Files, check};

const GRAINS: u64 = 100_000;

fn long(bytes: &[u8], at: usize) -> usize {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes")) as usize
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes")) as usize
}

/// Where the entry of `grain` stands that the directory named at `field` of the header leads to.
fn entry_at(bytes: &[u8], field: usize, grain: usize) -> usize {
    let directory = long(bytes, field) * SECTOR as usize;
    word(bytes, directory + grain / 512 * 4) * SECTOR as usize + grain % 512 * 4
}

/// The redundant directory's field of the header, and the other one's.
const COPIES: [usize; 2] = [48, 56];

fn set(bytes: &mut [u8], field: usize, grain: usize, sector: usize) {
    let at = entry_at(bytes, field, grain);
    bytes[at..at + 4].copy_from_slice(&(sector as u32).to_le_bytes());
}

/// Grains of one sector, of which every 50th is stored.
fn sparse() -> Files {
    let runs = (0..GRAINS)
        .step_by(50)
        .map(|grain| (grain * SECTOR, SECTOR, Fill::Pattern(7)));
    let recipe = Recipe::of(GRAINS * SECTOR, runs);
    VmdkSpec {
        grain: 1,
        ..VmdkSpec::new(recipe, Layout::Sparse)
    }
    .build()
}

#[test]
fn faults_of_tables_are_told_in_order_on_any_number_of_threads() -> Result<()> {
    let mut files = sparse();
    let bytes = &mut files[0].1;
    let (mut differ, mut shared, mut over) = (Vec::new(), Vec::new(), Vec::new());
    for grain in (25..GRAINS as usize).step_by(1000) {
        // In one copy only.
        set(bytes, COPIES[0], grain, 0);
        set(bytes, COPIES[1], grain, 1);
        differ.push(grain);
        // In the place of an earlier one.
        let taken = word(bytes, entry_at(bytes, COPIES[1], grain + 25 - 50));
        let first = grain + 25 - 50;
        for field in COPIES {
            set(bytes, field, grain + 2, taken);
        }
        shared.push((first, grain + 2, taken));
        // Where a table stands, each in a sector of its own.
        let table = entry_at(bytes, COPIES[1], over.len() * 128) / SECTOR as usize;
        for field in COPIES {
            set(bytes, field, grain + 4, table);
        }
        over.push((grain + 4, table));
    }
    let report = check_on_threads(|| check(&files))?;
    let told: Vec<_> = report.faults.iter().map(|fault| fault.message()).collect();
    let number = differ.len();
    assert_eq!(told.len(), 3 * number);
    for (told, grain) in told.iter().zip(&differ) {
        assert!(told.contains(&format!("grain {grain} ")), "{told}");
    }
    for (told, (first, second, sector)) in told[number..].iter().zip(&shared) {
        for part in [format!("{first} and {second}"), format!("{sector}")] {
            assert!(told.contains(&part), "{told}: {part}");
        }
    }
    for (told, (grain, sector)) in told[2 * number..].iter().zip(&over) {
        for part in [format!("grain {grain} "), format!("{sector}")] {
            assert!(told.contains(&part), "{told}: {part}");
        }
    }
    let stored = GRAINS / 50 + 2 * number as u64;
    assert_eq!(report.counts, [("grains", GRAINS), ("stored", stored)]);
    Ok(())
}

#[test]
fn the_first_grain_that_cannot_be_is_the_one_that_is_named() {
    let mut files = sparse();
    let bytes = &mut files[0].1;
    for grain in [99_000, 50_007, 33_003] {
        for field in COPIES {
            set(bytes, field, grain, 1 << 30);
        }
    }
    let error = check_on_threads(|| check(&files)).expect_err("grains lie past the end");
    assert_eq!(error.code(), "vmdk_grain_past_end");
    assert!(error.message().contains("grain 33003"), "{error}");
}

#[test]
fn packed_grains_are_told_in_order_on_any_number_of_threads() -> Result<()> {
    let size = 24 << 20;
    let recipe = Recipe::of(size, [(0, size, Fill::Text)]);
    for kind in [Stream::VMware, Stream::OpenVmdk] {
        let mut files = VmdkSpec::new(recipe.clone(), Layout::Stream(kind)).build();
        let bytes = &mut files[0].1;
        // A stream's footer, in front of its end, is the header that counts.
        let header = match kind {
            Stream::VMware => bytes.len() - 2 * SECTOR as usize,
            _ => 0,
        };
        let directory = long(bytes, header + 56) * SECTOR as usize;
        let damaged: Vec<usize> = (3..384).step_by(11).collect();
        for grain in &damaged {
            let table = word(bytes, directory) * SECTOR as usize;
            let at = word(bytes, table + grain * 4) * SECTOR as usize;
            bytes[at + 12] ^= 0xff;
        }
        let report = check_on_threads(|| check(&files))?;
        assert_eq!(report.faults.len(), damaged.len());
        for (fault, grain) in report.faults.iter().zip(&damaged) {
            let told = fault.to_string();
            assert!(told.contains(&format!("grain {grain}")), "{told}: {grain}");
        }
        assert_eq!(report.counts, [("grains", 384), ("stored", 384)]);
    }
    Ok(())
}
