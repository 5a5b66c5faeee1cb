//! A file allocation table: for each cluster which one follows. exFAT has one as well.

use std::collections::HashMap;

use crate::{
    fault::{Fault, Found},
    runs::Run,
    window::{Window, le},
};

/// Bytes of the table that are read at once.
const PAGE: u64 = 1 << 16;
/// How many pages are remembered.
const REMEMBERED: usize = 32;

/// The bits of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// FAT12.
    Bits12,
    /// FAT16.
    Bits16,
    /// FAT32: the highest four bits mean nothing.
    Bits28,
    /// exFAT.
    Bits32,
}

impl Width {
    /// How many bytes so many entries take.
    pub(crate) const fn bytes(self, entries: u64) -> u64 {
        match self {
            Self::Bits12 => (entries * 3).div_ceil(2),
            Self::Bits16 => entries * 2,
            Self::Bits28 | Self::Bits32 => entries * 4,
        }
    }

    /// The value of a bad cluster; greater ones end a chain.
    const fn bad(self) -> u32 {
        match self {
            Self::Bits12 => 0xff7,
            Self::Bits16 => 0xfff7,
            Self::Bits28 => 0x0fff_fff7,
            Self::Bits32 => 0xffff_fff7,
        }
    }
}

/// Where table and clusters are, in bytes from the volume's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The table.
    pub(crate) table: u64,
    /// The first cluster, number 2.
    pub(crate) data: u64,
    /// The bytes of a cluster.
    pub(crate) cluster: u64,
    /// How many clusters there are.
    pub(crate) clusters: u64,
}

/// A table.
pub(crate) struct Table<'d> {
    volume: Window<'d>,
    width: Width,
    place: Place,
    pages: HashMap<u64, Vec<u8>>,
    /// How many clusters chains may still have: none is in two, so this ends every circle.
    left: u64,
}

impl<'d> Table<'d> {
    /// A table whose numbers were judged: it is inside the volume, and clusters are not more than its entries can name.
    pub(crate) fn new(volume: Window<'d>, width: Width, place: Place) -> Self {
        Self {
            volume,
            width,
            place,
            pages: HashMap::new(),
            left: place.clusters,
        }
    }

    /// The entry of a cluster.
    pub(crate) fn value(&mut self, cluster: u32) -> Found<u32> {
        let number = u64::from(cluster);
        // A table of 12 bits fits into a page: no entry is torn.
        let at = match self.width {
            Width::Bits12 => number + number / 2,
            Width::Bits16 => number * 2,
            Width::Bits28 | Width::Bits32 => number * 4,
        };
        let page = self.page(at / PAGE)?;
        let inside = usize::try_from(at % PAGE).unwrap_or(usize::MAX);
        let (narrow, wide) = (u32::from(le::<u16>(page, inside)), le::<u32>(page, inside));
        Ok(match self.width {
            Width::Bits12 if cluster % 2 == 1 => narrow >> 4,
            Width::Bits12 => narrow & 0xfff,
            Width::Bits16 => narrow,
            Width::Bits28 => wide & 0x0fff_ffff,
            Width::Bits32 => wide,
        })
    }

    /// A page of the table, read once.
    fn page(&mut self, number: u64) -> Found<&[u8]> {
        if !self.pages.contains_key(&number) {
            if self.pages.len() >= REMEMBERED {
                self.pages.clear();
            }
            let at = number.saturating_mul(PAGE);
            let end = self.width.bytes(self.place.clusters.saturating_add(2));
            let len = end.saturating_sub(at).min(PAGE);
            let bytes = self
                .volume
                .bytes(self.place.table.saturating_add(at), len, PAGE)?;
            self.pages.insert(number, bytes);
        }
        Ok(self.pages.get(&number).map_or(&[], |page| page))
    }

    /// Whether a cluster is one.
    fn is_inside(&self, cluster: u32) -> bool {
        (2..self.place.clusters.saturating_add(2)).contains(&u64::from(cluster))
    }

    /// Clusters from `first` on as a run of the disk.
    pub(crate) fn run(&self, first: u32, count: u64) -> Found<Run> {
        let before = u64::from(first).saturating_sub(2);
        if first < 2 || before.saturating_add(count) > self.place.clusters {
            return Err(Fault::Unsound(format!("there is no cluster {first}")));
        }
        let at = self
            .place
            .data
            .saturating_add(before.saturating_mul(self.place.cluster));
        let start = self.volume.start().0.saturating_add(at);
        Ok(Run::new(start, count.saturating_mul(self.place.cluster)))
    }

    /// Takes clusters that a file has from those that files may still have.
    pub(crate) fn take(&mut self, count: u64) -> Found<()> {
        let left = self.left.checked_sub(count);
        self.left =
            left.ok_or_else(|| Fault::unsound("files claim more clusters than there are"))?;
        Ok(())
    }

    /// The chain that begins with `first`, in runs of the disk.
    pub(crate) fn chain(&mut self, first: u32) -> Found<Vec<Run>> {
        let mut runs: Vec<Run> = Vec::new();
        let mut at = first;
        loop {
            if !self.is_inside(at) {
                return Err(Fault::Unsound(format!(
                    "the chain of cluster {first} leads to {at}, which is not one"
                )));
            }
            self.take(1)?;
            let run = self.run(at, 1)?;
            match runs.last_mut() {
                Some(last) if last.end() == run.start.0 => {
                    *last = Run::new(last.start.0, last.len.0.saturating_add(run.len.0));
                }
                _ => runs.push(run),
            }
            match self.value(at)? {
                value if value > self.width.bad() => return Ok(runs),
                value => at = value,
            }
        }
    }
}
