//! Sector bitmaps: one bit a sector, the first sector in the highest bit. Where a bitmap stands is the BAT's matter.

use imgdelta_core::{BitOrder, BlockState};

/// How bits are counted.
const ORDER: BitOrder = BitOrder::Msb0;

/// How many bits from `first` on are like it, up to `limit` bits from the start of `bitmap`, and what they are. The bits that `bitmap`
/// does not have count as another kind.
pub(crate) fn run(bitmap: &[u8], first: usize, limit: usize) -> (bool, usize) {
    ORDER.run(bitmap, first, limit)
}

/// The bitmap of a child's block, `len` bytes: a bit for each grain of one sector that is not absent.
pub(crate) fn of_grains(grains: &[BlockState], len: usize) -> Vec<u8> {
    let mut bitmap = Vec::with_capacity(len);
    ORDER.append(
        grains.iter().map(|grain| *grain != BlockState::Absent),
        &mut bitmap,
    );
    bitmap.resize(len, 0);
    bitmap
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bitmap of the sheet: sectors 6, 15, 24 to 31.
    const SHEET: [u8; 5] = [0x02, 0x01, 0x00, 0xff, 0x00];

    #[test]
    fn runs_start_at_the_highest_bit() {
        assert_eq!(run(&[0x80, 0], 0, 16), (true, 1));
        let (mut at, mut set) = (0, Vec::new());
        while at < 40 {
            let (is_set, len) = run(&SHEET, at, 40);
            if is_set {
                set.push((at, len));
            }
            at += len;
        }
        assert_eq!(set, [(6, 1), (15, 1), (24, 8)]);
    }

    #[test]
    fn grains_become_bits() {
        let mut grains = [BlockState::Absent; 40];
        for sector in [6, 15].into_iter().chain(24..32) {
            grains[sector] = BlockState::Data;
        }
        assert_eq!(of_grains(&grains, 5), SHEET);
        assert_eq!(of_grains(&grains[..16], 5), [0x02, 0x01, 0, 0, 0]);
    }
}
