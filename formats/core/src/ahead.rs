//! Room that the host makes ahead of what is written.

use crate::{Bytes, FileOffset, Grain, Sink, Unit};

/// The most that is asked for at once.
const MOST: Bytes = Bytes::mib(32);
/// How much must have come in a row before anything is asked for: of a sparse disk most stays unwritten, and room that nothing fills
/// is lost.
const ROW: Bytes = Bytes::mib(4);
/// How many grains of a unit are looked at to tell whether it is full.
const SAMPLES: usize = 8;

/// Has the host make room ahead of a file's data, while they come in long rows: direct writes into room that is there do not wait
/// for one another.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// Where the row of full units began, and where it ends so far.
    row: (FileOffset, FileOffset),
    /// How far room was asked for.
    reserved: FileOffset,
}

impl Ahead {
    /// For a file whose data begin at `start`.
    #[must_use]
    pub const fn new(start: FileOffset) -> Self {
        Self {
            row: (start, start),
            reserved: start,
        }
    }

    /// Says that `unit` will be written at `at` of `sink`. As much again as the row is long is asked for, within bounds. A few
    /// grains stand for the unit: this is called in turn, and only a hint.
    pub fn reserve(&mut self, sink: &dyn Sink, at: FileOffset, unit: &Unit<'_>) {
        let end = at.saturating_add(Bytes::from(unit.bytes.len()));
        if at != self.row.1 || !is_full(unit) {
            self.row.0 = end;
        }
        self.row.1 = end;
        let row = end.since(self.row.0);
        if row >= ROW && end > self.reserved {
            let from = self.reserved.max(at);
            let len = row.min(MOST).max(end.since(from));
            sink.reserve(from, len);
            self.reserved = from.saturating_add(len);
        }
    }
}

fn is_full(unit: &Unit<'_>) -> bool {
    let step = unit.grains.len().div_ceil(SAMPLES).max(1);
    let mut samples = unit.grains.iter().step_by(step).chain(unit.grains.last());
    samples.all(|grain| *grain == Grain::Data)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{Result, VirtOffset};

    /// Remembers what was asked for.
    #[derive(Debug, Default)]
    struct Asked(Mutex<Vec<(u64, u64)>>);

    impl Sink for Asked {
        fn write_at(&self, _at: FileOffset, _bytes: &[u8]) -> Result<()> {
            Ok(())
        }

        fn reserve(&self, at: FileOffset, len: Bytes) {
            self.0.lock().unwrap().push((at.0 >> 20, len.0 >> 20));
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
        let (sink, bytes) = (Asked::default(), vec![1; 1 << 20]);
        let mut ahead = Ahead::new(FileOffset::ZERO);
        for (at, is_full) in units {
            let grains = [Grain::Data, if is_full { Grain::Data } else { Grain::Zero }];
            let unit = Unit {
                at: VirtOffset::ZERO,
                bytes: &bytes,
                grains: &grains,
            };
            ahead.reserve(&sink, FileOffset(at << 20), &unit);
        }
        sink.0.into_inner().unwrap()
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
