//! A check looks at blocks on all threads and tells the same as on one.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod driving;

use driving::{Tested, check};
use imgdelta_core::CheckReport;
use imgdelta_fixtures::{
    Fill, Recipe, check_on_threads,
    vhd::{Batmap, VhdSpec},
};

const BLOCKS: u64 = 36_000;

/// Blocks of one sector, all of them stored and full, as tapdisk's batmap says too.
fn full() -> Vec<u8> {
    let size = BLOCKS * 512;
    let recipe = Recipe::of(size, [(0, size, Fill::Pattern(7))]);
    VhdSpec {
        creator: *b"tap\0",
        creator_version: 0x0001_0003,
        batmap: Some(Batmap {
            key_hash: false,
            version: 0x0001_0002,
        }),
        ..VhdSpec::dynamic(recipe, 512)
    }
    .build()
}

/// Where the bitmap of `block` stands.
fn bitmap_at(bytes: &[u8], block: usize) -> usize {
    let entry = 1536 + 4 * block;
    let sector = u32::from_be_bytes(bytes[entry..entry + 4].try_into().expect("4 bytes"));
    sector as usize * 512
}

#[test]
fn faults_of_blocks_are_told_in_order_on_any_number_of_threads() -> Tested {
    let mut bytes = full();
    let cleared: Vec<usize> = (5..BLOCKS as usize).step_by(41).collect();
    for block in &cleared {
        let at = bitmap_at(&bytes, *block);
        bytes[at] = 0;
    }
    let report = check_on_threads(|| check(bytes.clone()))?;
    let told: Vec<_> = report
        .faults
        .iter()
        .map(|fault| (fault.code(), fault.location().offset.map(|at| at.0)))
        .collect();
    let entry = |block: &usize| Some(1536 + 4 * *block as u64);
    let expected: Vec<_> = cleared
        .iter()
        .flat_map(|block| {
            [
                ("vhd_unused_holds_data", entry(block)),
                ("vhd_batmap_lies", entry(block)),
            ]
        })
        .take(CheckReport::LIMIT)
        .collect();
    assert_eq!(told, expected);
    let counts = [
        ("blocks", BLOCKS),
        ("allocated", BLOCKS),
        ("sectors", BLOCKS - cleared.len() as u64),
        ("leaked", 0),
    ];
    assert_eq!(report.counts, counts);
    Ok(())
}

#[test]
fn the_first_block_that_cannot_be_is_the_one_that_is_named() -> Tested {
    let mut bytes = full();
    for block in [35_999, 20_011, 17_003] {
        let entry = 1536 + 4 * block;
        bytes[entry..entry + 4].copy_from_slice(&[0x7f, 0, 0, block as u8]);
    }
    let error = check_on_threads(|| check(bytes.clone())).expect_err("blocks lie past the end");
    assert_eq!(error.code(), "vhd_block_past_end");
    assert!(error.message().contains("block 17003"), "{error}");
    Ok(())
}
