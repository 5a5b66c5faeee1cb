//! Where a guest cluster is: the L1 table and its L2 tables, read in pages.
//!
//! Data are read in `image`; what an entry means is judged in `cluster_mapping`.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, Extent, FileOffset, PagedTable, Result, SECTOR, Source, State, VirtOffset,
    table::PAGE,
};

use crate::{
    cluster_mapping::{ClusterMapping, ClusterRun},
    fault::Fault,
    geometry::{Geometry, Reserved},
    layout::{L1Entry, L2Entry},
};

/// The map of one disk of an image: the active one, or a snapshot's.
#[derive(Debug)]
pub(crate) struct ClusterTable {
    pages: PagedTable,
    geometry: Geometry,
    reserved: Reserved,
    /// Where its L1 table is; it maps all of `size`, and lies inside the file.
    l1: FileOffset,
    /// The size of the disk.
    size: Bytes,
    /// How long the image's file is.
    end: Bytes,
    /// How long the file with plain data is, and its index among the image's files.
    data_end: Bytes,
    data_file: u16,
}

impl ClusterTable {
    /// The map whose L1 table of `size / reach` entries is at `l1` of `source`; plain data are in `data_file` of `data_end` bytes.
    pub(crate) fn new(
        source: Arc<dyn Source>,
        geometry: Geometry,
        reserved: Reserved,
        (l1, size): (FileOffset, Bytes),
        (data_file, data_end): (u16, Bytes),
    ) -> Self {
        let end = source.len();
        Self {
            pages: PagedTable::new(source),
            geometry,
            reserved,
            l1,
            size,
            end,
            data_end,
            data_file,
        }
    }

