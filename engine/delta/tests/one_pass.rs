//! What is known of disks spares reading them and changes nothing: children made from leaves, images proven together with their base.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the model says what it expects and knows its sizes"
)]

mod memory;

use std::{path::Path, sync::Arc};

use imgdelta_core::{Bytes, Format, Kind, Result, WriterLayout};
use imgdelta_delta::{
    Apply, Chain, DigestCache, ExecContext, Made, Make, Manifest, RunProgress, WINDOW,
    digest::prove_keeping,
    digest_cache::{LeafReader, LeafWriter},
    manifest::ImageName,
};
use memory::{Cell, MemImage, chain, content, writer};
use proptest::prelude::*;
use tempfile::TempDir;

const CELLS: usize = (WINDOW.0 / 512) as usize;

fn work(progress: &RunProgress, threads: usize) -> ExecContext<'_> {
    ExecContext::new(threads, progress)
}

fn shape(size: u64) -> WriterLayout {
    WriterLayout {
        size: Bytes(size.next_multiple_of(512)),
        unit: Bytes::kib(64),
        grain: Bytes::kib(4),
        marks_zero: true,
        wants_zeros: false,
        has_ids: true,
    }
}

/// A whole disk of windows: each of one of few contents, so that many are equal, some zero.
fn disk(size: u64, windows: &[u8]) -> MemImage {
    let cells = size.div_ceil(512) as usize;
    let cell = |number: usize| match windows[(number / CELLS) % windows.len()] {
        0 => Cell::Zero,
        seed => Cell::Data([seed.wrapping_mul((number % 251) as u8 | 1); 512]),
    };
    MemImage::new(size, (0..cells).map(cell).collect())
}

/// Base and target: some windows the same, their sizes the same or not.
fn pairs() -> impl Strategy<Value = (MemImage, MemImage)> {
    let sizes = prop_oneof![(1..30_u64).prop_map(|n| n * WINDOW.0), 1..2_000_000_u64,];
    let windows = prop::collection::vec(0..4_u8, 1..40);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 4..9_u8), 0..6);
    (sizes.clone(), sizes, any::<bool>(), windows, edits).prop_map(
        |(one, two, is_same, windows, edits)| {
            let two = if is_same { one } else { two };
            let mut others = windows.clone();
            for (at, seed) in edits {
                let at = at.index(others.len());
                others[at] = seed;
            }
            (disk(one, &windows), disk(two, &others))
        },
    )
}

/// The leaves of a disk.
fn leaves(disk: &Chain, place: &Path) -> Result<LeafReader> {
    let progress = RunProgress::default();
    let (_, draft) = prove_keeping(disk, LeafWriter::create(place)?, work(&progress, 1))?;
    draft.commit()?;
    LeafReader::open(place)
}

/// One layer in memory as a disk.
fn alone(image: &Arc<MemImage>) -> Chain {
    chain(std::slice::from_ref(image))
}

fn make<'a>(
    base: &'a Chain,
    target: &'a Chain,
    progress: &'a RunProgress,
    threads: usize,
) -> Make<'a> {
    static NONE: DigestCache = DigestCache::none();
    Make {
        base,
        target,
        proves: true,
        memory: &NONE,
        work: work(progress, threads),
    }
}

/// A child, what was found while it was made, and what is promised of it.
fn child_of(
    base: &Chain,
    target: &Chain,
    progress: &RunProgress,
    threads: usize,
) -> Result<(Arc<MemImage>, Made, Manifest)> {
    let (out, child) = writer(shape(target.size().0));
    let made = make(base, target, progress, threads).run(out)?;
    let child = child.lock().expect("not poisoned").take();
    let child = Arc::new(child.expect("finished"));
    let promised = promise(&made, child.cells().len() as u64 * 512);
    Ok((child, made, promised))
}

/// The image with every window in which it is the same as the other spoiled.
fn spoiled(image: &MemImage, other: &MemImage) -> Arc<MemImage> {
    let (one, two) = (image.cells(), other.cells());
    let mut cells = one.to_vec();
    for (number, window) in cells.chunks_mut(CELLS).enumerate() {
        let range = number * CELLS..number * CELLS + window.len();
        // A window that one of them ends in is hashed to another length in the other.
        let shorter = content_len(image).min(content_len(other));
        let is_alike = content_len(image) == content_len(other)
            || (window.len() == CELLS && (range.end * 512) as u64 <= shorter);
        if is_alike && two.get(range.clone()) == Some(&one[range]) {
            window.fill(Cell::Data([0xee; 512]));
        }
    }
    Arc::new(MemImage::new(content_len(image), cells))
}

