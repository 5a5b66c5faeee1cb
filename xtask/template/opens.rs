//! Images opened and checked. TODO: fixtures of every variant from a builder of their own, another reader as judge.

// A wrong image should stop the test where it is made.
#![allow(clippy::indexing_slicing)]

use std::sync::Arc;

use imgdelta_NAME::{DRIVER, layout::MAGIC};
use imgdelta_core::{Kind, MemSource, NoAuxFiles, Open, Options, Result, State, VirtOffset};

/// An image of two blocks of 4 KiB, the second of which is data.
fn image() -> Vec<u8> {
    let mut bytes = vec![0; 12 << 10];
    bytes[0..8].copy_from_slice(&MAGIC.to_le_bytes());
    bytes[8..12].copy_from_slice(&4096_u32.to_le_bytes());
    bytes[16..24].copy_from_slice(&8192_u64.to_le_bytes());
    bytes[24..32].copy_from_slice(&64_u64.to_le_bytes());
    bytes[72..80].copy_from_slice(&8192_u64.to_le_bytes());
    bytes[8192..].fill(7);
    bytes
}

fn how(bytes: Vec<u8>) -> Open<'static> {
    Open {
        source: Arc::new(MemSource(bytes)),
        aux_files: &NoAuxFiles,
        options: Options::default(),
        snapshot: None,
    }
}

#[test]
fn blocks_are_where_the_table_says() -> Result<()> {
    let image = (DRIVER.open)(how(image()))?;
    assert_eq!(image.metadata().size.0, 8192);
    assert_eq!(image.extent_at(VirtOffset(0))?.state, State::Zero);
    assert!(image.extent_at(VirtOffset(5000))?.state.holds_data());
    Ok(())
}

#[test]
fn what_cannot_be_is_refused_and_found() -> Result<()> {
    for (at, byte) in [(0, 0), (8, 1), (16, 1), (31, 1)] {
        let mut bytes = image();
        bytes[at] = byte;
        let error = (DRIVER.open)(how(bytes)).expect_err("it is damaged");
        assert_eq!(error.kind(), Kind::Corrupt, "byte {at}: {error}");
    }
    let mut bytes = image();
    bytes[64..72].copy_from_slice(&8192_u64.to_le_bytes());
    let report = (DRIVER.check)(how(bytes))?;
    assert_eq!(report.summary(&[]).len(), 1);
    Ok(())
}
