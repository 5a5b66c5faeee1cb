//! Where in the file things go: clusters one after another, each counted, each refcount block written when it is full.
//!
//! What the clusters hold is not known here.
//!
//! ```text
//! header  what block 0 counts …  block 0  what block 1 counts …  block 1  …  L1 table  last blocks  refcount table
//! ```
//!
//! A refcount block is the first cluster of the reach of the next one, so that only one is open at any time.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, FileOffset, Kind, Reservation, Result, Sink, Unit, write_without_zeros,
};

use super::{create_options::OFFSET_BITS, refcounts::Counts};
use crate::layout::{REFCOUNT_TABLE_LIMIT, RefcountEntry};

/// The most that is reserved of the file at once.
const STEP: u64 = 64 << 20;

/// The least that is reserved of the file at once.
const FIRST_STEP: u64 = 1 << 20;

/// Gives away the clusters of a file, in order.
#[derive(Debug)]
pub(super) struct ClusterAllocator {
    /// The file.
    sink: Arc<dyn Sink>,
    /// Log 2 of the bytes of a cluster.
    cluster_bits: u32,
    /// The first cluster that was not given away.
    next: u64,
    /// As many clusters as refcounts and table entries can reach.
    most: u64,
    /// The counts of the clusters from `open` on.
    counts: Counts,
    /// The first cluster that `counts` counts.
    open: u64,
    /// The refcount blocks that are full and written.
    blocks: Vec<RefcountEntry>,
    /// Where packed bytes go on; its cluster is among those that `counts` counts.
    tail: Option<FileOffset>,
    /// How the host makes room ahead.
    ahead: Preallocation,
}

/// How the host makes room ahead of what is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Preallocation {
    /// Not at all: between packed bytes and a cluster that is not packed lies what is never written.
    Off,
    /// In steps: all clusters are written whole. How far it was asked so far.
    Steps(u64),
    /// Behind rows of units that are full: of a child's clusters only the subclusters are written that are data.
    Rows(Reservation),
}

/// Where the last things are that a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MetadataLocations {
    /// The L1 table.
    pub(super) l1: FileOffset,
    /// The refcount table.
    pub(super) refcount_table: FileOffset,
    /// Its clusters.
    pub(super) refcount_table_clusters: u32,
    /// The file's length.
    pub(super) len: Bytes,
}

impl ClusterAllocator {
    /// The space of an empty file whose first cluster is the header's. `order`: log 2 of the bits of a refcount.
    pub(super) fn new(
        sink: Arc<dyn Sink>,
        cluster_bits: u32,
        order: u32,
        ahead: Preallocation,
    ) -> Self {
        let mut counts = Counts::new(1 << cluster_bits, order);
        counts.set(0, 1);
        let counted = (REFCOUNT_TABLE_LIMIT.0 / RefcountEntry::SIZE) * counts.entries();
        Self {
            sink,
            cluster_bits,
            next: 1,
            most: counted.min(1 << (OFFSET_BITS - cluster_bits)),
            counts,
            open: 0,
            blocks: Vec::new(),
            tail: None,
            ahead,
        }
    }

    /// The file.
    pub(super) fn sink(&self) -> &Arc<dyn Sink> {
        &self.sink
    }

    /// The next cluster, with one reference.
    ///
    /// # Errors
    /// Unsupported, if there can be no more; Host, if a full refcount block cannot be written.
    pub(super) fn take(&mut self) -> Result<FileOffset> {
        if self.next >= self.open + self.counts.entries() {
            self.close_block()?;
        }
        if self.next >= self.most {
            return Err(self.full());
        }
        let cluster = self.next;
        self.next += 1;
        self.counts.set(cluster - self.open, 1);
        self.reserve();
        Ok(self.start_of(cluster))
    }

    /// The next cluster, for the bytes of `unit`.
    ///
    /// # Errors
    /// As [`ClusterAllocator::take`].
    pub(super) fn take_for(&mut self, unit: &Unit<'_>) -> Result<FileOffset> {
        let at = self.take()?;
        if let Preallocation::Rows(ahead) = &mut self.ahead {
            ahead.reserve(&*self.sink, at, unit);
        }
        Ok(at)
    }

