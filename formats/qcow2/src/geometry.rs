//! The sizes that follow from the header, and the tables that stand where the header says.

use imgdelta_core::{Bytes, FileOffset, VirtOffset};

use crate::{
    fault::Fault,
    layout::{L1_LIMIT, L1Entry, L2Entry, SUBCLUSTERS},
};

/// Sizes of an image. `cluster_bits` is from 9 to 21.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    /// 2 or 3.
    pub(crate) version: u32,
    /// Log 2 of the bytes of a cluster.
    pub(crate) cluster_bits: u32,
    /// Whether L2 entries are extended.
    pub(crate) extended: bool,
    /// Whether guest data stand in a file of their own.
    pub(crate) data_file: bool,
}

impl Geometry {
    /// Bytes of a cluster.
    pub(crate) const fn cluster(self) -> Bytes {
        Bytes(1 << self.cluster_bits)
    }

    /// Bytes of a subcluster; of a cluster where there are none.
    pub(crate) const fn grain(self) -> Bytes {
        if self.extended {
            Bytes(self.cluster().0 / SUBCLUSTERS)
        } else {
            self.cluster()
        }
    }

    /// Bytes of an L2 entry.
    pub(crate) const fn l2_entry(self) -> u64 {
        if self.extended {
            L2Entry::EXTENDED_SIZE
        } else {
            L2Entry::SIZE
        }
    }

    /// Guest bytes that an L2 table maps.
    pub(crate) const fn reach(self) -> Bytes {
        Bytes(self.cluster().0 / self.l2_entry() * self.cluster().0)
    }

    /// Entries that an L1 table needs for a disk of `size`.
    pub(crate) const fn l1_entries(self, size: Bytes) -> u64 {
        size.pieces(self.reach())
    }

    /// The largest disk that an L1 table can map.
    pub(crate) const fn most(self) -> u64 {
        (L1_LIMIT.0 / L1Entry::SIZE).saturating_mul(self.reach().0)
    }

    /// Which entry of the L1 table maps `at`.
    pub(crate) const fn l1_index(self, at: VirtOffset) -> u64 {
        at.0 / self.reach().0
    }

    /// Which entry of its L2 table maps `at`.
    pub(crate) const fn l2_index(self, at: VirtOffset) -> u64 {
        (at.0 % self.reach().0) >> self.cluster_bits
    }

    /// Judges where a structure of `len` bytes stands, in a file of `end` bytes: at a cluster's start, behind the header,
    /// inside the file.
    pub(crate) fn place(
        self,
        what: &'static str,
        at: FileOffset,
        len: Bytes,
        end: Bytes,
    ) -> Result<(), Fault> {
        let cluster = self.cluster();
        if !at.is_aligned(cluster) {
            let cluster = cluster.0;
            return Err(Fault::Unaligned { what, at, cluster });
        }
        if at == FileOffset::ZERO {
            return Err(Fault::InHeader { what, at });
        }
        if at.checked_add(len).is_none_or(|last| last.0 > end.0) {
            return Err(Fault::PastEnd {
                what,
                at,
                len: len.0,
                end: end.0,
            });
        }
        Ok(())
    }
}

/// The tables whose places the header gives: nothing else may stand there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reserved(Vec<(&'static str, FileOffset, FileOffset)>);

impl Reserved {
    /// Adds a table of `len` bytes.
    pub(crate) fn add(&mut self, what: &'static str, at: FileOffset, len: Bytes) {
        if len != Bytes::ZERO {
            self.0.push((what, at, at.saturating_add(len)));
        }
    }

    /// Refuses a `what` that takes `len` bytes at `at` where one of the tables is.
    pub(crate) fn refuse(
        &self,
        what: &'static str,
        at: FileOffset,
        len: Bytes,
    ) -> Result<(), Fault> {
        let end = at.saturating_add(len);
        match self.0.iter().find(|(_, from, to)| at < *to && end > *from) {
            Some((other, ..)) => Err(Fault::Overlap { what, at, other }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_l1_table_maps_what_the_sheet_says() {
        let at = |cluster_bits, extended| Geometry {
            version: 3,
            cluster_bits,
            extended,
            data_file: false,
        };
        assert_eq!(at(9, false).most(), 128 << 30);
        assert_eq!(at(16, false).most(), 2 << 50);
        assert_eq!(at(21, false).most(), 2 << 60);
        assert_eq!(at(16, true).most(), 1 << 50);
        assert_eq!(at(16, false).l1_entries(Bytes((512 << 20) + 1)), 2);
    }
}
