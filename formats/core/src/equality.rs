//! Whether bytes are equal, or zero: what is asked of every byte of a disk.
//!
//! A comparison of slices is the C library's `memcmp`, which is the fastest loop there is on glibc, and on musl one that goes byte by byte: there
//! it took twice the processor time of a whole `compare`.

/// How many bytes are looked at before the first difference is acted on.
const PIECE: usize = 256;

/// Whether both hold the same bytes.
#[must_use]
#[inline]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    if cfg!(target_env = "musl") {
        one.len() == other.len() && is_same_by_pieces(one, other)
    } else {
        one == other
    }
}

/// Whether all of `bytes` are zero.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    static ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|chunk| {
        let zeros = ZEROS.get(..chunk.len());
        zeros.is_some_and(|zeros| is_same(zeros, chunk))
    })
}

/// A loop without a way out inside a piece: compilers make vector instructions of it.
fn is_same_by_pieces(one: &[u8], other: &[u8]) -> bool {
    let (pieces, others) = (one.chunks_exact(PIECE), other.chunks_exact(PIECE));
    let is_rest_same = pieces.remainder() == others.remainder();
    is_rest_same
        && pieces.zip(others).all(|(piece, other)| {
            let differing = piece.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
            differing == 0
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_set_bit_is_found_anywhere() {
        let mut bytes = vec![0; 10_001];
        let zeros = bytes.clone();
        assert!(is_zero(&bytes));
        for at in [0, 255, 256, 4095, 4096, 8191, 9999, 10_000] {
            bytes[at] = 0x80;
            assert!(!is_zero(&bytes), "{at}");
            assert!(!is_same(&bytes, &zeros) && is_same(&bytes, &bytes.clone()));
            assert!(!is_same_by_pieces(&bytes, &zeros), "{at}");
            assert!(is_same_by_pieces(&bytes, &bytes.clone()), "{at}");
            bytes[at] = 0;
        }
        assert!(!is_same(&zeros, &zeros[1..]));
        assert!(is_same(&[], &[]) && is_zero(&[]));
    }
}
