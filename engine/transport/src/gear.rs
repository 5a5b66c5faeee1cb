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

/// Hashes below it are anchors: their upper bits are zero.
const LIMIT: u64 = 1 << (u64::BITS - BITS);

/// Hands `each` every anchor in `bytes`, in any order: where its last byte is, and its hash. The first 63 bytes only lead up to it.
///
/// Four parts are gone over side by side: a hash waits for the one before it, those of other parts do not.
pub(crate) fn anchors(bytes: &[u8], mut each: impl FnMut(usize, u64)) {
    let table = table();
    let next = |hash: u64, byte: u8| {
        let number = table.get(usize::from(byte)).copied().unwrap_or_default();
        (hash << 1).wrapping_add(number)
    };
    let mut anchor = |at: usize, hash: u64| {
        if hash < LIMIT && at >= MEMORY - 1 {
            each(at, hash.wrapping_mul(SPREAD));
        }
    };
    let len = bytes.len() / 4;
    let lead_up = |from: usize| {
        let lead = from.saturating_sub(MEMORY - 1)..from;
        let lead = bytes.get(lead).unwrap_or_default();
        lead.iter().fold(0, |hash, byte| next(hash, *byte))
    };
    let [mut a, mut b, mut c, mut d] = [0, len, 2 * len, 3 * len].map(lead_up);
    let (one, rest) = bytes.split_at(len);
    let (two, rest) = rest.split_at(len);
    let (three, rest) = rest.split_at(len);
    let (four, rest) = rest.split_at(len);
    for (at, (((one, two), three), four)) in one.iter().zip(two).zip(three).zip(four).enumerate() {
        a = next(a, *one);
        b = next(b, *two);
        c = next(c, *three);
        d = next(d, *four);
        // One question for all four: the answer is nearly always no.
        if a.min(b).min(c.min(d)) < LIMIT {
            anchor(at, a);
            anchor(at + len, b);
            anchor(at + 2 * len, c);
            anchor(at + 3 * len, d);
        }
    }
    for (at, byte) in (4 * len..).zip(rest) {
        d = next(d, *byte);
        anchor(at, d);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Vec<(usize, u64)> {
        let mut found = Vec::new();
        anchors(bytes, |at, hash| found.push((at, hash)));
        found.sort_unstable();
        found
    }

    /// The same, position by position.
    fn expected(bytes: &[u8]) -> Vec<(usize, u64)> {
        let hash_of = |window: &[u8]| {
            let numbers = window.iter().map(|byte| table()[usize::from(*byte)]);
            numbers.fold(0_u64, |hash, number| (hash << 1).wrapping_add(number))
        };
        let windows = (MEMORY - 1..).zip(bytes.windows(MEMORY));
        let hashes = windows.map(|(at, window)| (at, hash_of(window)));
        let anchors = hashes.filter(|(_, hash)| hash >> (64 - BITS) == 0);
        anchors
            .map(|(at, hash)| (at, hash.wrapping_mul(SPREAD)))
            .collect()
    }

    #[test]
    fn bytes_of_any_length_have_the_anchors_that_each_position_alone_has() {
        let bytes: Vec<u8> = (0..4000_u64)
            .flat_map(|number| xxh3_64(&number.to_le_bytes()).to_le_bytes())
            .collect();
        for len in (0..600).chain([4096, 4097, 4099, 31_999, 32_000]) {
            assert_eq!(found(&bytes[..len]), expected(&bytes[..len]), "{len} bytes");
        }
        assert!(found(&bytes).len() > 30);
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
