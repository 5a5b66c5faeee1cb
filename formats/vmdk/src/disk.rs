//! The disk of an image: its extents one behind the other, each opened as its line says. Other files are opened by the registry's policy alone.

mod lengths;
mod opener;

use std::{collections::HashSet, sync::Arc};

use imgdelta_core::{AuxFiles, Bytes, Error, Options, Result, Source};

use crate::{
    cowd,
    descriptor::{Access, Descriptor, ExtentLine, ExtentType},
    extent::VmdkExtent,
    fault::Fault,
    image_kind::{ImageFile, Kind},
    kinds::DiskKind,
    sesparse,
    sparse::{Copies, MOST_SECTORS, OpenOptions, Sparse},
    unsupported_keys,
};

use opener::Opener;

/// Most different notes of extents that are told.
const MOST_NOTES: usize = 20;

/// The names of the options that reading knows.
pub(crate) const OPTIONS: &[&str] = &["footer", "tables", "filters"];

/// A disk and what it is made of.
#[derive(Debug)]
pub(crate) struct Disk {
    /// The image's descriptor, if it has one.
    pub(crate) descriptor: Option<Descriptor>,
    /// What kind of disk it is: its createType, or that it is a lone extent.
    pub(crate) variant: String,
    /// Its extents and where on the disk they start.
    pub(crate) pieces: Vec<(u64, Box<dyn VmdkExtent>)>,
    /// Its size.
    pub(crate) size: Bytes,
    /// Its files: its own first.
    pub(crate) files: Vec<Arc<dyn Source>>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
    /// Rules that are broken by what reading passes over: for checks.
    pub(crate) faults: Vec<Fault>,
}

/// Takes the options for reading.
pub(crate) fn reading(mut options: Options) -> Result<OpenOptions> {
    let footer = options.take_choice("footer", &["required", "scan"])?;
    let tables = options.take_choice("tables", &["sound", "primary", "redundant"])?;
    let filters = options.take_choice("filters", &["refuse", "ignore"])?;
    options.finish("vmdk", OPTIONS)?;
    Ok(OpenOptions {
        scans: footer == "scan",
        copies: match tables {
            "primary" => Copies::Primary,
            "redundant" => Copies::Redundant,
            _ => Copies::Sound,
        },
        trusts_filters: filters == "ignore",
    })
}

impl Disk {
    /// Opens all extents of the image in `source`.
    pub(crate) fn open(
        source: &Arc<dyn Source>,
        aux_files: &dyn AuxFiles,
        reading: OpenOptions,
    ) -> Result<Self> {
        let front = ImageFile::read(source)?;
        let in_descriptor = |fault: Fault| Error::from(fault).in_structure("descriptor");
        let Some(descriptor) = front.descriptor else {
            return Self::lone(front.kind, Opener::new(source, aux_files, reading, 1));
        };
        let mut notes = unsupported_keys::validate(&descriptor, reading.trusts_filters)
            .map_err(in_descriptor)?;
        let kind = DiskKind::of(&descriptor).map_err(in_descriptor)?;
        let lines = descriptor.extents().map_err(in_descriptor)?;
        if lines.is_empty() {
            return Err(in_descriptor(Fault::NoExtents));
        }
        let own = matches!(&front.kind, Kind::Sparse(header) if header.capacity > 0);
        let lines = if own {
            lines
        } else {
            with_sectors(lines, &mut notes)
        };
        validate_lines(&lines).map_err(in_descriptor)?;
        let mut opener = Opener::new(source, aux_files, reading, lines.len());
        let pieces = if own {
            let piece = opener.open_own(&lines);
            vec![piece.map_err(|error| error.in_structure("descriptor"))?]
        } else {
            opener.open_all(&descriptor, kind, &lines)?
        };
        let mut disk = Self::of(Some(descriptor), kind.name.into(), pieces, opener);
        notes.append(&mut disk.notes);
        disk.notes = notes;
        Ok(disk)
    }