    /// Room for `len` packed bytes, not more than a cluster: they go on where the last ones ended if they can, and share that cluster.
    ///
    /// # Errors
    /// As [`ClusterAllocator::take`].
    pub(super) fn take_packed(&mut self, len: Bytes) -> Result<FileOffset> {
        let tail = self.tail.filter(|tail| self.can_share(*tail));
        let at = match tail {
            Some(tail) if len <= self.rest_of(tail) => {
                self.share(tail);
                tail
            }
            _ => {
                let cluster = self.take()?;
                match tail {
                    // Taking a cluster may have closed the block that counts the tail.
                    Some(tail)
                        if self.tail.is_some()
                            && cluster == tail.saturating_add(self.rest_of(tail)) =>
                    {
                        self.share(tail);
                        tail
                    }
                    _ => cluster,
                }
            }
        };
        let end = at.saturating_add(len);
        self.tail = (!end.is_aligned(self.cluster())).then_some(end);
        Ok(at)
    }

    /// Gives the last things their places: an L1 table of `l1_clusters`, the refcount blocks that are left, the refcount table.
    /// Writes all but the L1 table.
    ///
    /// # Errors
    /// Unsupported, if they find no room; Host, if the host cannot write.
    pub(super) fn finish(&mut self, l1_clusters: u64) -> Result<MetadataLocations> {
        let written = self.blocks.len() as u64;
        let fixed = self.next.saturating_add(l1_clusters);
        let (blocks, table_clusters) = self.plan_end(fixed, written)?;
        let first_block = fixed;
        let table = first_block + (blocks - written);
        let end = table + table_clusters;
        for number in written..blocks {
            self.count_to(end);
            let at = self.start_of(first_block + (number - written));
            write_without_zeros(&*self.sink, at, self.counts.bytes())?;
            self.blocks.push(RefcountEntry::of_block(at));
            self.counts.clear();
            self.open += self.counts.entries();
        }
        let len = Bytes(table_clusters << self.cluster_bits);
        let mut bytes: Vec<u8> = Vec::with_capacity(len.in_memory());
        bytes.extend(self.blocks.iter().flat_map(|entry| entry.0.to_be_bytes()));
        bytes.resize(len.in_memory(), 0);
        write_without_zeros(&*self.sink, self.start_of(table), &bytes)?;
        Ok(MetadataLocations {
            l1: self.start_of(self.next),
            refcount_table: self.start_of(table),
            refcount_table_clusters: u32::try_from(table_clusters).unwrap_or(u32::MAX),
            len: Bytes(end << self.cluster_bits),
        })
    }

    /// How many refcount blocks there will be and how many clusters of refcount table, if all else ends at cluster `fixed`:
    /// each counts itself too.
    fn plan_end(&self, fixed: u64, written: u64) -> Result<(u64, u64)> {
        let mut blocks = written + 1;
        loop {
            let table = Bytes(blocks * RefcountEntry::SIZE).pieces(self.cluster());
            let end = fixed.saturating_add(blocks - written).saturating_add(table);
            if end > self.most {
                return Err(self.full());
            }
            let needed = end.div_ceil(self.counts.entries());
            if needed <= blocks {
                return Ok((blocks, table));
            }
            blocks = needed;
        }
    }

    /// One reference for each cluster of the open block that was not given away and lies before `end`.
    fn count_to(&mut self, end: u64) {
        let last = end.min(self.open + self.counts.entries());
        for cluster in self.next.max(self.open)..last {
            self.counts.set(cluster - self.open, 1);
        }
    }

    /// Writes the open block, which is full, and opens the next, whose first cluster it is.
    fn close_block(&mut self) -> Result<()> {
        if self.next >= self.most {
            return Err(self.full());
        }
        let at = self.start_of(self.next);
        write_without_zeros(&*self.sink, at, self.counts.bytes())?;
        self.blocks.push(RefcountEntry::of_block(at));
        self.counts.clear();
        self.counts.set(0, 1);
        self.open = self.next;
        self.next += 1;
        // Its cluster's count is written.
        self.tail = None;
        Ok(())
    }

    /// Whether the cluster of `tail` can have one more reference.
    fn can_share(&self, tail: FileOffset) -> bool {
        self.counts.count(self.index_of(tail)) < self.counts.greatest()
    }

    /// One more reference for the cluster of `tail`.
    fn share(&mut self, tail: FileOffset) {
        let index = self.index_of(tail);
        self.counts.set(index, self.counts.count(index) + 1);
    }

    /// Which count of the open block is that of the cluster of `tail`.
    const fn index_of(&self, tail: FileOffset) -> u64 {
        (tail.0 >> self.cluster_bits).saturating_sub(self.open)
    }

