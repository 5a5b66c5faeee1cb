//! Blocks that stood earlier in the target and are stored already: as many as a bounded list remembers.

use std::collections::HashMap;

/// Most blocks that are remembered: about 12 MiB.
const MOST: usize = 1 << 18;

/// Where a stored block stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its number in the target.
    pub(crate) block: u64,
    /// Its number among the stored ones.
    pub(crate) fresh: u64,
}

/// Stored blocks by hash.
#[derive(Debug, Default)]
pub(crate) struct StoredBlocks {
    known: HashMap<u64, Stored>,
    /// How many bits of a hash must be zero.
    sampled_bits: u32,
}

impl StoredBlocks {
    /// The first one of that hash, if it is remembered: whoever asks compares.
    pub(crate) fn find(&self, hash: u64) -> Option<Stored> {
        self.known.get(&hash).copied()
    }

    /// Remembers one, if it is the first of its hash.
    pub(crate) fn insert(&mut self, hash: u64, stored: Stored) {
        if self.known.len() >= MOST {
            self.sampled_bits = (self.sampled_bits + 1).min(u64::BITS - 1);
            let mask = (1 << self.sampled_bits) - 1;
            self.known.retain(|hash, _| hash & mask == 0);
        }
        if hash & ((1 << self.sampled_bits) - 1) == 0 && self.known.len() < MOST {
            self.known.entry(hash).or_insert(stored);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_remembered_and_the_list_is_bounded() {
        let mut blocks = StoredBlocks::default();
        let stored = |number| Stored {
            block: number,
            fresh: number,
        };
        blocks.insert(7, stored(1));
        blocks.insert(7, stored(2));
        assert_eq!(blocks.find(7), Some(stored(1)));
        for number in 0..2 * MOST as u64 {
            blocks.insert(number, stored(number));
        }
        assert!(blocks.known.len() <= MOST);
        assert_eq!(blocks.find(0), Some(stored(0)));
    }
}
