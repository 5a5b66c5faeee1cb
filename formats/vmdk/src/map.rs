//! BlockState directories and grain tables: where a grain is. Three kinds of extents have them, with entries of their own. All of them are gone
//! through in `walk`; what stands in a grain is read elsewhere.

mod walk;

pub(crate) use walk::GrainVisit;

use std::sync::Arc;

use imgdelta_core::{Bytes, Error, FileOffset, PagedTable, Result, SECTOR, Source};

use crate::{
    extent::File,
    fault::Fault,
    layout::{COWD_TABLE_ENTRIES, ZEROED},
};

/// Most entries of a directory, as in qemu.
const MOST_TABLES: u64 = 32 << 20;

/// What a table says of a grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrainMapping {
    /// Nothing: the parent's, or zero.
    Absent,
    /// Zero, whatever the parent holds.
    Zero,
    /// It stands at that sector.
    At(u64),
}

/// What the entries of an extent look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Sectors in 4 bytes; an entry of 1 is zeros.
    Hosted {
        /// Entries of a table: 1 to 512, and 512 with all writers that are known.
        entries: u64,
    },
    /// Sectors in 4 bytes, 4096 a table.
    Cowd,
    /// 8 bytes with a kind in front, 4096 a table. Tables and grains are counted from their regions' starts, in sectors.
    SeSparse {
        /// Where the tables' region starts.
        tables: u64,
        /// Where the grains' region starts.
        grains: u64,
    },
}

impl Form {
    /// Bytes of an entry, of directory and table alike.
    const fn width(self) -> u64 {
        match self {
            Self::Hosted { .. } | Self::Cowd => 4,
            Self::SeSparse { .. } => 8,
        }
    }

    /// Entries of a table.
    pub(crate) const fn per_table(self) -> u64 {
        match self {
            Self::Hosted { entries } => entries,
            Self::Cowd | Self::SeSparse { .. } => COWD_TABLE_ENTRIES,
        }
    }
}

/// Where the grains of one extent are.
#[derive(Debug)]
pub(crate) struct Tables {
    source: Arc<dyn Source>,
    pages: PagedTable,
    form: Form,
    /// Where the directory starts.
    directory: FileOffset,
    /// Bytes of a grain.
    grain: Bytes,
    /// Bytes of the extent.
    size: Bytes,
    /// The first sector where tables and grains may stand.
    first: u64,
    /// How many bytes of a grain must be in the file: all of a plain one, the marker of a packed one.
    needed: Bytes,
    /// Whether entries that cannot be count as absent.
    is_lenient: bool,
}

impl Tables {
    /// The tables of an extent of `size` in grains of `grain`. `directory_sector` must leave room for all entries in the file.
    pub(crate) fn new(
        file: &File,
        form: Form,
        directory_sector: u64,
        grain: Bytes,
        size: Bytes,
    ) -> Self {
        Self {
            source: Arc::clone(&file.source),
            pages: PagedTable::sharing(Arc::clone(&file.source), &file.caches.pages),
            form,
            directory: FileOffset(directory_sector.saturating_mul(SECTOR)),
            grain,
            size,
            first: 1,
            needed: grain,
            is_lenient: false,
        }
    }

    /// With nothing in front of sector `first`.
    pub(crate) const fn beginning_at(mut self, first: u64) -> Self {
        self.first = if first == 0 { 1 } else { first };
        self
    }

    /// With packed grains, of which only `needed` bytes must be there.
    pub(crate) const fn needing(mut self, needed: Bytes) -> Self {
        self.needed = needed;
        self
    }

    /// Taking entries of grains that cannot be for absent ones: to see what else a damaged table says.
    pub(crate) const fn leniently(mut self) -> Self {
        self.is_lenient = true;
        self
    }

    /// How many grains the extent has.
    pub(crate) const fn grains(&self) -> u64 {
        self.size.pieces(self.grain)
    }

    /// How many tables that takes.
    pub(crate) const fn tables(&self) -> u64 {
        self.grains().div_ceil(self.form.per_table())
    }

    /// Makes sure that the directory lies in the file.
    pub(crate) fn validate_directory(&self, name: &'static str) -> Result<()> {
        let entries = self.tables();
        let len = entries.saturating_mul(self.form.width());
        let end = self.source.len().0;
        let at = self.directory.0 / SECTOR;
        if entries > MOST_TABLES {
            let fault = Fault::DirectoryTooLarge {
                found: entries,
                most: MOST_TABLES,
            };
            return Err(Error::from(fault).in_structure("header"));
        }
        if at < self.first || self.directory.0.saturating_add(len) > end {
            let fault = Fault::DirectoryPlace {
                directory: name,
                entries,
                at,
                end,
            };
            return Err(Error::from(fault).in_structure("header"));
        }
        Ok(())
    }

    /// What the table says of a grain of the extent.
    pub(crate) fn cell(&self, grain: u64) -> Result<GrainMapping> {
        let per_table = self.form.per_table();
        let (table, inside) = (grain / per_table, grain % per_table);
        let Some(at) = self.table(table)? else {
            return Ok(GrainMapping::Absent);
        };
        let entry = self.raw(at.saturating_add(Bytes(inside * self.form.width())))?;
        self.judged(grain, entry)
    }

