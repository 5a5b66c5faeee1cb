//! One sparse extent in the making: tables in front of the grains, both copies, as VMware and qemu lay them out.
//!
//! ```text
//! | header | descriptor or nothing | redundant directory | its tables | directory | its tables | grains ...
//! ```
//!
//! Grains follow one another in order of address; a table is written when its last grain has come, and tables without grains stay holes.

use std::sync::Arc;

use imgdelta_core::{Bytes, Error, FileOffset, Kind, Result, SECTOR, Sink};

use crate::layout::{
    NEWLINE_TEST, NEWLINES, REDUNDANT, SPARSE_MAGIC, SparseHeader, TABLE_ENTRIES, ZEROED_GRAINS,
};

/// Sectors of a grain: 64 KiB, the choice of every writer.
pub(super) const GRAIN_SECTORS: u64 = 128;
/// Bytes of a grain.
pub(super) const GRAIN: Bytes = Bytes(GRAIN_SECTORS * SECTOR);
/// Room for the embedded descriptor, in sectors.
pub(super) const DESCRIPTOR_SECTORS: u64 = 20;
/// Sectors of a grain table.
const TABLE_SECTORS: u64 = TABLE_ENTRIES as u64 * 4 / SECTOR;
/// The most that is reserved of a file at once.
const STEP: u64 = 64 << 20;
/// The least that is reserved of a file at once.
const FIRST_STEP: u64 = 1 << 20;

/// Where things stand in front of an extent's grains, in sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    descriptor: u64,
    tables: u64,
    redundant: u64,
    directory: u64,
    overhead: u64,
}

impl Places {
    /// For an extent of `size`, with room for a descriptor or without.
    const fn of(size: Bytes, has_descriptor: bool) -> Self {
        let grains = size.pieces(GRAIN);
        let tables = grains.div_ceil(TABLE_ENTRIES as u64);
        let directory_sectors = (tables * 4).div_ceil(SECTOR);
        let descriptor = if has_descriptor {
            DESCRIPTOR_SECTORS
        } else {
            0
        };
        let redundant = 1 + descriptor;
        let copy = directory_sectors + tables * TABLE_SECTORS;
        let directory = redundant + copy;
        Self {
            descriptor,
            tables,
            redundant,
            directory,
            overhead: (directory + copy).next_multiple_of(GRAIN_SECTORS),
        }
    }

    /// The sector of the first table of a directory.
    const fn first_table(&self, directory: u64) -> u64 {
        directory + (self.tables * 4).div_ceil(SECTOR)
    }

    /// A directory: its tables stand one behind the other.
    fn directory_bytes(&self, directory: u64) -> Vec<u8> {
        let first = self.first_table(directory);
        let entries = (0..self.tables).map(|table| first + table * TABLE_SECTORS);
        entries
            .flat_map(|sector| u32::try_from(sector).unwrap_or(u32::MAX).to_le_bytes())
            .collect()
    }
}

/// One extent in the making.
pub(super) struct Extent {
    pub(super) sink: Arc<dyn Sink>,
    size: Bytes,
    places: Places,
    /// The sector of the next grain.
    next: u64,
    /// The table that is filled, and its entries.
    table: u64,
    entries: Vec<u8>,
    has_entries: bool,
    /// How far the file was reserved, in bytes.
    reserved: u64,
}

impl Extent {
    pub(super) fn new(sink: Arc<dyn Sink>, size: Bytes, has_descriptor: bool) -> Self {
        let places = Places::of(size, has_descriptor);
        Self {
            sink,
            size,
            places,
            next: places.overhead,
            table: 0,
            entries: vec![0; (TABLE_ENTRIES * 4) as usize],
            has_entries: false,
            reserved: places.overhead * SECTOR,
        }
    }

    /// Gives a grain of the extent its entry.
    pub(super) fn set(&mut self, grain: u64, entry: u32) -> Result<()> {
        let table = grain / u64::from(TABLE_ENTRIES);
        if table != self.table {
            self.write_table()?;
            self.table = table;
        }
        let at = Bytes(grain % u64::from(TABLE_ENTRIES) * 4).in_memory();
        if let Some(place) = self.entries.get_mut(at..at.saturating_add(4)) {
            place.copy_from_slice(&entry.to_le_bytes());
            self.has_entries = true;
        }
        Ok(())
    }

