//! What fuzzing found is replayed, and a seeded stretch of random changes with it: each target answers every input.

#![allow(clippy::indexing_slicing, reason = "the generator stays inside")]

mod seeds;

use std::{fs, path::Path};

use imgdelta_fuzz::TARGETS;

/// Random changes of each seed.
const CHANGES: u64 = 40;

#[test]
fn all_that_fuzzing_found_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let Ok(entries) = fs::read_dir(corpus.join(name)) else {
            continue;
        };
        for entry in entries.flatten() {
            target(&fs::read(entry.path()).expect("the corpus can be read"));
        }
    }
}

#[test]
fn every_target_answers_its_seeds_and_random_changes_of_them() {
    for (name, target) in TARGETS {
        let seeds = seeds::seeds(name);
        assert!(!seeds.is_empty(), "{name} has seeds");
        for (number, seed) in (0..).zip(seeds) {
            target(&seed);
            let mut random = Random(number * 7919 + 1);
            for _ in 0..CHANGES {
                let mut changed = seed.clone();
                random.change(&mut changed);
                target(&changed);
            }
        }
    }
}

/// A small generator: the same changes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }

    /// A bit, a byte, a field of extreme value, or the length; most changes hit the first bytes, where headers are.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        const EXTREMES: [u64; 8] = [
            0,
            1,
            u64::MAX,
            u64::MAX / 2,
            1 << 32,
            0x7fff_ffff,
            0xffff_ffff,
            511,
        ];
        for _ in 0..=self.next(4) {
            if bytes.is_empty() {
                return;
            }
            let reach = if self.next(3) > 0 {
                bytes.len().min(2048)
            } else {
                bytes.len()
            };
            let at = self.next(reach);
            match self.next(5) {
                0 => bytes[at] ^= 1 << self.next(8),
                1 => bytes[at] = self.next(256) as u8,
                2 | 3 => {
                    let value = EXTREMES[self.next(EXTREMES.len())].to_be_bytes();
                    let len = [2, 4, 8][self.next(3)].min(bytes.len() - at);
                    bytes[at..at + len].copy_from_slice(&value[8 - len..]);
                }
                _ => bytes.truncate(self.next(bytes.len()) + 1),
            }
        }
    }
}
