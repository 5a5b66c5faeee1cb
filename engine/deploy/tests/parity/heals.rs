//! What is lost is worked out again: of every size, at every place, also where the parity is damaged itself.

use imgdelta_core::MemSource;
use imgdelta_delta::{Digest, RunProgress};
use imgdelta_deploy::parity::{Parity, Percent, Shape};
use proptest::prelude::*;

use super::media::{Worn, healed, healed_bytes, noise, parity_of};

/// 3 MiB and a bit: 49 shards of 32 KiB and one of 5 bytes, twice.
const LENGTH: usize = (3 << 20) + 5;

fn shape(length: usize, percent: u8) -> Shape {
    Shape::of(length as u64, Percent::new(percent).unwrap()).unwrap()
}

#[test]
fn flips_a_zeroed_run_a_cut_tail_and_bad_sectors_are_healed_at_every_percentage() {
    let data = noise(LENGTH, 1);
    for percent in Percent::ALL {
        let shape = shape(LENGTH, percent);
        let parity = parity_of(&data, &shape);
        let shard = shape.shard() as usize;
        let most = shape.all_recovery() as usize;
        assert_eq!(
            most,
            (LENGTH.div_ceil(shard) * percent as usize).div_ceil(100)
        );
        for at in (0..LENGTH).step_by(99_991).chain([0, LENGTH - 1]) {
            let mut flipped = data.clone();
            flipped[at] ^= 1 << (at % 8);
            let (survey, found) = healed_bytes(&data, flipped, &parity);
            assert_eq!(survey.lost, [(at / shard) as u64]);
            assert!(found.unwrap() == data, "flip at {at}");
        }
        // One percent of it, at any place.
        let run = LENGTH / 100;
        for start in [0, 700_001, LENGTH - run] {
            let mut zeroed = data.clone();
            zeroed[start..start + run].fill(0);
            let (survey, found) = healed_bytes(&data, zeroed, &parity);
            assert!((1..=2).contains(&survey.lost.len()), "{survey:?}");
            assert!(found.unwrap() == data, "zeros from {start}");
        }
        for cut in [1, 5, 6, shard] {
            let (_, found) = healed_bytes(&data, data[..LENGTH - cut].to_vec(), &parity);
            assert!(found.unwrap() == data, "{cut} cut off");
        }
        let mut longer = data.clone();
        longer.extend([7; 100]);
        assert!(healed_bytes(&data, longer, &parity).1.unwrap() == data);
        // As many shards as there are for recovery, each with one bad sector; one more is refused.
        for (count, is_enough) in [(most, true), (most + 1, false)] {
            let bad = (0..count).map(|number| {
                let at = number * 2 * shard + 512;
                at..at + 512
            });
            let worn = Worn {
                bytes: data.clone(),
                bad: bad.collect(),
            };
            let (survey, found) = healed(&data, &worn, &MemSource(parity.clone())).unwrap();
            assert_eq!(survey.lost.len(), count);
            match found {
                Ok(found) => assert!(is_enough && found == data),
                Err(why) => assert!(
                    !is_enough && why.contains(&format!("{most} can be")),
                    "{why}"
                ),
            }
        }
    }
}

#[test]
fn a_run_takes_little_from_each_group() {
    // 7 groups of at most 8 shards, each with one for recovery.
    let data = noise(50 * 64, 2);
    let shape = Shape::new(50 * 64, 10, 64, 8).unwrap();
    let parity = parity_of(&data, &shape);
    assert_eq!((shape.groups(), shape.all_recovery()), (7, 7));
    for first in 0..=43 {
        let mut damaged = data.clone();
        damaged[first * 64..(first + 7) * 64].fill(0xaa);
        let (survey, found) = healed_bytes(&data, damaged, &parity);
        assert_eq!((survey.lost.len(), found), (7, Ok(data.clone())));
    }
    // Two of one group are too many, whatever the others have left.
    let mut damaged = data.clone();
    damaged[64] ^= 1;
    damaged[64 * 8] ^= 1;
    let (_, found) = healed_bytes(&data, damaged, &parity);
    let why = found.unwrap_err();
    assert_eq!(
        why,
        "of the 7 shards of group 2 of 7 2 are lost, and 1 can be worked out"
    );
}