    /// How many grains from `grain` on are like the first, as far as is known without reading more; at least 1. Grains that are stored go on if
    /// they stand one behind the other.
    pub(crate) fn run(&self, grain: u64, first: GrainMapping) -> Result<u64> {
        let per_table = self.form.per_table();
        let left = self.grains().saturating_sub(grain).max(1);
        let (table, inside) = (grain / per_table, grain % per_table);
        let Some(at) = self.table(table)? else {
            let mut run = per_table - inside;
            // Tables that are missing stand together, as a rule.
            let mut next = table + 1;
            while run < left && next % 512 != 0 && self.table(next)?.is_none() {
                run += per_table;
                next += 1;
            }
            return Ok(run.min(left));
        };
        let width = self.form.width();
        let (page, skip) = self.pages.page(at.saturating_add(Bytes(inside * width)))?;
        let entries = page.get(skip..).unwrap_or_default();
        let step = self.grain.0 / SECTOR;
        let mut run = 1;
        let width = Bytes(width).in_memory();
        for bytes in entries.chunks_exact(width).skip(1) {
            if inside + run >= per_table || run >= left {
                break;
            }
            let Ok(cell) = self.judged(grain + run, wide(bytes)) else {
                break;
            };
            let goes_on = match (first, cell) {
                (GrainMapping::At(first), GrainMapping::At(sector)) => {
                    first.checked_add(run.saturating_mul(step)) == Some(sector)
                }
                (first, cell) => first == cell,
            };
            if !goes_on {
                break;
            }
            run += 1;
        }
        Ok(run)
    }

    /// Where a grain table stands; `None` if there is none.
    fn table(&self, number: u64) -> Result<Option<FileOffset>> {
        let width = self.form.width();
        let entry_at = self.directory.saturating_add(Bytes(number * width));
        let entry = self.raw(entry_at)?;
        if entry == 0 {
            return Ok(None);
        }
        let table_len = self.form.per_table() * width;
        let sector = match self.form {
            Form::Hosted { .. } | Form::Cowd => entry,
            Form::SeSparse { tables, .. } => {
                if entry >> 32 != 0x1000_0000 {
                    let fault = Fault::SeDirectory {
                        table: number,
                        found: entry,
                    };
                    return Err(Error::from(fault)
                        .in_structure("grain directory")
                        .at(entry_at));
                }
                let before = (entry & 0xffff_ffff) * (table_len / SECTOR);
                tables.saturating_add(before)
            }
        };
        let at = FileOffset(sector.saturating_mul(SECTOR));
        let end = self.source.len().0;
        if sector < self.first || at.0.saturating_add(table_len) > end {
            let fault = Fault::TablePlace {
                table: number,
                at,
                first: self.first * SECTOR,
                end,
            };
            return Err(Error::from(fault)
                .in_structure("grain directory")
                .at(entry_at));
        }
        Ok(Some(at))
    }

    /// An entry as a number.
    fn raw(&self, at: FileOffset) -> Result<u64> {
        match self.form.width() {
            4 => Ok(u64::from(u32::from_le_bytes(self.pages.entry(at)?))),
            _ => Ok(u64::from_le_bytes(self.pages.entry(at)?)),
        }
    }

    /// What an entry says, if it may.
    fn judged(&self, grain: u64, entry: u64) -> Result<GrainMapping> {
        let (cell, place) = match self.form {
            _ if entry == 0 => return Ok(GrainMapping::Absent),
            // Without the flag too: the header is never a grain.
            Form::Hosted { .. } if entry == u64::from(ZEROED) => return Ok(GrainMapping::Zero),
            Form::Hosted { .. } | Form::Cowd => (GrainMapping::At(entry), entry),
            Form::SeSparse { grains, .. } => {
                let place = self.se_place(entry, grains);
                match entry >> 60 {
                    // Unmapped by the guest: what lies below must not come back. [qemu reads zeros too]
                    1 | 2 if entry << 4 == 0 => return Ok(GrainMapping::Zero),
                    // Nobody reads the grain that it still names, but it must be one.
                    1 | 2 => (GrainMapping::Zero, place),
                    3 => (GrainMapping::At(place), place),
                    _ if self.is_lenient => return Ok(GrainMapping::Absent),
                    _ => {
                        let fault = Fault::SeEntry {
                            grain,
                            found: entry,
                        };
                        return Err(Error::from(fault).in_structure("grain table"));
                    }
                }
            }
        };
        match self.validate_place(grain, place) {
            Ok(()) => Ok(cell),
            Err(_) if self.is_lenient => Ok(GrainMapping::Absent),
            Err(error) => Err(error),
        }
    }

    /// The sector that an entry of an seSparse table names, its grains beginning at sector `grains`.
    const fn se_place(&self, entry: u64, grains: u64) -> u64 {
        let low = (entry & 0x0fff_0000_0000_0000) >> 48;
        let index = low | ((entry & 0x0000_ffff_ffff_ffff) << 12);
        let step = self.grain.0 / SECTOR;
        grains.saturating_add(index.saturating_mul(step))
    }

    fn validate_place(&self, grain: u64, sector: u64) -> Result<()> {
        let first = self.first;
        if sector < first {
            let fault = Fault::GrainInMetadata {
                grain,
                sector,
                first,
            };
            return Err(Error::from(fault).in_structure("grain table"));
        }
        // Of the last grain only what the disk needs must be there: some writers cut the file with the disk.
        let left = self
            .size
            .0
            .saturating_sub(grain.saturating_mul(self.grain.0));
        let needed = self.needed.0.min(left);
        let grain_end = sector.saturating_mul(SECTOR).saturating_add(needed);
        let end = self.source.len().0;
        if grain_end > end {
            let fault = Fault::GrainPastEnd {
                grain,
                sector,
                grain_end,
                end,
            };
            return Err(Error::from(fault).in_structure("grain table"));
        }
        Ok(())
    }
}

/// A little-endian number of 4 or 8 bytes.
fn wide(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
