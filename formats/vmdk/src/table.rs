//! Grain directories and grain tables: where a grain is. Three kinds of extents have them, with entries of their own.
//!
//! What stands in a grain is read elsewhere.

use std::{collections::HashSet, sync::Arc};

use imgdelta_core::{Bytes, Error, FileOffset, PagedTable, Result, SECTOR, Source, read_vec};

use crate::{
    fault::Fault,
    layout::{COWD_TABLE_ENTRIES, TABLE_ENTRIES, ZEROED},
};

/// How much of the tables is read at once when all are looked at.
const PIECE: u64 = 64 << 10;
/// Most entries of a directory, as in qemu.
const MOST_TABLES: u64 = 32 << 20;
/// Tables that are remembered as judged: a directory may name one again and again.
const REMEMBERED: usize = 1 << 20;

/// What a table says of a grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
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
    /// Sectors in 4 bytes, 512 a table; an entry of 1 is zeros.
    Hosted,
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
            Self::Hosted | Self::Cowd => 4,
            Self::SeSparse { .. } => 8,
        }
    }

    /// Entries of a table.
    pub(crate) const fn per_table(self) -> u64 {
        match self {
            Self::Hosted => TABLE_ENTRIES as u64,
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
}

impl Tables {
    /// The tables of an extent of `size` in grains of `grain`. `directory_sector` must leave room for all entries in the file.
    pub(crate) fn new(
        source: &Arc<dyn Source>,
        form: Form,
        directory_sector: u64,
        grain: Bytes,
        size: Bytes,
    ) -> Self {
        Self {
            source: Arc::clone(source),
            pages: PagedTable::new(Arc::clone(source)),
            form,
            directory: FileOffset(directory_sector.saturating_mul(SECTOR)),
            grain,
            size,
            first: 1,
            needed: grain,
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

    /// How many grains the extent has.
    pub(crate) const fn grains(&self) -> u64 {
        self.size.pieces(self.grain)
    }

    /// How many tables that takes.
    pub(crate) const fn tables(&self) -> u64 {
        self.grains().div_ceil(self.form.per_table())
    }

    /// Makes sure that the directory lies in the file.
    pub(crate) fn judge_directory(&self, name: &'static str) -> Result<()> {
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
    pub(crate) fn cell(&self, grain: u64) -> Result<Cell> {
        let per_table = self.form.per_table();
        let (table, inside) = (grain / per_table, grain % per_table);
        let Some(at) = self.table(table)? else {
            return Ok(Cell::Absent);
        };
        let entry = self.raw(at.saturating_add(Bytes(inside * self.form.width())))?;
        self.judged(grain, entry)
    }

    /// How many grains from `grain` on are like the first, as far as is known without reading more; at least 1. Grains that are stored go on if
    /// they stand one behind the other.
    pub(crate) fn run(&self, grain: u64, first: Cell) -> Result<u64> {
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
                (Cell::At(first), Cell::At(sector)) => {
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

    /// Shows `see` every grain that is not absent, in order. Tables that stand one behind the other are read together, and those that the host
    /// does not store are zeros.
    pub(crate) fn each(&self, mut see: impl FnMut(u64, Cell) -> Result<()>) -> Result<()> {
        self.walk(|_| true, &mut see)
    }

    /// As [`each`](Self::each), of the tables that `wants` wants, by where they stand.
    fn walk(
        &self,
        mut wants: impl FnMut(FileOffset) -> bool,
        see: &mut impl FnMut(u64, Cell) -> Result<()>,
    ) -> Result<()> {
        let table_len = self.form.per_table() * self.form.width();
        let mut next = 0;
        while let Some(table) = self.next_table(next)? {
            next = table + 1;
            let Some(at) = self.table(table)?.filter(|at| wants(*at)) else {
                continue;
            };
            let mut count = 1;
            while count * table_len < PIECE
                && table + count < self.tables()
                && self.table(table + count)? == Some(at.saturating_add(Bytes(count * table_len)))
            {
                count += 1;
            }
            let len = Bytes(count * table_len);
            let stored = self.source.stored_at(at)?;
            if stored.is_data || stored.end < at.saturating_add(len) {
                self.see_tables(table, at, len, see)?;
            }
            next = table + count;
        }
        Ok(())
    }

    /// The first table from number `from` on that there is.
    fn next_table(&self, from: u64) -> Result<Option<u64>> {
        let width = self.form.width();
        let mut table = from;
        while table < self.tables() {
            let at = self.directory.saturating_add(Bytes(table * width));
            let (page, inside) = self.pages.page(at)?;
            let entries = page.get(inside..).unwrap_or_default();
            if let Some(used) = entries.iter().position(|byte| *byte != 0) {
                let found = table + used as u64 / width;
                return Ok((found < self.tables()).then_some(found));
            }
            let stored = self.source.stored_at(at)?;
            let behind = Bytes::from(entries.len().max(1)).0;
            let skipped = if stored.is_data {
                behind
            } else {
                stored.end.since(at).0.max(behind)
            };
            table += (skipped / width).max(1);
        }
        Ok(None)
    }

    fn see_tables(
        &self,
        table: u64,
        at: FileOffset,
        len: Bytes,
        see: &mut impl FnMut(u64, Cell) -> Result<()>,
    ) -> Result<()> {
        let bytes = read_vec(&*self.source, at, len)?;
        let width = Bytes(self.form.width()).in_memory();
        let first = table * self.form.per_table();
        for (grain, bytes) in (first..self.grains()).zip(bytes.chunks_exact(width)) {
            let entry = wide(bytes);
            if entry == 0 {
                continue;
            }
            match self.judged(grain, entry)? {
                Cell::Absent => {}
                cell => see(grain, cell)?,
            }
        }
        Ok(())
    }

    /// The sectors that directory and tables take, each from its first up to the one behind it, in order. Tables that follow one another are
    /// one stretch, so that those of a whole disk are few; `None` where they are more than `most`.
    pub(crate) fn places(&self, most: usize) -> Result<Option<Vec<(u64, u64)>>> {
        let width = self.form.width();
        let sectors = |len: u64| len.div_ceil(SECTOR);
        let directory = self.directory.0 / SECTOR;
        let mut last = (directory, directory + sectors(self.tables() * width));
        let mut places = Vec::new();
        let mut next = 0;
        while let Some(table) = self.next_table(next)? {
            next = table + 1;
            let Some(at) = self.table(table)? else {
                continue;
            };
            let first = at.0 / SECTOR;
            let end = first + sectors(self.form.per_table() * width);
            if last.1 == first {
                last.1 = end;
            } else if places.len() < most {
                places.push(std::mem::replace(&mut last, (first, end)));
            } else {
                return Ok(None);
            }
        }
        places.push(last);
        places.sort_unstable();
        Ok(Some(places))
    }

    /// Judges every grain: the file holds it, so that a file that was cut is known at once.
    pub(crate) fn judge(&self) -> Result<()> {
        let mut judged = HashSet::new();
        let is_new = |at| judged.len() >= REMEMBERED || judged.insert(at);
        self.walk(is_new, &mut |_, _| Ok(()))
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
            Form::Hosted | Form::Cowd => entry,
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
    fn judged(&self, grain: u64, entry: u64) -> Result<Cell> {
        let cell = match self.form {
            _ if entry == 0 => Cell::Absent,
            // Without the flag too: the header is never a grain.
            Form::Hosted if entry == u64::from(ZEROED) => Cell::Zero,
            Form::Hosted | Form::Cowd => Cell::At(entry),
            Form::SeSparse { grains, .. } => match entry >> 60 {
                // Unmapped by the guest: what lies below must not come back. [qemu reads zeros too]
                1 | 2 => Cell::Zero,
                3 => {
                    let low = (entry & 0x0fff_0000_0000_0000) >> 48;
                    let index = low | ((entry & 0x0000_ffff_ffff_ffff) << 12);
                    let step = self.grain.0 / SECTOR;
                    Cell::At(grains.saturating_add(index.saturating_mul(step)))
                }
                _ => {
                    let fault = Fault::SeEntry {
                        grain,
                        found: entry,
                    };
                    return Err(Error::from(fault).in_structure("grain table"));
                }
            },
        };
        if let Cell::At(sector) = cell {
            self.judge_place(grain, sector)?;
        }
        Ok(cell)
    }

    fn judge_place(&self, grain: u64, sector: u64) -> Result<()> {
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
