//! Leaves of several windows at once.
//!
//! One SHA-256 waits for itself: the instructions of a round need those of the round before. Independent ones do not, so the processor hashes
//! four windows, or sixteen or 32, in the time of two, or of three to six. The digests are the same; `sha2` is the measure of that, at start-up and in the tests, and what
//! hashes where the two disagree or the feature `multi-buffer` is off.

use imgdelta_core::{Bytes, Result, is_zero};

use sha2::{Digest as _, Sha256};

use crate::tree::{Digest, RepeatedSubtrees, WINDOW};

/// How many windows this processor hashes at once, 4 to 32: a power of two.
pub(crate) fn lanes() -> usize {
    #[cfg(feature = "multi-buffer")]
    let lanes = tape_sha256::lane_width();
    #[cfg(not(feature = "multi-buffer"))]
    let lanes: usize = 4;
    lanes.next_power_of_two().clamp(4, 32)
}

/// What so many windows take, in bytes.
pub(crate) const fn room(windows: usize) -> Bytes {
    Bytes(WINDOW.0.saturating_mul(windows as u64))
}

/// The leaves of `windows`, in their order. The leaf of a whole window of zeros is known.
pub(crate) fn leaves(windows: &[&[u8]]) -> Vec<Digest> {
    let is_known = |window: &[u8]| window.len() == WINDOW.in_memory() && is_zero(window);
    let known: Vec<bool> = windows.iter().map(|window| is_known(window)).collect();
    if !known.contains(&true) {
        return leaves_of_data(windows);
    }
    let data: Vec<&[u8]> = windows
        .iter()
        .zip(&known)
        .filter_map(|(window, is_known)| (!is_known).then_some(*window))
        .collect();
    let mut data = leaves_of_data(&data).into_iter();
    let zero = RepeatedSubtrees::zero().leaf();
    let leaf = |is_known: bool| if is_known { Some(zero) } else { data.next() };
    known.into_iter().filter_map(leaf).collect()
}

fn leaves_of_data(windows: &[&[u8]]) -> Vec<Digest> {
    prefixed(&[0], windows)
}

/// The digests of `prefix` and each of `windows`, in their order.
pub(crate) fn prefixed(prefix: &[u8], windows: &[&[u8]]) -> Vec<Digest> {
    if !is_trusted() || windows.len() < 2 {
        return one_by_one(prefix, windows);
    }
    hashed(prefix, windows)
}

fn one_by_one(prefix: &[u8], windows: &[&[u8]]) -> Vec<Digest> {
    let hash = |window: &&[u8]| {
        let hash = Sha256::new().chain_update(prefix).chain_update(window);
        Digest(hash.finalize().into())
    };
    windows.iter().map(hash).collect()
}

/// The leaves of windows of a disk of `size` bytes, which stand in `bytes` one behind the other, zero-filled beyond the disk's end: of what lies
/// there nothing counts.
pub(crate) fn leaves_of(
    size: Bytes,
    numbers: impl Iterator<Item = u64>,
    bytes: &[u8],
) -> Vec<Digest> {
    let numbered = numbers.zip(bytes.chunks(WINDOW.in_memory()));
    let windows: Vec<&[u8]> = numbered
        .map(|(number, window)| {
            let left = size.0.saturating_sub(number.saturating_mul(WINDOW.0));
            let len = Bytes(left).min(WINDOW).in_memory();
            window.get(..len).unwrap_or(window)
        })
        .collect();
    leaves(&windows)
}

