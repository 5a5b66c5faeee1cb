//! What a `DiskDescriptor.xml` says, judged: the size of the disk, the files of each of its storages, the tree of its snapshots.
//!
//! Names of files are text here: nothing is opened.

use imgdelta_core::{Bytes, Error, FileOffset, Result, SECTOR, Source, read_vec, xml::Element};
use uuid::Uuid;

use crate::fault::Fault;

/// What the descriptor in a disk's folder is called.
pub(crate) const NAME: &str = "DiskDescriptor.xml";
/// Its element.
pub(crate) const ROOT: &str = "Parallels_disk_image";

/// The longest descriptor that is read.
const LONGEST: u64 = 4 << 20;
/// Most files of a disk.
const MOST_FILES: usize = 4096;
/// What the disk as it is now is called where nothing else is said.
const TOP: &str = "{5fbaabe3-6958-40ff-92a7-860e329aab41}";

/// How a file holds its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// In blocks. The format calls it "Compressed", and nothing in it is.
    Expanding,
    /// As it is.
    Plain,
}

/// A file of the disk.
#[derive(Clone, Debug)]
pub(crate) struct DiskFile {
    /// The snapshot that it belongs to.
    pub(crate) guid: String,
    /// How it holds it.
    pub(crate) kind: FileKind,
    /// Its name, as recorded.
    pub(crate) name: String,
}

/// A part of the disk that has files of its own.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    /// Its first sector.
    pub(crate) start: u64,
    /// The first sector behind it.
    pub(crate) end: u64,
    /// The sectors of a block, as the descriptor says it.
    pub(crate) block: Option<u64>,
    /// A file for each snapshot.
    pub(crate) files: Vec<DiskFile>,
}

/// What a descriptor says.
#[derive(Clone, Debug)]
pub(crate) struct Descriptor {
    /// Sectors of the disk, of 512 bytes.
    pub(crate) sectors: u64,
    /// The sectors that the guest sees.
    pub(crate) sector: Bytes,
    /// In order, without a gap.
    pub(crate) storages: Vec<Storage>,
    /// Snapshots and their parents.
    shots: Vec<(String, Option<String>)>,
    /// The snapshot that is the disk as it is now.
    pub(crate) top: String,
}

impl Descriptor {
    /// Reads and judges it.
    pub(crate) fn read(source: &dyn Source) -> Result<Self> {
        let placed = |fault: Fault| Error::from(fault).in_structure("descriptor");
        let (found, most) = (source.len().0, LONGEST);
        if found > most {
            return Err(placed(Fault::DescriptorTooLong { found, most }));
        }
        let bytes = read_vec(source, FileOffset::ZERO, Bytes(found))?;
        let root = Element::parse(&bytes).map_err(|why| placed(Fault::Xml { why }))?;
        Self::of(&root).map_err(placed)
    }

    /// The size of the disk.
    pub(crate) const fn size(&self) -> Bytes {
        Bytes(self.sectors.saturating_mul(SECTOR))
    }

    /// The names of all files, as recorded.
    pub(crate) fn files(&self) -> Vec<String> {
        let files = self.storages.iter().flat_map(|storage| &storage.files);
        files.map(|file| file.name.clone()).collect()
    }

