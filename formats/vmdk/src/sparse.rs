//! Hosted sparse extents: `KDMV`, plain or compressed. Their header is judged in `header`, where grains are is known to `table`, what packed
//! ones hold to `grain`.

mod check;
mod footer;
pub(crate) mod header;
mod scan;

use std::sync::Arc;

use imgdelta_core::{
    Bytes, CheckReport, Error, FileOffset, Kind, Result, SECTOR, Source, State, VirtOffset,
};

use crate::{
    fault::Fault,
    grain::{PREFIX, Unpacker},
    layout::{AT_END, COMPRESSED, REDUNDANT, SparseHeader},
    piece::{File, Piece},
    table::{Cell, Form, Tables},
};

use scan::Scanned;

/// Most sectors of an extent: 64 TiB.
pub(crate) const MOST_SECTORS: u64 = 1 << 37;

/// How an image is to be read, beyond what it says itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// A stream without its footer is gone through grain by grain.
    pub(crate) scans: bool,
}

/// A hosted sparse extent.
#[derive(Debug)]
pub(crate) struct Sparse {
    file: File,
    header: SparseHeader,
    size: Bytes,
    grain: Bytes,
    grains: Grains,
    packed: Option<Unpacker>,
    notes: Vec<String>,
    /// What the descriptor says of its size, in sectors.
    line: Option<u64>,
}

/// How grains are found.
#[derive(Debug)]
enum Grains {
    /// By directory and tables.
    Tables(Tables),
    /// By having gone through all of the stream.
    Scanned(Scanned),
}

impl Sparse {
    /// Opens an extent. `line` is what the descriptor says of its size in sectors; without one it has its capacity.
    pub(crate) fn open(file: File, line: Option<u64>, reading: Reading) -> Result<Self> {
        let mut header = header::read(&*file.source)?;
        let capacity = header.capacity;
        if capacity == 0 {
            let fault = Fault::Capacity {
                found: 0,
                most: MOST_SECTORS,
            };
            return Err(Error::from(fault).in_field("header", "capacity"));
        }
        let mut notes = header::notes(&header);
        let sectors = match line {
            Some(line) if line > capacity => {
                return Err(
                    Error::from(Fault::Sectors { line, capacity }).in_structure("descriptor")
                );
            }
            Some(line) if line < capacity => {
                notes.push(format!(
                    "the extent line says {line} sectors, the header has {capacity}: the line counts"
                ));
                line
            }
            _ => capacity,
        };
        let size = Bytes(sectors.saturating_mul(SECTOR));
        let grain = Bytes(header.grain_size.saturating_mul(SECTOR));
        let grains = if header.gd_offset == AT_END {
            match footer::find(&*file.source, &header) {
                Ok(footer) => {
                    header = footer;
                    None
                }
                Err(error) if reading.scans && error.kind() == Kind::Corrupt => {
                    notes.push("the stream has no footer: read grain by grain".into());
                    Some(Grains::Scanned(scan::scan(&file.source, &header, size)?))
                }
                Err(error) => return Err(error),
            }
        } else {
            None
        };
        let grains = match grains {
            Some(grains) => grains,
            None => Grains::Tables(Self::sound_tables(&file.source, &header, size, &mut notes)?),
        };
        let is_packed = header.flags & COMPRESSED != 0;
        let packed = is_packed.then(|| Unpacker::new(Arc::clone(&file.source), grain, size));
        Ok(Self {
            file,
            header,
            size,
            grain,
            grains,
            packed,
            notes,
            line,
        })
    }

    /// The tables of the grain directory; if those are broken and the redundant ones are whole, these.
    fn sound_tables(
        source: &Arc<dyn Source>,
        header: &SparseHeader,
        size: Bytes,
        notes: &mut Vec<String>,
    ) -> Result<Tables> {
        let open = |sector, name| {
            let tables = tables(source, header, sector, size);
            tables.judge_directory(name)?;
            tables.judge()?;
            Ok(tables)
        };
        let error: Error = match open(header.gd_offset, "grain directory") {
            Ok(tables) => return Ok(tables),
            Err(error) => error,
        };
        if error.kind() != Kind::Corrupt || header.flags & REDUNDANT == 0 || header.rgd_offset == 0
        {
            return Err(error);
        }
        match open(header.rgd_offset, "redundant grain directory") {
            Ok(tables) => {
                notes.push(format!(
                    "the grain directory is damaged, the redundant one is used: {}",
                    error.message()
                ));
                Ok(tables)
            }
            Err(_) => Err(error),
        }
    }

    fn cell(&self, grain: u64) -> Result<Cell> {
        match &self.grains {
            Grains::Tables(tables) => tables.cell(grain),
            Grains::Scanned(scanned) => Ok(scanned.cell(grain)),
        }
    }

