//! Anchors: positions that content itself chooses, about one in 512 bytes, so that what moved by any distance is found again.
//!
//! A gear hash: each byte shifts it by one bit and adds a number of its own, so it depends on the last 64 bytes alone.

use std::sync::OnceLock;

use xxhash_rust::xxh3::xxh3_64;

/// How many bytes an anchor's hash depends on.
pub(crate) const MEMORY: usize = 64;

/// How many upper bits of the hash are zero at an anchor: one position in 512.
const BITS: u32 = 9;

/// Spreads the hash over all bits: its upper ones are zero at every anchor.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

fn table() -> &'static [u64; 256] {
    static TABLE: OnceLock<[u64; 256]> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = [0; 256];
        for (byte, number) in (0..=u8::MAX).zip(&mut table) {
            *number = xxh3_64(&[byte, 7]);
        }
        table
    })
}

/// Hands `each` every anchor in `bytes`: where its last byte is, and its hash. The first 63 bytes only lead up to it.
pub(crate) fn anchors(bytes: &[u8], mut each: impl FnMut(usize, u64)) {
    let table = table();
    let mut hash = 0_u64;
    for (at, byte) in bytes.iter().enumerate() {
        let number = table.get(usize::from(*byte)).copied().unwrap_or_default();
        hash = (hash << 1).wrapping_add(number);
        if hash >> (u64::BITS - BITS) == 0 && at >= MEMORY - 1 {
            each(at, hash.wrapping_mul(SPREAD));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Vec<(usize, u64)> {
        let mut found = Vec::new();
        anchors(bytes, |at, hash| found.push((at, hash)));
        found
    }

    #[test]
    fn what_moved_has_the_same_anchors_one_in_512_bytes() {
        let bytes: Vec<u8> = (0..40_000_u64)
            .flat_map(|number| xxh3_64(&number.to_le_bytes()).to_le_bytes())
            .collect();
        let all = found(&bytes);
        assert!((400..900).contains(&all.len()), "{} anchors", all.len());
        let moved = found(&bytes[12_345..]);
        let expected = all.iter().filter(|(at, _)| *at >= 12_345 + MEMORY - 1);
        let expected: Vec<_> = expected.map(|(at, hash)| (at - 12_345, *hash)).collect();
        assert_eq!(moved, expected);
    }
}
