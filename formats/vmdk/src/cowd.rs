//! ESX copy-on-write extents, `COWD`: tables of 4096 entries, grains of one sector as a rule, no second copy of anything.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, CheckReport, Error, FileOffset, Result, SECTOR, Source, State, read_array,
};

use crate::{
    extent::{File, VmdkExtent},
    fault::Fault,
    layout::{COWD_MAGIC, CowdHeader},
    map::{Form, GrainMapping, Tables},
    shared_grains::Misplaced,
};

/// The largest grain that is read, in sectors, as of hosted extents.
const MOST_GRAIN: u64 = super::sparse::header::MOST_GRAIN;

/// An extent whose grains are plain, with nothing but one directory: COWD, and seSparse too.
#[derive(Debug)]
pub(crate) struct Grained {
    file: File,
    tables: Tables,
    size: Bytes,
    grain: Bytes,
    notes: Vec<String>,
    details: Vec<(&'static str, String)>,
    /// What the descriptor says of its size in sectors, and the header, where they differ.
    sizes: Option<(u64, u64)>,
}

/// Opens a COWD extent. `line` is what the descriptor says of its size in sectors.
pub(crate) fn open(file: File, line: Option<u64>) -> Result<Grained> {
    let source = &file.source;
    let (end, needed) = (source.len().0, CowdHeader::SIZE as u64);
    if end < needed {
        return Err(Fault::HeaderCut { end, needed }.into());
    }
    let header = CowdHeader::parse(&read_array(&**source, FileOffset::ZERO)?);
    validate(&header)?;
    let size = Grained::size_of(line, u64::from(header.capacity))?;
    let grain = Bytes(u64::from(header.grain_size) * SECTOR);
    let gd = u64::from(header.gd_offset);
    let front = CowdHeader::SIZE as u64 / SECTOR;
    let tables = Tables::new(&file, Form::Cowd, gd, grain, size).beginning_at(front);
    let (found, required) = (u64::from(header.gd_entries), tables.tables());
    if found < required {
        let fault = Fault::DirectoryEntries { found, required };
        return Err(Error::from(fault)
            .in_field("header", "numGDEntries")
            .at(FileOffset(CowdHeader::at("gd_entries"))));
    }
    let mut notes = Grained::validate(&tables, source, grain)?;
    if header.unclean_shutdown != 0 {
        notes.push("the extent was not closed cleanly: check it".into());
    }
    Ok(Grained {
        tables,
        size,
        grain,
        notes,
        details: vec![
            ("capacity", header.capacity.to_string()),
            ("grainSize", header.grain_size.to_string()),
            ("generation", header.generation.to_string()),
        ],
        file,
        sizes: None,
    }
    .sized(line, u64::from(header.capacity)))
}

fn validate(header: &CowdHeader) -> Result<()> {
    let refuse = |fault: Fault, name: &'static str, field: &str| {
        let at = FileOffset(CowdHeader::at(field));
        Err(Error::from(fault).in_field("header", name).at(at))
    };
    if header.magic != COWD_MAGIC {
        let (found, required) = (u64::from(header.magic), u64::from(COWD_MAGIC));
        return refuse(Fault::Magic { found, required }, "magic", "magic");
    }
    if header.version != 1 {
        let fault = Fault::Version {
            structure: "COWD extent",
            found: u64::from(header.version),
            required: "1",
        };
        return refuse(fault, "version", "version");
    }
    let found = u64::from(header.grain_size);
    if !found.is_power_of_two() || found > MOST_GRAIN {
        let (least, most) = (1, MOST_GRAIN);
        let fault = Fault::GrainSize { found, least, most };
        return refuse(fault, "grainSize", "grain_size");
    }
    Ok(())
}

impl Grained {
    /// Judges tables and grains; what the user should know of them.
    pub(crate) fn validate(
        tables: &Tables,
        source: &Arc<dyn Source>,
        grain: Bytes,
    ) -> Result<Vec<String>> {
        tables.validate_directory("grain directory")?;
        let step = (grain.0 / SECTOR).max(1);
        let seen = tables.validate(step)?;
        Ok(Misplaced::of(tables, &**source, step, &seen)?.notes())
    }

    /// An extent with such tables; they are judged already.
    pub(crate) fn new(
        file: File,
        tables: Tables,
        (size, grain): (Bytes, Bytes),
        notes: Vec<String>,
        details: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            file,
            tables,
            size,
            grain,
            notes,
            details,
            sizes: None,
        }
    }

    /// Notes where the line says less than the header.
    pub(crate) fn sized(mut self, line: Option<u64>, capacity: u64) -> Self {
        self.sizes = line
            .filter(|line| *line != capacity)
            .map(|line| (line, capacity));
        if let Some((line, capacity)) = self.sizes {
            self.notes.push(format!(
                "the extent line says {line} sectors, the header has {capacity}: the line counts"
            ));
        }
        self
    }

    /// The size of an extent whose header says `capacity` sectors and whose line says `line`.
    pub(crate) fn size_of(line: Option<u64>, capacity: u64) -> Result<Bytes> {
        let most = super::sparse::MOST_SECTORS;
        if capacity == 0 || capacity > most {
            let found = capacity;
            return Err(Error::from(Fault::Capacity { found, most }).in_structure("header"));
        }
        match line {
            Some(line) if line > capacity => {
                Err(Error::from(Fault::Sectors { line, capacity }).in_structure("descriptor"))
            }
            line => Ok(Bytes(line.unwrap_or(capacity).saturating_mul(SECTOR))),
        }
    }

    fn split(&self, at: u64) -> (u64, u64) {
        let grain = at.checked_div(self.grain.0).unwrap_or_default();
        (grain, at.saturating_sub(grain.saturating_mul(self.grain.0)))
    }
}

impl VmdkExtent for Grained {
    fn size(&self) -> Bytes {
        self.size
    }

    fn run(&self, at: u64) -> Result<(Bytes, State)> {
        let (grain, inside) = self.split(at);
        let cell = self.tables.cell(grain)?;
        let grains = self.tables.run(grain, cell)?;
        let len = grains.saturating_mul(self.grain.0).saturating_sub(inside);
        let left = Bytes(self.size.0.saturating_sub(at));
        let state = match cell {
            GrainMapping::Absent => State::Absent,
            GrainMapping::Zero => State::Zero,
            GrainMapping::At(sector) => State::Data {
                file: self.file.number,
                at: FileOffset(sector.saturating_mul(SECTOR)).saturating_add(Bytes(inside)),
            },
        };
        Ok((Bytes(len).min(left), state))
    }

    fn grain(&self) -> Option<Bytes> {
        Some(self.grain)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn details(&self) -> Vec<(&'static str, String)> {
        self.details.clone()
    }

    fn check(&self, report: &mut CheckReport) -> Result<()> {
        if let Some((line, capacity)) = self.sizes {
            report
                .fault(Error::from(Fault::SectorsDiffer { line, capacity }).in_structure("header"));
        }
        let step = (self.grain.0 / SECTOR).max(1);
        let stored = crate::shared_grains::check(&self.tables, &*self.file.source, step, report)?;
        let count = self.size.pieces(self.grain);
        report
            .counts
            .extend([("grains", count), ("stored", stored)]);
        Ok(())
    }
}
