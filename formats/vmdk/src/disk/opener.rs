//! Opens the extents of a disk as their lines say, each file once, through the policy that it was given.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use imgdelta_core::{AuxFiles, Bytes, Error, Kind, Result, SECTOR, Source};

use super::lengths::Lengths;
use crate::{
    caches::Caches,
    cowd,
    descriptor::{Descriptor, ExtentLine, ExtentType},
    extent::{File, Flat, VmdkExtent, Zeros},
    fault::{DEVICE_HINT, Fault},
    kinds::DiskKind,
    sesparse,
    sparse::{OpenOptions, Sparse},
};

/// Most files of an image beside its own: what a run's place can name.
const MOST_FILES: usize = u16::MAX as usize;
/// What the names of objects in datastores begin with: ESXi keeps such disks in no file system.
const OBJECTS: [&str; 2] = ["vsan:", "vvol:"];

/// Opens the files of an image, each once.
pub(super) struct Opener<'a> {
    aux_files: &'a dyn AuxFiles,
    reading: OpenOptions,
    /// The image's own file.
    own: Arc<dyn Source>,
    /// The others, and which of them is called how.
    others: Vec<Arc<dyn Source>>,
    names: HashMap<String, u16>,
    caches: Caches,
    lengths: Lengths,
    /// How many extents there are: as many files, as a rule.
    extents: usize,
    /// The files that are sparse extents as a whole.
    sparse: HashSet<u16>,
}

impl<'a> Opener<'a> {
    /// For the image in `own` of so many extents, whose other files `aux_files` opens.
    pub(super) fn new(
        own: &Arc<dyn Source>,
        aux_files: &'a dyn AuxFiles,
        reading: OpenOptions,
        extents: usize,
    ) -> Self {
        Self {
            aux_files,
            reading,
            own: Arc::clone(own),
            others: Vec::new(),
            names: HashMap::new(),
            caches: Caches::of(extents),
            lengths: Lengths::default(),
            extents,
            sparse: HashSet::new(),
        }
    }

    /// How the image is to be read.
    pub(super) const fn reading(&self) -> OpenOptions {
        self.reading
    }

    /// The image's own file.
    pub(super) fn own(&self) -> File {
        self.numbered(&self.own, 0)
    }

    fn numbered(&self, source: &Arc<dyn Source>, number: u16) -> File {
        File {
            source: Arc::clone(source),
            number,
            caches: self.caches.clone(),
        }
    }

    /// Another file.
    fn file(&mut self, name: &str) -> Result<File> {
        if let Some(number) = self.names.get(name)
            && let Some(source) = self.others.get(usize::from(*number) - 1)
        {
            return Ok(self.numbered(source, *number));
        }
        let number = u16::try_from(self.others.len() + 1);
        let number = number.map_err(|_| Fault::TooManyExtents { most: MOST_FILES })?;
        let source = self.aux_files.open(name);
        let source = source.map_err(|error| error.needing_files(self.extents))?;
        self.names.insert(name.to_owned(), number);
        self.others.push(Arc::clone(&source));
        Ok(self.numbered(&source, number))
    }

    /// How long flat files are.
    pub(super) const fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// All of them, its own first.
    pub(super) fn into_files(self) -> Vec<Arc<dyn Source>> {
        std::iter::once(self.own).chain(self.others).collect()
    }

    /// The one extent of a file with its descriptor inside, whatever name stands there: files are renamed.
    pub(super) fn open_own(&self, lines: &[ExtentLine]) -> Result<Box<dyn VmdkExtent>> {
        match lines {
            [line] if line.kind == ExtentType::Sparse => Ok(Box::new(Sparse::open(
                self.own(),
                Some(line.sectors),
                self.reading,
            )?)),
            lines => {
                let found = lines.len();
                Err(Fault::EmbeddedExtents { found }.into())
            }
        }
    }

