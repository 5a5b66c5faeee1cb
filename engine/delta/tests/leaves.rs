//! Files of leaf digests against a byte-by-byte model: written in one pass, held against a disk, believed below a child.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the model says what it expects and knows its sizes"
)]

mod leaf_files;
mod memory;

use std::{fs, path::Path, sync::Arc};

use imgdelta_core::{Bytes, Result};
use imgdelta_delta::{
    Chain, ContentId, Digest, ExecContext, RunProgress, WINDOW,
    digest::{prove_keeping, prove_over, verify},
    digest_cache::{LeafReader, LeafRun, LeafWriter},
    tree::RepeatedSubtrees,
};
use memory::{Cell, MemImage, chain, content};
use proptest::prelude::*;
use tempfile::TempDir;

fn work(progress: &RunProgress, threads: usize) -> ExecContext<'_> {
    ExecContext::new(threads, progress)
}

/// The leaves of bytes by their definition.
fn leaves_of(bytes: &[u8]) -> Vec<Digest> {
    bytes.chunks(WINDOW.0 as usize).map(Digest::leaf).collect()
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
    ContentId::new(Bytes(bytes.len() as u64), &root(&leaves_of(bytes)))
}

fn read_all(place: &Path, most: u64) -> Result<Vec<Digest>> {
    let mut leaves = LeafReader::open(place)?;
    let mut all = Vec::new();
    while let Some(run) = leaves.next_run(most)? {
        match run {
            LeafRun::Zero(count) => {
                all.extend((0..count).map(|_| RepeatedSubtrees::zero().leaf()));
            }
            LeafRun::Leaves(leaves) => all.extend(leaves),
        }
    }
    Ok(all)
}

/// Keeps the leaves of a disk in a file.
fn keep(disk: &Chain, place: &Path, threads: usize) -> Result<ContentId> {
    let progress = RunProgress::default();
    let leaves = LeafWriter::create(place)?;
    let (proof, draft) = prove_keeping(disk, leaves, work(&progress, threads))?;
    draft.commit()?;
    Ok(proof.id)
}

