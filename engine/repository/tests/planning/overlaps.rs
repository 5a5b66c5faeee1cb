//! The ratio against the disks' bytes.

use imgdelta_core::{Bytes, Result};
use imgdelta_delta::{WINDOW, tree::Digest};
use imgdelta_repository::planning::{LeafStream, Run, overlap};
use proptest::prelude::*;

/// Disks of a few windows, most of whose bytes agree; the last window may be short.
fn disk() -> impl Strategy<Value = Vec<u8>> {
    let window = prop_oneof![
        Just((0, 0)),
        Just((1, 0)),
        Just((2, 0)),
        (0..3_u8, 0..65536_usize)
    ];
    (
        prop::collection::vec(window, 0..12),
        0..65536_usize,
        any::<bool>(),
    )
        .prop_map(|(windows, short, is_even)| {
            let mut disk = Vec::new();
            for (fill, at) in windows {
                let start = disk.len();
                disk.resize(start + WINDOW.in_memory(), fill);
                disk[start + at] ^= u8::from(at > 0);
            }
            if !is_even && disk.len() > short {
                disk.truncate(disk.len() - short);
            }
            disk
        })
}

/// The disk's leaves as a catalogue keeps them: zero windows as runs where `in_runs`, else as any other.
fn row(disk: &[u8], in_runs: bool) -> LeafStream<'static> {
    let mut runs: Vec<Run> = Vec::new();
    for window in disk.chunks(WINDOW.in_memory()) {
        let is_zero = window.len() as u64 == WINDOW.0 && window.iter().all(|byte| *byte == 0);
        match runs.last_mut() {
            Some(Run::Zero(count)) if is_zero && in_runs => *count += 1,
            _ if is_zero && in_runs => runs.push(Run::Zero(1)),
            _ => runs.push(Run::Leaf(Digest::leaf(window))),
        }
    }
    LeafStream::new(Bytes::from(disk.len()), Box::new(runs.into_iter().map(Ok)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_ratio_is_that_of_the_bytes(
        wanted in disk(),
        candidate in disk(),
        in_runs in any::<(bool, bool)>(),
        threshold in 0..110_u32,
    ) {
        let is_zero = |window: &[u8]| window.iter().all(|byte| *byte == 0);
        let (mut data, mut held, mut emptied) = (0, 0, 0);
        let mut there = candidate.chunks(WINDOW.in_memory());
        for window in wanted.chunks(WINDOW.in_memory()) {
            let there = there.next().unwrap_or_default();
            if is_zero(window) {
                emptied += u64::from(!is_zero(there));
            } else {
                data += 1;
                held += u64::from(window == there);
            }
        }
        let found = overlap(row(&wanted, in_runs.0), row(&candidate, in_runs.1))?;
        prop_assert_eq!((found.data, found.held, found.emptied), (data, held, emptied));
        let bytes = |windows: u64| Bytes((windows * WINDOW.0).min(wanted.len() as u64));
        prop_assert_eq!(found.bytes(true), bytes(data - held));
        prop_assert_eq!(found.bytes(false), bytes(data - held + emptied));
        prop_assert_eq!(found.whole(), bytes(data));
        let reaches = data > 0 && held * 100 >= data * u64::from(threshold);
        prop_assert_eq!(found.reaches(threshold), reaches);
    }
}

#[test]
fn exactly_the_threshold_is_enough() -> Result<()> {
    let leaf = |number| Ok(Run::Leaf(Digest([number; 32])));
    let row = |held: u8| {
        let runs = (1..=10).map(move |number| leaf(if number <= held { number } else { 99 }));
        LeafStream::new(Bytes(10 * WINDOW.0), Box::new(runs))
    };
    assert!(overlap(row(10), row(1))?.reaches(10));
    assert!(!overlap(row(10), row(1))?.reaches(11));
    Ok(())
}
