//! Has the host write to the disk early what stands in its page cache.
//!
//! A host that is told nothing keeps what is written for seconds, and who then waits for all of it to be durable waits for the disk alone, the
//! processor having nothing to do.

use std::{
    fs::File,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::fs::{Advice, fadvise};

use crate::FileOffset;

/// How much is begun at once, in bytes.
const STEP: u64 = 16 << 20;

/// How far behind what is written last it stays, in bytes: tasks end in any order, and what is being written to the disk is not to change.
const LAG: u64 = 8 << 20;

/// How far writing to the disk has begun.
#[derive(Debug, Default)]
pub(super) struct WriteBack(AtomicU64);

impl WriteBack {
    /// Something was written at `at` of `file`: begins with what lies some way before that, if it is enough. What is written there later is left
    /// to the host.
    pub(super) fn written_to(&self, file: &File, at: FileOffset) {
        let from = self.0.load(Ordering::Relaxed);
        let to = at.0.saturating_sub(LAG) / STEP * STEP;
        if to <= from {
            return;
        }
        let is_mine = self
            .0
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if is_mine {
            // Linux begins to write what is changed, does not wait for it, and forgets only what is on the disk already.
            let _ = fadvise(file, from, NonZeroU64::new(to - from), Advice::DontNeed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_some_way_behind_is_begun_once_and_in_large_pieces() {
        let file = tempfile::tempfile().expect("room");
        let begun = WriteBack::default();
        let mut reached = Vec::new();
        for mib in [1, 20, 24, 39, 40, 30, 100, 0, u64::MAX >> 20] {
            begun.written_to(&file, FileOffset(mib << 20));
            reached.push(begun.0.load(Ordering::Relaxed) >> 20);
        }
        let last = (u64::MAX >> 20) - 15;
        assert_eq!(reached, [0, 0, 16, 16, 32, 32, 80, 80, last - last % 16]);
    }
}
