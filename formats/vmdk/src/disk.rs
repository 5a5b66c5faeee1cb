//! The disk of an image: its extents one behind the other, each opened as its line says. Other files are opened by the registry's policy alone.

mod opener;

use std::sync::Arc;

use imgdelta_core::{Bytes, Companions, Error, Options, Result, Source};

use crate::{
    cowd,
    descriptor::{Access, Descriptor, ExtentLine, ExtentType},
    fault::Fault,
    front::{Front, Kind},
    piece::Piece,
    sesparse,
    sparse::{MOST_SECTORS, Reading, Sparse},
};

use opener::Opener;

/// The names of the options that reading knows.
pub(crate) const OPTIONS: &[&str] = &["footer"];

/// Kinds of disks that are devices of their hosts.
const DEVICES: [&str; 8] = [
    "fullDevice",
    "partitionedDevice",
    "vmfsRDM",
    "vmfsRawDeviceMap",
    "vmfsRDMP",
    "vmfsPassthroughRawDeviceMap",
    "vmfsRaw",
    "vmfsRawDevice",
];

/// Kinds of disks that are read.
const KNOWN: [&str; 15] = [
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "2GbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "2GbMaxExtentFlat",
    "streamOptimized",
    "custom",
    "vmfs",
    "vmfsPreallocated",
    "vmfsThick",
    "vmfsEagerZeroedThick",
    "vmfsThin",
    "vmfsSparse",
    "seSparse",
];

/// A disk and what it is made of.
#[derive(Debug)]
pub(crate) struct Disk {
    /// The image's descriptor, if it has one.
    pub(crate) descriptor: Option<Descriptor>,
    /// What kind of disk it is: its createType, or that it is a lone extent.
    pub(crate) variant: String,
    /// Its extents and where on the disk they start.
    pub(crate) pieces: Vec<(u64, Box<dyn Piece>)>,
    /// Its size.
    pub(crate) size: Bytes,
    /// Its files: its own first.
    pub(crate) files: Vec<Arc<dyn Source>>,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// Takes the options for reading.
pub(crate) fn reading(mut options: Options) -> Result<Reading> {
    let footer = options.take_choice("footer", &["required", "scan"])?;
    options.finish("vmdk", OPTIONS)?;
    Ok(Reading {
        scans: footer == "scan",
    })
}

impl Disk {
    /// Opens all extents of the image in `source`.
    pub(crate) fn open(
        source: &Arc<dyn Source>,
        companions: &dyn Companions,
        reading: Reading,
    ) -> Result<Self> {
        let front = Front::read(source)?;
        let mut opener = Opener::new(source, companions, reading);
        let Some(descriptor) = front.descriptor else {
            return Self::lone(front.kind, opener);
        };
        let in_descriptor = |fault: Fault| Error::from(fault).in_structure("descriptor");
        let variant = judge_kind(&descriptor).map_err(in_descriptor)?;
        let lines = descriptor.extents().map_err(in_descriptor)?;
        if let (Kind::Sparse(header), [line]) = (&front.kind, lines.as_slice())
            && header.capacity == 0
            && line.sectors == 0
        {
            let mut disk = Self::of(Some(descriptor), variant, Vec::new(), opener);
            // qemu makes such.
            disk.notes.push("the disk is empty".into());
            return Ok(disk);
        }
        judge_lines(&lines).map_err(in_descriptor)?;
        let own = match &front.kind {
            Kind::Sparse(header) if header.capacity > 0 => true,
            Kind::Text | Kind::Sparse(_) | Kind::Cowd | Kind::SeSparse => false,
        };
        let pieces = if own {
            vec![
                opener
                    .open_own(&lines)
                    .map_err(|error| error.in_structure("descriptor"))?,
            ]
        } else {
            opener.open_all(&descriptor, &lines)?
        };
        Ok(Self::of(Some(descriptor), variant, pieces, opener))
    }

    /// An extent without a descriptor: a disk of its own.
    fn lone(kind: Kind, opener: Opener<'_>) -> Result<Self> {
        let file = opener.own();
        let (name, piece): (&str, Box<dyn Piece>) = match kind {
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
        pieces: Vec<Box<dyn Piece>>,
        opener: Opener<'_>,
    ) -> Self {
        let notes = pieces.iter().flat_map(|piece| piece.notes()).collect();
        let mut start = 0_u64;
        let pieces: Vec<(u64, Box<dyn Piece>)> = pieces
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
        }
    }
}

/// The names of the other files of an image, as its descriptor spells them.
pub(crate) fn companions(front: &Front) -> Result<Vec<String>, Fault> {
    let Some(descriptor) = &front.descriptor else {
        return Ok(Vec::new());
    };
    if matches!(&front.kind, Kind::Sparse(header) if header.capacity > 0) {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = Vec::new();
    for line in descriptor.extents()? {
        // Zeros have no file, whatever name stands there.
        if let Some(file) = line.file.filter(|_| line.kind != ExtentType::Zero) {
            let name = descriptor.decode(&file)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// What kind of disk the descriptor says it is, if it is one that is read.
fn judge_kind(descriptor: &Descriptor) -> Result<String, Fault> {
    if let Some(version) = descriptor.header("version")
        && !matches!(version, b"1" | b"2" | b"3" | b"4")
    {
        let found = version.escape_ascii().to_string();
        return Err(Fault::DescriptorVersion { found });
    }
    let is_yes = |value: &[u8]| value.eq_ignore_ascii_case(b"yes");
    if descriptor.header("isNativeSnapshot").is_some_and(is_yes) {
        return Err(Fault::NativeSnapshot);
    }
    let found = descriptor.header("createType").ok_or(Fault::NoCreateType)?;
    let found = found.escape_ascii().to_string();
    let is_it = |name: &&&str| name.eq_ignore_ascii_case(&found);
    if DEVICES.iter().any(|name| is_it(&name)) {
        return Err(Fault::RawDevice { found });
    }
    if found.eq_ignore_ascii_case("vmfsSeSparse") {
        return Ok("seSparse".into());
    }
    match KNOWN.iter().find(is_it) {
        Some(name) => Ok((*name).to_owned()),
        None => Err(Fault::CreateType { found }),
    }
}

fn judge_lines(lines: &[ExtentLine]) -> Result<(), Fault> {
    if lines.is_empty() {
        return Err(Fault::NoExtents);
    }
    let mut found = 0_u128;
    for (number, line) in lines.iter().enumerate() {
        if line.access == Access::None {
            return Err(Fault::NoAccess { number });
        }
        if line.kind == ExtentType::Device {
            return Err(Fault::DeviceExtent { number });
        }
        if line.sectors == 0 {
            return Err(Fault::EmptyExtent { number });
        }
        found += u128::from(line.sectors);
    }
    let most = MOST_SECTORS;
    if found > u128::from(most) {
        return Err(Fault::DiskTooLarge { found, most });
    }
    Ok(())
}