    /// The snapshots beside the disk as it is now.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &str> {
        let guids = self.shots.iter().map(|(guid, _)| guid.as_str());
        guids.filter(|guid| *guid != self.top)
    }

    /// The snapshot that a user means, by its GUID in whatever spelling.
    pub(crate) fn find(&self, wanted: &str) -> Option<&str> {
        let guid = spelled(wanted)?;
        let mut guids = self.shots.iter().map(|(guid, _)| guid);
        guids.find(|known| **known == guid).map(String::as_str)
    }

    /// The snapshots of which `shot` is made, itself first, the lowest last.
    pub(crate) fn chain<'a>(&'a self, shot: &'a str) -> Result<Vec<&'a str>, Fault> {
        let mut chain = vec![shot];
        let mut at = shot;
        // A disk without snapshots need not list the one that it is.
        while !self.shots.is_empty() {
            let Some((_, parent)) = self.shots.iter().find(|(guid, _)| guid == at) else {
                let guid = at.to_owned();
                return Err(Fault::NoShot { guid });
            };
            let Some(parent) = parent else {
                break;
            };
            if chain.len() > self.shots.len() {
                let guid = at.to_owned();
                return Err(Fault::ShotLoop { guid });
            }
            chain.push(parent);
            at = parent;
        }
        Ok(chain)
    }

    /// Whether the file of that name is the disk only together with others: it is one of several storages, or a snapshot over another.
    pub(crate) fn needs_others(&self, name: &str) -> bool {
        let is_it = |file: &&DiskFile| {
            let last = file.name.rsplit(['/', '\\']).next();
            last.is_some_and(|last| last.eq_ignore_ascii_case(name))
        };
        let mut files = self.storages.iter().flat_map(|storage| &storage.files);
        let is_over =
            |file: &DiskFile| self.chain(&file.guid).map_or(true, |chain| chain.len() > 1);
        files
            .find(is_it)
            .is_some_and(|file| self.storages.len() > 1 || is_over(file))
    }

    fn of(root: &Element) -> Result<Self, Fault> {
        if root.name != ROOT {
            let found = root.name.escape_debug().to_string();
            return Err(Fault::Root { found });
        }
        if let Some(version) = root.attribute("Version").filter(|found| *found != "1.0") {
            let found = version.escape_debug().to_string();
            return Err(Fault::DescriptorVersion { found });
        }
        let parameters = child(root, ROOT, "Disk_Parameters")?;
        let (sectors, sector) = validate_parameters(parameters)?;
        let storages = storages_of(child(root, ROOT, "StorageData")?)?;
        validate_ranges(&storages, sectors)?;
        let snapshots = root.child("Snapshots");
        let shots = snapshots.map_or(Ok(Vec::new()), shots_of)?;
        let top = top_of(snapshots, &shots, &storages)?;
        Ok(Self {
            sectors,
            sector,
            storages,
            shots,
            top,
        })
    }
}

/// The size of the disk in sectors of 512 bytes, and the size of the sectors that its guest sees.
fn validate_parameters(parameters: &Element) -> Result<(u64, Bytes), Fault> {
    let found = optional(parameters, "Padding")?.unwrap_or_default();
    if found != 0 {
        return Err(Fault::Padding { found });
    }
    let engine = parameters
        .child("Encryption")
        .and_then(|one| one.child("Engine"));
    if let Some(engine) = engine.filter(|engine| !is_none(&engine.text)) {
        let engine = engine.text.escape_debug().to_string();
        return Err(Fault::Encrypted { engine });
    }
    let found = optional(parameters, "LogicSectorSize")?.unwrap_or(SECTOR);
    if found != SECTOR && found != 4096 {
        return Err(Fault::SectorSize { found });
    }
    Ok((
        number(parameters, "Disk_Parameters", "Disk_size")?,
        Bytes(found),
    ))
}

fn storages_of(data: &Element) -> Result<Vec<Storage>, Fault> {
    let found = data.all("Storage").flat_map(|one| one.all("Image")).count();
    if found > MOST_FILES {
        let most = MOST_FILES;
        return Err(Fault::TooManyFiles { found, most });
    }
    let storage = |element: &Element| {
        let storage = Storage {
            start: number(element, "Storage", "Start")?,
            end: number(element, "Storage", "End")?,
            block: optional(element, "Blocksize")?,
            files: element
                .all("Image")
                .map(file_of)
                .collect::<Result<_, _>>()?,
        };
        let guids = storage.files.iter().map(|file| &file.guid);
        refuse_twice("Image", guids)?;
        Ok(storage)
    };
    let mut storages: Vec<Storage> = data.all("Storage").map(storage).collect::<Result<_, _>>()?;
    storages.sort_by_key(|storage| storage.start);
    Ok(storages)
}

fn file_of(element: &Element) -> Result<DiskFile, Fault> {
    let kind = match child(element, "Image", "Type")?.text.as_str() {
        "Compressed" => FileKind::Expanding,
        "Plain" => FileKind::Plain,
        other => {
            let found = other.escape_debug().to_string();
            return Err(Fault::ImageType { found });
        }
    };
    Ok(DiskFile {
        guid: guid(element, "Image", "GUID")?,
        kind,
        name: child(element, "Image", "File")?.text.clone(),
    })
}

