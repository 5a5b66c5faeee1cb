//! Hosted sparse extents: `KDMV`, plain or compressed. What stands in front of the grains is judged here, where grains are in `table`,
//! what packed ones hold in `grain`.

mod check;
mod footer;
mod scan;

use std::sync::Arc;

use imgdelta_core::{
    Bytes, CheckReport, Error, FileOffset, Kind, Result, SECTOR, Source, State, VirtOffset,
    read_array,
};

use crate::{
    fault::Fault,
    grain::{PREFIX, Unpacker},
    layout::{
        AT_END, COMPRESSED, DEFLATE, KNOWN_FLAGS, NEWLINE_TEST, NEWLINES, REDUNDANT, SPARSE_MAGIC,
        SparseHeader, TABLE_ENTRIES,
    },
    piece::{File, Piece},
    table::{Cell, Form, Tables},
};

use scan::Scanned;

/// The largest grain that is read, in sectors: 1 GiB would do harm, 32 MiB is more than anybody writes.
const MOST_GRAIN: u64 = 1 << 16;
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

/// Reads and judges the header of an extent.
pub(crate) fn read_header(source: &dyn Source) -> Result<SparseHeader> {
    let end = source.len().0;
    let needed = SparseHeader::SIZE as u64;
    if end < needed {
        return Err(Fault::HeaderCut { end, needed }.into());
    }
    let header = SparseHeader::parse(&read_array(source, FileOffset::ZERO)?);
    judge(&header, FileOffset::ZERO)?;
    Ok(header)
}

/// Rules that hold for header and footer alike.
fn judge(header: &SparseHeader, at: FileOffset) -> Result<()> {
    let refuse = |fault: Fault, name: &'static str, field: &str| {
        let at = at.saturating_add(Bytes(SparseHeader::at(field)));
        Err(Error::from(fault).in_field("header", name).at(at))
    };
    if header.magic != SPARSE_MAGIC {
        let (found, required) = (u64::from(header.magic), u64::from(SPARSE_MAGIC));
        return refuse(Fault::Magic { found, required }, "magicNumber", "magic");
    }
    if !(1..=3).contains(&header.version) {
        let fault = Fault::Version {
            structure: "sparse extent",
            found: u64::from(header.version),
            required: "1, 2 or 3",
        };
        return refuse(fault, "version", "version");
    }
    if header.flags & NEWLINE_TEST != 0 && header.newlines != NEWLINES {
        let found = header.newlines.escape_ascii().to_string();
        return refuse(Fault::Newlines { found }, "newline test", "newlines");
    }
    if header.capacity > MOST_SECTORS {
        let (found, most) = (header.capacity, MOST_SECTORS);
        return refuse(Fault::Capacity { found, most }, "capacity", "capacity");
    }
    let found = header.grain_size;
    if !found.is_power_of_two() || found > MOST_GRAIN {
        let (least, most) = (1, MOST_GRAIN);
        let fault = Fault::GrainSize { found, least, most };
        return refuse(fault, "grainSize", "grain_size");
    }
    if header.entries_per_table != TABLE_ENTRIES {
        let (found, required) = (
            u64::from(header.entries_per_table),
            u64::from(TABLE_ENTRIES),
        );
        let fault = Fault::TableEntries { found, required };
        return refuse(fault, "numGTEsPerGT", "entries_per_table");
    }
    let found = header.compress_algorithm;
    if header.flags & COMPRESSED != 0 && found != DEFLATE || found > DEFLATE {
        return refuse(
            Fault::Algorithm { found },
            "compressAlgorithm",
            "compress_algorithm",
        );
    }
    Ok(())
}

impl Sparse {
    /// Opens an extent. `line` is what the descriptor says of its size in sectors; without one it has its capacity.
    pub(crate) fn open(file: File, line: Option<u64>, reading: Reading) -> Result<Self> {
        let mut header = read_header(&*file.source)?;
        let capacity = header.capacity;
        if capacity == 0 {
            let fault = Fault::Capacity {
                found: 0,
                most: MOST_SECTORS,
            };
            return Err(Error::from(fault).in_field("header", "capacity"));
        }
        let mut notes = header_notes(&header);
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
                Err(_) if reading.scans => {
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

fn header_notes(header: &SparseHeader) -> Vec<String> {
    let mut notes = Vec::new();
    if header.unclean_shutdown != 0 {
        notes.push("the extent was not closed cleanly: check it".into());
    }
    let unknown = header.flags & !KNOWN_FLAGS;
    if unknown != 0 {
        notes.push(format!("flags {unknown:#x} of the header are not known"));
    }
    notes
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
            Cell::At(_) if self.packed.is_some() => State::Packed,
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
