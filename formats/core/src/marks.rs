//! One bit each for many places: which of them are taken.

use crate::Bytes;

/// A set of numbers below a limit, in an eighth of a byte each.
#[derive(Debug)]
pub struct Marks(Vec<u64>);

impl Marks {
    /// No mark on any of `count` places. `count` must have met a limit.
    #[must_use]
    pub fn new(count: u64) -> Self {
        Self(vec![0; Bytes(count.div_ceil(64)).in_memory()])
    }

    /// Marks a place; false if it was marked before, or is none.
    pub fn set(&mut self, place: u64) -> bool {
        let bit = 1_u64 << (place % 64);
        match self.0.get_mut(Bytes(place / 64).in_memory()) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_marked_once() {
        let mut marks = Marks::new(130);
        assert!(marks.set(0) && marks.set(129) && marks.set(64));
        assert!(!marks.set(129) && !marks.set(0));
        assert!(!marks.set(1 << 40), "it is none of them");
    }
}