    /// An extent without a descriptor: a disk of its own.
    fn lone(kind: Kind, opener: Opener<'_>) -> Result<Self> {
        let file = opener.own();
        let (name, piece): (&str, Box<dyn VmdkExtent>) = match kind {
            Kind::Cowd => ("COWD extent", Box::new(cowd::open(file, None)?)),
            Kind::SeSparse => ("seSparse extent", Box::new(sesparse::open(file, None)?)),
            Kind::Text | Kind::Sparse(_) => {
                let sparse = Sparse::open(file, None, opener.reading())?;
                ("sparse extent", Box::new(sparse))
            }
        };
        let mut disk = Self::of(None, name.into(), vec![piece], opener);
        disk.notes.insert(
            0,
            format!(
                "a lone {name}: no descriptor says whether it is all of a disk, or names a parent"
            ),
        );
        Ok(disk)
    }

    fn of(
        descriptor: Option<Descriptor>,
        variant: String,
        pieces: Vec<Box<dyn VmdkExtent>>,
        opener: Opener<'_>,
    ) -> Self {
        let mut notes = counted(pieces.iter().flat_map(|piece| piece.notes()));
        let (told, faults) = opener.lengths().differing();
        notes.extend(told);
        let mut start = 0_u64;
        let pieces: Vec<(u64, Box<dyn VmdkExtent>)> = pieces
            .into_iter()
            .map(|piece| {
                let at = start;
                start = start.saturating_add(piece.size().0);
                (at, piece)
            })
            .collect();
        Self {
            descriptor,
            variant,
            pieces,
            size: Bytes(start),
            files: opener.into_files(),
            notes,
            faults,
        }
    }
}

/// Notes of many extents, each once: thousands may say the same.
fn counted(notes: impl Iterator<Item = String>) -> Vec<String> {
    let mut counts: Vec<(String, u64)> = Vec::new();
    for note in notes {
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == note) {
            *count += 1;
        } else if counts.len() < MOST_NOTES {
            counts.push((note, 1));
        }
    }
    let told = counts.into_iter().map(|(note, count)| match count {
        1 => note,
        count => format!("{note} (so in {count} extents)"),
    });
    told.collect()
}

/// The lines of extents that have sectors: a part of nothing is nothing.
fn with_sectors(lines: Vec<ExtentLine>, notes: &mut Vec<String>) -> Vec<ExtentLine> {
    let all = lines.len();
    let lines: Vec<ExtentLine> = lines.into_iter().filter(|line| line.sectors > 0).collect();
    match all - lines.len() {
        0 => {}
        // qemu makes such.
        count if count == all => notes.push("the disk is empty".into()),
        1 => notes.push("an extent of 0 sectors is left out".into()),
        count => notes.push(format!("{count} extents of 0 sectors are left out")),
    }
    lines
}

/// The names of the other files of an image, as its descriptor spells them.
pub(crate) fn aux_files(front: &ImageFile) -> Result<Vec<String>, Fault> {
    let Some(descriptor) = &front.descriptor else {
        return Ok(Vec::new());
    };
    if matches!(&front.kind, Kind::Sparse(header) if header.capacity > 0) {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    for line in descriptor.extents()? {
        // Zeros have no file, whatever name stands there.
        if let Some(file) = line.file.filter(|_| line.kind != ExtentType::Zero) {
            let name = descriptor.decode(&file)?;
            if known.insert(name.clone()) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// Whether all extents may be read, and are no more than can be.
fn validate_lines(lines: &[ExtentLine]) -> Result<(), Fault> {
    let mut found = 0_u128;
    for (number, line) in lines.iter().enumerate() {
        if line.access == Access::None {
            return Err(Fault::NoAccess { number });
        }
        found += u128::from(line.sectors);
    }
    let most = MOST_SECTORS;
    if found > u128::from(most) {
        return Err(Fault::DiskTooLarge { found, most });
    }
    Ok(())
}
