//! Where content stands in the base: a sorted list of hash and place in one number each, of bounded length.
//!
//! When the list is full, only hashes that end in one more zero bit stay, and of what comes only such are taken: what is found then is a sample
//! by content: a block of the target is looked up in vain, or belongs to the sample as the same block of the base does.

use imgdelta_core::Bytes;

/// By how many of their uppermost bits entries are found: their groups.
const GROUP_BITS: u32 = 14;
const GROUPS: usize = 1 << GROUP_BITS;
const GROUP_SHIFT: u32 = u64::BITS - GROUP_BITS;

/// A list of places by the hash of what stands there.
#[derive(Debug)]
pub(crate) struct SampledIndex {
    /// The hash in the upper bits, the place in the lower ones; in order once it is finished.
    entries: Vec<u64>,
    /// Where the entries of each value of the uppermost bits start, once it is finished, and where the last ones end: what is looked for is then
    /// among few.
    starts: Vec<usize>,
    /// How many bits of an entry are the place.
    place_bits: u32,
    most: usize,
    /// How many bits of a hash must be zero.
    sampled_bits: u32,
}

impl SampledIndex {
    /// Of places below `2^place_bits`, with room for about `expected` of them and never more than `most`.
    pub(crate) fn new(place_bits: u32, expected: u64, most: usize) -> Self {
        let most = most.max(2);
        let room = usize::try_from(expected).unwrap_or(usize::MAX).min(most);
        Self {
            entries: Vec::with_capacity(room),
            starts: Vec::new(),
            place_bits,
            most,
            sampled_bits: 0,
        }
    }

    /// The part of a hash that is kept, in the upper bits of an entry.
    const fn upper(&self, hash: u64) -> u64 {
        hash & (u64::MAX << self.place_bits)
    }

    /// Whether what has that hash is of the sample.
    const fn takes(&self, upper: u64) -> bool {
        (upper >> self.place_bits) & ((1 << self.sampled_bits) - 1) == 0
    }

    /// Notes that content of that hash stands at that place, of which the upper bits are zero.
    pub(crate) fn insert(&mut self, hash: u64, place: u64) {
        let upper = self.upper(hash);
        if !self.takes(upper) || place >> self.place_bits != 0 {
            return;
        }
        if self.entries.len() >= self.most {
            self.thin_out();
        }
        if self.takes(upper) {
            self.entries.push(upper | place);
        }
    }

    /// Makes room: content that stands at several places is kept once; where that is not enough, a smaller sample is.
    fn thin_out(&mut self) {
        self.sort();
        while self.entries.len() > self.most / 4 * 3 && self.sampled_bits < 24 {
            self.sampled_bits += 1;
            let (bits, mask) = (self.place_bits, (1 << self.sampled_bits) - 1);
            self.entries.retain(|entry| (entry >> bits) & mask == 0);
        }
        // Hashes that no chance makes: whatever comes then is left out.
        self.entries.truncate(self.most - 1);
    }

    /// In order, each hash once, at its first place.
    fn sort(&mut self) {
        self.entries.sort_unstable();
        let bits = self.place_bits;
        self.entries.dedup_by_key(|entry| *entry >> bits);
    }

    /// Nothing more is inserted; from now on it can be asked.
    pub(crate) fn finish(&mut self) {
        self.sort();
        self.entries.shrink_to_fit();
        self.starts.reserve_exact(GROUPS + 1);
        let mut start = 0;
        for group in 0..GROUPS as u64 {
            self.starts.push(start);
            let rest = self.entries.get(start..).unwrap_or_default();
            start += rest.partition_point(|entry| entry >> GROUP_SHIFT <= group);
        }
        self.starts.push(start);
    }

    /// The entries whose uppermost bits are those of `upper`.
    fn group_of(&self, upper: u64) -> &[u64] {
        let group = Bytes(upper >> GROUP_SHIFT).in_memory();
        match self.starts.get(group..group.saturating_add(2)) {
            Some([start, end]) => self.entries.get(*start..*end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Where content of that hash may stand.
    pub(crate) fn find(&self, hash: u64) -> Option<u64> {
        let upper = self.upper(hash);
        if !self.takes(upper) {
            return None;
        }
        let group = self.group_of(upper);
        let number = group.partition_point(|entry| *entry < upper);
        let found = group.get(number)?;
        (self.upper(*found) == upper).then_some(*found ^ upper)
    }

    /// How many places it knows.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

    fn hash(number: u64) -> u64 {
        (number + 1)
            .wrapping_mul(GOLDEN)
            .rotate_left(17)
            .wrapping_mul(GOLDEN)
    }

    #[test]
    fn everything_is_found_at_its_first_place_as_long_as_there_is_room() {
        let mut index = SampledIndex::new(34, 1000, 1000);
        for place in 0..400 {
            index.insert(hash(place % 200), place);
        }
        index.finish();
        assert_eq!(index.len(), 200);
        for place in 0..200 {
            assert_eq!(index.find(hash(place)), Some(place));
            assert_eq!(index.find(hash(place + 200)), None);
        }
    }

    #[test]
    fn a_full_list_becomes_a_sample_by_content_whatever_came_first() {
        let sample = |order: &mut dyn Iterator<Item = u64>| {
            let mut index = SampledIndex::new(34, 100_000, 1000);
            order.for_each(|place| index.insert(hash(place), place));
            index.finish();
            assert!(index.len() <= 1000);
            (0..100_000)
                .filter(|place| index.find(hash(*place)).is_some())
                .collect::<Vec<_>>()
        };
        let found = sample(&mut (0..100_000));
        assert!(
            (300..=1000).contains(&found.len()),
            "{} are found",
            found.len()
        );
        assert_eq!(found, sample(&mut (0..100_000).rev()));
    }

    #[test]
    fn hashes_that_all_end_alike_do_not_grow_it() {
        let mut index = SampledIndex::new(31, 100, 100);
        for place in 0..10_000 {
            index.insert(place << 60 | place << 57 | place << 56, place);
        }
        index.finish();
        assert!(index.len() <= 100);
    }
}