/// The leaves of windows of which some are `known`: the others are read into `buffer`, as many as fit, and hashed together. `read` fills a
/// window, given its place among them; it may be shorter than its part of the buffer.
///
/// # Errors
/// Those of `read`.
pub(crate) fn completed(
    known: Vec<Option<Digest>>,
    buffer: &mut [u8],
    mut read: impl FnMut(usize, &mut [u8]) -> Result<usize>,
) -> Result<Vec<Digest>> {
    let mut unknown = (0..known.len()).filter(|at| matches!(known.get(*at), Some(None)));
    let mut found = Vec::new();
    loop {
        let mut lens = Vec::new();
        // The slots first: where they have run out, none of the unknown is taken.
        for (slot, at) in buffer.chunks_mut(WINDOW.in_memory()).zip(&mut unknown) {
            lens.push(read(at, slot)?);
        }
        let slots = buffer.chunks(WINDOW.in_memory()).zip(&lens);
        let windows: Vec<&[u8]> = slots
            .map(|(slot, len)| slot.get(..*len).unwrap_or(slot))
            .collect();
        found.extend(leaves(&windows));
        if lens.is_empty() {
            break;
        }
    }
    let mut found = found.into_iter();
    let known = known.into_iter();
    Ok(known
        .filter_map(|leaf| leaf.or_else(|| found.next()))
        .collect())
}

#[cfg(feature = "multi-buffer")]
fn hashed(prefix: &[u8], windows: &[&[u8]]) -> Vec<Digest> {
    let mut digests = vec![[0; 32]; windows.len()];
    tape_sha256::hash_many_prefixed(prefix, windows, &mut digests);
    digests.into_iter().map(Digest).collect()
}

#[cfg(not(feature = "multi-buffer"))]
fn hashed(prefix: &[u8], windows: &[&[u8]]) -> Vec<Digest> {
    one_by_one(prefix, windows)
}

/// Whether several at once give what one alone gives on this processor: tried once, with windows that differ and one that is short.
fn is_trusted() -> bool {
    static IS_TRUSTED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *IS_TRUSTED.get_or_init(|| {
        let bytes: Vec<u8> = (0..40_000_u32)
            .map(|number| (number.wrapping_mul(167) >> 2) as u8)
            .collect();
        // Of one block and of many, as many as any processor takes at once, and more.
        [57, 1057].into_iter().all(|len| {
            let windows: Vec<&[u8]> = bytes.chunks(len).take(38).collect();
            let alone = windows.iter().copied().map(Digest::leaf);
            hashed(&[0], &windows).into_iter().eq(alone)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_at_once_give_what_one_alone_gives_for_every_length() {
        assert!(is_trusted());
        let bytes: Vec<u8> = (0..70_000_u32)
            .map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        // Each length alone among others, and batches of one length: both have ways of their own.
        for len in (0..400).chain([4095, 4096, 65_535, 65_536]) {
            for count in [1, 2, 3, 4, 5, 16, 17, 32, 33] {
                let windows: Vec<&[u8]> = (0..count).map(|at| &bytes[at..at + len]).collect();
                let alone: Vec<Digest> = windows.iter().copied().map(Digest::leaf).collect();
                assert_eq!(hashed(&[0], &windows), alone, "{count} of {len} bytes");
            }
        }
        let mixed: Vec<&[u8]> = (0..300).map(|len| &bytes[len..3 * len]).collect();
        let alone: Vec<Digest> = mixed.iter().copied().map(Digest::leaf).collect();
        assert_eq!(leaves(&mixed), alone);
        let prefix = [2; 129];
        assert_eq!(prefixed(&prefix, &mixed), one_by_one(&prefix, &mixed));
    }

    #[test]
    fn windows_of_zeros_among_others_have_the_leaf_of_zeros() {
        let (zeros, ones) = (vec![0; WINDOW.in_memory()], vec![1; WINDOW.in_memory()]);
        let short = &zeros[..1000];
        let windows: [&[u8]; 5] = [&zeros, &ones, &zeros, short, &ones];
        assert_eq!(leaves(&windows), windows.map(Digest::leaf));
    }

    #[test]
    fn what_lies_beyond_the_disk_s_end_does_not_count() {
        let bytes = vec![7; 3 * WINDOW.in_memory()];
        let size = Bytes(5 * WINDOW.0 + 1000);
        let leaves = leaves_of(size, 4.., &bytes);
        let alone = [65_536, 1000, 0].map(|len| Digest::leaf(&bytes[..len]));
        assert_eq!(leaves, alone);
    }
}
