//! Hosted sparse extents: `KDMV`, plain or compressed. Their header is judged in `header`, where grains are is known to `map`, what packed
//! ones hold to `grain`.

mod check;
mod copies;
mod footer;
pub(crate) mod header;
mod scan;

use imgdelta_core::{
    Bytes, CheckReport, Error, Extent, FileOffset, Kind, Result, SECTOR, State, VirtOffset,
};

use crate::{
    caches::GrainPlace,
    extent::{File, VmdkExtent},
    fault::Fault,
    grain::Unpacker,
    layout::{AT_END, COMPRESSED, SparseHeader},
    map::{GrainMapping, Tables},
};

pub(crate) use copies::Copies;
use scan::Scanned;

/// Most sectors of a disk that is read: its last byte must have an address.
pub(crate) const MOST_SECTORS: u64 = i64::MAX as u64 / SECTOR;

/// How an image is to be read, beyond what it says itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenOptions {
    /// A stream without its footer is gone through grain by grain.
    pub(crate) scans: bool,
    /// Which of two copies of the grain tables counts.
    pub(crate) copies: Copies,
    /// I/O filters that are not known are believed to change nothing.
    pub(crate) trusts_filters: bool,
}

impl OpenOptions {
    /// For a check, which tells of all that is wrong and goes on where it can.
    pub(crate) const fn for_check(mut self) -> Self {
        if matches!(self.copies, Copies::Sound) {
            self.copies = Copies::Either;
        }
        self
    }
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
    /// Where a stream ends that has a footer: its last marker stands there.
    end: Option<FileOffset>,
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
    pub(crate) fn open(file: File, line: Option<u64>, reading: OpenOptions) -> Result<Self> {
        let mut header = header::read(&*file.source)?;
        let mut notes = header::notes(&header);
        let size = size_of(&header, line, &mut notes)?;
        let (mut end, mut scanned) = (None, None);
        if header.gd_offset == AT_END {
            match footer::find(&*file.source, &header) {
                Ok((footer, at)) => {
                    header = footer;
                    end = Some(at);
                    notes.extend(footer::notes(&*file.source, at)?);
                }
                Err(error) if reading.scans && error.kind() == Kind::Corrupt => {
                    notes.push("the stream has no footer: read grain by grain".into());
                    scanned = Some(scan::scan(&file.source, &header, size)?);
                }
                Err(error) => return Err(error),
            }
        }
        let grains = match scanned {
            Some(scanned) => Grains::Scanned(scanned),
            None => Grains::Tables(copies::choose(
                &file,
                &header,
                size,
                reading.copies,
                &mut notes,
            )?),
        };
        let grain = Bytes(header.grain_size.saturating_mul(SECTOR));
        let is_packed = header.flags & COMPRESSED != 0;
        let packed = is_packed.then(|| Unpacker::new(&file, grain, size));
        Ok(Self {
            file,
            header,
            size,
            grain,
            grains,
            packed,
            notes,
            line,
            end,
        })
    }

    fn cell(&self, grain: u64) -> Result<GrainMapping> {
        match &self.grains {
            Grains::Tables(tables) => tables.cell(grain),
            Grains::Scanned(scanned) => Ok(scanned.cell(grain)),
        }
    }

    fn cells(&self, grain: u64, first: GrainMapping) -> Result<u64> {
        match &self.grains {
            Grains::Tables(tables) => tables.run(grain, first),
            Grains::Scanned(scanned) => Ok(scanned.run(grain)),
        }
    }

    /// The grain that byte `at` lies in, and how far.
    fn split(&self, at: u64) -> (u64, u64) {
        let grain = at.checked_div(self.grain.0).unwrap_or_default();
        (grain, at.saturating_sub(grain.saturating_mul(self.grain.0)))
    }

    /// The packed grain that an extent of the disk, on which this one starts at `start`, is a part of.
    fn place(&self, start: u64, extent: &Extent) -> Result<GrainPlace> {
        let State::Compressed { unit, at, .. } = extent.state else {
            return Err(Fault::NotStored { at: extent.at }.into());
        };
        let (grain, _) = self.split(unit.0.saturating_sub(start));
        Ok((grain, at.0 / SECTOR))
    }

