//! Runs of one side, and what is said of several.

use serde::{Deserialize, Serialize};

/// What one run took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Seconds from the first command's start to the last one's end.
    pub(crate) wall: f64,
    /// Seconds of processor time of all commands, in the program and for it in the kernel.
    pub(crate) cpu: f64,
    /// Largest resident set of its commands.
    pub(crate) peak_kib: u64,
    /// Allocated bytes of the output.
    pub(crate) output: Option<u64>,
    /// Bytes that travelled.
    pub(crate) sent: Option<u64>,
}

/// One side of a row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) samples: Vec<Sample>,
    /// Why it was not measured to the end.
    pub(crate) fault: Option<String>,
}

/// The median of several figures, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self {
            median: f64::midpoint(lower, upper),
            least: *sorted.first()?,
            most: *sorted.last()?,
        })
    }
}

impl Side {
    /// The median of one of the figures of its runs; none where not all runs ended.
    pub(crate) fn median(&self, figure: fn(&Sample) -> f64) -> Option<f64> {
        let figures = self.whole()?.iter().map(figure);
        Spread::of(figures).map(|spread| spread.median)
    }

    /// Its runs, if none of them failed.
    pub(crate) fn whole(&self) -> Option<&[Sample]> {
        self.fault.is_none().then_some(&self.samples)
    }

    /// The largest resident set of all runs.
    pub(crate) fn peak_kib(&self) -> Option<u64> {
        self.samples.iter().map(|sample| sample.peak_kib).max()
    }

    /// What the last run left.
    pub(crate) fn output(&self) -> Option<u64> {
        self.samples.last()?.output
    }

    /// What travelled in the last run.
    pub(crate) fn sent(&self) -> Option<u64> {
        self.samples.last()?.sent
    }

    /// How many times longer each run took than the run of `other` in the same round.
    pub(crate) fn times(&self, other: &Self) -> Option<Spread> {
        let rounds = self.whole()?.iter().zip(other.whole()?);
        Spread::of(rounds.map(|(one, other)| one.wall / other.wall))
    }
}
