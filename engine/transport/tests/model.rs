//! What comes out of base and file is the target, byte for byte, whatever differs.

#![allow(
    clippy::indexing_slicing,
    reason = "a test indexes what it has just made"
)]

mod common;

use std::sync::Arc;

use common::{disk, file_of, manifest, noise, open, packed, packing, unpacked};
use imgdelta_core::{BlockState, Bytes, MemSink, MemSource, VirtOffset};
use imgdelta_delta::{ExecContext, RunProgress, layer_digest};
use imgdelta_transport::{Damage, IndexBudget, Refill, TransportFile, TransportImage, check};
use proptest::prelude::*;

const BLOCK: usize = 4096;

/// A change of a disk.
#[derive(Clone, Debug)]
enum Edit {
    /// Noise over what stands there.
    Write { at: usize, len: usize, seed: u64 },
    /// Noise put in; what follows moves.
    Insert { at: usize, len: usize, seed: u64 },
    /// Taken out; what follows moves.
    Remove { at: usize, len: usize },
    /// Copied from elsewhere.
    Copy { from: usize, at: usize, len: usize },
    /// Zeros.
    Zero { at: usize, len: usize },
    /// Another size.
    Resize { len: usize },
}

/// The most bytes of a disk.
const MOST: usize = 3 << 20;