/// Anything else than it was.
fn spoilt(cell: &Cell) -> Cell {
    match cell {
        Cell::Data([0xdd, ..]) => Cell::Data([0xcc; 512]),
        _ => Cell::Data([0xdd; 512]),
    }
}

fn content_len(image: &MemImage) -> u64 {
    imgdelta_core::Image::metadata(image).size.0
}

/// What a child's maker promises.
fn promise(made: &Made, size: u64) -> Manifest {
    let of = |name: &str| ImageName {
        name: name.to_owned(),
        format: Format::Raw,
        identity: None,
    };
    let size = Bytes(size);
    Manifest::describe(made, &of("base"), &of("target"), &of("child"), size).expect("with proofs")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn where_the_leaves_of_both_are_the_same_nothing_is_read((base, target) in pairs(), threads in 1..4_usize) {
        let place = TempDir::new()?;
        let (hollow_base, hollow_target) = (alone(&spoiled(&base, &target)), alone(&spoiled(&target, &base)));
        let (base, target) = (alone(&Arc::new(base)), alone(&Arc::new(target)));
        let progress = RunProgress::default();
        let shape = shape(target.size().0);
        let (out, plain) = writer(shape);
        let expected = make(&base, &target, &progress, threads).run(out)?;
        let base_leaves = leaves(&base, &place.path().join("base"))?;
        let target_leaves = leaves(&target, &place.path().join("target"))?;
        let (out, child) = writer(shape);
        let made = make(&hollow_base, &hollow_target, &progress, threads).run_knowing(out, base_leaves, target_leaves)?;
        let (plain, child) = (plain.lock().expect("not poisoned").take(), child.lock().expect("not poisoned").take());
        let (plain, child) = (plain.expect("finished"), child.expect("finished"));
        prop_assert_eq!(plain.cells(), child.cells());
        prop_assert_eq!((&made.base, &made.target, made.layer, made.units), (&expected.base, &expected.target, expected.layer, expected.units));
        prop_assert!(made.remembered);
    }

    #[test]
    fn what_is_read_must_be_what_its_leaves_say((base, target) in pairs(), at in any::<prop::sample::Index>(), of_base in any::<bool>()) {
        let place = TempDir::new()?;
        let (mut one, mut two) = (base.cells().to_vec(), target.cells().to_vec());
        let (base_size, target_size) = (content_len(&base), content_len(&target));
        let sides = (alone(&Arc::new(base)), alone(&Arc::new(target)));
        let base_leaves = leaves(&sides.0, &place.path().join("base"))?;
        let target_leaves = leaves(&sides.1, &place.path().join("target"))?;
        let differing: Vec<usize> = (0..one.len().min(two.len()) / CELLS)
            .filter(|window| one[window * CELLS..][..CELLS] != two[window * CELLS..][..CELLS])
            .collect();
        prop_assume!(!differing.is_empty());
        let cell = differing[at.index(differing.len())] * CELLS + at.index(CELLS);
        if of_base { one[cell] = spoilt(&one[cell]) } else { two[cell] = spoilt(&two[cell]) }
        let (base, target) = (alone(&Arc::new(MemImage::new(base_size, one))), alone(&Arc::new(MemImage::new(target_size, two))));
        let (progress, (out, child)) = (RunProgress::default(), writer(shape(target_size)));
        let error = make(&base, &target, &progress, 2).run_knowing(out, base_leaves, target_leaves).expect_err("it was changed");
        let code = if of_base { "base_changed" } else { "target_changed" };
        prop_assert_eq!((error.kind(), error.code()), (Kind::Digest, code));
        prop_assert!(child.lock().expect("not poisoned").is_none());
    }

    #[test]
    fn base_and_result_are_proven_in_one_pass((base, target) in pairs(), threads in 1..4_usize, spoil in prop::option::of(any::<prop::sample::Index>())) {
        let place = TempDir::new()?;
        let (base, target) = (Arc::new(base), Arc::new(target));
        let progress = RunProgress::default();
        let (below, wanted) = (alone(&base), alone(&target));
        let (child, made, promised) = child_of(&below, &wanted, &progress, threads)?;

        let mut cells = base.cells().to_vec();
        if let Some(at) = &spoil {
            let at = at.index(cells.len());
            cells[at] = spoilt(&cells[at]);
        }
        let given = Arc::new(MemImage::new(content_len(&base), cells));
        let (given, disk) = (alone(&given), chain(&[child, Arc::clone(&given)]));
        let memory = DigestCache::none();
        let apply = Apply { base: &given, disk: &disk, manifest: Some(&promised), memory: &memory, work: work(&progress, threads) };
        let (out, result) = writer(shape(wanted.size().0));
        let applied = apply.run_keeping(out, LeafWriter::create(&place.path().join("leaves"))?);
        if spoil.is_some() {
            let error = applied.map(|_| ()).expect_err("the base is another disk");
            prop_assert_eq!((error.kind(), error.code()), (Kind::Chain, "base_mismatch"));
            let details = error.details().join("\n");
            prop_assert!(details.contains("first difference in"), "{}", details);
        } else {
            let (copied, leaves) = applied?;
            prop_assert_eq!(&copied.proof, &made.target);
            prop_assert_eq!(LeafReader::open(leaves.written_at())?.id(), made.target.expect("asked for").id);
            let result = result.lock().expect("not poisoned").take().expect("finished");
            let mut all = content(&[Arc::new(result)]);
            all.truncate(content_len(&target) as usize);
            prop_assert!(all == content(&[target]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn onto_a_clone_of_the_base_only_what_changed_is_written((base, target) in pairs(), threads in 1..4_usize) {
        let place = TempDir::new()?;
        let (base, target) = (Arc::new(base), Arc::new(target));
        let progress = RunProgress::default();
        let (below, wanted) = (alone(&base), alone(&target));
        let (child, made, promised) = child_of(&below, &wanted, &progress, threads)?;
        let (disk, memory) = (chain(&[Arc::clone(&child), Arc::clone(&base)]), DigestCache::none());
        let apply = Apply { base: &below, disk: &disk, manifest: Some(&promised), memory: &memory, work: work(&progress, threads) };
        // As a file is that began as a clone: what is not written keeps old bytes.
        let stale = WriterLayout { grain: WINDOW, marks_zero: false, wants_zeros: true, ..shape(wanted.size().0) };
        let (out, result) = writer(stale);
        let (copied, _) = apply.run_onto_base_keeping(out, LeafWriter::create(&place.path().join("leaves"))?)?;
        prop_assert_eq!(&copied.proof, &made.target);
        let result = Arc::new(result.lock().expect("not poisoned").take().expect("finished"));
        for (number, window) in result.cells().chunks(CELLS).enumerate() {
            let is_kept = child.cells().chunks(CELLS).nth(number).is_none_or(|own| own.iter().all(|cell| *cell == Cell::Absent));
            let is_silent = window.iter().all(|cell| *cell == Cell::Absent);
            prop_assert_eq!(is_silent, is_kept, "window {}", number);
        }
        let mut all = content(&[result, base]);
        all.truncate(content_len(&target) as usize);
        prop_assert!(all == content(&[target]));
    }
}

#[test]
fn leaves_of_another_size_are_refused() -> Result<()> {
    let place = TempDir::new().expect("a place");
    let base = alone(&Arc::new(disk(WINDOW.0 * 3, &[1, 2, 3])));
    let other = alone(&Arc::new(disk(WINDOW.0 * 2, &[1, 2, 3])));
    let one = leaves(&base, &place.path().join("one"))?;
    let two = leaves(&other, &place.path().join("two"))?;
    let progress = RunProgress::default();
    let (out, _) = writer(shape(base.size().0));
    let made = make(&base, &base, &progress, 1).run_knowing(out, one, two);
    let error = made.map(|_| ()).expect_err("of another size");
    assert_eq!((error.kind(), error.code()), (Kind::Usage, "leaves_size"));
    Ok(())
}
