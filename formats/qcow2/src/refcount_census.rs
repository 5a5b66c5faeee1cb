//! Counts who uses each host cluster, in a window of the file, so that memory is bounded however large the file is.
//!
//! What is counted is walked in `check`.

use std::collections::BTreeSet;

use imgdelta_core::{Bytes, FileOffset};

use crate::geometry::Geometry;

/// Clusters in a window: 32 MiB of counters.
const WINDOW: u64 = 8 << 20;

/// The most windows that are counted: each costs a walk through all tables.
pub(crate) const MOST_WINDOWS: usize = 256;

/// What stands in a host cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Use {
    /// The header.
    Header = 1,
    /// The refcount table.
    RefcountTable,
    /// A refcount block.
    RefcountBlock,
    /// An L1 table.
    L1,
    /// An L2 table; snapshots share them.
    L2,
    /// The snapshot table.
    Snapshots,
    /// Directory, table or bits of a bitmap.
    Bitmap,
    /// The LUKS header.
    Luks,
    /// Guest data, plain or compressed; snapshots share them.
    Data,
}

impl Use {
    /// Its name in messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::RefcountTable => "refcount table",
            Self::RefcountBlock => "refcount block",
            Self::L1 => "L1 table",
            Self::L2 => "L2 table",
            Self::Snapshots => "snapshot table",
            Self::Bitmap => "bitmap",
            Self::Luks => "LUKS header",
            Self::Data => "data cluster",
        }
    }

    /// The use of that number.
    const fn of(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Header,
            2 => Self::RefcountTable,
            3 => Self::RefcountBlock,
            4 => Self::L1,
            5 => Self::L2,
            6 => Self::Snapshots,
            7 => Self::Bitmap,
            8 => Self::Luks,
            9 => Self::Data,
            _ => return None,
        })
    }

    /// Whether several may name the same cluster.
    const fn is_shared(self) -> bool {
        matches!(self, Self::L2 | Self::Data)
    }
}

/// Two that claim one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    /// Where the cluster is.
    pub(crate) at: FileOffset,
    /// Who came first.
    pub(crate) first: Use,
}

/// The counters of one window.
#[derive(Debug)]
pub(crate) struct RefcountCensus {
    geometry: Geometry,
    /// Clusters of the file.
    clusters: u64,
    /// The first cluster of the window.
    first: u64,
    /// For each cluster its use in the upper 4 bits, the references below.
    counters: Vec<u32>,
    /// Windows in which anything is used.
    touched: BTreeSet<u64>,
}

/// Where a counter's references end and its use begins.
const USE: u32 = 28;

/// The most references that are counted.
pub(crate) const MOST: u32 = (1 << USE) - 1;

impl RefcountCensus {
    /// Counters for the first window of a file of `end` bytes.
    pub(crate) fn new(geometry: Geometry, end: Bytes) -> Self {
        let clusters = end.pieces(geometry.cluster());
        Self {
            geometry,
            clusters,
            first: 0,
            counters: vec![0; Bytes(clusters.min(WINDOW)).in_memory()],
            touched: BTreeSet::from([0]),
        }
    }

    /// Begins anew, for the window of that number.
    pub(crate) fn restart(&mut self, window: u64) {
        self.first = window.saturating_mul(WINDOW);
        let len = self.clusters.saturating_sub(self.first).min(WINDOW);
        self.counters.clear();
        self.counters.resize(Bytes(len).in_memory(), 0);
    }

    /// The windows in which anything is used.
    pub(crate) const fn touched(&self) -> &BTreeSet<u64> {
        &self.touched
    }

    /// Clusters of the file.
    pub(crate) const fn clusters(&self) -> u64 {
        self.clusters
    }

    /// Remembers the windows of the clusters from `first` to before `end`.
    pub(crate) fn touch(&mut self, first: u64, end: u64) {
        let end = end.min(self.clusters);
        if first < end && self.touched.len() <= MOST_WINDOWS {
            let windows = first / WINDOW..=(end - 1) / WINDOW;
            self.touched.extend(windows.take(MOST_WINDOWS + 1));
        }
    }

    /// Counts a reference to each cluster that the `len` bytes at `at` touch; says where somebody else already is.
    pub(crate) fn add(&mut self, at: FileOffset, len: Bytes, what: Use) -> Option<Clash> {
        let cluster = self.geometry.cluster();
        let first = at.0 / cluster.0;
        let end = at
            .saturating_add(len)
            .0
            .div_ceil(cluster.0)
            .min(self.clusters);
        if first >= end {
            return None;
        }
        self.touch(first, end);
        let mut clash = None;
        let inside = self.first.saturating_add(self.counters.len() as u64);
        for number in first.max(self.first)..end.min(inside) {
            let index = Bytes(number - self.first).in_memory();
            let Some(counter) = self.counters.get_mut(index) else {
                break;
            };
            let (before, references) = (Use::of(*counter >> USE), *counter & MOST);
            *counter = (before.unwrap_or(what) as u32) << USE | (references + 1).min(MOST);
            let before = before.filter(|&before| before != what || !what.is_shared());
            if let Some(first) = before {
                let at = FileOffset(number.saturating_mul(cluster.0));
                clash.get_or_insert(Clash { at, first });
            }
        }
        clash
    }

    /// Each cluster of the window with its references, in order.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (u64, u32)> {
        (self.first..).zip(self.counters.iter().map(|counter| counter & MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: Geometry = Geometry {
        version: 3,
        cluster_bits: 9,
        extended: false,
        data_file: false,
    };

    #[test]
    fn every_touched_cluster_is_counted_and_a_stranger_is_told() {
        let mut tally = RefcountCensus::new(GEOMETRY, Bytes(512 * 10));
        assert_eq!(tally.add(FileOffset(700), Bytes(1000), Use::Data), None);
        assert_eq!(tally.add(FileOffset(1024), Bytes(512), Use::Data), None);
        let clash = tally.add(FileOffset(1024), Bytes(512), Use::L2);
        assert_eq!(
            clash,
            Some(Clash {
                at: FileOffset(1024),
                first: Use::Data
            })
        );
        let counts: Vec<u32> = tally.counted().map(|(_, count)| count).collect();
        assert_eq!(counts, [0, 1, 3, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_window_counts_only_its_own_clusters_and_all_are_remembered() {
        let mut tally = RefcountCensus::new(GEOMETRY, Bytes(512 * (3 * WINDOW + 5)));
        tally.add(FileOffset(512 * 3 * WINDOW), Bytes(512), Use::Data);
        assert_eq!(tally.touched().iter().copied().collect::<Vec<_>>(), [0, 3]);
        tally.restart(3);
        tally.add(FileOffset(512 * 3 * WINDOW), Bytes(512), Use::Data);
        let counts: Vec<(u64, u32)> = tally.counted().collect();
        assert_eq!(counts.len(), 5);
        assert_eq!(counts.first(), Some(&(3 * WINDOW, 1)));
    }
}
