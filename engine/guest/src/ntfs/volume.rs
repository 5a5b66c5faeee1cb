//! The MFT: records by number, and files with all their attributes.

use std::collections::BTreeSet;

use super::{
    attribute::{Attribute, Piece, Value, attributes, kind},
    boot::Boot,
    record::Record,
};
use crate::{
    fault::{Fault, Found},
    runs::Run,
    window::{Window, le},
};

/// The largest list of attributes that is read, as Windows allows.
const MOST_LIST: u64 = 256 << 10;

/// A volume, its MFT found.
pub(super) struct Ntfs<'d> {
    pub(super) volume: Window<'d>,
    pub(super) boot: Boot,
    /// The clusters of the MFT.
    mft: Vec<Piece>,
    /// How many records it has.
    pub(super) records: u64,
}

/// A file with all its attributes, those in other records too.
#[derive(Debug)]
pub(super) struct File {
    pub(super) is_folder: bool,
    pub(super) attributes: Vec<Attribute>,
}

impl<'d> Ntfs<'d> {
    /// Finds the MFT: its first record says where the others are.
    pub(super) fn open(volume: Window<'d>) -> Found<Self> {
        let boot = Boot::read(&volume)?;
        let first = Piece {
            first: Some(boot.mft),
            count: boot.record.div_ceil(boot.cluster),
        };
        let mut this = Self {
            volume,
            boot,
            mft: vec![first],
            records: 1,
        };
        let record = this.record(0)?;
        let record =
            record.ok_or_else(|| Fault::unsound("its MFT does not begin with a record"))?;
        // What the first record itself says leads to those that say the rest.
        let own = attributes(record.attributes(), boot.clusters)?;
        this.place(&own)?;
        let file = this.gather(0, &record)?;
        this.place(&file.attributes)?;
        Ok(this)
    }

    /// Takes the contents of the MFT for the MFT.
    fn place(&mut self, attributes: &[Attribute]) -> Found<()> {
        let (pieces, len) = contents(attributes)?;
        let has_holes = pieces.iter().any(|piece| piece.first.is_none());
        let count = pieces
            .iter()
            .fold(0_u64, |sum, piece| sum.saturating_add(piece.count));
        if has_holes || count > self.boot.clusters {
            return Err(Fault::unsound(
                "its MFT has holes, or is longer than the volume",
            ));
        }
        let there = count.saturating_mul(self.boot.cluster);
        (self.mft, self.records) = (pieces, len.min(there) / self.boot.record);
        Ok(())
    }

    /// Reads a record by its number; `None` if there is none.
    pub(super) fn record(&self, number: u64) -> Found<Option<Record>> {
        if number >= self.records {
            return Ok(None);
        }
        let at = number.saturating_mul(self.boot.record);
        let bytes = self.read(&self.mft, at, self.boot.record)?;
        Ok(Record::of(&bytes))
    }

    /// Reads a chunk of the MFT, as many records as are there from `first` on: at most 64 KiB.
    pub(super) fn chunk(&self, first: u64) -> Found<Vec<u8>> {
        let most = (65536 / self.boot.record).max(1);
        let count = self.records.saturating_sub(first).min(most);
        let (at, len) = (
            first.saturating_mul(self.boot.record),
            count.saturating_mul(self.boot.record),
        );
        self.read(&self.mft, at, len)
    }

    /// Reads `len` bytes at `at` of what stands in `pieces`; a hole reads as zero, and so does what is behind the end.
    pub(super) fn read(&self, pieces: &[Piece], at: u64, len: u64) -> Found<Vec<u8>> {
        let len = usize::try_from(len.min(1 << 20)).unwrap_or_default();
        let mut bytes = vec![0; len];
        let mut start = 0_u64;
        for piece in pieces {
            let end = start.saturating_add(piece.count.saturating_mul(self.boot.cluster));
            let (from, to) = (start.max(at), end.min(at.saturating_add(len as u64)));
            if let Some(first) = piece.first
                && from < to
            {
                let place = first
                    .saturating_mul(self.boot.cluster)
                    .saturating_add(from - start);
                let inside = usize::try_from(from - at).unwrap_or(usize::MAX);
                let count = usize::try_from(to - from).unwrap_or_default();
                if let Some(part) = bytes.get_mut(inside..inside + count) {
                    self.volume.read(place, part)?;
                }
            }
            start = end;
        }
        Ok(bytes)
    }

    /// The file whose base record this is.
    pub(super) fn gather(&self, number: u64, record: &Record) -> Found<File> {
        let mut all = attributes(record.attributes(), self.boot.clusters)?;
        let list = all.iter().find(|one| one.kind == kind::LIST);
        let list = match list.map(|one| &one.value) {
            None => Vec::new(),
            Some(Value::Here(bytes)) => bytes.clone(),
            Some(Value::There { len, pieces, .. }) => {
                if *len > MOST_LIST {
                    return Err(Fault::unsound("a list of attributes is too long"));
                }
                self.read(pieces, 0, *len)?
            }
        };
        for other in listed(&list) {
            if other == number {
                continue;
            }
            let extension = self.record(other)?;
            let extension = extension.filter(|one| one.is_used() && one.base() == number);
            let extension = extension.ok_or_else(|| {
                Fault::Unsound(format!(
                    "record {other} is missing, which record {number} needs"
                ))
            })?;
            all.extend(attributes(extension.attributes(), self.boot.clusters)?);
        }
        Ok(File {
            is_folder: record.is_folder(),
            attributes: all,
        })
    }

    /// The file with that number.
    pub(super) fn file(&self, number: u64) -> Found<File> {
        let record = self.record(number)?.filter(Record::is_used);
        let record = record.ok_or_else(|| Fault::Unsound(format!("record {number} is missing")))?;
        self.gather(number, &record)
    }

    /// Clusters as a run of the disk.
    pub(super) fn run(&self, first: u64, count: u64) -> Run {
        let at = first.saturating_mul(self.boot.cluster);
        let start = self.volume.start().0.saturating_add(at);
        Run::new(start, count.saturating_mul(self.boot.cluster))
    }
}

/// The records that a list of attributes names.
fn listed(mut list: &[u8]) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    while list.len() >= 26 {
        let len = usize::from(le::<u16>(list, 4));
        numbers.insert(le::<u64>(list, 16) & 0xffff_ffff_ffff);
        list = list.get(len.max(26)..).unwrap_or_default();
    }
    numbers
}

/// The contents of a file that stand in clusters: all parts in order, and their bytes.
pub(super) fn contents(attributes: &[Attribute]) -> Found<(Vec<Piece>, u64)> {
    let mut parts = Vec::new();
    for one in attributes
        .iter()
        .filter(|one| one.kind == kind::DATA && one.is_unnamed)
    {
        if let Value::There { from, len, pieces } = &one.value {
            parts.push((*from, *len, pieces));
        }
    }
    parts.sort_by_key(|(from, ..)| *from);
    let (mut all, mut next, mut bytes) = (Vec::new(), 0_u64, 0);
    for (from, len, pieces) in parts {
        if from != next {
            return Err(Fault::unsound(
                "the parts of a file's contents do not follow one another",
            ));
        }
        if from == 0 {
            bytes = len;
        }
        next = pieces
            .iter()
            .fold(next, |sum, piece| sum.saturating_add(piece.count));
        all.extend(pieces.iter().copied());
    }
    Ok((all, bytes))
}
