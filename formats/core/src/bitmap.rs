//! Bitmaps as files hold them: one bit for each of many equal parts of a block, counted from either end of a byte.
//!
//! They are read in the page that they stand in. `fixedbitset` owns its words and has one order: each page would be copied, and turned
//! around for VHD, to find one run in it.

/// Which bit of a byte is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOrder {
    /// The most significant one.
    Msb0,
    /// The least significant one.
    Lsb0,
}

impl BitOrder {
    /// How many bits of `bitmap` from bit `first` on are like it, and whether they are set. None at or beyond bit `limit` counts, and
    /// none beyond the end of `bitmap`.
    #[must_use]
    pub fn run(self, bitmap: &[u8], first: usize, limit: usize) -> (bool, usize) {
        let Some(byte) = bitmap.get(first / 8) else {
            return (false, 0);
        };
        let ahead = self.from(first % 8);
        let is_set = byte & ahead & !self.from(first % 8 + 1) != 0;
        let alike = if is_set { 0xff } else { 0x00 };
        // From here on, a set bit is one that differs.
        let end = match (byte ^ alike) & ahead {
            0 => {
                let next = first / 8 + 1;
                let most = limit.div_ceil(8).clamp(next, bitmap.len().max(next));
                let rest = bitmap.get(next..most).unwrap_or_default();
                let differing = rest.iter().position(|byte| *byte != alike);
                let number = next + differing.unwrap_or(rest.len());
                let byte = differing.and_then(|at| rest.get(at));
                number * 8 + byte.map_or(0, |byte| self.leading(byte ^ alike))
            }
            differing => first - first % 8 + self.leading(differing),
        };
        (is_set, end.min(limit).saturating_sub(first))
    }

    /// Appends one bit for each of `bits` to `bitmap`, whole bytes, the rest of the last one clear. Returns how many are set.
    pub fn append(self, bits: impl IntoIterator<Item = bool>, bitmap: &mut Vec<u8>) -> u64 {
        let mut set = 0;
        let mut bits = bits.into_iter().peekable();
        while bits.peek().is_some() {
            let mut byte = 0;
            for (number, is_set) in bits.by_ref().take(8).enumerate() {
                let bit = self.from(number) & !self.from(number + 1);
                byte |= if is_set { bit } else { 0 };
            }
            set += u64::from(byte.count_ones());
            bitmap.push(byte);
        }
        set
    }

    /// Bit `first` of a byte and all that follow it.
    const fn from(self, first: usize) -> u8 {
        match self {
            _ if first >= 8 => 0,
            Self::Msb0 => 0xff >> first,
            Self::Lsb0 => 0xff << first,
        }
    }

    /// How many clear bits a byte begins with.
    const fn leading(self, byte: u8) -> usize {
        match self {
            Self::Msb0 => byte.leading_zeros() as usize,
            Self::Lsb0 => byte.trailing_zeros() as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `run` should say, bit by bit.
    fn bit_by_bit(order: BitOrder, bitmap: &[u8], first: usize, limit: usize) -> (bool, usize) {
        let bit = |at: usize| {
            let byte = bitmap.get(at / 8)?;
            Some(match order {
                BitOrder::Msb0 => byte & (0x80 >> (at % 8)) != 0,
                BitOrder::Lsb0 => byte & (1 << (at % 8)) != 0,
            })
        };
        let Some(is_set) = bit(first) else {
            return (false, 0);
        };
        let len = (first..limit).take_while(|at| bit(*at) == Some(is_set));
        (is_set, len.count())
    }

    #[test]
    fn a_run_is_what_looking_at_every_bit_finds() {
        let bitmaps: [&[u8]; 8] = [
            &[],
            &[0x80, 0],
            &[0x01, 0],
            &[0x40, 0x80, 0x00, 0xff, 0x00],
            &[0xff; 9],
            &[0x00; 9],
            &[0xff, 0xff, 0xfe, 0x7f, 0xff],
            &[0x0f, 0xf0, 0x00, 0x00, 0x18],
        ];
        for bitmap in bitmaps {
            for order in [BitOrder::Msb0, BitOrder::Lsb0] {
                for first in 0..bitmap.len() * 8 + 9 {
                    for limit in (0..bitmap.len() * 8 + 20).chain([usize::MAX / 2]) {
                        assert_eq!(
                            order.run(bitmap, first, limit),
                            bit_by_bit(order, bitmap, first, limit.min(200)),
                            "{order:?} of {bitmap:x?} from {first} to {limit}"
                        );
                    }
                }
            }
        }
        assert_eq!(BitOrder::Msb0.run(&[0xff; 2], 3, usize::MAX), (true, 13));
    }

    #[test]
    fn bits_are_appended_from_the_first_of_a_byte_on() {
        let bits = [
            true, false, false, true, false, false, false, false, false, true,
        ];
        let mut bitmap = vec![7];
        assert_eq!(BitOrder::Lsb0.append(bits, &mut bitmap), 3);
        assert_eq!(BitOrder::Msb0.append(bits, &mut bitmap), 3);
        assert_eq!(BitOrder::Msb0.append([], &mut bitmap), 0);
        assert_eq!(bitmap, [7, 0x09, 0x02, 0x90, 0x40]);
    }

    #[test]
    fn what_was_appended_is_found_in_runs() {
        for order in [BitOrder::Msb0, BitOrder::Lsb0] {
            let bits: Vec<bool> = (0..100_u32).map(|at| at.count_ones() % 3 == 0).collect();
            let mut bitmap = Vec::new();
            let set = order.append(bits.iter().copied(), &mut bitmap);
            let (mut at, mut found) = (0, Vec::new());
            while at < bits.len() {
                let (is_set, len) = order.run(&bitmap, at, bits.len());
                found.extend(std::iter::repeat_n(is_set, len));
                at += len;
            }
            assert_eq!(found, bits);
            assert_eq!(set, bits.iter().filter(|bit| **bit).count() as u64);
        }
    }
}