    pub(super) fn open_all(
        &mut self,
        descriptor: &Descriptor,
        kind: DiskKind,
        lines: &[ExtentLine],
    ) -> Result<Vec<Box<dyn VmdkExtent>>> {
        let mut pieces = Vec::new();
        for line in lines {
            let name = match (&line.file, line.kind) {
                (_, ExtentType::Zero) | (None, _) => {
                    let size = Bytes(line.sectors.saturating_mul(SECTOR));
                    pieces.push(Box::new(Zeros(size)) as Box<dyn VmdkExtent>);
                    continue;
                }
                (Some(name), _) => descriptor.decode(name),
            };
            let in_descriptor = |fault: Fault| Error::from(fault).in_structure("descriptor");
            let name = name.map_err(in_descriptor)?;
            let device = match line.kind {
                ExtentType::Device(name) => Some(name),
                _ => kind.is_device.then_some(kind.name),
            };
            pieces.push(self.open_line(line, &name, device)?);
        }
        Ok(pieces)
    }

    /// Opens the extent in the file called `name`. `device` is what stands for a raw device, if something does.
    fn open_line(
        &mut self,
        line: &ExtentLine,
        name: &str,
        device: Option<&'static str>,
    ) -> Result<Box<dyn VmdkExtent>> {
        let is_object = |scheme: &str| {
            let head = name.get(..scheme.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
        };
        if OBJECTS.iter().any(|scheme| is_object(scheme)) {
            let name = name.escape_debug().to_string();
            return Err(Error::from(Fault::ObjectExtent { name }).in_structure("descriptor"));
        }
        let file = self
            .file(name)
            .map_err(|error| match (device, error.kind()) {
                (Some(device), Kind::Reference | Kind::Chain) => error.with_detail(format!(
                    "{device} stands for a raw device of its host: {DEVICE_HINT}"
                )),
                _ => error,
            })?;
        let is_whole = matches!(
            line.kind,
            ExtentType::Sparse | ExtentType::VmfsSparse | ExtentType::SeSparse
        );
        if is_whole && !self.sparse.insert(file.number) {
            let name = name.escape_debug().to_string();
            return Err(Error::from(Fault::ExtentTwice { name }).in_structure("descriptor"));
        }
        let path = file.source.path().map(std::path::Path::to_owned);
        let sectors = Some(line.sectors);
        let piece: Result<Box<dyn VmdkExtent>> = match line.kind {
            ExtentType::Sparse => {
                Sparse::open(file, sectors, self.reading).map(|piece| Box::new(piece) as _)
            }
            ExtentType::VmfsSparse => cowd::open(file, sectors).map(|piece| Box::new(piece) as _),
            ExtentType::SeSparse => sesparse::open(file, sectors).map(|piece| Box::new(piece) as _),
            ExtentType::Flat | ExtentType::Vmfs | ExtentType::Zero | ExtentType::Device(_) => self
                .open_flat(file, line, name, device)
                .map(|piece| Box::new(piece) as _),
        };
        piece.map_err(|error| match &path {
            Some(path) => error.in_file(path),
            None => error,
        })
    }

    fn open_flat(
        &mut self,
        file: File,
        line: &ExtentLine,
        name: &str,
        device: Option<&'static str>,
    ) -> Result<Flat> {
        let offset = line.offset.unwrap_or_default();
        let needed = (u128::from(offset) + u128::from(line.sectors)) * u128::from(SECTOR);
        let held = file.source.len().0;
        if u128::from(held) < needed {
            let name = name.escape_debug().to_string();
            return Err(match device {
                Some(kind) => Fault::DeviceExtent {
                    kind: kind.to_owned(),
                    name,
                    held,
                    needed,
                },
                None => Fault::FlatTooShort { name, held, needed },
            }
            .into());
        }
        let is_part = device.is_some() || offset > 0;
        self.lengths.add(file.number, (name, held), needed, is_part);
        Ok(Flat::new(file, offset, line.sectors))
    }
}
