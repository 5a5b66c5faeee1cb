//! The L1 table and the L2 tables: where a cluster is. That no two are in one place is for `check` to find.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, Extent, FileOffset, Kind, PagedTable, Result, SECTOR, Source, State, VirtOffset,
    read_vec,
};

use crate::{
    fault::Fault,
    layout::{COMPRESSED, Header, compressed_place},
    validate::ValidatedHeader,
};

/// Where tables and clusters are.
#[derive(Debug)]
pub(crate) struct BlockTable {
    pages: PagedTable,
    /// How long the file is.
    end: u64,
    /// Where the L1 table stands.
    l1_at: FileOffset,
    /// Where it ends.
    l1_end: u64,
    l1_entries: u64,
    cluster_bits: u8,
    l2_bits: u8,
    /// The size of the disk.
    size: Bytes,
}

/// Where a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// Nowhere: it is the backing file's, or zero.
    Absent,
    /// As it is at this place.
    Plain(FileOffset),
    /// Compressed to so many bytes from this place on.
    Compressed(FileOffset, Bytes),
}

/// What a walk through all tables meets.
#[derive(Debug)]
pub(crate) enum TableVisit {
    /// The L2 table of that number, and where it stands.
    BlockTable(u64, FileOffset),
    /// The cluster of that number, which is there.
    Cluster(u64, Mapping),
    /// An entry that leads nowhere.
    Fault(Error),
}

impl BlockTable {
    /// The tables of a judged image.
    pub(crate) fn new(meta: &ValidatedHeader, source: Arc<dyn Source>) -> Self {
        Self {
            end: source.len().0,
            pages: PagedTable::new(source),
            l1_at: FileOffset(meta.header.l1_table_offset),
            l1_end: meta.l1_end(),
            l1_entries: meta.l1_entries(),
            cluster_bits: meta.header.cluster_bits,
            l2_bits: meta.header.l2_bits,
            size: meta.size(),
        }
    }

    /// The bytes of a cluster.
    pub(crate) const fn cluster(&self) -> Bytes {
        Bytes(1 << self.cluster_bits)
    }

    /// How many clusters the disk has.
    pub(crate) const fn clusters(&self) -> u64 {
        self.size.pieces(self.cluster())
    }

    /// The bytes of an L2 table.
    pub(crate) const fn l2_len(&self) -> Bytes {
        Bytes(8 << self.l2_bits)
    }