/// Storages follow each other from the disk's first sector to its last.
fn validate_ranges(storages: &[Storage], sectors: u64) -> Result<(), Fault> {
    let mut required = 0;
    for storage in storages {
        if storage.start != required || storage.end <= storage.start {
            return Err(Fault::StorageRange {
                start: storage.start,
                storage_end: storage.end,
                required,
            });
        }
        required = storage.end;
    }
    if required == sectors {
        Ok(())
    } else {
        let (found, required) = (required, sectors);
        Err(Fault::StorageEnd { found, required })
    }
}

fn shots_of(snapshots: &Element) -> Result<Vec<(String, Option<String>)>, Fault> {
    let shot = |element: &Element| {
        let parent = child(element, "Shot", "ParentGUID")?;
        let parent = if is_none(&parent.text) {
            None
        } else {
            Some(guid(element, "Shot", "ParentGUID")?)
        };
        Ok((guid(element, "Shot", "GUID")?, parent))
    };
    let shots: Vec<_> = snapshots
        .all("Shot")
        .map(shot)
        .collect::<Result<_, Fault>>()?;
    refuse_twice("Shot", shots.iter().map(|(guid, _)| guid))?;
    Ok(shots)
}

/// Which snapshot is the disk as it is now: what is said, else the one of the known name, else the only one.
fn top_of(
    snapshots: Option<&Element>,
    shots: &[(String, Option<String>)],
    storages: &[Storage],
) -> Result<String, Fault> {
    let said = snapshots.and_then(|snapshots| snapshots.child("TopGUID"));
    if let (Some(said), Some(snapshots)) = (said, snapshots)
        && !is_none(&said.text)
    {
        return guid(snapshots, "Snapshots", "TopGUID");
    }
    let files = || storages.iter().flat_map(|storage| &storage.files);
    let is_known =
        shots.iter().any(|(guid, _)| guid == TOP) || files().any(|file| file.guid == TOP);
    if is_known || storages.is_empty() {
        return Ok(TOP.to_owned());
    }
    let first = files().next().map(|file| file.guid.clone());
    let is_only = |guid: &String| files().all(|file| file.guid == *guid);
    first.filter(is_only).ok_or(Fault::NoTop)
}

/// A GUID in the one spelling that is used here; `None` if it is none.
fn spelled(text: &str) -> Option<String> {
    let uuid = Uuid::try_parse(text.trim()).ok()?;
    Some(uuid.braced().to_string())
}

/// Whether it stands for no GUID.
fn is_none(text: &str) -> bool {
    text.is_empty() || Uuid::try_parse(text).is_ok_and(|uuid| uuid.is_nil())
}

/// No GUID may come twice.
fn refuse_twice<'a>(
    element: &'static str,
    guids: impl Iterator<Item = &'a String>,
) -> Result<(), Fault> {
    let mut guids: Vec<&String> = guids.collect();
    guids.sort_unstable();
    let twice = guids.windows(2).find(|pair| pair.first() == pair.last());
    match twice.and_then(|pair| pair.first()) {
        None => Ok(()),
        Some(guid) => Err(Fault::Twice {
            element,
            guid: (*guid).clone(),
        }),
    }
}

fn child<'a>(
    of: &'a Element,
    parent: &'static str,
    element: &'static str,
) -> Result<&'a Element, Fault> {
    of.child(element).ok_or(Fault::Missing { parent, element })
}

fn number(of: &Element, parent: &'static str, element: &'static str) -> Result<u64, Fault> {
    optional(of, element)?.ok_or(Fault::Missing { parent, element })
}

fn optional(of: &Element, element: &'static str) -> Result<Option<u64>, Fault> {
    let Some(child) = of.child(element) else {
        return Ok(None);
    };
    let found = child.text.as_str();
    let is_number = !found.is_empty() && found.bytes().all(|byte| byte.is_ascii_digit());
    let value = found.parse().ok().filter(|_| is_number);
    let value = value.ok_or_else(|| Fault::Number {
        element,
        found: found.escape_debug().to_string(),
    })?;
    Ok(Some(value))
}

fn guid(of: &Element, parent: &'static str, element: &'static str) -> Result<String, Fault> {
    let found = child(of, parent, element)?.text.as_str();
    spelled(found).ok_or_else(|| Fault::Guid {
        element,
        found: found.escape_debug().to_string(),
    })
}
