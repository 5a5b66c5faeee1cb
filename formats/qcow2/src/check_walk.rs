//! The walk of a check: everything that an image refers to, judged and counted.
//!
//! What the counts are compared with is in `check`.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, CheckReport, Error, FileOffset, PagedTable, Result, Source, VirtOffset, parallel,
    read_vec,
};

use crate::{
    cluster_mapping::ClusterMapping,
    fault::Fault,
    geometry::{Geometry, Reserved},
    layout::{BitmapEntry, L1Entry, L2Entry},
    map::{data_reaches, in_l2, kept, packed_reaches, validate_l1, words},
    refcount::Refcounts,
    refcount_census::{RefcountCensus, Use},
    validate::ValidatedHeader,
};

/// L2 tables that are read side by side take at most this together.
const MOST_READ: Bytes = Bytes::mib(8);

/// Where there are no more L2 tables than this, they are read sooner than another thread wakes up.
const FEW: usize = 16;

/// One walk through an image.
pub(crate) struct CheckWalk<'a> {
    /// The image.
    pub(crate) source: &'a Arc<dyn Source>,
    /// Its metadata.
    pub(crate) meta: &'a ValidatedHeader,
    /// Its refcounts.
    pub(crate) refcounts: &'a Refcounts,
    /// Who uses what.
    pub(crate) tally: &'a mut RefcountCensus,
    /// What was found.
    pub(crate) report: &'a mut CheckReport,
    /// Whether this is the first walk: later ones, for other windows of the file, only count.
    pub(crate) is_first: bool,
    /// How long the file with plain data is.
    pub(crate) data_end: Bytes,
    /// Data clusters of the active disk, plain and compressed.
    pub(crate) data: u64,
    pub(crate) compressed: u64,
}

/// An L1 table: where it is, its entries, the size of its disk, whether it is the active one.
#[derive(Clone, Copy)]
struct Root {
    at: FileOffset,
    entries: u64,
    size: Bytes,
    is_active: bool,
}