    /// The run from `at` on.
    pub(crate) fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let mapped = Bytes(self.cluster().0 << self.l2_bits);
        let table = at.align_down(mapped);
        let index = at.0.checked_div(mapped.0).unwrap_or_default();
        match self.l2_at(index)? {
            None => {
                let tables = self.absent_tables(index)?;
                let end = table.0.saturating_add(mapped.0.saturating_mul(tables));
                Ok(self.until(at, end, State::Absent))
            }
            Some(l2) => self.in_l2(at, table, l2),
        }
    }

    /// The run from `at` on as far as the table at `l2` says, which maps the disk from `table` on.
    fn in_l2(&self, at: VirtOffset, table: VirtOffset, l2: FileOffset) -> Result<Extent> {
        let number = at.since(table).0 >> self.cluster_bits;
        let start = at.align_down(self.cluster());
        let entry_at = l2.saturating_add(Bytes(number.saturating_mul(8)));
        let entry = u64::from_be_bytes(self.pages.entry(entry_at)?);
        let first = self.mapping(start, entry, entry_at)?;
        let state = match first {
            Mapping::Absent => State::Absent,
            Mapping::Plain(host) => State::Data {
                file: 0,
                at: host.saturating_add(at.since(start)),
            },
            Mapping::Compressed(host, len) => State::Compressed {
                unit: start,
                at: host,
                len,
            },
        };
        let left = (1_u64 << self.l2_bits).saturating_sub(number);
        let run = self.run(start, first, entry_at, left)?;
        let len = self.cluster().0.saturating_mul(run);
        Ok(self.until(at, start.0.saturating_add(len), state))
    }

    /// How many clusters, at most `left`, go on as `first` does, as far as the page shows; at least 1.
    fn run(
        &self,
        start: VirtOffset,
        first: Mapping,
        entry_at: FileOffset,
        left: u64,
    ) -> Result<u64> {
        if let Mapping::Compressed(..) = first {
            return Ok(1);
        }
        let (page, inside) = self.pages.page(entry_at)?;
        let (entries, _) = page.get(inside..).unwrap_or_default().as_chunks::<8>();
        let goes_on = |(step, bytes): &(u64, &[u8; 8])| {
            let by = Bytes(step.saturating_mul(self.cluster().0));
            let guest = start.saturating_add(by);
            let entry = u64::from_be_bytes(**bytes);
            match (first, self.mapping(guest, entry, entry_at)) {
                (Mapping::Absent, Ok(Mapping::Absent)) => true,
                (Mapping::Plain(host), Ok(Mapping::Plain(next))) => next == host.saturating_add(by),
                _ => false,
            }
        };
        let run = (0_u64..).zip(entries).take_while(goes_on).count() as u64;
        Ok(run.min(left).max(1))
    }

    /// Whether header or L1 table stand somewhere from `start` to `end`.
    const fn is_taken(&self, start: u64, end: u64) -> bool {
        start < Header::SIZE as u64 || (start < self.l1_end && self.l1_at.0 < end)
    }

    /// The extent from `at` to `end`, or to the end of the disk.
    fn until(&self, at: VirtOffset, end: u64, state: State) -> Extent {
        let len = Bytes(end.min(self.size.0).saturating_sub(at.0));
        Extent { at, len, state }
    }

    /// Where the L2 table of that number stands; `None`, if there is none.
    pub(crate) fn l2_at(&self, index: u64) -> Result<Option<FileOffset>> {
        let entry_at = self.l1_at.saturating_add(Bytes(index.saturating_mul(8)));
        let at = u64::from_be_bytes(self.pages.entry(entry_at)?);
        if at == 0 {
            return Ok(None);
        }
        let end = self.end;
        let table_end = at.saturating_add(self.l2_len().0);
        let guest = index.saturating_mul(self.cluster().0 << self.l2_bits);
        let guest = VirtOffset(guest);
        let at = FileOffset(at);
        let fault = if table_end > end {
            Fault::L2PastEnd {
                guest,
                table_end,
                end,
            }
        } else if self.is_taken(at.0, table_end) {
            Fault::L2Overlap { guest, at }
        } else {
            return Ok(Some(at));
        };
        Err(Error::from(fault).in_structure("L1 table").at(entry_at))
    }

    /// How many L2 tables from that number on are not there, as far as the page of the L1 table shows; at least 1.
    fn absent_tables(&self, index: u64) -> Result<u64> {
        let entry_at = self.l1_at.saturating_add(Bytes(index.saturating_mul(8)));
        let (page, inside) = self.pages.page(entry_at)?;
        let (entries, _) = page.get(inside..).unwrap_or_default().as_chunks::<8>();
        let absent = entries.iter().take_while(|bytes| **bytes == [0; 8]).count() as u64;
        Ok(absent.min(self.l1_entries.saturating_sub(index)).max(1))
    }

    /// What an entry at `entry_at` says of the cluster that begins at `guest`.
    fn mapping(&self, guest: VirtOffset, entry: u64, entry_at: FileOffset) -> Result<Mapping> {
        let placed = |fault: Fault| Error::from(fault).in_structure("L2 table").at(entry_at);
        if entry == 0 {
            return Ok(Mapping::Absent);
        }
        let is_compressed = entry & COMPRESSED != 0;
        let (at, len) = if is_compressed {
            compressed_place(entry, self.cluster_bits)
        } else {
            // The disk may end inside its last cluster, and then the file may too.
            let left = self.size.0.saturating_sub(guest.0);
            (entry, left.min(self.cluster().0))
        };
        let (end, cluster_end) = (self.end, at.saturating_add(len));
        let host = FileOffset(at);
        if is_compressed && len == 0 {
            return Err(placed(Fault::CompressedEmpty { guest }));
        }
        if !is_compressed && !host.is_aligned(Bytes(SECTOR)) {
            return Err(placed(Fault::ClusterUnaligned { guest, at: host }));
        }
        if cluster_end > end {
            let fault = Fault::ClusterPastEnd {
                guest,
                cluster_end,
                end,
            };
            return Err(placed(fault));
        }
        if self.is_taken(at, cluster_end) {
            return Err(placed(Fault::ClusterOverlap { guest, at: host }));
        }
        Ok(if is_compressed {
            Mapping::Compressed(host, Bytes(len))
        } else {
            Mapping::Plain(host)
        })
    }

    /// Shows `see` all that the tables say of the disk, in order.
    ///
    /// # Errors
    /// Host, if the host cannot read. What leads nowhere is shown.
    pub(crate) fn each(&self, source: &dyn Source, mut see: impl FnMut(TableVisit)) -> Result<()> {
        let mut index = 0;
        while index < self.l1_entries {
            match self.l2_at(index) {
                Ok(None) => {
                    index = index.saturating_add(self.absent_tables(index)?);
                    continue;
                }
                Ok(Some(l2)) => {
                    see(TableVisit::BlockTable(index, l2));
                    self.each_of(source, index, l2, &mut see)?;
                }
                Err(error) if error.kind() == Kind::Corrupt => see(TableVisit::Fault(error)),
                Err(error) => return Err(error),
            }
            index = index.saturating_add(1);
        }
        Ok(())
    }

    /// As [`each`](Self::each), of the L2 table of that number at `l2`.
    fn each_of(
        &self,
        source: &dyn Source,
        index: u64,
        l2: FileOffset,
        see: &mut impl FnMut(TableVisit),
    ) -> Result<()> {
        let in_l2 = 1_u64 << self.l2_bits;
        let first = index.saturating_mul(in_l2);
        let there = self.clusters().saturating_sub(first).min(in_l2);
        let table = read_vec(source, l2, Bytes(there.saturating_mul(8)))?;
        let (entries, _) = table.as_chunks::<8>();
        for (step, bytes) in (0_u64..).zip(entries) {
            let number = first.saturating_add(step);
            let guest = VirtOffset(number.saturating_mul(self.cluster().0));
            let entry_at = l2.saturating_add(Bytes(step.saturating_mul(8)));
            match self.mapping(guest, u64::from_be_bytes(*bytes), entry_at) {
                Ok(Mapping::Absent) => {}
                Ok(mapping) => see(TableVisit::Cluster(number, mapping)),
                Err(error) => see(TableVisit::Fault(error)),
            }
        }
        Ok(())
    }
}
