//! A check looks at the BAT and its bitmaps on all threads and tells the same as on one.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::{io::Write as _, path::Path};

use imgdelta_core::CheckReport;
use imgdelta_fixtures::check_on_threads;
use reading::{
    Tested,
    built::{BAT, Built, ITEMS, M, RATIO, child, dynamic},
    check_file,
};

const BLOCKS: usize = 65_536;

/// A disk of 64 GiB in blocks of 1 MiB.
fn large(built: Built) -> Built {
    built.put(ITEMS + 8, &((BLOCKS * M) as u64).to_le_bytes())
}

/// The image in a file of `mib` MiB, the rest of which is a hole.
fn put(path: &Path, built: &Built, mib: usize) -> Tested {
    let mut file = std::fs::File::create(path)?;
    file.write_all(&built.0)?;
    file.set_len((mib * M) as u64)?;
    Ok(())
}

#[test]
fn partially_present_blocks_are_counted_alike_on_any_number_of_threads() -> Tested {
    let chunks = BLOCKS / RATIO;
    let mut built = large(child()).put(BAT, &[0; M]).long(4 * M);
    let (mut next, mut sectors) = (4, 0);
    let mut place = |state: u64| {
        next += 1;
        ((next - 1) * M) as u64 | state
    };
    for chunk in 0..chunks {
        built = built.bat(chunk * (RATIO + 1) + RATIO, place(6));
    }
    let partial: Vec<usize> = (3..BLOCKS).step_by(131).collect();
    let mut odd = Vec::new();
    for (number, block) in partial.iter().enumerate() {
        let index = block + block / RATIO;
        let reserved = if number % 5 == 0 { 8 } else { 0 };
        built = built.bat(index, place(7) | reserved);
        if reserved > 0 {
            odd.push(index as u64);
        }
        // The first sectors of each block are here: 2048 bits a block.
        let byte = (number % 255 + 1) as u8;
        sectors += u64::from(byte.count_ones());
        let bits = (4 + block / RATIO) * M + block % RATIO * 256;
        built = built.put(bits, &[byte]);
    }
    let file = tempfile::NamedTempFile::new()?;
    put(file.path(), &built, 4 + chunks + partial.len())?;
    let report = check_on_threads(|| check_file(file.path()))?;
    let told: Vec<_> = report.faults.iter().map(|fault| fault.code()).collect();
    assert_eq!(told, vec!["vhdx_bat_reserved"; odd.len()]);
    let told: Vec<_> = report
        .faults
        .iter()
        .map(|fault| (fault.location().offset.map_or(0, |at| at.0) - 3 * M as u64) / 8)
        .collect();
    assert_eq!(told, odd);
    let counts = [
        ("blocks", BLOCKS as u64),
        ("allocated", partial.len() as u64),
        ("partial", partial.len() as u64),
        ("sectors", sectors),
        ("bitmaps", chunks as u64),
        ("leaked", 0),
    ];
    assert_eq!(report.counts, counts);
    Ok(())
}

#[test]
fn faults_are_told_in_order_up_to_the_limit_on_any_number_of_threads() -> Tested {
    let mut built = large(dynamic());
    let odd: Vec<usize> = (4..BLOCKS).step_by(61).collect();
    for index in &odd {
        built = built.bat(*index, 8);
    }
    let file = tempfile::NamedTempFile::new()?;
    put(file.path(), &built, 6)?;
    let report = check_on_threads(|| check_file(file.path()))?;
    let told: Vec<_> = report
        .faults
        .iter()
        .map(|fault| (fault.location().offset.map_or(0, |at| at.0) as usize - 3 * M) / 8)
        .collect();
    assert!(odd.len() > CheckReport::LIMIT);
    assert_eq!(told, odd[..CheckReport::LIMIT]);
    Ok(())
}

#[test]
fn the_first_block_that_cannot_be_is_the_one_that_is_named() -> Tested {
    let mut built = large(dynamic());
    // Past the end, on the log, a state that is none.
    for (index, entry) in [(60_001, 0x90_0000_0006), (33_005, 0x10_0006), (17_003, 5)] {
        built = built.bat(index, entry);
    }
    let file = tempfile::NamedTempFile::new()?;
    put(file.path(), &built, 6)?;
    let error = check_on_threads(|| check_file(file.path())).expect_err("it cannot be");
    assert_eq!(error.code(), "vhdx_block_state");
    Ok(())
}
