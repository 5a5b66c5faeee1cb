//! What opening a sparse extent does not ask: both directories alike, no two grains in one place, packed grains that unpack.

use imgdelta_core::{CheckReport, Error, FileOffset, Result, SECTOR, read_array};

use super::{Grains, Sparse, tables};
use crate::{
    fault::Fault,
    layout::{AT_END, COMPRESSED, REDUNDANT, SparseHeader},
    shared,
    table::{Cell, Tables},
};

impl Sparse {
    /// Looks at everything.
    pub(super) fn check_all(&self, report: &mut CheckReport) -> Result<()> {
        if let Some(line) = self.line.filter(|line| *line != self.header.capacity) {
            let capacity = self.header.capacity;
            report
                .fault(Error::from(Fault::SectorsDiffer { line, capacity }).in_structure("header"));
        }
        let stored = match &self.grains {
            Grains::Tables(tables) => {
                self.check_copies(tables, report)?;
                let is_packed = self.header.flags & COMPRESSED != 0;
                let step = if is_packed { 1 } else { self.header.grain_size };
                shared::check(tables, &*self.file.source, step, report)?
            }
            Grains::Scanned(scanned) => scanned.each().count() as u64,
        };
        self.check_packed(report)?;
        self.check_end(report)?;
        let count = self.size.pieces(self.grain);
        report
            .counts
            .extend([("grains", count), ("stored", stored)]);
        Ok(())
    }

    /// Both directories must say the same of every grain.
    fn check_copies(&self, tables: &Tables, report: &mut CheckReport) -> Result<()> {
        let header = &self.header;
        if header.flags & REDUNDANT == 0 || header.rgd_offset == 0 {
            return Ok(());
        }
        let open = |sector, name| -> Result<Tables> {
            let tables = self::tables(&self.file.source, header, sector, self.size);
            tables.judge_directory(name)?;
            tables.judge()?;
            Ok(tables)
        };
        for (sector, name) in [
            (header.gd_offset, "grain directory"),
            (header.rgd_offset, "redundant grain directory"),
        ] {
            if let Err(error) = open(sector, name) {
                report.fault(error);
                return Ok(());
            }
        }
        let redundant = open(header.rgd_offset, "redundant grain directory")?;
        let differ = |grain, found: Cell, other: Cell| {
            Error::from(Fault::CopiesDiffer {
                grain,
                found: said(found),
                redundant: said(other),
            })
            .in_structure("grain table")
        };
        tables.each(|grain, cell| {
            let other = redundant.cell(grain)?;
            if other != cell {
                report.fault(differ(grain, cell, other));
            }
            Ok(())
        })?;
        redundant.each(|grain, other| {
            if tables.cell(grain)? == Cell::Absent {
                report.fault(differ(grain, Cell::Absent, other));
            }
            Ok(())
        })
    }

    /// Packed grains are unpacked, one by one.
    fn check_packed(&self, report: &mut CheckReport) -> Result<()> {
        let Some(unpacker) = &self.packed else {
            return Ok(());
        };
        let mut grain = vec![0; self.grain.in_memory()];
        let mut see = |number, sector| {
            if let Err(error) = unpacker.read_whole(&[(number, sector)], &mut grain) {
                report.fault(error);
            }
            Ok(())
        };
        match &self.grains {
            Grains::Tables(tables) => tables.each(|number, cell| match cell {
                Cell::At(sector) => see(number, sector),
                Cell::Absent | Cell::Zero => Ok(()),
            }),
            Grains::Scanned(scanned) => scanned
                .each()
                .try_for_each(|(number, sector)| see(number, sector)),
        }
    }

    /// A stream that has a footer ends with an empty marker.
    fn check_end(&self, report: &mut CheckReport) -> Result<()> {
        let source = &self.file.source;
        let header = SparseHeader::parse(&read_array(&**source, FileOffset::ZERO)?);
        if header.gd_offset != AT_END || matches!(self.grains, Grains::Scanned(_)) {
            return Ok(());
        }
        let Some(at) = source.len().0.checked_sub(SECTOR) else {
            return Ok(());
        };
        let last: [u8; SECTOR as usize] = read_array(&**source, FileOffset(at))?;
        if last.iter().any(|byte| *byte != 0) {
            report.fault(Error::from(Fault::NoEnd).at(FileOffset(at)));
        }
        Ok(())
    }
}

/// A cell for people.
fn said(cell: Cell) -> String {
    match cell {
        Cell::Absent => "absent".into(),
        Cell::Zero => "zero".into(),
        Cell::At(sector) => format!("at sector {sector}"),
    }
}