    fn cells(&self, grain: u64, first: Cell) -> Result<u64> {
        match &self.grains {
            Grains::Tables(tables) => tables.run(grain, first, self.packed.is_some()),
            Grains::Scanned(scanned) => Ok(scanned.run(grain, first)),
        }
    }

    /// The grain that byte `at` lies in, and how far.
    fn split(&self, at: u64) -> (u64, u64) {
        let grain = at.checked_div(self.grain.0).unwrap_or_default();
        (grain, at.saturating_sub(grain.saturating_mul(self.grain.0)))
    }

    /// The sector of a grain that must be stored.
    fn sector(&self, grain: u64) -> Result<u64> {
        match self.cell(grain)? {
            Cell::At(sector) => Ok(sector),
            Cell::Absent | Cell::Zero => {
                let at = VirtOffset(grain.saturating_mul(self.grain.0));
                Err(Fault::NotStored { at }.into())
            }
        }
    }

    fn read_plain(&self, at: u64, buf: &mut [u8]) -> Result<()> {
        let mut at = at;
        let mut rest = buf;
        while !rest.is_empty() {
            let (grain, inside) = self.split(at);
            let sector = self.sector(grain)?;
            let run = self.cells(grain, Cell::At(sector))?;
            let len = run.saturating_mul(self.grain.0).saturating_sub(inside);
            let (part, later) = rest.split_at_mut(Bytes(len).in_memory().min(rest.len()));
            let place = FileOffset(sector.saturating_mul(SECTOR)).saturating_add(Bytes(inside));
            self.file.source.read_at(place, part)?;
            at = at.saturating_add(part.len() as u64);
            rest = later;
        }
        Ok(())
    }

    fn read_packed(&self, unpacker: &Unpacker, at: u64, buf: &mut [u8]) -> Result<()> {
        let size = self.grain.in_memory().max(1);
        let mut at = at;
        let mut rest = buf;
        while !rest.is_empty() {
            let (grain, inside) = self.split(at);
            let whole = rest.len() / size;
            let len = if inside == 0 && whole > 0 {
                let numbers = grain..grain.saturating_add(whole as u64);
                let places = numbers.map(|grain| Ok((grain, self.sector(grain)?)));
                let places = places.collect::<Result<Vec<_>>>()?;
                let (part, _) = rest.split_at_mut(whole.saturating_mul(size));
                unpacker.read_whole(&places, part)?;
                part.len()
            } else {
                let inside = Bytes(inside).in_memory();
                let len = size.saturating_sub(inside).min(rest.len());
                let (part, _) = rest.split_at_mut(len);
                unpacker.read_part((grain, self.sector(grain)?), inside, part)?;
                len
            };
            at = at.saturating_add(len as u64);
            rest = rest.get_mut(len..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The tables of one directory.
fn tables(source: &Arc<dyn Source>, header: &SparseHeader, sector: u64, size: Bytes) -> Tables {
    let grain = Bytes(header.grain_size.saturating_mul(SECTOR));
    let front = header
        .descriptor_offset
        .saturating_add(header.descriptor_size);
    let tables = Tables::new(source, Form::Hosted, sector, grain, size).beginning_at(front.max(1));
    if header.flags & COMPRESSED == 0 {
        tables
    } else {
        tables.needing(Bytes::from(PREFIX))
    }
}

impl Piece for Sparse {
    fn size(&self) -> Bytes {
        self.size
    }

    fn run(&self, at: u64) -> Result<(Bytes, State)> {
        let (grain, inside) = self.split(at);
        let cell = self.cell(grain)?;
        let len = self
            .cells(grain, cell)?
            .saturating_mul(self.grain.0)
            .saturating_sub(inside);
        let left = Bytes(self.size.0.saturating_sub(at));
        let state = match cell {
            Cell::Absent => State::Absent,
            Cell::Zero => State::Zero,
            Cell::At(_) if self.packed.is_some() => State::Compressed,
            Cell::At(sector) => State::Data {
                file: self.file.number,
                at: FileOffset(sector.saturating_mul(SECTOR)).saturating_add(Bytes(inside)),
            },
        };
        Ok((Bytes(len).min(left), state))
    }

    fn read_data(&self, at: u64, buf: &mut [u8]) -> Result<()> {
        match &self.packed {
            None => self.read_plain(at, buf),
            Some(unpacker) => self.read_packed(unpacker, at, buf),
        }
    }

    fn grain(&self) -> Option<Bytes> {
        Some(self.grain)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        let header = &self.header;
        vec![
            ("version", header.version.to_string()),
            ("flags", format!("{:#x}", header.flags)),
            ("capacity", header.capacity.to_string()),
            ("grainSize", header.grain_size.to_string()),
        ]
    }

    fn check(&self, report: &mut CheckReport) -> Result<()> {
        self.check_all(report)
    }
}