    /// How many bytes there are from `tail` to the end of its cluster.
    const fn rest_of(&self, tail: FileOffset) -> Bytes {
        let cluster = self.cluster();
        tail.align_down(cluster).saturating_add(cluster).since(tail)
    }

    /// Bytes of a cluster.
    const fn cluster(&self) -> Bytes {
        Bytes(1 << self.cluster_bits)
    }

    /// Where a cluster starts.
    const fn start_of(&self, cluster: u64) -> FileOffset {
        FileOffset(cluster << self.cluster_bits)
    }

    /// Where all is written, has the host make room ahead, as much again as there is, within bounds: small files waste little, large ones ask seldom.
    fn reserve(&mut self) {
        let end = self.next << self.cluster_bits;
        if let Preallocation::Steps(reserved) = &mut self.ahead
            && end > *reserved
        {
            let from = *reserved;
            let step = end.clamp(FIRST_STEP, STEP);
            *reserved = end.saturating_add(step);
            let len = Bytes(*reserved - from);
            self.sink.reserve(FileOffset(from), len);
        }
    }

    /// No cluster is left.
    fn full(&self) -> Error {
        Error::new(
            Kind::Unsupported,
            format!(
                "the file needs more than {} clusters of {}, which its refcounts cannot reach",
                self.most,
                self.cluster()
            ),
        )
        .with_code("qcow2_file_too_large")
        .with_hint("use a larger --option cluster_size or smaller refcount_bits")
    }
}

#[cfg(test)]
mod tests {
    use imgdelta_core::MemSink;

    use super::*;

    fn space(order: u32) -> ClusterAllocator {
        let ahead = Preallocation::Steps(0);
        ClusterAllocator::new(Arc::new(MemSink::default()), 9, order, ahead)
    }

    #[test]
    fn a_full_block_stands_first_in_the_reach_of_the_next() -> Result<()> {
        let mut space = space(6);
        for cluster in 1..64 {
            assert_eq!(space.take()?, FileOffset(cluster * 512));
        }
        assert_eq!(space.take()?, FileOffset(65 * 512));
        assert_eq!(
            space.blocks,
            [RefcountEntry::of_block(FileOffset(64 * 512))]
        );
        Ok(())
    }

    #[test]
    fn packed_bytes_share_clusters_and_each_counts() -> Result<()> {
        let mut space = space(4);
        assert_eq!(space.take_packed(Bytes(300))?, FileOffset(512));
        assert_eq!(space.take_packed(Bytes(300))?, FileOffset(812));
        assert_eq!((space.counts.count(1), space.counts.count(2)), (2, 1));
        assert_eq!(space.take()?, FileOffset(3 * 512));
        assert_eq!(space.take_packed(Bytes(400))?, FileOffset(1112));
        assert_eq!(space.take_packed(Bytes(30))?, FileOffset(4 * 512));
        assert_eq!((space.counts.count(2), space.counts.count(4)), (2, 1));
        Ok(())
    }

    #[test]
    fn a_count_of_one_bit_shares_nothing() -> Result<()> {
        let mut space = space(0);
        assert_eq!(space.take_packed(Bytes(100))?, FileOffset(512));
        assert_eq!(space.take_packed(Bytes(100))?, FileOffset(1024));
        Ok(())
    }

    #[test]
    fn packed_bytes_never_straddle_into_a_refcount_block() -> Result<()> {
        let mut space = space(6);
        for _ in 1..63 {
            space.take()?;
        }
        assert_eq!(space.take_packed(Bytes(300))?, FileOffset(63 * 512));
        assert_eq!(space.take_packed(Bytes(300))?, FileOffset(65 * 512));
        Ok(())
    }

    #[test]
    fn the_last_things_count_themselves() -> Result<()> {
        for taken in 1..400 {
            let mut space = space(6);
            for _ in 0..taken {
                space.take()?;
            }
            let before = space.next;
            let ends = space.finish(3)?;
            let clusters = ends.len.0 / 512;
            assert_eq!(ends.l1, FileOffset(before * 512));
            assert!(space.blocks.len() as u64 * 64 >= clusters);
            assert!((space.blocks.len() as u64 - 1) * 64 < clusters);
        }
        Ok(())
    }

    #[test]
    fn a_file_beyond_the_reach_of_its_refcounts_is_refused() {
        let mut space = space(6);
        space.most = 100;
        let error = (0..200)
            .find_map(|_| space.take().err())
            .expect("it must end");
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(space.finish(1).is_err());
    }
}
