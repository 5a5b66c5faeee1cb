//! Apple Data Compression: literal runs, and copies of what was written before. No crate that is kept up decodes it, and it is this short.
//!
//! ```text
//! 1nnnnnnn                      n + 1 bytes follow as they are
//! 00llllOO oooooooo             l + 3 bytes from O o + 1 bytes back
//! 01llllll oooooooo oooooooo    l + 4 bytes from o + 1 bytes back
//! ```

/// Why bytes are no ADC, or not those of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdcError {
    /// They end inside of a code.
    Cut,
    /// A copy of what is in front of the first byte.
    BeforeStart,
    /// More than the chunk holds.
    TooLong,
}

/// Decodes `input` into `output`; how many bytes that gave, never more than there is room for.
pub(crate) fn decode(input: &[u8], output: &mut [u8]) -> Result<usize, AdcError> {
    let mut input = input.iter().copied();
    let mut next = || input.next().ok_or(AdcError::Cut);
    let mut filled = 0_usize;
    while let Ok(code) = next() {
        if code & 0x80 != 0 {
            for _ in 0..=(code & 0x7f) {
                let byte = next()?;
                *output.get_mut(filled).ok_or(AdcError::TooLong)? = byte;
                filled += 1;
            }
            continue;
        }
        let (len, back) = if code & 0x40 != 0 {
            let (high, low) = (next()?, next()?);
            (code & 0x3f, usize::from(high) << 8 | usize::from(low))
        } else {
            let low = next()?;
            (code >> 2, usize::from(code & 3) << 8 | usize::from(low))
        };
        let least = if code & 0x40 != 0 { 4 } else { 3 };
        for _ in 0..usize::from(len) + least {
            // What was copied just now may be copied again.
            let from = filled.checked_sub(back + 1).ok_or(AdcError::BeforeStart)?;
            let byte = output.get(from).copied().unwrap_or_default();
            *output.get_mut(filled).ok_or(AdcError::TooLong)? = byte;
            filled += 1;
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(input: &[u8], room: usize) -> Result<Vec<u8>, AdcError> {
        let mut output = vec![0xee; room];
        let filled = decode(input, &mut output)?;
        output.truncate(filled);
        Ok(output)
    }

    #[test]
    fn runs_and_copies_of_both_lengths_are_decoded() {
        assert_eq!(decoded(&[0x82, b'a', b'b', b'c'], 3), Ok(b"abc".to_vec()));
        // Three back, four bytes: a copy that overlaps itself.
        assert_eq!(
            decoded(&[0x82, b'a', b'b', b'c', 0x04, 2], 9),
            Ok(b"abcabca".to_vec())
        );
        // One back, seven bytes, with the long code.
        assert_eq!(
            decoded(&[0x80, b'x', 0x43, 0, 0], 8),
            Ok(b"xxxxxxxx".to_vec())
        );
        // The two bits of the short code are the upper ones of its distance.
        let mut input = vec![0xff];
        input.extend(0..128);
        input.extend([0xff]);
        input.extend(128..=255);
        input.extend([0xfe]);
        input.extend([7; 127]);
        input.extend([0x01, 0x7e]);
        let output = decoded(&input, 1000).expect("it decodes");
        assert_eq!(output.get(383..), Some(&[0, 1, 2][..]));
        assert_eq!(decoded(&[], 0), Ok(Vec::new()));
    }

    #[test]
    fn what_is_cut_or_leads_nowhere_is_refused() {
        for (input, why) in [
            (&[0x81, b'a'][..], AdcError::Cut),
            (&[0x80, b'a', 0x00], AdcError::Cut),
            (&[0x80, b'a', 0x40, 0], AdcError::Cut),
            (&[0x00, 0], AdcError::BeforeStart),
            (&[0x80, b'a', 0x00, 1], AdcError::BeforeStart),
            (&[0x80, b'a', 0x43, 0, 0], AdcError::TooLong),
            (&[0x84, 1, 2, 3, 4, 5], AdcError::TooLong),
        ] {
            assert_eq!(decoded(input, 4), Err(why), "{input:x?}");
        }
    }
}
