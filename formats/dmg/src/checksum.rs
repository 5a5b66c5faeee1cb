//! The CRC-32 checksums of an image, as 7-Zip checks them: of the data fork as it stands in the file, of what each table covers, decoded, and of
//! the tables' checksums themselves. Other kinds of checksums are not looked at.

use crc32fast::Hasher;
use imgdelta_core::{Bytes, FileOffset, Result, Source};

/// The kind of checksum that is CRC-32, and its bits.
const CRC32: (u32, u32) = (2, 32);
/// How much of a file is read at once.
const STEP: Bytes = Bytes::mib(1);

/// The checksum in a field of `kind` and `bits`; `None` if it is of another kind, or none.
pub(crate) fn crc32((kind, bits): (u32, u32), value: &[u8; 128]) -> Option<u32> {
    let first = value.first_chunk().copied().unwrap_or_default();
    ((kind, bits) == CRC32).then(|| u32::from_be_bytes(first))
}

/// The checksum of what chunks cover, one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum(Hasher);

impl Sum {
    /// Goes on with these bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Goes on with so many zeros: in no time, however many they are.
    pub(crate) fn add_zeros(&mut self, count: Bytes) {
        let mut power = Hasher::new();
        power.update(&[0]);
        let mut left = count.0;
        self.forget_length();
        while left > 0 {
            if left & 1 == 1 {
                self.0.combine(&power);
            }
            left >>= 1;
            if left > 0 {
                let twice = power.clone();
                power.combine(&twice);
            }
        }
        self.forget_length();
    }

    /// Begins to count its bytes anew: they need not fit into a number.
    fn forget_length(&mut self) {
        self.0 = Hasher::new_with_initial(self.0.clone().finalize());
    }

    /// Goes on with `len` bytes of the file, which has them.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn add_file(
        &mut self,
        source: &dyn Source,
        at: FileOffset,
        len: Bytes,
    ) -> Result<()> {
        let mut buf = vec![0; len.min(STEP).in_memory()];
        let (mut at, mut left) = (at, len);
        while left > Bytes::ZERO {
            let step = left.min(STEP);
            let part = buf.get_mut(..step.in_memory()).unwrap_or_default();
            source.read_at(at, part)?;
            self.add(part);
            at = at.saturating_add(step);
            left = Bytes(left.0.saturating_sub(step.0));
        }
        Ok(())
    }

    /// The checksum.
    pub(crate) fn end(self) -> u32 {
        self.0.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_count_as_if_they_were_read() {
        for count in [0, 1, 2, 3, 511, 512, 100_000] {
            let (mut one, mut other) = (Sum::default(), Sum::default());
            one.add(b"before");
            other.add(b"before");
            one.add_zeros(Bytes(count));
            other.add(&vec![0; Bytes(count).in_memory()]);
            one.add(b"behind");
            other.add(b"behind");
            assert_eq!(one.end(), other.end(), "{count}");
        }
        let mut sum = Sum::default();
        sum.add_zeros(Bytes(u64::MAX));
        sum.add_zeros(Bytes(u64::MAX));
    }
}