    /// The run from `at` on, as far as one page of a table tells; of compressed data, one cluster.
    pub(crate) fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let left = Bytes(self.size.0.saturating_sub(at.0));
        if left == Bytes::ZERO {
            return Err(Fault::NoData { guest: at }.into());
        }
        let extent = match self.l2_at(at)? {
            Some(l2) => self.run(l2, at, at.saturating_add(left))?,
            None => self.silence(at)?,
        };
        Ok(extent.part(at, left))
    }

    /// Where the L2 table is that maps `at`; `None`: nothing of its reach is allocated.
    fn l2_at(&self, at: VirtOffset) -> Result<Option<FileOffset>> {
        let place = self.l1_place(self.geometry.l1_index(at));
        let entry = L1Entry(u64::from_be_bytes(self.pages.entry::<8>(place)?));
        self.validate_l1(entry).map_err(|fault| {
            Error::from(fault)
                .in_field("L1 table", "L2 table offset")
                .at(place)
        })
    }

    /// The L2 table that an L1 entry names, judged.
    fn validate_l1(&self, entry: L1Entry) -> Result<Option<FileOffset>, Fault> {
        validate_l1(self.geometry, &self.reserved, entry, self.end)
    }

    /// Where entry `index` of the L1 table is.
    fn l1_place(&self, index: u64) -> FileOffset {
        self.l1
            .saturating_add(Bytes(index.saturating_mul(L1Entry::SIZE)))
    }

    /// Where the entry of `at` in the L2 table at `l2` is.
    fn entry_place(&self, l2: FileOffset, at: VirtOffset) -> FileOffset {
        let index = self.geometry.l2_index(at);
        l2.saturating_add(Bytes(index.saturating_mul(self.geometry.l2_entry())))
    }

    /// The run from `at` on where the L1 table has no L2 table: as far as its page has none.
    fn silence(&self, at: VirtOffset) -> Result<Extent> {
        let reach = self.geometry.reach();
        let first = self.geometry.l1_index(at);
        let entries = self.geometry.l1_entries(self.size).saturating_sub(first);
        let (page, inside) = self.pages.page(self.l1_place(first))?;
        let (rows, _) = page.get(inside..).unwrap_or_default().as_chunks::<8>();
        let empty = rows
            .iter()
            .zip(0..entries)
            .take_while(|(row, _)| **row == [0; 8])
            .count() as u64;
        // The first one may be an entry that has only the copied flag.
        let end = first.saturating_add(empty.max(1)).saturating_mul(reach.0);
        Ok(Extent {
            at,
            len: VirtOffset(end).since(at),
            state: State::Absent,
        })
    }

    /// The run from `at` on in the L2 table at `l2`, as far as its page tells and `stop` is not passed.
    fn run(&self, l2: FileOffset, at: VirtOffset, stop: VirtOffset) -> Result<Extent> {
        let cluster = self.geometry.cluster();
        let width = Bytes(self.geometry.l2_entry()).in_memory();
        let place = self.entry_place(l2, at);
        let (page, inside) = self.pages.page(place)?;
        let table_left = l2.saturating_add(cluster).since(place).in_memory();
        let len = table_left.min(PAGE - inside);
        let bytes = page
            .get(inside..inside.saturating_add(len).min(page.len()))
            .unwrap_or_default();
        let mut run: Option<Extent> = None;
        let mut next = at;
        let mut rest = bytes;
        while let Some((entry, others)) = rest.split_at_checked(width) {
            rest = others;
            let guest = next.align_down(cluster);
            let end = guest.saturating_add(cluster);
            while next < end && next < stop {
                let piece = self
                    .cell(entry, guest)
                    .and_then(|cell| self.piece(cell, next));
                let longer = match (run, piece) {
                    (None, Err(fault)) => return Err(in_l2(fault, place)),
                    (Some(_), Err(_)) => None,
                    (None, Ok(piece)) => Some(piece),
                    (Some(run), Ok(piece)) => run.joined(&piece),
                };
                match (longer, run) {
                    (Some(longer), _) => {
                        run = Some(longer);
                        next = longer.end();
                    }
                    (None, Some(run)) => return Ok(run),
                    (None, None) => break,
                }
            }
            if let Some(run) = &mut run {
                let most = stop.since(next).0 / cluster.0;
                let alike = self.going_on(entry, others, run).take(in_memory(most));
                let alike = alike.count();
                let longer = cluster.0.saturating_mul(alike as u64);
                run.len = Bytes(run.len.0.saturating_add(longer));
                next = run.end();
                rest = others
                    .get(alike.saturating_mul(width)..)
                    .unwrap_or_default();
            }
        }
        run.ok_or_else(|| {
            let fault = Fault::NoData { guest: at };
            in_l2(fault, place)
        })
    }

    /// The entries of `others` that go on as `entry` before them, where `run` ends: most do, and their words alone tell it. An item each.
    fn going_on<'a>(
        &self,
        entry: &[u8],
        others: &'a [u8],
        run: &Extent,
    ) -> impl Iterator<Item = ()> + use<'a> {
        let width = Bytes(self.geometry.l2_entry()).in_memory();
        let (word, bitmap) = words(entry);
        let cluster = self.geometry.cluster().0;
        // By how much each word is larger than the one before it, and how many may be.
        let (step, most) = match run.state {
            State::Absent if (word.0, bitmap) == (0, 0) => (0, u64::MAX),
            State::Zero if !self.geometry.extended => (0, u64::MAX),
            State::Data { at, .. } if !self.geometry.extended => {
                let host = at.saturating_add(run.len);
                (cluster, self.data_end.0.saturating_sub(host.0) / cluster)
            }
            _ => (0, 0),
        };
        let mut expected = word.0;
        others
            .chunks_exact(width)
            .take(in_memory(most))
            .map_while(move |entry| {
                expected = expected.checked_add(step)?;
                let (word, bitmap) = words(entry);
                (word.0 == expected && bitmap == 0).then_some(())
            })
    }

    /// The entry at the start of `bytes`, as that of the cluster at `guest`. What it names is in the file, also where nothing of it is read: a
    /// table that something else was written over is found so.
    fn cell(&self, bytes: &[u8], guest: VirtOffset) -> Result<ClusterMapping, Fault> {
        let (entry, bitmap) = words(bytes);
        let cell = ClusterMapping::validate(self.geometry, guest, entry, bitmap)?;
        match cell {
            ClusterMapping::Zero(Some(host)) | ClusterMapping::Parts(Some(host), _) => {
                data_reaches(guest, host, kept(self.geometry), self.data_end)?;
            }
            ClusterMapping::CompressedCluster(host, len) => {
                packed_reaches(guest, host, len, self.end)?
            }
            // How much of it is needed depends on where the disk ends.
            ClusterMapping::Data(_)
            | ClusterMapping::Absent
            | ClusterMapping::Zero(None)
            | ClusterMapping::Parts(None, _) => {}
        }
        Ok(cell)
    }

    /// What `cluster_mapping` is from `at` on, if the file goes that far.
    fn piece(&self, cell: ClusterMapping, at: VirtOffset) -> Result<Extent, Fault> {
        let inside = at.since(at.align_down(self.geometry.cluster()));
        let (piece, len) = cell.piece(self.geometry, inside);
        let state = match piece {
            ClusterRun::Absent => State::Absent,
            ClusterRun::Zero => State::Zero,
            ClusterRun::CompressedCluster(host, packed) => State::Compressed {
                unit: at.align_down(self.geometry.cluster()),
                at: host,
                len: packed,
            },
            ClusterRun::Data(host) => {
                // Of the disk's last cluster only what is on the disk needs to be there.
                let len = len.min(Bytes(self.size.0.saturating_sub(at.0)));
                data_reaches(at, host, len, self.data_end)?;
                State::Data {
                    file: self.data_file,
                    at: host,
                }
            }
        };
        Ok(Extent { at, len, state })
    }
}