impl CheckWalk<'_> {
    /// Walks through everything.
    pub(crate) fn run(&mut self) -> Result<()> {
        let (meta, header) = (self.meta, &self.meta.header);
        let cluster = meta.geometry.cluster();
        self.count(FileOffset::ZERO, cluster, Use::Header);
        let table = Bytes(self.refcounts.entries() * 8);
        let at = FileOffset(header.refcount_table_offset);
        self.count(at, table, Use::RefcountTable);
        self.refcount_blocks()?;
        if let Some((at, len)) = meta.luks_header() {
            self.count(at, len, Use::Luks);
        }
        let at = FileOffset(header.snapshots_offset);
        self.count(at, meta.snapshots.len, Use::Snapshots);
        self.bitmaps()?;
        self.root(Root {
            at: FileOffset(header.l1_table_offset),
            entries: u64::from(header.l1_size),
            size: Bytes(header.size),
            is_active: true,
        })?;
        for (snapshot, number) in meta.snapshots.all.iter().zip(0..) {
            if let Err(fault) = snapshot.validate(meta.geometry, number) {
                self.fault(
                    Error::from(fault)
                        .in_structure("snapshot table")
                        .at(snapshot.at),
                );
            }
            self.root(Root {
                at: FileOffset(snapshot.header.l1_table_offset),
                entries: u64::from(snapshot.header.l1_size),
                size: snapshot.size,
                is_active: false,
            })?;
        }
        Ok(())
    }

    /// Notes a fault, once.
    fn fault(&mut self, fault: Error) {
        if self.is_first {
            self.report.fault(fault);
        }
    }

    /// Counts a use of the `len` bytes at `at`; two that may not share a cluster are a fault.
    fn count(&mut self, at: FileOffset, len: Bytes, what: Use) {
        if let Some(clash) = self.tally.add(at, len, what) {
            let fault = Fault::Overlap {
                what: what.name(),
                at: clash.at,
                other: clash.first.name(),
            };
            self.report.fault(Error::from(fault).at(clash.at));
        }
    }

    /// The refcount blocks.
    fn refcount_blocks(&mut self) -> Result<()> {
        let cluster = self.meta.geometry.cluster();
        let per_block = self.refcounts.per_block();
        let mut next = self.refcounts.next_entry(0)?;
        while let Some(index) = next {
            next = self.refcounts.next_entry(index.saturating_add(1))?;
            match self.refcounts.block(index)? {
                Ok(None) => {}
                Ok(Some(at)) => {
                    self.count(at, cluster, Use::RefcountBlock);
                    let first = index.saturating_mul(per_block);
                    self.tally.touch(first, first.saturating_add(per_block));
                }
                Err(fault) => {
                    let place = self.refcounts.entry_place(index);
                    self.fault(
                        Error::from(fault)
                            .in_field("refcount table", "entry")
                            .at(place),
                    );
                }
            }
        }
        Ok(())
    }

    /// The bitmap directory, and tables and bits of the bitmaps.
    fn bitmaps(&mut self) -> Result<()> {
        let (meta, end) = (self.meta, self.source.len());
        let geometry = meta.geometry;
        self.count(meta.bitmaps.at, meta.bitmaps.len, Use::Bitmap);
        for bitmap in &meta.bitmaps.all {
            let found = bitmap.header.bitmap_table_size;
            let required = bitmap.table_entries(geometry, Bytes(meta.header.size));
            if u64::from(found) < required && !bitmap.is_in_use() {
                let name = bitmap.name.clone();
                let fault = Fault::BitmapTableSize {
                    name,
                    found,
                    required,
                };
                self.fault(
                    Error::from(fault)
                        .in_structure("bitmap directory")
                        .at(bitmap.at),
                );
            }
            let (at, len) = (
                FileOffset(bitmap.header.bitmap_table_offset),
                bitmap.table_len(),
            );
            if let Err(fault) = geometry.place("a bitmap table", at, len, end) {
                self.fault(
                    Error::from(fault)
                        .in_structure("bitmap directory")
                        .at(bitmap.at),
                );
                continue;
            }
            self.count(at, len, Use::Bitmap);
            self.bits(&bitmap.name, at, u64::from(found))?;
        }
        Ok(())
    }

    /// The clusters that a bitmap's table of `entries` entries at `at` names.
    fn bits(&mut self, name: &str, at: FileOffset, entries: u64) -> Result<()> {
        let (geometry, end) = (self.meta.geometry, self.source.len());
        let pages = PagedTable::new(Arc::clone(self.source));
        for index in 0..entries {
            let place = at.saturating_add(Bytes(index * BitmapEntry::SIZE));
            let entry = BitmapEntry(u64::from_be_bytes(pages.entry::<8>(place)?));
            let (bits, cluster) = (entry.reserved(), entry.cluster());
            let judged = if bits != 0 {
                let (name, entry) = (name.to_owned(), entry.0);
                Err(Fault::BitmapReserved { name, entry, bits })
            } else if cluster == FileOffset::ZERO {
                continue;
            } else {
                geometry.place("a cluster of bits", cluster, geometry.cluster(), end)
            };
            match judged {
                Ok(()) => self.count(cluster, geometry.cluster(), Use::Bitmap),
                Err(fault) => self.fault(Error::from(fault).in_structure("bitmap table").at(place)),
            }
        }
        Ok(())
    }

    /// An L1 table and all below it.
    fn root(&mut self, root: Root) -> Result<()> {
        let len = Bytes(root.entries * L1Entry::SIZE);
        self.count(root.at, len, Use::L1);
        let (geometry, end) = (self.meta.geometry, self.source.len());
        let pages = PagedTable::new(Arc::clone(self.source));
        let mut tables = Vec::new();
        for index in 0..root.entries {
            let place = root.at.saturating_add(Bytes(index * L1Entry::SIZE));
            let entry = L1Entry(u64::from_be_bytes(pages.entry::<8>(place)?));
            match validate_l1(geometry, &Reserved::default(), entry, end) {
                Ok(None) => {}
                Ok(Some(at)) => {
                    self.count(at, geometry.cluster(), Use::L2);
                    if root.is_active {
                        self.copied("L1", entry.0, entry.is_copied(), at, place)?;
                    }
                    tables.push((at, index));
                }
                Err(fault) => self.fault(in_l1(fault, place)),
            }
        }
        // Two entries of one table can share no L2 table. Walked once, a table that is named a million times costs no hour.
        tables.sort_unstable();
        let all = tables.len();
        tables.dedup_by_key(|(at, _)| *at);
        if tables.len() < all {
            let fault = Fault::Overlap {
                what: "an L2 table",
                at: root.at,
                other: "L2 table of another entry",
            };
            self.fault(in_l1(fault, root.at));
        }
        if tables.len() <= FEW {
            let mut bytes = vec![0; geometry.cluster().in_memory()];
            return tables.iter().try_for_each(|(at, index)| {
                self.source.read_at(*at, &mut bytes)?;
                self.table(root, *at, *index, &bytes)
            });
        }
        self.tables_side_by_side(root, &tables)
    }

    /// The L2 tables of a root, several read at a time.
    fn tables_side_by_side(&mut self, root: Root, tables: &[(FileOffset, u64)]) -> Result<()> {
        let cluster = self.meta.geometry.cluster();
        let most = Bytes(MOST_READ.0 / cluster.0.max(1)).in_memory();
        let together = parallel::width().min(most).max(1);
        for part in tables.chunks(together) {
            let read = parallel::map(part, |(at, _)| read_vec(&**self.source, *at, cluster))?;
            for ((at, index), bytes) in part.iter().zip(read) {
                self.table(root, *at, *index, &bytes)?;
            }
        }
        Ok(())
    }

    /// An L2 table, which entry `index` of its L1 table names.
    fn table(&mut self, root: Root, at: FileOffset, index: u64, bytes: &[u8]) -> Result<()> {
        let geometry = self.meta.geometry;
        let width = geometry.l2_entry();
        let start = index.saturating_mul(geometry.reach().0);
        for (entry, number) in bytes.chunks_exact(Bytes(width).in_memory()).zip(0_u64..) {
            let (word, bitmap) = words(entry);
            if (word.0, bitmap) == (0, 0) {
                continue;
            }
            let guest = VirtOffset(start.saturating_add(number << geometry.cluster_bits));
            let place = at.saturating_add(Bytes(number * width));
            match ClusterMapping::validate(geometry, guest, word, bitmap) {
                Ok(cell) => self.cell(root, (guest, place), word, cell)?,
                Err(fault) => self.fault(in_l2(fault, place)),
            }
        }
        Ok(())
    }

    /// What an L2 entry names.
    fn cell(
        &mut self,
        root: Root,
        (guest, place): (VirtOffset, FileOffset),
        entry: L2Entry,
        cell: ClusterMapping,
    ) -> Result<()> {
        let (geometry, end) = (self.meta.geometry, self.source.len());
        if root.is_active && self.is_first {
            let is_data = matches!(
                cell,
                ClusterMapping::Data(_) | ClusterMapping::Parts(Some(_), _)
            );
            self.data += u64::from(is_data);
            self.compressed += u64::from(matches!(cell, ClusterMapping::CompressedCluster(..)));
        }
        let host = match cell {
            ClusterMapping::CompressedCluster(host, len) => {
                if let Err(fault) = packed_reaches(guest, host, len, end) {
                    self.fault(in_l2(fault, place));
                }
                self.count(host, len, Use::Data);
                return Ok(());
            }
            ClusterMapping::Data(host)
            | ClusterMapping::Zero(Some(host))
            | ClusterMapping::Parts(Some(host), _) => host,
            ClusterMapping::Absent
            | ClusterMapping::Zero(None)
            | ClusterMapping::Parts(None, _) => return Ok(()),
        };
        let needed = needed(geometry, cell, guest, root.size);
        if let Err(fault) = data_reaches(guest, host, needed, self.data_end) {
            self.fault(in_l2(fault, place));
        }
        if geometry.data_file {
            return Ok(());
        }
        self.count(host, geometry.cluster(), Use::Data);
        if root.is_active {
            self.copied("L2", entry.0, entry.is_copied(), host, place)?;
        }
        Ok(())
    }

    /// The copied flag of an active entry says that the refcount of what it names is 1, and not that it is another.
    fn copied(
        &mut self,
        what: &'static str,
        entry: u64,
        copied: bool,
        at: FileOffset,
        place: FileOffset,
    ) -> Result<()> {
        // Where refcounts may be stale, the flag says more than they do.
        if !self.is_first || self.meta.is_dirty() {
            return Ok(());
        }
        let refcount = self.refcounts.of(at.0 >> self.meta.geometry.cluster_bits)?;
        if copied != (refcount == 1) {
            let fault = Fault::Copied {
                what,
                entry,
                copied,
                at,
                refcount,
            };
            self.fault(Error::from(fault).at(place));
        }
        Ok(())
    }
}

/// How many bytes of its host cluster a cell needs, on a disk of `size`.
fn needed(geometry: Geometry, cell: ClusterMapping, guest: VirtOffset, size: Bytes) -> Bytes {
    let len = match cell {
        ClusterMapping::Data(_) => geometry.cluster(),
        ClusterMapping::Parts(Some(_), parts) => {
            let last = u64::from(u32::BITS - parts.allocated.leading_zeros());
            Bytes(last * geometry.grain().0)
        }
        _ => Bytes::ZERO,
    };
    let len = len.max(kept(geometry));
    // Behind the disk's end lies the VM state of a snapshot.
    match size.0.checked_sub(guest.0) {
        Some(left) if left > 0 => len.min(Bytes(left)),
        _ => len,
    }
}

/// A fault of the L1 entry at `place`.
fn in_l1(fault: Fault, place: FileOffset) -> Error {
    Error::from(fault).in_field("L1 table", "entry").at(place)
}