#[test]
fn one_of_the_two_tables_and_some_of_the_recovery_shards_may_be_lost_too() {
    let data = noise(LENGTH, 3);
    let shape = shape(LENGTH, 5);
    let parity = parity_of(&data, &shape);
    let shard = shape.shard() as usize;
    let front = 96 + (shape.shards() + shape.all_recovery()) as usize * 16;
    let mut damaged = data.clone();
    damaged[12_345] ^= 1;
    let heals = |parity: Vec<u8>| {
        let found = healed(&data, &MemSource(damaged.clone()), &MemSource(parity));
        found.map(|(_, found)| found)
    };
    // Its beginning, its end: zeroed, cut off, unreadable.
    for lost in [
        0..1,
        0..96,
        8..9,
        100..101,
        0..front,
        parity.len() - 1..parity.len(),
    ] {
        let mut other = parity.clone();
        other[lost.clone()]
            .iter_mut()
            .for_each(|byte| *byte ^= 0xff);
        assert!(heals(other).unwrap().unwrap() == data, "{lost:?}");
        let worn = Worn {
            bytes: parity.clone(),
            bad: vec![lost.clone()],
        };
        let found = healed(&data, &MemSource(damaged.clone()), &worn).unwrap();
        assert!(found.1.unwrap() == data, "{lost:?} is unreadable");
    }
    assert!(
        heals(parity[..parity.len() - front].to_vec())
            .unwrap()
            .unwrap()
            == data
    );
    // All but the last recovery shard: one is enough for one.
    let mut other = parity.clone();
    let last = front + (shape.all_recovery() as usize - 1) * shard;
    other[front..last].fill(0);
    assert!(heals(other.clone()).unwrap().unwrap() == data);
    let sha256 = Digest::plain(&data);
    let whole = |bytes: &[u8]| {
        let bytes = MemSource(bytes.to_vec());
        Parity::open(&bytes, LENGTH as u64, &sha256)
            .unwrap()
            .is_whole()
    };
    assert!(whole(&parity) && !whole(&other));
    other[last] ^= 1;
    let why = heals(other).unwrap().unwrap_err();
    assert!(
        why.ends_with("1 are lost, and 0 can be worked out"),
        "{why}"
    );
    // Both tables.
    let mut other = parity.clone();
    let end = other.len() - 1;
    other[97] ^= 1;
    other[end] ^= 1;
    let error = heals(other).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the table of digests is damaged"),
        "{error}"
    );
}

#[test]
fn what_was_not_written_as_it_is_read_gets_no_parity() {
    let data = noise(1000, 4);
    let shape = shape(1000, 5);
    let sink = imgdelta_core::MemSink::default();
    let other = Digest::plain(b"other");
    let progress = RunProgress::default();
    let written =
        imgdelta_deploy::parity::write(&MemSource(data), &other, &shape, &sink, &progress);
    assert_eq!(written.unwrap_err().code(), "not_read_back");
}

proptest! {
    /// Whatever the size, the shards and the groups: what is lost within what recovery holds comes again, and more of it is refused.
    #[test]
    fn any_file_of_any_size_comes_again(
        length in prop_oneof![Just(0_usize), Just(1), Just(63), Just(64), Just(65), 0_usize..9000],
        percent in prop_oneof![Just(2_u32), Just(5), Just(10), Just(100)],
        shard in prop_oneof![Just(64_u32), Just(128), Just(1024)],
        group in prop_oneof![Just(1_u32), Just(2), Just(7), Just(40), Just(512)],
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..12),
        cut in prop_oneof![Just(0_usize), 0_usize..200],
    ) {
        let data = noise(length, length as u64);
        let shape = Shape::new(length as u64, percent, shard, group).unwrap();
        let parity = parity_of(&data, &shape);
        let mut damaged = data.clone();
        for (at, change) in &flips {
            if length > 0 {
                damaged[at.index(length)] ^= change;
            }
        }
        damaged.truncate(length.saturating_sub(cut));
        // What is lost, by the bytes themselves.
        let size = shard as usize;
        let parts = data.chunks(size).enumerate();
        let lost = parts.filter(|(number, part)| {
            let there = damaged.get(number * size..number * size + part.len());
            there != Some(*part)
        });
        let lost: Vec<u64> = lost.map(|(number, _)| number as u64).collect();
        let (survey, found) = healed_bytes(&data, damaged, &parity);
        let groups = shape.shards().div_ceil(group.into());
        let fits = (0..groups).all(|one| {
            let members = (0..shape.shards()).filter(|shard| shard % groups == one).count();
            let its = lost.iter().filter(|shard| *shard % groups == one).count();
            its <= (members * percent as usize).div_ceil(100)
        });
        match found {
            Ok(found) => {
                prop_assert!(fits);
                prop_assert_eq!(survey.lost, lost);
                prop_assert!(found == data);
            }
            Err(_) => prop_assert!(!fits),
        }
    }
}
