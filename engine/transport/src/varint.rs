//! Numbers of seven bits a byte, the least significant first, the eighth bit saying that more follow.

/// Appends a number.
pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the start of `bytes`; `None` if they end inside of it, or it has more than 64 bits.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A distance in either direction as a number: near ones are small.
pub(crate) const fn zigzag(distance: i64) -> u64 {
    ((distance << 1) ^ (distance >> 63)) as u64
}

/// The distance that such a number is.
pub(crate) const fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back() {
        for number in [0, 1, 127, 128, 300, 1 << 34, u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put(&mut out, number);
            let mut rest = &out[..];
            assert_eq!(take(&mut rest), Some(number));
            assert!(rest.is_empty());
            assert_eq!(take(&mut &out[..out.len() - 1]), None);
        }
        for distance in [0, 1, -1, 77, i64::MAX, i64::MIN] {
            assert_eq!(unzigzag(zigzag(distance)), distance);
        }
        assert_eq!(zigzag(-1), 1);
    }

    #[test]
    fn what_is_longer_than_64_bits_is_none() {
        assert_eq!(take(&mut &[0xff; 11][..]), None);
        let mut most = [0xff; 10];
        most[9] = 1;
        assert_eq!(take(&mut &most[..]), Some(u64::MAX));
        most[9] = 2;
        assert_eq!(take(&mut &most[..]), None);
    }
}
