//! A check reads the map on all threads and tells the same as on one.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::Result;
use imgdelta_fixtures::{Fill, Recipe, check_on_threads, vdi::VdiSpec};
use reading::check;

const BLOCKS: u32 = 50_000;
const MAP: usize = 512;

/// Blocks of one sector, all of them stored, in order.
fn full() -> Vec<u8> {
    let size = u64::from(BLOCKS) * 512;
    let recipe = Recipe::of(size, [(0, size, Fill::Pattern(7))]);
    VdiSpec::dynamic(recipe, 512).build()
}

fn set(bytes: &mut [u8], block: u32, index: u32) {
    let at = MAP + 4 * block as usize;
    bytes[at..at + 4].copy_from_slice(&index.to_le_bytes());
}

#[test]
fn blocks_that_share_a_place_are_told_in_order_on_any_number_of_threads() -> Result<()> {
    let mut bytes = full();
    let second: Vec<u32> = (5..BLOCKS).step_by(97).collect();
    for block in &second {
        set(&mut bytes, *block, block - 3);
    }
    let report = check_on_threads(|| check(&bytes))?;
    let (counter, shared) = report.faults.split_last().expect("there are some");
    let told: Vec<_> = shared.iter().map(|fault| fault.message()).collect();
    let expected: Vec<_> = second
        .iter()
        .map(|block| {
            let first = block - 3;
            format!("blocks {first} and {block} share index {first}")
        })
        .collect();
    assert_eq!(told, expected);
    assert_eq!(counter.code(), "vdi_counter");
    let lost = second.len() as u64;
    let (all, counted) = (u64::from(BLOCKS), u64::from(BLOCKS) - lost);
    let counts = [("blocks", all), ("allocated", counted), ("leaked", lost)];
    assert_eq!(report.counts, counts);
    Ok(())
}

#[test]
fn the_first_entry_that_cannot_be_is_the_one_that_is_named() {
    let mut bytes = full();
    for block in [BLOCKS - 1, 33_000, 17_003] {
        set(&mut bytes, block, BLOCKS + block);
    }
    let error = check_on_threads(|| check(&bytes)).expect_err("there are no such blocks");
    assert_eq!(error.code(), "vdi_index");
    assert!(error.message().contains("block 17003"), "{error}");
}
