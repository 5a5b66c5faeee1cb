//! One refcount block in memory, packed as it stands on disk.
//!
//! Which clusters it counts and where it goes is not known here.

/// The counts of one refcount block.
#[derive(Debug)]
pub(super) struct Counts {
    /// As on disk.
    bytes: Vec<u8>,
    /// Log 2 of the bits of a count.
    order: u32,
}

impl Counts {
    /// A block of `size` bytes with counts of `1 << order` bits, all 0. `order` is at most 6.
    pub(super) fn new(size: usize, order: u32) -> Self {
        Self {
            bytes: vec![0; size],
            order,
        }
    }

    /// How many counts there are.
    pub(super) fn entries(&self) -> u64 {
        (self.bytes.len() as u64 * 8) >> self.order
    }

    /// The greatest count.
    pub(super) const fn greatest(&self) -> u64 {
        u64::MAX >> (64 - (1 << self.order))
    }

    /// As it stands on disk.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Makes all counts 0.
    pub(super) fn clear(&mut self) {
        self.bytes.fill(0);
    }

    /// Count `index`; 0 if there is none.
    pub(super) fn count(&self, index: u64) -> u64 {
        let (at, len, shift) = self.place(index);
        let stored = self.bytes.get(at..at.saturating_add(len));
        let value = stored
            .unwrap_or_default()
            .iter()
            .fold(0, |value, byte| (value << 8) | u64::from(*byte));
        (value >> shift) & self.greatest()
    }

    /// Makes count `index` be `value`, which is not above [`greatest`](Self::greatest).
    pub(super) fn set(&mut self, index: u64, value: u64) {
        let (at, len, shift) = self.place(index);
        let mask = self.greatest() << shift;
        let Some(stored) = self.bytes.get_mut(at..at.saturating_add(len)) else {
            return;
        };
        let (value, mask) = ((value << shift).to_be_bytes(), mask.to_be_bytes());
        let low = value.iter().zip(&mask).rev();
        for (byte, (value, mask)) in stored.iter_mut().rev().zip(low) {
            *byte = (*byte & !mask) | (value & mask);
        }
    }

    /// In which bytes count `index` stands, and how far from their least significant bit: counts shorter than a byte
    /// begin there. [qemu]
    fn place(&self, index: u64) -> (usize, usize, u32) {
        if self.order < 3 {
            let bit = index << self.order;
            let shift = u32::try_from(bit % 8).unwrap_or_default();
            (usize::try_from(bit / 8).unwrap_or(usize::MAX), 1, shift)
        } else {
            let len = 1 << (self.order - 3);
            let at = usize::try_from(index).map_or(usize::MAX, |index| index.saturating_mul(len));
            (at, len, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_clusters_in_use_look_as_qemu_writes_them() {
        for (order, bytes) in [
            (0, &[0x3f, 0, 0][..]),
            (1, &[0x55, 0x05, 0]),
            (2, &[0x11, 0x11, 0x11]),
            (3, &[1, 1, 1, 1, 1, 1]),
            (4, &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0]),
            (5, &[0, 0, 0, 1, 0, 0, 0, 1]),
            (6, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut counts = Counts::new(512, order);
            for index in 0..6 {
                counts.set(index, 1);
            }
            assert!(counts.bytes().starts_with(bytes), "order {order}");
        }
    }

    #[test]
    fn every_count_is_kept_apart_from_its_neighbours() {
        for order in 0..=6 {
            let mut counts = Counts::new(512, order);
            let value = |index: u64| (index * 5 + 1) & counts_mask(order);
            for index in 0..counts.entries() {
                counts.set(index, counts.greatest());
                counts.set(index, value(index));
            }
            for index in 0..counts.entries() {
                assert_eq!(counts.count(index), value(index), "order {order}");
            }
            assert_eq!(counts.count(counts.entries()), 0);
            counts.clear();
            assert!(counts.bytes().iter().all(|byte| *byte == 0));
        }
    }

    fn counts_mask(order: u32) -> u64 {
        Counts::new(0, order).greatest()
    }
}
