//! The L1 table and the L2 tables: where a cluster is. That no two are in one place is for `check` to find.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, Extent, FileOffset, Kind, PagedTable, Result, Source, State, VirtOffset, read_vec,
};

use crate::{fault::Fault, layout::ZERO, validate::ValidatedHeader};

/// How much of a table is read at once when all of it is looked at.
const PIECE: u64 = 64 << 10;

/// Where tables and clusters are.
#[derive(Debug)]
pub(crate) struct BlockTable {
    pages: PagedTable,
    /// How long the file is.
    end: u64,
    /// Where the header's clusters end.
    header_end: u64,
    /// Where the L1 table stands.
    l1_at: FileOffset,
    /// The bytes of a table.
    table_len: Bytes,
    /// The bytes of a cluster.
    cluster: Bytes,
    /// The size of the disk.
    size: Bytes,
}

/// Where a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// Nowhere: it is the backing file's, or zero.
    Absent,
    /// Zero, whatever the backing file holds.
    Zero,
    /// At this place.
    Plain(FileOffset),
}

/// What a walk through all tables meets.
#[derive(Debug)]
pub(crate) enum TableVisit {
    /// The L2 table of that number, and where it stands.
    BlockTable(u64, FileOffset),
    /// The cluster of that number, of which an L2 table says something.
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
            header_end: meta.header_end(),
            l1_at: FileOffset(meta.header.l1_table_offset),
            table_len: meta.table_len(),
            cluster: meta.cluster(),
            size: meta.size(),
        }
    }

    /// The bytes of a table.
    pub(crate) const fn table_len(&self) -> Bytes {
        self.table_len
    }

    /// How many clusters the disk has.
    pub(crate) const fn clusters(&self) -> u64 {
        self.size.pieces(self.cluster)
    }

    /// How many entries a table has.
    const fn entries(&self) -> u64 {
        self.table_len.0 / 8
    }

    /// The bytes of the disk that an L2 table maps; more than any disk has, if that is past the end of numbers.
    const fn mapped(&self) -> Bytes {
        Bytes(self.entries().saturating_mul(self.cluster.0))
    }

    /// The run from `at` on.
    pub(crate) fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let table = at.align_down(self.mapped());
        let index = at.0.checked_div(self.mapped().0).unwrap_or_default();
        match self.l2_at(index)? {
            None => {
                let tables = self.absent_tables(index)?;
                let len = self.mapped().0.saturating_mul(tables);
                Ok(self.until(at, table.0.saturating_add(len), State::Absent))
            }
            Some(l2) => self.in_l2(at, table, l2),
        }
    }

    /// The run from `at` on as far as the table at `l2` says, which maps the disk from `table` on.
    fn in_l2(&self, at: VirtOffset, table: VirtOffset, l2: FileOffset) -> Result<Extent> {
        let start = at.align_down(self.cluster);
        let number = start.since(table).pieces(self.cluster);
        let entry_at = l2.saturating_add(Bytes(number.saturating_mul(8)));
        let entry = u64::from_le_bytes(self.pages.entry(entry_at)?);
        let first = self.mapping(start, entry, entry_at)?;
        let state = match first {
            Mapping::Absent => State::Absent,
            Mapping::Zero => State::Zero,
            Mapping::Plain(host) => State::Data {
                file: 0,
                at: host.saturating_add(at.since(start)),
            },
        };
        let left = self.entries().saturating_sub(number);
        let run = self.run(start, first, entry_at, left)?;
        let len = self.cluster.0.saturating_mul(run);
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
        let (page, inside) = self.pages.page(entry_at)?;
        let (entries, _) = page.get(inside..).unwrap_or_default().as_chunks::<8>();
        let goes_on = |(step, bytes): &(u64, &[u8; 8])| {
            let by = Bytes(step.saturating_mul(self.cluster.0));
            let guest = start.saturating_add(by);
            let next = self.mapping(guest, u64::from_le_bytes(**bytes), entry_at);
            match (first, next) {
                (Mapping::Plain(host), Ok(Mapping::Plain(next))) => next == host.saturating_add(by),
                (first, Ok(next)) => first == next,
                (_, Err(_)) => false,
            }
        };
        let run = (0_u64..).zip(entries).take_while(goes_on).count() as u64;
        Ok(run.min(left).max(1))
    }

    /// The extent from `at` to `end`, or to the end of the disk.
    fn until(&self, at: VirtOffset, end: u64, state: State) -> Extent {
        let len = Bytes(end.min(self.size.0).saturating_sub(at.0));
        Extent { at, len, state }
    }

    /// Whether the header's clusters or the L1 table stand somewhere from `start` to `end`.
    const fn is_taken(&self, start: u64, end: u64) -> bool {
        let l1_end = self.l1_at.0.saturating_add(self.table_len.0);
        start < self.header_end || (start < l1_end && self.l1_at.0 < end)
    }

    /// Where the L2 table of that number stands; `None`, if there is none.
    fn l2_at(&self, index: u64) -> Result<Option<FileOffset>> {
        let entry_at = self.l1_at.saturating_add(Bytes(index.saturating_mul(8)));
        let at = FileOffset(u64::from_le_bytes(self.pages.entry(entry_at)?));
        if at == FileOffset::ZERO {
            return Ok(None);
        }
        let (end, table_end) = (self.end, at.saturating_add(self.table_len).0);
        let guest = VirtOffset(index.saturating_mul(self.mapped().0));
        let fault = if !at.is_aligned(self.cluster) {
            let cluster = self.cluster.0;
            Fault::L2Unaligned { guest, at, cluster }
        } else if table_end > end {
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
        Ok(absent.min(self.entries().saturating_sub(index)).max(1))
    }

    /// What an entry at `entry_at` says of the cluster that begins at `guest`.
    fn mapping(&self, guest: VirtOffset, entry: u64, entry_at: FileOffset) -> Result<Mapping> {
        match entry {
            0 => return Ok(Mapping::Absent),
            ZERO => return Ok(Mapping::Zero),
            _ => {}
        }
        let at = FileOffset(entry);
        // The disk may end inside its last cluster, and then the file may too.
        let needed = Bytes(self.size.0.saturating_sub(guest.0)).min(self.cluster);
        let (end, cluster_end) = (self.end, at.saturating_add(needed).0);
        let fault = if !at.is_aligned(self.cluster) {
            let cluster = self.cluster.0;
            Fault::ClusterUnaligned { guest, at, cluster }
        } else if cluster_end > end {
            Fault::ClusterPastEnd {
                guest,
                cluster_end,
                end,
            }
        } else if self.is_taken(at.0, cluster_end) {
            Fault::ClusterOverlap { guest, at }
        } else {
            return Ok(Mapping::Plain(at));
        };
        Err(Error::from(fault).in_structure("L2 table").at(entry_at))
    }

    /// Shows `see` all that the tables say of the disk, in order.
    ///
    /// # Errors
    /// Host, if the host cannot read. What leads nowhere is shown.
    pub(crate) fn each(&self, source: &dyn Source, mut see: impl FnMut(TableVisit)) -> Result<()> {
        let tables = self.size.pieces(self.mapped());
        let mut index = 0;
        while index < tables {
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

    /// As [`each`](Self::each), of the L2 table of that number at `l2`. A table may have 1 GiB.
    fn each_of(
        &self,
        source: &dyn Source,
        index: u64,
        l2: FileOffset,
        see: &mut impl FnMut(TableVisit),
    ) -> Result<()> {
        let first = index.saturating_mul(self.entries());
        let there = self.clusters().saturating_sub(first).min(self.entries());
        let mut done = 0;
        while done < there {
            let now = there.saturating_sub(done).min(PIECE / 8);
            let at = l2.saturating_add(Bytes(done.saturating_mul(8)));
            let piece = read_vec(source, at, Bytes(now.saturating_mul(8)))?;
            let (entries, _) = piece.as_chunks::<8>();
            for (step, bytes) in (0_u64..).zip(entries) {
                let number = first.saturating_add(done).saturating_add(step);
                let guest = VirtOffset(number.saturating_mul(self.cluster.0));
                let entry_at = at.saturating_add(Bytes(step.saturating_mul(8)));
                match self.mapping(guest, u64::from_le_bytes(*bytes), entry_at) {
                    Ok(Mapping::Absent) => {}
                    Ok(mapping) => see(TableVisit::Cluster(number, mapping)),
                    Err(error) => see(TableVisit::Fault(error)),
                }
            }
            done = done.saturating_add(now);
        }
        Ok(())
    }

    /// The bytes of a cluster.
    pub(crate) const fn cluster(&self) -> Bytes {
        self.cluster
    }
}
