//! What a layer's tables say of a run is asked once in a run of the engine: what was answered is what is read.

#![allow(
    clippy::indexing_slicing,
    reason = "the model knows its sizes and says what it expects"
)]

mod memory;

use std::sync::Arc;

use imgdelta_core::{Bytes, Result, WriterLayout};
use imgdelta_delta::{
    Chain, Compare, Convert, DigestCache, ExecContext, Make, RunProgress, layer_digest, prove,
};
use memory::{Cell, MemImage, chain, content, writer};

/// Sectors of the disks.
const SECTORS: u64 = 40_000;

/// A layer of short and long runs, some longer than a task, of absent, zero and data; `seed` tells them apart.
fn layer(seed: u64) -> Arc<MemImage> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut cells = Vec::new();
    while (cells.len() as u64) < SECTORS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let len = match state >> 60 {
            0 => 5000,
            1..=7 => state >> 32 & 0xff,
            _ => state >> 32 & 0x7,
        };
        let byte = (state >> 24) as u8 | 1;
        for _ in 0..=len {
            cells.push(match state >> 16 & 0x7 {
                0..=3 => Cell::Absent,
                4 => Cell::Zero,
                _ => Cell::Data([byte; 512]),
            });
        }
    }
    cells.truncate(SECTORS as usize);
    Arc::new(MemImage::new(SECTORS * 512, cells))
}

fn fresh(seeds: &[u64]) -> Vec<Arc<MemImage>> {
    seeds.iter().map(|seed| layer(*seed)).collect()
}

/// Every extent of every layer was asked for once at most, and of the top ones all were.
fn asked_once(layers: &[Arc<MemImage>], threads: usize) {
    for (number, image) in layers.iter().enumerate() {
        let starts = image.extents();
        let mut counts = vec![0_u32; starts.len()];
        for (at, count) in image.asked() {
            let extent = starts.partition_point(|start| *start <= at) - 1;
            counts[extent] += count;
        }
        let again = counts.iter().position(|count| *count > 1);
        assert_eq!(again, None, "layer {number}, {threads} threads");
        if number == 0 {
            assert!(counts.iter().all(|count| *count == 1), "the top is asked");
        }
    }
}

fn shape() -> WriterLayout {
    WriterLayout {
        size: Bytes(SECTORS * 512),
        unit: Bytes::kib(64),
        grain: Bytes(4096),
        marks_zero: true,
        wants_zeros: false,
        has_ids: true,
    }
}

fn each(mut done: impl FnMut(ExecContext<'_>) -> Result<()>) -> Result<()> {
    let progress = RunProgress::default();
    for threads in [1, 2, 8] {
        done(ExecContext::new(threads, &progress))?;
    }
    Ok(())
}

#[test]
fn convert_asks_for_every_extent_once() -> Result<()> {
    each(|work| {
        for proves in [false, true] {
            let layers = fresh(&[1, 2, 3]);
            let (out, written) = writer(shape());
            let convert = Convert {
                disk: &chain(&layers),
                proves,
                memory: &DigestCache::none(),
                work,
            };
            convert.run(out)?;
            let image = written.lock().expect("not poisoned").take().expect("done");
            assert!(content(&[Arc::new(image)]) == content(&layers));
            asked_once(&layers, work.threads);
        }
        Ok(())
    })
}

#[test]
fn make_asks_for_every_extent_once_those_of_shared_layers_too() -> Result<()> {
    each(|work| {
        for proves in [false, true] {
            let (shared, tops) = (fresh(&[1, 2]), fresh(&[3, 4]));
            let over = |top: &Arc<MemImage>| [&[Arc::clone(top)], shared.as_slice()].concat();
            let (base, target) = (over(&tops[0]), over(&tops[1]));
            let (out, written) = writer(shape());
            let make = Make {
                base: &chain(&base),
                target: &chain(&target),
                proves,
                memory: &DigestCache::none(),
                work,
            };
            make.run(out)?;
            let child = written.lock().expect("not poisoned").take().expect("done");
            let child = [&[Arc::new(child)], base.as_slice()].concat();
            assert!(content(&child) == content(&target));
            if proves {
                asked_once(&base, work.threads);
                asked_once(&target[..1], work.threads);
            }
        }
        Ok(())
    })
}

#[test]
fn digest_compare_and_layer_digest_ask_for_every_extent_once() -> Result<()> {
    each(|work| {
        let layers = fresh(&[1, 2, 3]);
        prove(&chain(&layers), &DigestCache::none(), work)?;
        asked_once(&layers, work.threads);

        let (one, other) = (fresh(&[1, 2]), fresh(&[3, 4]));
        let chains: (Chain, Chain) = (chain(&one), chain(&other));
        let compare = Compare {
            one: &chains.0,
            other: &chains.1,
            stops_early: false,
            ignores_size: false,
            work,
        };
        compare.run(&mut |_, _| Ok(()))?;
        asked_once(&one, work.threads);
        asked_once(&other, work.threads);

        let alone = layer(5);
        layer_digest(&*alone, work)?;
        asked_once(&[alone], work.threads);
        Ok(())
    })
}
