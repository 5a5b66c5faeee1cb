//! Sector bitmaps: one bit a sector, the first sector in the lowest bit. Where a bitmap stands is the BAT's matter.

use imgdelta_core::{BitOrder, BlockState};

/// How bits are counted.
const ORDER: BitOrder = BitOrder::Lsb0;

/// How many bits from `first` on are like it, up to `limit` bits from the start of `bitmap`, and what they are. The bits that `bitmap`
/// does not have count as another kind.
pub(crate) fn run(bitmap: &[u8], first: usize, limit: usize) -> (bool, usize) {
    ORDER.run(bitmap, first, limit)
}

/// Appends what `grains` are, a bit each: absent ones are the parent's. Returns how many are not.
pub(crate) fn of_grains(grains: &[BlockState], bitmap: &mut Vec<u8>) -> u64 {
    ORDER.append(
        grains.iter().map(|grain| *grain != BlockState::Absent),
        bitmap,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grains_become_bits_from_the_lowest_on() {
        use BlockState::{Absent, Data, Zero};
        let mut bitmap = vec![7];
        let grains = [
            Data, Absent, Absent, Zero, Absent, Absent, Absent, Absent, Absent, Data,
        ];
        assert_eq!(of_grains(&grains, &mut bitmap), 3);
        assert_eq!(bitmap, [7, 0x09, 0x02]);
    }

    #[test]
    fn runs_start_at_the_lowest_bit() {
        assert_eq!(run(&[0x01, 0], 0, 16), (true, 1));
        let bitmap = [0x40, 0x80, 0x00, 0xff, 0x00];
        let (mut at, mut set) = (0, Vec::new());
        while at < 40 {
            let (is_set, len) = run(&bitmap, at, 40);
            if is_set {
                set.push((at, len));
            }
            at += len;
        }
        assert_eq!(set, [(6, 1), (15, 1), (24, 8)]);
    }
}
