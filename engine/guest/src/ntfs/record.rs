//! Records whose sectors are protected: the last two bytes of each are elsewhere, a number that must be the same in all of them instead.

use crate::window::le;

/// The bytes that are protected together.
const STRIDE: usize = 512;

/// Puts back what the number stands for; `None` if the record was not written whole, or is none.
pub(super) fn mended(mut bytes: Vec<u8>, magic: [u8; 4]) -> Option<Vec<u8>> {
    if !bytes.starts_with(&magic) {
        return None;
    }
    let (at, count) = (
        usize::from(le::<u16>(&bytes, 4)),
        usize::from(le::<u16>(&bytes, 6)),
    );
    if count != bytes.len() / STRIDE + 1 || at % 2 != 0 {
        return None;
    }
    let array = bytes.get(at..at + count * 2)?.to_vec();
    let (number, originals) = array.split_first_chunk::<2>()?;
    let originals = originals.as_chunks::<2>().0;
    for (sector, original) in bytes.chunks_exact_mut(STRIDE).zip(originals) {
        let end = sector.last_chunk_mut::<2>()?;
        if end != number {
            return None;
        }
        *end = *original;
    }
    Some(bytes)
}

/// A record of the MFT, mended.
#[derive(Clone, Debug)]
pub(super) struct Record(Vec<u8>);

impl Record {
    /// The record in `bytes`; `None` if there is none, or not a whole one.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        mended(bytes.to_vec(), *b"FILE").map(Self)
    }

    /// Whether a file has it.
    pub(super) fn is_used(&self) -> bool {
        le::<u16>(&self.0, 22) & 1 != 0
    }

    /// Whether it is a directory.
    pub(super) fn is_folder(&self) -> bool {
        le::<u16>(&self.0, 22) & 2 != 0
    }

    /// The record that this one extends; 0: it is one of its own.
    pub(super) fn base(&self) -> u64 {
        le::<u64>(&self.0, 32) & 0xffff_ffff_ffff
    }

    /// The bytes of its attributes.
    pub(super) fn attributes(&self) -> &[u8] {
        let from = usize::from(le::<u16>(&self.0, 20));
        let end = usize::try_from(le::<u32>(&self.0, 24)).unwrap_or(usize::MAX);
        self.0.get(from..end.min(self.0.len())).unwrap_or_default()
    }
}
