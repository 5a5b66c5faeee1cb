//! Random chains against a byte-by-byte model: whatever the layers, sizes, grains and threads are, target = base + child.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the model says what it expects and knows its sizes"
)]

mod memory;

use std::sync::Arc;

use imgdelta_core::{BlockState, Bytes, ReadsAs, VirtOffset, WriterLayout};
use imgdelta_delta::{
    Compare, Convert, DigestCache, ExecContext, Make, RunProgress, layer_digest, plain_sha256,
    prove,
    tree::{ContentId, Digest, WINDOW},
};
use memory::{Cell, MemImage, chain, content, writer, writer_of_runs, writer_that_reads_as};
use proptest::prelude::*;

fn work(progress: &RunProgress, threads: usize) -> ExecContext<'_> {
    ExecContext::new(threads, progress)
}

/// A layer of a disk of `size` bytes: runs of absent, zero and data, some of it the same in every layer.
fn layer(size: u64, absent: bool) -> impl Strategy<Value = Arc<MemImage>> {
    let cells = size.div_ceil(512) as usize;
    prop::collection::vec(
        (0..8_u8, prop_oneof![1..200_usize, 100..900_usize], 0..4_u8),
        1..40,
    )
    .prop_map(move |runs| {
        let mut all = Vec::with_capacity(cells);
        for (kind, len, seed) in runs.iter().cycle() {
            for _ in 0..*len {
                let number = all.len() as u8;
                all.push(match kind {
                    0..=3 if absent => Cell::Absent,
                    4 => Cell::Zero,
                    5 => Cell::Data([0; 512]),
                    _ => Cell::Data([seed.wrapping_mul(number | 1); 512]),
                });
            }
            if all.len() >= cells {
                break;
            }
        }
        all.truncate(cells);
        Arc::new(MemImage::new(size, all))
    })
}

fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(512),
        Just(65536),
        Just(1 << 20),
        1..3_000_000_u64,
        (1..40_u64).prop_map(|n| n * 65536)
    ]
}

/// Layers of base and target, top first. The lower ones may be shared.
fn disks() -> impl Strategy<Value = (Vec<Arc<MemImage>>, Vec<Arc<MemImage>>)> {
    (sizes(), sizes(), sizes(), any::<bool>()).prop_flat_map(|(one, two, shared, same_size)| {
        let two = if same_size { one } else { two };
        let tops = (
            prop::collection::vec(layer(one, true), 1..3),
            prop::collection::vec(layer(two, true), 1..3),
        );
        (tops, prop::collection::vec(layer(shared, true), 0..3)).prop_map(
            |((mut base, mut target), shared)| {
                base.extend(shared.iter().cloned());
                target.extend(shared);
                (base, target)
            },
        )
    })
}

fn shapes() -> impl Strategy<Value = (u64, u64, bool)> {
    (9..21_u32, 9..21_u32, any::<bool>())
        .prop_map(|(one, two, marks_zero)| (1 << one.max(two), 1 << one.min(two), marks_zero))
}