fn layer(size: u64) -> impl Strategy<Value = Arc<MemImage>> {
    let cells = size.div_ceil(512) as usize;
    prop::collection::vec((0..8_u8, 1..900_usize, 0..4_u8), 1..40).prop_map(move |runs| {
        let mut all = Vec::with_capacity(cells);
        for (kind, len, seed) in runs.iter().cycle() {
            for _ in 0..*len {
                let number = all.len() as u8;
                all.push(match kind {
                    0..=4 => Cell::Absent,
                    5 => Cell::Zero,
                    6 => Cell::Data([0; 512]),
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

/// Layers above, and layers below; their sizes are the same or not.
fn disks() -> impl Strategy<Value = (Vec<Arc<MemImage>>, Vec<Arc<MemImage>>)> {
    let size = prop_oneof![
        Just(512),
        Just(65536),
        1..4_000_000_u64,
        (1..60_u64).prop_map(|n| n * 65536),
        (1..60_u64).prop_map(|n| n * 65536 + 512),
    ];
    (size.clone(), size, any::<bool>()).prop_flat_map(|(above, below, same)| {
        let below = if same { above } else { below };
        (
            prop::collection::vec(layer(above), 1..3),
            prop::collection::vec(layer(below), 1..3),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_leaves_that_are_kept_are_those_of_the_disk((above, below) in disks(), most in 1..5000_u64) {
        let folder = TempDir::new().expect("a place");
        let place = folder.path().join("kept.leaves");
        let layers = [above, below].concat();
        let bytes = content(&layers);
        prop_assert_eq!(keep(&chain(&layers), &place, 3).expect("it reads"), id_of(&bytes));
        prop_assert_eq!(read_all(&place, most).expect("it reads"), leaves_of(&bytes));
        // Repositories hold files of version 1.
        let file = fs::read(&place).expect("it is there");
        fs::write(&place, leaf_files::as_version_1(&file)).expect("room");
        prop_assert_eq!(read_all(&place, most).expect("it reads"), leaves_of(&bytes));
    }

    #[test]
    fn a_child_proven_over_its_bases_leaves_has_its_own_id_and_leaves((above, below) in disks(), threads in 1..4_usize) {
        let folder = TempDir::new().expect("a place");
        let at = |name: &str| folder.path().join(name);
        // Both chains are of the same layers: that is how it is known what they share.
        let whole = chain(&[above.clone(), below.clone()].concat());
        let base = Chain::new(whole.layers()[above.len()..].to_vec()).expect("a layer");
        keep(&base, &at("base"), 1).expect("it reads");
        let progress = RunProgress::default();
        let known = LeafReader::open(&at("base")).expect("it is there");
        let kept = LeafWriter::create(&at("child")).expect("room");
        let (proof, draft) = prove_over(&whole, &base, known, Some(kept), work(&progress, threads)).expect("it is proven");
        draft.expect("it is kept").commit().expect("room");
        let bytes = content(&[above, below].concat());
        prop_assert_eq!(proof.id, id_of(&bytes));
        prop_assert_eq!(read_all(&at("child"), 7).expect("it reads"), leaves_of(&bytes));
    }

    #[test]
    fn windows_that_differ_from_their_leaves_are_named((above, below) in disks(), other in layer(4_000_000), threads in 1..4_usize) {
        let folder = TempDir::new().expect("a place");
        let place = folder.path().join("kept.leaves");
        let before = [above.clone(), below.clone()].concat();
        keep(&chain(&before), &place, 1).expect("it reads");
        // Another disk of the same size.
        let size = chain(&before).size();
        let top = Arc::new(MemImage::new(size.0, (0..size.0.div_ceil(512) as usize).map(|n| other.cell(n)).collect()));
        let after = [vec![top], before.clone()].concat();
        let progress = RunProgress::default();
        let leaves = LeafReader::open(&place).expect("it is there");
        let (proof, verdict) = verify(&chain(&after), leaves, work(&progress, threads)).expect("it reads");
        let (before, after) = (content(&before), content(&after));
        prop_assert_eq!(proof.id, id_of(&after));
        let (was, is) = (leaves_of(&before), leaves_of(&after));
        let differing: Vec<u64> = (0..was.len()).filter(|n| was[*n] != is[*n]).map(|n| n as u64).collect();
        prop_assert_eq!(verdict.count, differing.len() as u64);
        let named: Vec<u64> = verdict.differing.into_iter().flatten().collect();
        prop_assert_eq!(named, differing);
    }

    #[test]
    fn a_file_of_anything_is_read_or_refused(has_crcs in any::<bool>(), mut bytes in prop::collection::vec(any::<u8>(), 0..4000), size in any::<u64>(), runs in prop::collection::vec((0..4_u8, 0..6000_u64), 0..6)) {
        let folder = TempDir::new().expect("a place");
        let place = folder.path().join("hostile.leaves");
        let sealed = |part: Vec<u8>| {
            let crc = if has_crcs { crc_32(&part).to_le_bytes().to_vec() } else { Vec::new() };
            [part, crc].concat()
        };
        let magic = if has_crcs { b"imgdelta leaves2" } else { b"imgdelta leaves1" };
        let mut whole = sealed([magic.as_slice(), &size.to_le_bytes()].concat());
        for (tag, count) in runs {
            whole.extend(sealed([&[tag], count.to_le_bytes().as_slice()].concat()));
        }
        whole.append(&mut bytes);
        whole.extend(sealed([&[2], [7; 32].as_slice()].concat()));
        fs::write(&place, &whole).expect("room");
        let mut leaves = LeafReader::open(&place).expect("it has a head and an end");
        for _ in 0..100 {
            match leaves.next_run(5000) {
                Ok(Some(LeafRun::Leaves(run))) => prop_assert!(run.len() <= 4096),
                Ok(Some(LeafRun::Zero(count))) => prop_assert!(count > 0 && count <= 5000),
                Ok(None) => break,
                Err(error) => {
                    prop_assert_eq!(error.code(), "leaves");
                    break;
                }
            }
        }
    }
}

#[test]
fn damage_is_found_at_its_run_and_what_stands_before_it_is_read() -> Result<()> {
    let folder = TempDir::new().expect("a place");
    let place = folder.path().join("kept.leaves");
    let mut cells = vec![Cell::Absent; 10 * 128];
    (cells[0], cells[5 * 128]) = (Cell::Data([5; 512]), Cell::Data([6; 512]));
    let disk = chain(&[Arc::new(MemImage::new(10 << 16, cells))]);
    keep(&disk, &place, 1)?;
    let file = fs::read(&place).expect("it is there");
    let runs = leaf_files::runs(&file);
    assert_eq!(runs.len(), 5, "data, zero, data, zero, the end");
    let check = crc_32(&file[..24]);
    assert_eq!(file[24..28], check.to_le_bytes());
    for (number, run) in runs[..4].iter().enumerate() {
        for at in [run.start, run.start + 1, run.end - 1, run.end, run.end + 3] {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            fs::write(&place, &damaged).expect("room");
            let mut leaves = LeafReader::open(&place)?;
            for _ in 0..number {
                assert!(leaves.next_run(u64::MAX)?.is_some());
            }
            let error = leaves.next_run(u64::MAX).expect_err("it is damaged");
            assert_eq!(error.code(), "leaves", "byte {at}");
            assert!(
                error.to_string().contains(&format!("offset {}", run.start)),
                "{error}"
            );
        }
    }
    let ends = (0..28).chain(runs[4].start..file.len());
    for at in ends {
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        fs::write(&place, &damaged).expect("room");
        let error = LeafReader::open(&place).expect_err("head or end is damaged");
        assert_eq!(error.code(), "leaves", "byte {at}");
    }
    Ok(())
}

/// The CRC-32 of ISO 3309, bit by bit, by its definition.
fn crc_32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}

#[test]
fn a_disk_of_a_tebibyte_keeps_leaves_as_small_as_its_data() -> Result<()> {
    let folder = TempDir::new().expect("a place");
    let place = folder.path().join("kept.leaves");
    let small = Arc::new(MemImage::new(512, vec![Cell::Data([9; 512])]));
    let disk = chain(&[small]).resized(Bytes::gib(1024));
    keep(&disk, &place, 2)?;
    assert!(fs::metadata(&place).expect("it is there").len() < 200);
    Ok(())
}

#[test]
fn leaves_that_do_not_make_their_id_are_found_out() -> Result<()> {
    let folder = TempDir::new().expect("a place");
    let place = folder.path().join("base.leaves");
    let below = Arc::new(MemImage::new(1 << 20, vec![Cell::Data([5; 512]); 2048]));
    let above = Arc::new(MemImage::new(1 << 20, vec![Cell::Absent; 2048]));
    let whole = chain(&[above, below]);
    let base = Chain::new(whole.layers()[1..].to_vec())?;
    keep(&base, &place, 1)?;
    // Of version 1, in which no checksum tells of it.
    let mut bytes = leaf_files::as_version_1(&fs::read(&place).expect("it is there"));
    bytes[40] ^= 1;
    fs::write(&place, &bytes).expect("room");
    let progress = RunProgress::default();
    let kept = LeafWriter::create(&folder.path().join("child.leaves"))?;
    let known = LeafReader::open(&place)?;
    let error =
        prove_over(&whole, &base, known, Some(kept), work(&progress, 2)).expect_err("damaged");
    assert_eq!(error.code(), "leaves");
    for cut in [0, 10, 24, 40, bytes.len() - 1] {
        fs::write(&place, &bytes[..cut]).expect("room");
        let error = LeafReader::open(&place).expect_err("it has no end");
        assert_eq!(error.code(), "leaves", "{cut}");
    }
    Ok(())
}