    /// The place of the next grain.
    pub(super) fn take(&mut self, grain: u64) -> Result<FileOffset> {
        let sector = self.next;
        let end = sector.saturating_add(GRAIN_SECTORS);
        let entry = u32::try_from(sector).ok().filter(|_| end <= 1 << 32);
        let Some(entry) = entry else {
            return Err(Error::new(
                Kind::Unsupported,
                "the file grows past 2 TiB, which a grain table cannot address",
            )
            .with_code("vmdk_file_too_large")
            .with_hint("--option subformat=monolithicFlat has no tables, and qcow2 no such end"));
        };
        self.set(grain, entry)?;
        self.next = end;
        self.reserve();
        Ok(FileOffset(sector.saturating_mul(SECTOR)))
    }

    /// Has the host make room ahead, as much again as there is, within bounds.
    fn reserve(&mut self) {
        let end = self.next.saturating_mul(SECTOR);
        if end > self.reserved {
            let from = self.reserved;
            let written = end.saturating_sub(self.places.overhead * SECTOR);
            let step = written.clamp(FIRST_STEP, STEP);
            self.reserved = end.saturating_add(step);
            let len = Bytes(self.reserved - from);
            self.sink.reserve(FileOffset(from), len);
        }
    }

    /// Writes both copies of the table that is filled.
    fn write_table(&mut self) -> Result<()> {
        if self.has_entries {
            for directory in [self.places.redundant, self.places.directory] {
                let sector = self.places.first_table(directory) + self.table * TABLE_SECTORS;
                let at = FileOffset(sector.saturating_mul(SECTOR));
                self.sink.write_at(at, &self.entries)?;
            }
            self.entries.fill(0);
            self.has_entries = false;
        }
        Ok(())
    }

    /// Writes what is left but the header.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.write_table()?;
        self.sink.set_len(Bytes(self.next.saturating_mul(SECTOR)))?;
        for directory in [self.places.redundant, self.places.directory] {
            let at = FileOffset(directory.saturating_mul(SECTOR));
            self.sink
                .write_at(at, &self.places.directory_bytes(directory))?;
        }
        Ok(())
    }

    pub(super) fn write_header(&self, marks_zero: bool) -> Result<()> {
        let places = &self.places;
        let zeroed = if marks_zero { ZEROED_GRAINS } else { 0 };
        let header = SparseHeader {
            // VirtualBox refuses version 2, which zeroed grains need.
            version: if marks_zero { 2 } else { 1 },
            flags: NEWLINE_TEST | REDUNDANT | zeroed,
            descriptor_offset: u64::from(places.descriptor > 0),
            descriptor_size: places.descriptor,
            rgd_offset: places.redundant,
            gd_offset: places.directory,
            overhead: places.overhead,
            ..blank_header(self.size)
        };
        self.sink.write_at(FileOffset::ZERO, &header.emit())
    }
}

/// A header that says nothing yet of its kind.
pub(super) fn blank_header(size: Bytes) -> SparseHeader {
    SparseHeader {
        magic: SPARSE_MAGIC,
        version: 1,
        flags: NEWLINE_TEST,
        capacity: size.0 / SECTOR,
        grain_size: GRAIN_SECTORS,
        descriptor_offset: 0,
        descriptor_size: 0,
        entries_per_table: TABLE_ENTRIES,
        rgd_offset: 0,
        gd_offset: 0,
        overhead: 0,
        unclean_shutdown: 0,
        newlines: NEWLINES,
        compress_algorithm: 0,
        padding: [0; 433],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_qemus() {
        let places = Places::of(Bytes::mib(4200), true);
        assert_eq!(places.tables, 132);
        assert_eq!(
            (places.redundant, places.directory, places.overhead),
            (0x15, 0x227, 0x480)
        );
        assert_eq!(places.first_table(places.redundant), 0x17);
        let places = Places::of(Bytes::mib(100), true);
        assert_eq!(
            (places.redundant, places.directory, places.overhead),
            (0x15, 0x26, 0x80)
        );
    }
}
