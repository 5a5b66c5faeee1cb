//! The snapshot table: the disks that stand in an image beside the active one.
//!
//! A snapshot's own tables are judged when it is opened or checked.

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Result, Source, read_array, read_vec};

use crate::{
    fault::Fault,
    geometry::Geometry,
    layout::{
        Header, L1_LIMIT, L1Entry, SNAPSHOT_EXTRA_LIMIT, SNAPSHOT_LIMIT, SNAPSHOT_TABLE_LIMIT,
        SnapshotExtra, SnapshotHeader,
    },
};

/// Extra data that version 3 requires: the size of the VM state and of the disk.
const EXTRA_V3: u32 = 16;

/// An internal snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Where its entry is in the file.
    pub(crate) at: FileOffset,
    /// The entry's head.
    pub(crate) header: SnapshotHeader,
    /// Its id, ASCII digits as a rule.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// The size of its disk: the active one's where it does not record one. [qemu does the same]
    pub(crate) size: Bytes,
}

/// All snapshots, and the bytes that their table takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshots {
    /// In the table's order.
    pub(crate) all: Vec<Snapshot>,
    /// Bytes of the table.
    pub(crate) len: Bytes,
}

impl Snapshots {
    /// Reads the table that `header` names.
    pub(crate) fn read(source: &dyn Source, header: &Header, geometry: Geometry) -> Result<Self> {
        let (count, table) = (header.nb_snapshots, FileOffset(header.snapshots_offset));
        let in_header = |fault: Fault, field| {
            Error::from(fault)
                .in_field("header", field)
                .at(FileOffset(Header::at(field)))
        };
        if count > SNAPSHOT_LIMIT {
            let fault = Fault::SnapshotCount {
                found: count,
                most: SNAPSHOT_LIMIT,
            };
            return Err(in_header(fault, "nb_snapshots"));
        }
        if count == 0 {
            return Ok(Self::default());
        }
        geometry
            .place("the snapshot table", table, Bytes(1), source.len())
            .map_err(|fault| in_header(fault, "snapshots_offset"))?;
        let mut all = Vec::new();
        let mut at = table;
        for number in 0..count {
            let (snapshot, len) = read_one(source, at, number, Bytes(header.size))
                .map_err(|error| error.in_structure("snapshot table"))?;
            snapshot.l1(geometry, source.len())?;
            at = at.saturating_add(len);
            if at.since(table) > SNAPSHOT_TABLE_LIMIT {
                let most = SNAPSHOT_TABLE_LIMIT.0;
                return Err(in_header(
                    Fault::SnapshotTableTooLarge { most },
                    "nb_snapshots",
                ));
            }
            all.push(snapshot);
        }
        let len = at.since(table);
        Ok(Self { all, len })
    }

    /// The snapshot of that id, else of that name.
    pub(crate) fn find(&self, wanted: &str) -> Result<&Snapshot> {
        let by_id = self.all.iter().find(|one| one.id == wanted);
        let found = by_id.or_else(|| self.all.iter().find(|one| one.name == wanted));
        found.ok_or_else(|| {
            let error = Error::new(
                Kind::Usage,
                format!("there is no snapshot '{wanted}' in this image"),
            );
            let names = self.all.iter().take(20).map(|one| one.name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            error
                .with_code("qcow2_snapshot")
                .with_hint(if names.is_empty() {
                    "it has no snapshots".to_owned()
                } else {
                    format!("its snapshots are: {names}")
                })
        })
    }
}

/// The snapshot whose entry is at `at`, and the bytes that the entry takes.
fn read_one(
    source: &dyn Source,
    at: FileOffset,
    number: u32,
    active: Bytes,
) -> Result<(Snapshot, Bytes)> {
    let header = SnapshotHeader::parse(&read_array(source, at)?);
    let found = header.extra_data_size;
    if found > SNAPSHOT_EXTRA_LIMIT {
        let fault = Fault::SnapshotExtraTooLarge {
            number,
            found,
            most: SNAPSHOT_EXTRA_LIMIT,
        };
        return Err(Error::from(fault)
            .in_field("snapshot table", "extra_data_size")
            .at(at.saturating_add(Bytes(SnapshotHeader::at("extra_data_size")))));
    }
    let (id, name) = (
        usize::from(header.id_str_size),
        usize::from(header.name_size),
    );
    let extra = Bytes(u64::from(found));
    let rest = Bytes(extra.0.saturating_add((id + name) as u64));
    let start = at.saturating_add(Bytes::from(SnapshotHeader::SIZE));
    let bytes = read_vec(source, start, rest)?;
    let (extra, names) = bytes.split_at(extra.in_memory().min(bytes.len()));
    let (id, name) = names.split_at(id.min(names.len()));
    let len = Bytes(rest.0.saturating_add(SnapshotHeader::SIZE as u64)).round_up(Bytes(8));
    let snapshot = Snapshot {
        at,
        size: recorded_size(extra).unwrap_or(active),
        id: String::from_utf8_lossy(id).into_owned(),
        name: String::from_utf8_lossy(name).into_owned(),
        header,
    };
    Ok((snapshot, len))
}

/// The size of the disk that extra data record, where they go that far.
fn recorded_size(extra: &[u8]) -> Option<Bytes> {
    let known = extra.get(..EXTRA_V3 as usize)?;
    let mut bytes = [0; SnapshotExtra::SIZE];
    bytes.get_mut(..known.len())?.copy_from_slice(known);
    Some(Bytes(SnapshotExtra::parse(&bytes).disk_size))
}

impl Snapshot {
    /// Where its L1 table is; judged: it maps the snapshot's disk and lies inside a file of `end` bytes.
    pub(crate) fn l1(&self, geometry: Geometry, end: Bytes) -> Result<FileOffset> {
        let in_entry = |fault: Fault, field| {
            Error::from(fault)
                .in_field("snapshot table", field)
                .at(self.at.saturating_add(Bytes(SnapshotHeader::at(field))))
        };
        let found = self.header.l1_size;
        let most = L1_LIMIT.0 / L1Entry::SIZE;
        if u64::from(found) > most {
            return Err(in_entry(
                Fault::SnapshotL1TooLarge { found, most },
                "l1_size",
            ));
        }
        let required = geometry.l1_entries(self.size);
        if u64::from(found) < required {
            return Err(in_entry(Fault::L1TooSmall { found, required }, "l1_size"));
        }
        let at = FileOffset(self.header.l1_table_offset);
        if found != 0 {
            geometry
                .place("the L1 table", at, self.l1_len(), end)
                .map_err(|fault| in_entry(fault, "l1_table_offset"))?;
        }
        Ok(at)
    }

    /// Bytes of its L1 table.
    pub(crate) fn l1_len(&self) -> Bytes {
        Bytes(u64::from(self.header.l1_size) * L1Entry::SIZE)
    }

    /// What version 3 requires and `info` does not need.
    pub(crate) fn validate(&self, geometry: Geometry, number: u32) -> Result<(), Fault> {
        let found = self.header.extra_data_size;
        if geometry.version >= 3 && found < EXTRA_V3 {
            return Err(Fault::SnapshotExtraTooSmall { number, found });
        }
        Ok(())
    }

    /// As core names it.
    pub(crate) fn metadata(&self) -> imgdelta_core::Snapshot {
        imgdelta_core::Snapshot {
            id: self.id.clone(),
            name: self.name.clone(),
            size: self.size,
            taken: u64::from(self.header.date_sec),
        }
    }
}
