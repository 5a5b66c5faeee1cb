//! Where grains start in a part of a file: one bit for each sector.

use std::ops::Range;

/// Bits of a word.
const WORD: u64 = u64::BITS as u64;

/// The sectors of a part of a file at which grains start.
#[derive(Debug)]
pub(super) struct Starts {
    /// The sector of the first bit.
    from: u64,
    /// Sectors of a grain.
    step: u64,
    words: Vec<u64>,
}

impl Starts {
    /// No start yet, in the sectors of `part` and so many around it that a grain there reaches into it. `part` must have met a limit: an
    /// eighth as many bytes are taken.
    pub(super) fn of(part: Range<u64>, step: u64) -> Self {
        let step = step.max(1);
        let from = part.start.saturating_sub(step - 1);
        let end = part.end.saturating_add(step - 1);
        let count = end.saturating_sub(from).div_ceil(WORD);
        Self {
            from,
            step,
            words: vec![0; usize::try_from(count).unwrap_or(0)],
        }
    }

    /// Puts a start in; false if a grain there shares sectors with one whose start is in already.
    pub(super) fn insert(&mut self, sector: u64) -> bool {
        let last = sector.saturating_add(self.step - 1);
        let first = sector.saturating_sub(self.step - 1);
        let is_new = !self.has_any(first, last);
        if let Some(bit) = sector.checked_sub(self.from)
            && let Some(word) = word_of(bit).and_then(|at| self.words.get_mut(at))
        {
            *word |= 1 << (bit % WORD);
        }
        is_new
    }

    /// Whether there is a start in the sectors `first` to `last`.
    fn has_any(&self, first: u64, last: u64) -> bool {
        let (first, last) = (first.saturating_sub(self.from), last.checked_sub(self.from));
        let Some(last) = last else {
            return false;
        };
        let (Some(low), Some(high)) = (word_of(first), word_of(last)) else {
            return false;
        };
        let high = high.min(self.words.len().saturating_sub(1));
        let words = self.words.get(low..=high).unwrap_or_default();
        words.iter().zip((first / WORD)..).any(|(word, number)| {
            let start = number * WORD;
            let below = first.saturating_sub(start);
            let above = (start + WORD - 1).saturating_sub(last);
            let wanted = if below < WORD && above < WORD {
                (u64::MAX << below) & (u64::MAX >> above)
            } else {
                0
            };
            word & wanted != 0
        })
    }
}

/// The word in which a bit stands.
fn word_of(bit: u64) -> Option<usize> {
    usize::try_from(bit / WORD).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_grain_is_new_where_none_is_nearer_than_its_size(
            step in prop::sample::select(vec![1_u64, 2, 8, 63, 64, 65, 128, 500]),
            start in 0_u64..300,
            len in 1_u64..3000,
            sectors in prop::collection::vec(0_u64..4000, 0..40),
        ) {
            let end = start + len;
            let mut starts = Starts::of(start..end, step);
            let mut known: Vec<u64> = Vec::new();
            for sector in sectors {
                let is_new = starts.insert(sector);
                // Only of the part itself is anything promised.
                if (start..end).contains(&sector) {
                    let is_near = known.iter().any(|one| one.abs_diff(sector) < step);
                    prop_assert!(is_new != is_near, "{sector} in {known:?}");
                }
                known.push(sector);
            }
        }
    }
}