/// As many as there are in memory at most.
fn in_memory(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The words of an L2 entry; the second is 0 where entries have one.
pub(crate) fn words(entry: &[u8]) -> (L2Entry, u64) {
    let (words, _) = entry.as_chunks::<8>();
    let word = |index| words.get(index).copied().map_or(0, u64::from_be_bytes);
    (L2Entry(word(0)), word(1))
}

/// The L2 table that an L1 entry names in a file of `end` bytes; `None` where it names none.
pub(crate) fn validate_l1(
    geometry: Geometry,
    reserved: &Reserved,
    entry: L1Entry,
    end: Bytes,
) -> Result<Option<FileOffset>, Fault> {
    let bits = entry.reserved();
    if bits != 0 {
        let entry = entry.0;
        return Err(Fault::L1Reserved { entry, bits });
    }
    let at = entry.table();
    if at == FileOffset::ZERO {
        return Ok(None);
    }
    geometry.place("an L2 table", at, geometry.cluster(), end)?;
    reserved.refuse("an L2 table", at, geometry.cluster())?;
    Ok(Some(at))
}

/// How much of a cluster must be in the file that an entry names and does not need: its first byte, as qemu has it; in a data file, which may be
/// cut where it is zero, nothing.
pub(crate) const fn kept(geometry: Geometry) -> Bytes {
    Bytes(if geometry.data_file { 0 } else { 1 })
}

/// Refuses data of which the file does not hold all.
pub(crate) fn data_reaches(
    guest: VirtOffset,
    host: FileOffset,
    len: Bytes,
    end: Bytes,
) -> Result<(), Fault> {
    if host.checked_add(len).is_some_and(|last| last.0 <= end.0) {
        return Ok(());
    }
    Err(Fault::DataPastEnd {
        guest,
        host,
        len,
        end: end.0,
    })
}

/// Refuses compressed data of which the last sector lies past the end of the file: in part it may, for it holds at least a byte.
pub(crate) fn packed_reaches(
    guest: VirtOffset,
    host: FileOffset,
    len: Bytes,
    end: Bytes,
) -> Result<(), Fault> {
    let last = host.saturating_add(Bytes(len.0.saturating_sub(1)));
    if last.align_down(Bytes(SECTOR)).0 < end.0 {
        return Ok(());
    }
    let (len, end) = (len.0, end.0);
    Err(Fault::CompressedPastEnd {
        guest,
        host,
        len,
        end,
    })
}

/// A fault of the L2 entry at `place`.
pub(crate) fn in_l2(fault: Fault, place: FileOffset) -> Error {
    Error::from(fault).in_field("L2 table", "entry").at(place)
}
