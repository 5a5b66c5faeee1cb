use proptest::prelude::*;

use super::*;

const SHAPE: SegmentShape = SegmentShape {
    number: 2,
    blocks: 100,
    base_blocks: 50_000,
    fresh_before: 10,
    fresh: 7,
};

fn run(at: u64, count: u64, content: Content) -> Run {
    let at = SHAPE.first() + at;
    Run { at, count, content }
}

fn all_kinds() -> Vec<Run> {
    vec![
        run(0, 20, Content::Same),
        run(20, 5, Content::Fresh { from: 10 }),
        run(25, 10, Content::Copy { from: 40_000 }),
        run(35, 4, Content::Repeat { from: 11 }),
        run(39, 1, Content::Copy { from: 3 }),
        run(40, 2, Content::Fresh { from: 15 }),
        run(42, 58, Content::Zero),
    ]
}

/// The code of the error that such a map must give.
fn refused(numbers: &[u64]) -> &'static str {
    let mut map = Vec::new();
    numbers
        .iter()
        .for_each(|number| varint::put(&mut map, *number));
    decode(&map, &SHAPE).expect_err("it breaks a rule").code()
}

#[test]
fn runs_of_every_kind_come_back() -> Result<()> {
    assert_eq!(decode(&encode(&all_kinds(), 10), &SHAPE)?, all_kinds());
    Ok(())
}

#[test]
fn a_repeat_before_the_first_fresh_block_is_counted_from_where_the_segment_starts() -> Result<()> {
    let mut runs = vec![
        run(0, 10, Content::Repeat { from: 0 }),
        run(10, 7, Content::Fresh { from: 10 }),
        run(17, 83, Content::Same),
    ];
    assert_eq!(decode(&encode(&runs, 10), &SHAPE)?, runs);
    runs = vec![
        run(0, 10, Content::Repeat { from: 0 }),
        run(10, 90, Content::Same),
    ];
    let shape = SegmentShape { fresh: 0, ..SHAPE };
    assert_eq!(decode(&encode(&runs, 10), &shape)?, runs);
    Ok(())
}

#[test]
fn neighbours_become_one_run() {
    let mut builder = MapBuilder::default();
    let first = SHAPE.first();
    for at in 0..50 {
        builder.push(first + at, Content::Copy { from: 700 + at });
    }
    for at in 50..100 {
        builder.push(first + at, Content::Copy { from: 700 + 2 * at });
    }
    assert_eq!(builder.runs.len(), 51);
    assert!(!builder.is_same());
}

#[test]
fn every_broken_rule_has_its_error() {
    let fresh = |count: u64| count << KIND_BITS | FRESH;
    let rest = |count: u64| count << KIND_BITS | ZERO;
    assert_eq!(refused(&[fresh(7)]), "transport_map_end");
    assert_eq!(refused(&[fresh(7), rest(93), 1]), "transport_map_end");
    assert_eq!(refused(&[fresh(7), rest(94)]), "transport_run_length");
    assert_eq!(refused(&[fresh(0)]), "transport_run_length");
    assert_eq!(refused(&[fresh(u64::MAX >> 3)]), "transport_run_length");
    assert_eq!(refused(&[fresh(6), rest(94)]), "transport_fresh_count");
    assert_eq!(refused(&[fresh(8), rest(92)]), "transport_fresh_count");
    assert_eq!(refused(&[1 << KIND_BITS | 7]), "transport_constant");
    let copy = |distance: i64| refused(&[9 << KIND_BITS | COPY, varint::zigzag(distance)]);
    // The segment begins at block 32768; the base has 50000.
    assert_eq!(copy(50_000 - 32_768 - 8), "transport_copy_range");
    assert_eq!(copy(-32_769), "transport_copy_range");
    assert_eq!(copy(i64::MIN), "transport_copy_range");
    assert_eq!(copy(i64::MAX), "transport_copy_range");
    let repeat = |back: u64| refused(&[9 << KIND_BITS | REPEAT, back]);
    assert_eq!(repeat(11), "transport_repeat_range");
    assert_eq!(repeat(8), "transport_repeat_range");
    assert_eq!(repeat(u64::MAX), "transport_repeat_range");
}

proptest! {
    #[test]
    fn any_bytes_are_runs_that_fill_the_segment_or_an_error(map: Vec<u8>) {
        if let Ok(runs) = decode(&map, &SHAPE) {
            let mut at = SHAPE.first();
            for run in &runs {
                prop_assert_eq!(run.at, at);
                at = run.end();
            }
            prop_assert_eq!(at, SHAPE.first() + SHAPE.blocks);
        }
    }
}