/// The id by its definition.
fn id_of(bytes: &[u8]) -> ContentId {
    fn root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::plain(&[]),
            [one] => *one,
            many => {
                let split = 1 << (many.len() - 1).ilog2();
                Digest::node(&root(&many[..split]), &root(&many[split..]))
            }
        }
    }
    let leaves: Vec<Digest> = bytes.chunks(WINDOW.0 as usize).map(Digest::leaf).collect();
    ContentId::new(Bytes(bytes.len() as u64), &root(&leaves))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_child_over_its_base_is_the_target((base, target) in disks(), (unit, grain, marks_zero) in shapes()) {
        let (base_disk, target_disk) = (chain(&base), chain(&target));
        let size = Bytes(target_disk.size().0.next_multiple_of(512));
        let shape = WriterLayout { size, unit: Bytes(unit), grain: Bytes(grain), marks_zero, wants_zeros: false, has_ids: true };
        let (memory, progress) = (DigestCache::none(), RunProgress::default());
        let mut children = Vec::new();
        for (threads, proves) in [(1, true), (4, true), (2, false)] {
            let (out, child) = writer(shape);
            let make = Make { base: &base_disk, target: &target_disk, proves, memory: &memory, work: work(&progress, threads) };
            let made = make.run(out)?;
            let child = Arc::new(child.lock().expect("not poisoned").take().expect("it was finished"));
            children.push((made, child));
        }
        let (made, child) = &children[0];
        prop_assert_eq!(child.cells(), children[1].1.cells(), "threads do not show");
        prop_assert_eq!(child.cells(), children[2].1.cells(), "proofs do not show");

        let mut layers = vec![Arc::clone(child)];
        layers.extend(base.iter().cloned());
        let (expected, base_bytes) = (content(&target), content(&base));
        let mut all = content(&layers);
        prop_assert!(all[expected.len()..].iter().all(|byte| *byte == 0), "what is rounded up is zero");
        all.truncate(expected.len());
        prop_assert!(all == expected, "target = base + child");

        prop_assert_eq!(made.base.as_ref().expect("asked for").id, id_of(&base_bytes));
        prop_assert_eq!(made.target.as_ref().expect("asked for").id, id_of(&expected));
        let layer = layer_digest(&**child, work(&progress, 3))?;
        prop_assert_eq!(made.layer.expect("asked for"), layer);
        minimal(child, &base_bytes, &expected, grain as usize)?;
    }

    #[test]
    fn zeros_are_marked_in_whole_runs_or_come_as_data((base, target) in disks(), (unit, grain, _) in shapes(), less in 0..4_u32) {
        let (base_disk, target_disk) = (chain(&base), chain(&target));
        let size = Bytes(target_disk.size().0.next_multiple_of(512));
        let shape = WriterLayout { size, unit: Bytes(unit), grain: Bytes(grain), marks_zero: true, wants_zeros: false, has_ids: true };
        let run = grain.max(unit >> less);
        let (memory, progress) = (DigestCache::none(), RunProgress::default());
        let mut children = Vec::new();
        for (threads, proves) in [(1, true), (4, false)] {
            let (out, child) = writer_of_runs(shape, Bytes(run));
            let make = Make { base: &base_disk, target: &target_disk, proves, memory: &memory, work: work(&progress, threads) };
            let made = make.run(out)?;
            let child = Arc::new(child.lock().expect("not poisoned").take().expect("it was finished"));
            children.push((made, child));
        }
        let (made, child) = &children[0];
        prop_assert_eq!(child.cells(), children[1].1.cells(), "neither threads nor proofs show");
        let mut layers = vec![Arc::clone(child)];
        layers.extend(base.iter().cloned());
        let (mut expected, mut below) = (content(&target), content(&base));
        let mut all = content(&layers);
        all.truncate(expected.len());
        prop_assert!(all == expected, "target = base + child");
        let layer = layer_digest(&**child, work(&progress, 3))?;
        prop_assert_eq!(made.layer.expect("asked for"), layer);
        expected.resize(size.0 as usize, 0);
        below.resize(size.0 as usize, 0);
        for (number, cells) in child.cells().chunks(run as usize / 512).enumerate() {
            let range = number * run as usize..number * run as usize + cells.len() * 512;
            let is_zero = expected[range.clone()].iter().all(|byte| *byte == 0);
            let says_zero = cells.iter().filter(|cell| state(cell) == BlockState::Zero).count();
            let differs = below[range.clone()] != expected[range];
            prop_assert_eq!(says_zero, if is_zero && differs { cells.len() } else { 0 }, "run {}", number);
        }
    }

    #[test]
    fn the_layer_digest_is_of_what_the_writer_keeps((base, target) in disks(), (unit, grain, marks_zero) in shapes(), own in any::<bool>()) {
        let (base_disk, target_disk) = (chain(&base), chain(&target));
        let size = Bytes(target_disk.size().0.next_multiple_of(512));
        let shape = WriterLayout { size, unit: Bytes(unit), grain: Bytes(grain), marks_zero, wants_zeros: false, has_ids: true };
        let (memory, progress) = (DigestCache::none(), RunProgress::default());
        let (out, child) = writer_that_reads_as(shape, if own { ReadsAs::OwnAsData } else { ReadsAs::Data });
        let make = Make { base: &base_disk, target: &target_disk, proves: true, memory: &memory, work: work(&progress, 3) };
        let made = make.run(out)?;
        let child = child.lock().expect("not poisoned").take().expect("it was finished");
        let layer = layer_digest(&child, work(&progress, 3))?;
        prop_assert_eq!(made.layer.expect("asked for"), layer);
        let mut layers = vec![Arc::new(child)];
        layers.extend(base.iter().cloned());
        let (expected, mut all) = (content(&target), content(&layers));
        all.truncate(expected.len());
        prop_assert!(all == expected, "target = base + child");
    }

    #[test]
    fn a_copy_is_the_disk((layers, _) in disks(), (unit, _, _) in shapes()) {
        let disk = chain(&layers);
        let expected = content(&layers);
        let size = Bytes(disk.size().0.next_multiple_of(512));
        let shape = WriterLayout { size, unit: Bytes(unit), grain: Bytes(unit), marks_zero: false, wants_zeros: false, has_ids: true };
        let (memory, progress) = (DigestCache::none(), RunProgress::default());
        let mut copies = Vec::new();
        for threads in [1, 4] {
            let (out, copy) = writer(shape);
            let copied = Convert { disk: &disk, proves: true, memory: &memory, work: work(&progress, threads) }.run(out)?;
            prop_assert_eq!(copied.proof.expect("asked for").id, id_of(&expected));
            copies.push(copy.lock().expect("not poisoned").take().expect("it was finished"));
        }
        prop_assert_eq!(copies[0].cells(), copies[1].cells());
        let mut bytes = content(&[Arc::new(copies.remove(0))]);
        bytes.truncate(expected.len());
        prop_assert!(bytes == expected);
        prop_assert_eq!(prove(&disk, &memory, work(&progress, 3))?.id, id_of(&expected));
        prop_assert_eq!(plain_sha256(&disk, work(&progress, 1))?, Digest::plain(&expected));
    }

    #[test]
    fn compare_says_what_the_bytes_say((one, other) in disks()) {
        let (mut one_bytes, mut other_bytes) = (content(&one), content(&other));
        let (one_disk, other_disk) = (chain(&one), chain(&other));
        let len = one_bytes.len().max(other_bytes.len());
        let sizes_differ = one_bytes.len() != other_bytes.len();
        one_bytes.resize(len, 0);
        other_bytes.resize(len, 0);
        let progress = RunProgress::default();
        for threads in [1, 4] {
            let mut listed = Vec::new();
            let compare = Compare {
                one: &one_disk, other: &other_disk, stops_early: false, ignores_size: true, work: work(&progress, threads),
            };
            let found = compare.run(&mut |at: VirtOffset, run: Bytes| { listed.push((at, run)); Ok(()) })?;
            let first = one_bytes.iter().zip(&other_bytes).position(|(one, two)| one != two);
            prop_assert_eq!(found.first.map(|at| at.0 as usize), first);
            let differing: Vec<usize> = (0..len.div_ceil(512))
                .filter(|n| one_bytes[n * 512..len.min((n + 1) * 512)] != other_bytes[n * 512..len.min((n + 1) * 512)])
                .collect();
            let from_list: Vec<usize> = listed.iter()
                .flat_map(|(at, run)| at.0 as usize / 512..(at.0 + run.0).div_ceil(512) as usize).collect();
            prop_assert_eq!(from_list, differing);
            prop_assert!(listed.windows(2).all(|pair| pair[0].0.0 + pair[0].1.0 < pair[1].0.0), "runs are as long as they can be");
        }
        let strict = Compare { one: &one_disk, other: &other_disk, stops_early: true, ignores_size: false, work: work(&progress, 2) };
        let found = strict.run(&mut |_, _| Ok(()))?;
        prop_assert_eq!(found.is_none(), one_bytes == other_bytes && !sizes_differ);
    }
}

/// The child says something of a grain exactly when base and target differ there.
fn minimal(
    child: &MemImage,
    base: &[u8],
    target: &[u8],
    grain: usize,
) -> Result<(), TestCaseError> {
    for (number, cells) in child.cells().chunks(grain / 512).enumerate() {
        let range = number * grain..(number + 1) * grain;
        let part = |bytes: &[u8]| {
            let mut part = bytes
                .get(range.start.min(bytes.len())..range.end.min(bytes.len()))
                .unwrap_or_default()
                .to_vec();
            part.resize(cells.len() * 512, 0);
            part
        };
        let says = cells.iter().any(|cell| state(cell) != BlockState::Absent);
        prop_assert_eq!(says, part(base) != part(target), "grain {}", number);
    }
    Ok(())
}

fn state(cell: &Cell) -> BlockState {
    match cell {
        Cell::Absent => BlockState::Absent,
        Cell::Zero => BlockState::Zero,
        Cell::Data(_) => BlockState::Data,
    }
}
