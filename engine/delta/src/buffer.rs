//! Memory whose start is a multiple of the host's direct-write unit, so that large pieces can go past the page cache; and buffers that workers
//! lend each other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use imgdelta_core::{Bytes, DIRECT_UNIT};

/// A buffer of fixed length, aligned to [`DIRECT_UNIT`].
#[derive(Debug)]
pub(crate) struct Aligned {
    room: Vec<u8>,
    skip: usize,
    len: usize,
}

impl Aligned {
    /// `len` zero bytes.
    pub(crate) fn zeroed(len: Bytes) -> Self {
        let len = len.in_memory();
        let room = vec![0; len.saturating_add(DIRECT_UNIT)];
        let skip = room.as_ptr().align_offset(DIRECT_UNIT).min(DIRECT_UNIT);
        Self { room, skip, len }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.room
            .get(self.skip..self.skip + self.len)
            .unwrap_or_default()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.room
            .get_mut(self.skip..self.skip + self.len)
            .unwrap_or_default()
    }
}

/// Buffers that nobody works in now, the one used last on top. They become as many as work at a time, not as workers there are: buffers that
/// take turns leave the core's cache before they are used again.
#[derive(Debug)]
pub(crate) struct SpareBuffers<T>(Mutex<Vec<T>>);

impl<T> SpareBuffers<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Does `work` with one of them; `new` is another one, where none is spare. One that `work` fails with is spare again too.
    pub(crate) fn lend<R>(&self, new: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> R {
        let spare = self.spare().pop();
        let mut buffer = spare.unwrap_or_else(new);
        let done = work(&mut buffer);
        self.spare().push(buffer);
        done
    }

    fn spare(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_start_where_direct_writes_may() {
        for len in [1, 4096, 1 << 20] {
            let buffer = Aligned::zeroed(Bytes(len));
            assert_eq!(buffer.bytes().len() as u64, len);
            assert!(buffer.bytes().as_ptr().addr().is_multiple_of(DIRECT_UNIT));
        }
    }
}
