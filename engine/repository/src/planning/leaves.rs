//! How much two disks have in common, from their leaf digests alone. Both are read once, in order, in bounded memory.

use std::sync::OnceLock;

use imgdelta_core::{Bytes, Error, Kind, Result};
use imgdelta_delta::{
    WINDOW,
    tree::{Digest, RepeatedSubtrees},
};

/// What stands in a row of leaves: long zero runs cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// So many zero windows; never none.
    Zero(u64),
    /// The leaf of one window.
    Leaf(Digest),
}

/// The leaves of a disk, in order of address. What comes after the disk's last window is not looked at.
pub type Leaves<'a> = Box<dyn Iterator<Item = Result<Run>> + 'a>;

/// What a candidate holds of the image that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// How large the wanted disk is.
    pub size: Bytes,
    /// How many of its windows are not zero.
    pub data: u64,
    /// How many of those the candidate holds at the same place.
    pub held: u64,
    /// How many of its windows are zero where the candidate's are not: a child says so with a mark.
    pub emptied: u64,
}

impl Overlap {
    /// The estimate of what has to be sent. Windows that became zero count only where the child's format has no zero marks.
    #[must_use]
    pub fn bytes(&self, has_zero_marks: bool) -> Bytes {
        let emptied = if has_zero_marks { 0 } else { self.emptied };
        let windows = self.data.saturating_sub(self.held).saturating_add(emptied);
        Bytes(windows.saturating_mul(WINDOW.0)).min(self.size)
    }

    /// The estimate for the image as a whole.
    #[must_use]
    pub fn whole(&self) -> Bytes {
        Bytes(self.data.saturating_mul(WINDOW.0)).min(self.size)
    }

    /// Whether the candidate holds at least `threshold` percent of the data. Of an image that has none, nobody holds any.
    #[must_use]
    pub fn reaches(&self, threshold: u32) -> bool {
        self.data > 0
            && u128::from(self.held) * 100 >= u128::from(self.data) * u128::from(threshold)
    }

    /// How many percent of the data the candidate holds, for people.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "people read it")]
    pub fn percent(&self) -> f64 {
        if self.data == 0 {
            0.0
        } else {
            self.held as f64 * 100.0 / self.data as f64
        }
    }
}

/// What the disk with the leaves `candidate` holds of the one with the leaves `wanted`.
///
/// # Errors
/// Corrupt, if the wanted leaves end early or a run is empty; else what reading them gives. A candidate whose leaves end early
/// holds nothing there.
pub fn overlap(wanted: LeafStream<'_>, candidate: LeafStream<'_>) -> Result<Overlap> {
    let mut overlap = Overlap {
        size: wanted.size,
        data: 0,
        held: 0,
        emptied: 0,
    };
    compare(wanted, candidate, |_, count, relation| match relation {
        Relation::BothZero => {}
        Relation::Emptied => overlap.emptied += count,
        Relation::Same => {
            overlap.data += count;
            overlap.held += count;
        }
        Relation::Changed => overlap.data += count,
    })?;
    Ok(overlap)
}

/// How a window of one disk stands to the same window of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// Zero in both.
    BothZero,
    /// Zero, and not so in the other.
    Emptied,
    /// Data, and the other has the same.
    Same,
    /// Data, and the other has other data, zero or nothing.
    Changed,
}

/// Goes through `wanted` and says of each run of its windows (first, count) how it stands to `other`.
///
/// # Errors
/// As [`overlap`].
pub(super) fn compare(
    mut wanted: LeafStream<'_>,
    mut other: LeafStream<'_>,
    mut see: impl FnMut(u64, u64, Relation),
) -> Result<()> {
    while wanted.at < wanted.windows {
        let Some(here) = wanted.head()? else {
            return Err(faulty(format!(
                "end at window {}, {} are required",
                wanted.at, wanted.windows
            )));
        };
        let (count, relation) = match (here, other.head()?) {
            (Run::Zero(count), None) => (count, Relation::BothZero),
            (Run::Zero(count), Some(Run::Zero(there))) => (count.min(there), Relation::BothZero),
            (Run::Zero(_), Some(Run::Leaf(_))) => (1, Relation::Emptied),
            (Run::Leaf(leaf), Some(Run::Leaf(there))) if leaf == there => (1, Relation::Same),
            (Run::Leaf(_), _) => (1, Relation::Changed),
        };
        see(wanted.at, count, relation);
        wanted.pass(count);
        other.pass(count);
    }
    Ok(())
}

/// The leaves of a disk of a known size, read window by window; zero windows are told whichever way they are said.
pub struct LeafStream<'a> {
    leaves: Leaves<'a>,
    size: Bytes,
    /// What has been read and not passed yet, cut at the disk's end.
    head: Option<Run>,
    /// The window that comes next.
    at: u64,
    /// How many there are.
    windows: u64,
    /// The leaf of a last window that is short and zero.
    short: Option<Digest>,
}

