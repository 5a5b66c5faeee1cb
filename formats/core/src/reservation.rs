//! Room that the host makes ahead of what is written.

use crate::{BlockState, Bytes, FileOffset, Sink, Unit};

/// The most that is asked for at once.
const MOST: Bytes = Bytes::mib(32);
/// How much must have come in a row before anything is asked for: of a sparse disk most stays unwritten, and room that nothing fills
/// is lost.
const ROW: Bytes = Bytes::mib(4);

/// Has the host make room ahead of a file's data, while they come in long rows: direct writes into room that is there do not wait
/// for one another.
///
/// In a child, units of which only some grains are data take no more room than these: what was asked for behind a row is given back
/// before such a unit is written.
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    /// Where the row of full units began, and where it ends so far.
    row: (FileOffset, FileOffset),
    /// How far room was asked for.
    reserved: FileOffset,
    /// The size of the disk: more than what is left of it will not come.
    disk: Bytes,
    /// Whether room that is not filled is given back.
    gives_back: bool,
}

impl Reservation {
    /// For the file of an image of a disk of `disk` bytes whose data begin at `start`. Data must come in order of their addresses in
    /// the file too: what is not yet placed stands behind what is.
    #[must_use]
    pub const fn new(start: FileOffset, disk: Bytes, is_child: bool) -> Self {
        Self {
            row: (start, start),
            reserved: start,
            disk,
            gives_back: is_child,
        }
    }

    /// Says that `unit` will be written at `at` of `sink`, behind all that was placed before. As much again as the row is long is asked
    /// for, within bounds.
    pub fn reserve(&mut self, sink: &dyn Sink, at: FileOffset, unit: &Unit<'_>) {
        let len = Bytes::from(unit.bytes.len());
        let end = at.saturating_add(len);
        if at != self.row.1 || !is_full(unit) {
            self.give_back(sink, at);
            self.row.0 = end;
        }
        self.row.1 = end;
        let row = end.since(self.row.0);
        if row >= ROW && end > self.reserved {
            let from = self.reserved.max(at);
            let left = Bytes(self.disk.0.saturating_sub(unit.at.0)).max(len);
            let most = at.saturating_add(left).since(from);
            let len = row.min(MOST).max(end.since(from)).min(most);
            sink.reserve(from, len);
            self.reserved = from.saturating_add(len);
        }
    }

    /// Gives back what was asked for from `at` on.
    fn give_back(&mut self, sink: &dyn Sink, at: FileOffset) {
        if self.gives_back && at < self.reserved {
            sink.release(at, self.reserved.since(at));
            self.reserved = at;
        }
    }
}

/// Whether nearly all of a unit is data: a few holes do not end a row.
fn is_full(unit: &Unit<'_>) -> bool {
    let data = unit
        .grains
        .iter()
        .filter(|grain| **grain == BlockState::Data);
    data.count() >= unit.grains.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Result, VirtOffset};

    /// Remembers what was asked for.
    #[derive(Debug, Default)]
    struct Asked(Mutex<Vec<(u64, u64)>>, Mutex<Vec<(u64, u64)>>);

    impl Sink for Asked {
        fn write_at(&self, _at: FileOffset, _bytes: &[u8]) -> Result<()> {
            Ok(())
        }

        fn reserve(&self, at: FileOffset, len: Bytes) {
            self.0.lock().unwrap().push((at.0 >> 20, len.0 >> 20));
        }

        fn release(&self, at: FileOffset, len: Bytes) {
            self.1.lock().unwrap().push((at.0 >> 20, len.0 >> 20));
        }

        fn set_len(&self, _len: Bytes) -> Result<()> {
            Ok(())
        }

        fn sync(&self) -> Result<()> {
            Ok(())
        }
    }

    /// What is asked for when units of 1 MiB come at those places, in MiB, each full or not.
    fn asked(units: impl IntoIterator<Item = (u64, bool)>) -> Vec<(u64, u64)> {
        let sink = asked_of(units, Bytes::mib(1 << 20), false);
        assert_eq!(sink.1.into_inner().unwrap(), []);
        sink.0.into_inner().unwrap()
    }

    fn asked_of(
        units: impl IntoIterator<Item = (u64, bool)>,
        disk: Bytes,
        is_child: bool,
    ) -> Asked {
        let (sink, bytes) = (Asked::default(), vec![1; 1 << 20]);
        let mut ahead = Reservation::new(FileOffset::ZERO, disk, is_child);
        for (at, is_full) in units {
            let grains = [
                BlockState::Data,
                if is_full {
                    BlockState::Data
                } else {
                    BlockState::Zero
                },
            ];
            let unit = Unit {
                at: VirtOffset(at << 20),
                bytes: &bytes,
                grains: &grains,
            };
            ahead.reserve(&sink, FileOffset(at << 20), &unit);
        }
        sink
    }

    #[test]
    fn nothing_is_asked_for_that_the_disk_does_not_have() {
        let sink = asked_of((0..10).map(|at| (at, true)), Bytes::mib(10), false);
        assert_eq!(sink.0.into_inner().unwrap(), [(3, 4), (7, 3)]);
    }

    #[test]
    fn a_child_gives_back_what_it_does_not_fill() {
        let row = (0..9).map(|at| (at, true));
        let sink = asked_of(row.chain([(9, false), (10, false)]), Bytes::mib(99), true);
        assert_eq!(sink.0.into_inner().unwrap(), [(3, 4), (7, 8)]);
        assert_eq!(sink.1.into_inner().unwrap(), [(9, 6)]);
    }

    #[test]
    fn a_long_row_has_as_much_again() {
        let all = asked((0..40).map(|at| (at, true)));
        assert_eq!(all, [(3, 4), (7, 8), (15, 16), (31, 32)]);
    }

    #[test]
    fn gaps_and_holes_have_none() {
        assert_eq!(asked((0..40).map(|at| (at * 2, true))), []);
        assert_eq!(asked((0..40).map(|at| (at, at % 4 != 0))), []);
    }
}