    /// How many of the extents from the first on are whole grains.
    fn whole(&self, extents: &[Extent]) -> usize {
        let is_whole = |extent: &&Extent| extent.len == self.grain;
        extents.iter().take_while(is_whole).count()
    }
}

/// The size of an extent with this header whose line says `line`.
fn size_of(header: &SparseHeader, line: Option<u64>, notes: &mut Vec<String>) -> Result<Bytes> {
    let capacity = header.capacity;
    if capacity == 0 {
        let (found, most) = (0, MOST_SECTORS);
        let fault = Fault::Capacity { found, most };
        return Err(Error::from(fault).in_field("header", "capacity"));
    }
    let sectors = match line {
        Some(line) if line > capacity || line == 0 => {
            return Err(Error::from(Fault::Sectors { line, capacity }).in_structure("descriptor"));
        }
        Some(line) if line < capacity => {
            notes.push(format!(
                "the extent line says {line} sectors, the header has {capacity}: the line counts"
            ));
            line
        }
        _ => capacity,
    };
    Ok(Bytes(sectors.saturating_mul(SECTOR)))
}

impl VmdkExtent for Sparse {
    fn size(&self) -> Bytes {
        self.size
    }

    fn run(&self, at: u64) -> Result<(Bytes, State)> {
        let (grain, inside) = self.split(at);
        let left = Bytes(self.size.0.saturating_sub(at));
        let (grains, state) = match self.cell(grain)? {
            GrainMapping::At(sector) if self.packed.is_some() => {
                let state = State::Compressed {
                    unit: VirtOffset(at.saturating_sub(inside)),
                    at: FileOffset(sector.saturating_mul(SECTOR)),
                    len: Bytes::ZERO,
                };
                (1, state)
            }
            cell => {
                let state = match cell {
                    GrainMapping::Absent => State::Absent,
                    GrainMapping::Zero => State::Zero,
                    GrainMapping::At(sector) => State::Data {
                        file: self.file.number,
                        at: FileOffset(sector.saturating_mul(SECTOR)).saturating_add(Bytes(inside)),
                    },
                };
                (self.cells(grain, cell)?, state)
            }
        };
        let len = grains.saturating_mul(self.grain.0).saturating_sub(inside);
        Ok((Bytes(len).min(left), state))
    }

    fn read_compressed(&self, start: u64, extents: &[Extent], buf: &mut [u8]) -> Result<()> {
        let (mut left, mut rest) = (extents, buf);
        while let Some(first) = left.first() {
            let not_stored = Fault::NotStored { at: first.at };
            let unpacker = self.packed.as_ref().ok_or(not_stored)?;
            let count = self.whole(left).max(1);
            let (now, later) = left.split_at(count);
            let len: u64 = now.iter().map(|one| one.len.0).sum();
            let (part, behind) = rest.split_at_mut(Bytes(len).in_memory().min(rest.len()));
            if first.len == self.grain {
                let places = now.iter().map(|one| self.place(start, one));
                unpacker.read_whole(&places.collect::<Result<Vec<_>>>()?, part)?;
            } else {
                let place = self.place(start, first)?;
                let (_, inside) = self.split(first.at.0.saturating_sub(start));
                unpacker.read_part(place, Bytes(inside).in_memory(), part)?;
            }
            (left, rest) = (later, behind);
        }
        Ok(())
    }

    fn read_packed(
        &self,
        start: u64,
        unit: &Extent,
        buf: &mut [u8],
        packed: &mut Vec<u8>,
    ) -> Result<()> {
        match &self.packed {
            Some(unpacker) if unit.len == self.grain => {
                unpacker.read_keeping(self.place(start, unit)?, buf, packed)
            }
            _ => self.read_compressed(start, std::slice::from_ref(unit), buf),
        }
    }

    fn compressed_unit(&self) -> Option<Bytes> {
        self.packed.is_some().then_some(self.grain)
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
