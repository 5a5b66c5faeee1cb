//! Memory whose start is a multiple of the host's direct-write unit, so that large pieces can go past the page cache.

use crate::{Bytes, sink::DIRECT_UNIT};

/// A buffer of fixed length, aligned to [`DIRECT_UNIT`].
#[derive(Debug)]
pub struct AlignedBuffer {
    room: Vec<u8>,
    skip: usize,
    len: usize,
}

impl AlignedBuffer {
    /// `len` zero bytes.
    #[must_use]
    pub fn zeroed(len: Bytes) -> Self {
        let len = len.in_memory();
        let room = vec![0; len.saturating_add(DIRECT_UNIT)];
        let skip = room.as_ptr().align_offset(DIRECT_UNIT).min(DIRECT_UNIT);
        Self { room, skip, len }
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.room
            .get(self.skip..self.skip + self.len)
            .unwrap_or_default()
    }

    /// All of it, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.room
            .get_mut(self.skip..self.skip + self.len)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_start_where_direct_writes_may() {
        for len in [1, 4096, 1 << 20] {
            let buffer = AlignedBuffer::zeroed(Bytes(len));
            assert_eq!(buffer.bytes().len() as u64, len);
            assert!(buffer.bytes().as_ptr().addr().is_multiple_of(DIRECT_UNIT));
        }
    }
}
