//! A part of a disk, addressed from its own start: a volume. Nothing is read beyond its end.

use imgdelta_core::{Bytes, OnDisk, VirtOffset, byteorder::ByteOrder};

use crate::{
    disk::Disk,
    fault::{Fault, Found},
};

/// A part of a disk. Offsets are bytes from its start.
#[derive(Clone, Copy)]
pub(crate) struct Window<'d> {
    disk: &'d dyn Disk,
    start: VirtOffset,
    len: Bytes,
}

impl<'d> Window<'d> {
    /// `len` bytes from `start` on, cut at the disk's end.
    pub(crate) fn new(disk: &'d dyn Disk, start: VirtOffset, len: Bytes) -> Self {
        let left = disk.size().0.saturating_sub(start.0);
        let len = Bytes(len.0.min(left));
        Self { disk, start, len }
    }

    /// Where it starts on the disk.
    pub(crate) const fn start(&self) -> VirtOffset {
        self.start
    }

    /// Its length in bytes.
    pub(crate) const fn len(&self) -> u64 {
        self.len.0
    }

    /// Fills `buf` from `at` on.
    pub(crate) fn read(&self, at: u64, buf: &mut [u8]) -> Found<()> {
        let end = at.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.len.0) {
            let (len, size) = (buf.len(), self.len.0);
            return Err(Fault::unsound(format!(
                "{len} bytes at {at:#x} are named, which are beyond the volume's {size}"
            )));
        }
        self.disk
            .read_at(self.start.saturating_add(Bytes(at)), buf)
            .map_err(Fault::Disk)
    }

    /// `len` bytes from `at` on, of which there may be at most `most`.
    pub(crate) fn bytes(&self, at: u64, len: u64, most: u64) -> Found<Vec<u8>> {
        if len > most {
            return Err(Fault::unsound(format!(
                "{len} bytes at {at:#x} are named, at most {most} are read"
            )));
        }
        let mut bytes = vec![0; Bytes(len).in_memory()];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// `N` bytes from `at` on.
    pub(crate) fn array<const N: usize>(&self, at: u64) -> Found<[u8; N]> {
        let mut bytes = [0; N];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }
}

/// The value at `at` of `bytes` in byte order `E`; 0 where they end before it.
pub(crate) fn value<E: ByteOrder, T: OnDisk<E> + Default>(bytes: &[u8], at: usize) -> T {
    let end = at.saturating_add(T::LEN);
    bytes.get(at..end).map(T::take).unwrap_or_default()
}

/// The little-endian value at `at` of `bytes`; 0 where they end before it.
pub(crate) fn le<T: OnDisk<imgdelta_core::byteorder::LittleEndian> + Default>(
    bytes: &[u8],
    at: usize,
) -> T {
    value(bytes, at)
}

/// The big-endian value at `at` of `bytes`; 0 where they end before it.
pub(crate) fn be<T: OnDisk<imgdelta_core::byteorder::BigEndian> + Default>(
    bytes: &[u8],
    at: usize,
) -> T {
    value(bytes, at)
}
