//! One bit each for many places: which of them are taken.

use fixedbitset::FixedBitSet;

use crate::Bytes;

/// A set of numbers below a limit, in an eighth of a byte each.
#[derive(Debug)]
pub struct BitSet(FixedBitSet);

impl BitSet {
    /// None of the numbers below `count`. `count` must have met a limit: an eighth as many bytes are taken at once.
    #[must_use]
    pub fn new(count: u64) -> Self {
        Self(FixedBitSet::with_capacity(Bytes(count).in_memory()))
    }

    /// Puts a number in; false if it is in it already, or is not below the limit.
    pub fn insert(&mut self, number: u64) -> bool {
        match usize::try_from(number) {
            Ok(bit) if bit < self.0.len() => !self.0.put(bit),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_put_in_once() {
        let mut set = BitSet::new(130);
        assert!(set.insert(0) && set.insert(129) && set.insert(64));
        assert!(!set.insert(129) && !set.insert(0));
        for none in [130, 131, 191, 192, 1 << 40, u64::MAX] {
            assert!(!set.insert(none), "{none} is none of them");
        }
        assert!(!BitSet::new(0).insert(0));
    }
}