impl<'a> LeafStream<'a> {
    /// The leaves of a disk of `size` bytes.
    #[must_use]
    pub fn new(size: Bytes, leaves: Leaves<'a>) -> Self {
        let short = Bytes(size.0 % WINDOW.0);
        Self {
            leaves,
            size,
            head: None,
            at: 0,
            windows: size.pieces(WINDOW),
            short: (short > Bytes::ZERO).then(|| zero_leaf(short)),
        }
    }

    /// A disk of no bytes.
    #[must_use]
    pub fn nothing() -> Self {
        Self::new(Bytes::ZERO, Box::new(std::iter::empty()))
    }

    /// What comes next; `None` at the end of the disk, and where the leaves end early.
    pub(super) fn head(&mut self) -> Result<Option<Run>> {
        if self.at >= self.windows {
            return Ok(None);
        }
        if self.head.is_none() {
            self.head = match self.leaves.next().transpose()? {
                Some(Run::Zero(0)) => return Err(faulty("hold a run of no windows".to_owned())),
                Some(Run::Zero(count)) => Some(Run::Zero(count.min(self.windows - self.at))),
                Some(Run::Leaf(leaf)) if self.is_zero(&leaf) => Some(Run::Zero(1)),
                other => other,
            };
        }
        Ok(self.head)
    }

    /// Goes `count` windows on, not further than the run that comes next.
    pub(super) fn pass(&mut self, count: u64) {
        self.at = self.at.saturating_add(count);
        self.head = match self.head {
            Some(Run::Zero(left)) if left > count => Some(Run::Zero(left - count)),
            _ => None,
        };
    }

    /// How large the disk is.
    pub(super) const fn size(&self) -> Bytes {
        self.size
    }

    /// The window that comes next.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// How many windows the disk has.
    pub(super) const fn windows(&self) -> u64 {
        self.windows
    }

    fn is_zero(&self, leaf: &Digest) -> bool {
        let is_last = self.at + 1 == self.windows;
        match self.short {
            Some(short) if is_last => *leaf == short,
            _ => *leaf == RepeatedSubtrees::zero().leaf(),
        }
    }
}

/// The leaf of a window of `len` zero bytes, `len` being less than a window.
pub(super) fn zero_leaf(len: Bytes) -> Digest {
    static ZEROS: OnceLock<Vec<u8>> = OnceLock::new();
    let zeros = ZEROS.get_or_init(|| vec![0; WINDOW.in_memory()]);
    Digest::leaf(zeros.get(..len.in_memory()).unwrap_or(zeros))
}

fn faulty(what: String) -> Error {
    Error::new(Kind::Corrupt, format!("leaf digests {what}")).with_code("leaves")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(windows: u64, runs: Vec<Run>) -> LeafStream<'static> {
        let size = Bytes(windows * WINDOW.0);
        LeafStream::new(size, Box::new(runs.into_iter().map(Ok)))
    }

    fn leaf(number: u8) -> Run {
        Run::Leaf(Digest([number; 32]))
    }

    #[test]
    fn a_sparse_disk_of_a_tebibyte_costs_what_its_data_costs() -> Result<()> {
        let windows = Bytes::gib(1024).pieces(WINDOW);
        let one = row(windows, vec![Run::Zero(windows - 1), leaf(1)]);
        let two = row(windows, vec![leaf(2), Run::Zero(windows - 2), leaf(1)]);
        let found = overlap(one, two)?;
        assert_eq!((found.data, found.held, found.emptied), (1, 1, 1));
        assert_eq!(found.bytes(true), Bytes::ZERO);
        assert_eq!(found.bytes(false), WINDOW);
        Ok(())
    }

    #[test]
    fn leaves_that_end_early_are_damage_in_the_wanted_image_and_nothing_in_a_candidate() {
        let short = || row(3, vec![leaf(1)]);
        let whole = || row(3, vec![leaf(1), leaf(2), Run::Zero(1)]);
        assert_eq!(
            overlap(short(), whole()).map_err(|error| error.kind()),
            Err(Kind::Corrupt)
        );
        let found = overlap(whole(), short()).expect("the wanted leaves are whole");
        assert_eq!((found.data, found.held), (2, 1));
    }

    #[test]
    fn endless_leaves_are_cut_at_the_end_of_the_disk_and_empty_runs_are_refused() {
        let endless = LeafStream::new(
            Bytes::mib(1),
            Box::new(std::iter::repeat_with(|| Ok(Run::Zero(u64::MAX)))),
        );
        let found = overlap(row(4, vec![Run::Zero(9)]), endless).expect("it ends");
        assert_eq!(found.data, 0);
        assert!(!found.reaches(0), "nobody holds any of nothing");
        let empty = LeafStream::new(
            Bytes::mib(1),
            Box::new(std::iter::repeat_with(|| Ok(Run::Zero(0)))),
        );
        assert!(overlap(row(4, vec![Run::Zero(9)]), empty).is_err());
    }
}
