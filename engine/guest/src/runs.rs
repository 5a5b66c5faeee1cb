//! Runs of a disk, sorted and apart: never two that touch.

use imgdelta_core::{Bytes, VirtOffset};

/// How many runs are kept, 16 bytes each. Beyond that the shortest are dropped, which is always right: what is not said to be free travels.
const MOST_RUNS: usize = 1 << 20;

/// A run of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// Where it starts, in bytes of the disk.
    pub start: VirtOffset,
    /// Its length in bytes.
    pub len: Bytes,
}

impl Run {
    /// `len` bytes from `start` on.
    #[must_use]
    pub const fn new(start: u64, len: u64) -> Self {
        Self {
            start: VirtOffset(start),
            len: Bytes(len),
        }
    }

    /// Where it ends: the first byte behind it.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.start.0.saturating_add(self.len.0)
    }
}

/// Runs of a disk in order of address, none of which overlaps or touches another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    runs: Vec<Run>,
    /// Runs shorter than this are no longer kept.
    shortest: u64,
}

impl Runs {
    /// Those of `runs`, in any order, joined where they touch or overlap.
    #[must_use]
    pub fn of(mut runs: Vec<Run>) -> Self {
        runs.sort_unstable();
        let mut sorted = Self::default();
        runs.into_iter().for_each(|run| sorted.push(run));
        sorted
    }

    /// Adds a run that starts at or behind the start of the last one.
    pub(crate) fn push(&mut self, run: Run) {
        if run.len.0 == 0 {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if run.start.0 <= last.end() => {
                let end = last.end().max(run.end());
                last.len = Bytes(end.saturating_sub(last.start.0));
                return;
            }
            Some(last) if last.len.0 < self.shortest => *last = run,
            _ => self.runs.push(run),
        }
        while self.runs.len() >= MOST_RUNS {
            self.shortest = self.shortest.max(512).saturating_mul(2);
            let (shortest, newest) = (self.shortest, run.start);
            self.runs
                .retain(|run| run.len.0 >= shortest || run.start == newest);
        }
    }

    /// The runs.
    #[must_use]
    pub fn as_slice(&self) -> &[Run] {
        &self.runs
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The sum of their lengths.
    #[must_use]
    pub fn total(&self) -> Bytes {
        Bytes(
            self.runs
                .iter()
                .fold(0, |sum, run| run.len.0.saturating_add(sum)),
        )
    }

    /// Whether a byte of `run` is in one of them.
    #[must_use]
    pub fn meets(&self, run: Run) -> bool {
        let after = self.runs.partition_point(|one| one.end() <= run.start.0);
        let next = self.runs.get(after);
        run.len.0 > 0 && next.is_some_and(|one| one.start.0 < run.end())
    }

    /// These without what is in `others`.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        let mut left = Self::default();
        for run in &self.runs {
            let mut at = run.start.0;
            let after = others.runs.partition_point(|one| one.end() <= at);
            let meeting = others.runs.iter().skip(after);
            for other in meeting.take_while(|other| other.start.0 < run.end()) {
                left.push(Run::new(at, other.start.0.saturating_sub(at)));
                at = at.max(other.end());
            }
            left.push(Run::new(at, run.end().saturating_sub(at)));
        }
        left
    }

    /// These and `others`.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let all = self.runs.iter().chain(&others.runs);
        let mut all = Self::of(all.copied().collect());
        all.shortest = self.shortest.max(others.shortest);
        all
    }

    /// The runs that are in none of these, from 0 to `end`.
    #[must_use]
    pub fn gaps(&self, end: u64) -> Self {
        let whole = Self::of(vec![Run::new(0, end)]);
        whole.without(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs() -> impl Strategy<Value = Vec<(u64, u64)>> {
        proptest::collection::vec((0_u64..200, 0_u64..20), 0..20)
    }

    fn of(runs: &[(u64, u64)]) -> Runs {
        Runs::of(runs.iter().map(|(at, len)| Run::new(*at, *len)).collect())
    }

    fn holds(runs: &[(u64, u64)], byte: u64) -> bool {
        runs.iter().any(|(at, len)| (*at..at + len).contains(&byte))
    }

    proptest! {
        #[test]
        fn runs_hold_what_was_put_in_and_lose_what_is_taken_out(one in runs(), other in runs()) {
            let (a, b) = (of(&one), of(&other));
            let left = a.without(&b);
            for byte in 0..230 {
                let run = Run::new(byte, 1);
                prop_assert_eq!(a.meets(run), holds(&one, byte));
                prop_assert_eq!(left.meets(run), holds(&one, byte) && !holds(&other, byte));
            }
            for runs in [&a, &left] {
                let pairs = runs.as_slice().windows(2);
                prop_assert!(pairs.into_iter().all(|pair| pair[0].end() < pair[1].start.0));
            }
        }
    }

    #[test]
    fn too_many_runs_lose_the_shortest() {
        let mut many = Runs::default();
        for at in 0..(MOST_RUNS as u64 + 10) {
            many.push(Run::new(at * 8192, if at % 4 == 0 { 4096 } else { 512 }));
        }
        assert!(many.as_slice().len() < MOST_RUNS);
        assert!(many.meets(Run::new(0, 1)) && !many.meets(Run::new(8192, 1)));
    }
}