impl Edit {
    fn apply(&self, disk: &mut Vec<u8>) {
        let clip = |at: usize, len: usize, disk: &[u8]| {
            let at = at.min(disk.len());
            at..at.saturating_add(len).min(disk.len())
        };
        match *self {
            Self::Write { at, len, seed } => {
                let range = clip(at, len, disk);
                let bytes = noise(seed, range.len());
                disk[range].copy_from_slice(&bytes);
            }
            Self::Insert { at, len, seed } => {
                let at = at.min(disk.len());
                disk.splice(at..at, noise(seed, len));
            }
            Self::Remove { at, len } => drop(disk.drain(clip(at, len, disk))),
            Self::Copy { from, at, len } => {
                let bytes = disk[clip(from, len, disk)].to_vec();
                let range = clip(at, bytes.len(), disk);
                let len = range.len();
                disk[range].copy_from_slice(&bytes[..len]);
            }
            Self::Zero { at, len } => {
                let range = clip(at, len, disk);
                disk[range].fill(0);
            }
            Self::Resize { len } => disk.resize(len, 0),
        }
        disk.truncate(MOST);
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = || prop_oneof![0..MOST, (0..MOST / BLOCK).prop_map(|block| block * BLOCK)];
    let len = || {
        prop_oneof![
            1..300_usize,
            1..200_000_usize,
            (1..40_usize).prop_map(|count| count * BLOCK)
        ]
    };
    prop_oneof![
        (place(), len(), any::<u64>()).prop_map(|(at, len, seed)| Edit::Write { at, len, seed }),
        (place(), len(), any::<u64>()).prop_map(|(at, len, seed)| Edit::Insert { at, len, seed }),
        (place(), len()).prop_map(|(at, len)| Edit::Remove { at, len }),
        (place(), place(), len()).prop_map(|(from, at, len)| Edit::Copy { from, at, len }),
        (place(), len()).prop_map(|(at, len)| Edit::Zero { at, len }),
        place().prop_map(|len| Edit::Resize { len }),
    ]
}

/// A disk with text, noise and holes in turn.
fn base(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in 0..len.div_ceil(50_000) {
        match part % 4 {
            0 => bytes.extend(noise(seed + part as u64, 50_000)),
            1 => bytes.resize(bytes.len() + 50_000, 0),
            _ => bytes.extend((0..50_000_u32).map(|at| {
                b"the quick brown fox jumps over a lazy dog"[(at % 41) as usize] ^ (at / 977) as u8
            })),
        }
    }
    bytes.truncate(len);
    bytes
}

/// Packed on several threads with small lists and on one: both files give the target, and say of themselves that they are sound.
fn round_trip(base: &[u8], target: &[u8]) {
    let file = file_of(base, target);
    assert!(
        unpacked(&file, base).expect("it is sound") == target,
        "another disk came out"
    );
    assert!(packed(base, target, 3, IndexBudget::default()).expect("it is packed") == file);
    let small = IndexBudget {
        blocks: 16,
        anchors: 64,
    };
    let sampled = packed(base, target, 2, small).expect("it is packed");
    assert!(
        unpacked(&sampled, base).expect("it is sound") == target,
        "another disk came out"
    );
    let opened = open(&file).expect("it is sound");
    let progress = RunProgress::default();
    for base in [None, Some(&disk(base))] {
        let report = check(&opened, base, ExecContext::new(2, &progress)).expect("it is read");
        assert!(report.faults.is_empty(), "{:?}", report.faults);
    }
    // The layer digest of its manifest is that of what it reads as.
    let promised = opened.manifest().layer().expect("it has one").0;
    let image = TransportImage::new(opened, Some(&disk(base)));
    let found = layer_digest(&image, ExecContext::new(1, &progress)).expect("it is read");
    assert_eq!(promised, found);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_out_is_the_target(seed in 0..1000_u64, len in 0..MOST, edits in prop::collection::vec(edit(), 0..6)) {
        let base = base(seed, len);
        let mut target = base.clone();
        edits.iter().for_each(|edit| edit.apply(&mut target));
        round_trip(&base, &target);
    }
}

#[test]
fn equal_disks_make_an_empty_file() {
    let base = base(1, 1_000_001);
    let file = file_of(&base, &base);
    let opened = open(&file).expect("it is sound");
    assert_eq!((opened.head().windows(), opened.segments().len()), (0, 0));
    round_trip(&base, &base);
    round_trip(&[], &[]);
}

#[test]
fn disks_that_have_nothing_in_common_travel_whole() {
    let (base, target) = (noise(1, 1 << 20), noise(2, (1 << 20) + 13));
    round_trip(&base, &target);
    let file = file_of(&base, &target);
    assert!(
        file.len() < target.len() + target.len() / 256 + 2000,
        "{}",
        file.len()
    );
    round_trip(&[], &target);
    round_trip(&target, &[]);
}

#[test]
fn what_moved_by_whole_blocks_costs_nothing_and_by_an_odd_number_little() {
    let base = noise(5, 2 << 20);
    let moved = [&noise(6, 16 * BLOCK)[..], &base].concat();
    let file = file_of(&base, &moved);
    round_trip(&base, &moved);
    assert!(
        file.len() < 16 * BLOCK + 3000,
        "moved by blocks: {}",
        file.len()
    );
    let shifted = [&noise(6, 1001)[..], &base].concat();
    let file = file_of(&base, &shifted);
    round_trip(&base, &shifted);
    assert!(
        file.len() < base.len() / 10,
        "moved by 1001 bytes: {}",
        file.len()
    );
}

#[test]
fn a_prefix_that_begins_as_a_dictionary_is_none() {
    let mut base = noise(5, 1 << 20);
    for page in base.chunks_mut(32_768) {
        page[..4].copy_from_slice(&[0x37, 0xa4, 0x30, 0xec]);
    }
    let shifted = [&[7; 100][..], &base].concat();
    round_trip(&base, &shifted);
    assert!(file_of(&base, &shifted).len() < base.len() / 10);
}

#[test]
fn what_repeats_in_the_target_is_stored_once() {
    let base = vec![0; 4 << 20];
    let mut target = base.clone();
    let part = noise(9, 40 * BLOCK);
    for copy in 0..10 {
        let at = copy * 100 * BLOCK;
        target[at..at + part.len()].copy_from_slice(&part);
    }
    let file = file_of(&base, &target);
    assert!(file.len() < part.len() + 3000, "{}", file.len());
    round_trip(&base, &target);
}

#[test]
fn a_sample_of_blocks_finds_whole_runs() {
    let base = noise(5, 3 << 20);
    let moved = [&vec![1; 64 * BLOCK][..], &base].concat();
    let budget = IndexBudget {
        blocks: 100,
        anchors: 2,
    };
    let file = packed(&base, &moved, 2, budget).expect("it is packed");
    assert!(file.len() < base.len() / 4, "{}", file.len());
    assert!(unpacked(&file, &base).expect("it is sound") == moved);
}

#[test]
fn windows_packed_again_are_the_same_and_refill_a_damaged_file() {
    let (base, mut target) = (base(3, 2 << 20), base(3, 2 << 20));
    target[300_000..1_700_000].copy_from_slice(&noise(8, 1_400_000));
    let file = file_of(&base, &target);
    let mut damaged = file.clone();
    let entry = open(&file)
        .expect("it is sound")
        .window_entry(2)
        .expect("it is there");
    damaged[entry.at as usize + 77] ^= 1;
    let opened = open(&damaged).expect("its head is sound");
    let damage = Damage::of(&opened).expect("it is read");
    assert_eq!(
        (damage.windows.as_slice(), damage.segments.as_slice()),
        (&[2][..], &[][..])
    );
    let (base_disk, target_disk) = (disk(&base), disk(&target));
    let mut came = Vec::new();
    packing(
        (&base_disk, &target_disk),
        (2, IndexBudget::default()),
        |packing| {
            manifest(packing, target_disk.size())?;
            packing.each_window(&|number| damage.windows.contains(&number), |window| {
                came.push(window);
                Ok(())
            })
        },
    )
    .expect("it is packed");
    let anew = |number: u64| {
        Ok(came
            .iter()
            .find(|one| one.number == number)
            .map(|one| one.record.clone()))
    };
    let sink = MemSink::default();
    let refill = Refill {
        file: &opened,
        base: &base_disk,
        anew: &anew,
    };
    refill.write(&sink).expect("all is there");
    assert!(sink.bytes() == file);
    // Another window in its place is refused.
    let wrong = |number: u64| {
        Ok((number == 2).then(|| {
            open(&file)
                .and_then(|file| file.window_record(3))
                .expect("it is there")
                .1
        }))
    };
    let refill = Refill {
        anew: &wrong,
        ..refill
    };
    let error = refill
        .write(&MemSink::default())
        .expect_err("it is another window");
    assert_eq!(error.code(), "transport_digest");
}

#[test]
fn without_its_base_it_tells_its_extents_and_nothing_more() {
    let mut target = vec![1; 10 * BLOCK];
    let base = target.clone();
    target[3 * BLOCK..5 * BLOCK].fill(0);
    target[7 * BLOCK] = 9;
    let file =
        TransportFile::open(Arc::new(MemSource(file_of(&base, &target)))).expect("it is sound");
    let image = TransportImage::new(file, None);
    let image: &dyn imgdelta_core::Image = &image;
    let mut at = VirtOffset::ZERO;
    let mut states = Vec::new();
    while at.0 < image.metadata().size.0 {
        let extent = image.extent_at(at).expect("it tells");
        states.push((extent.len, BlockState::from(extent.state)));
        at = extent.end();
    }
    let blocks = |count: usize| Bytes::from(count * BLOCK);
    assert_eq!(
        states,
        [
            (blocks(3), BlockState::Absent),
            (blocks(2), BlockState::Zero),
            (blocks(2), BlockState::Absent),
            (blocks(1), BlockState::Data),
            (blocks(2), BlockState::Absent),
        ]
    );
    let error = image
        .read_data(VirtOffset(7 * BLOCK as u64), &mut [0; 10])
        .expect_err("no base");
    assert_eq!(error.code(), "transport_base");
}
