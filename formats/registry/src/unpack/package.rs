//! OVF packages: a descriptor, the files of its disks and a list of digests, in a folder or in one archive (OVA).

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use imgdelta_core::{
    AuxFiles, Bytes, Error, FileSource, FileVersion, Kind, ProbeWindow, Result, Source,
    percent_decode,
};
use imgdelta_packed::{
    Archive, Packing,
    digests::Digests,
    joined::Joined,
    ovf::{Descriptor, PackageFile},
    text::Text,
};

use super::{
    Bare,
    choice::{PackedDisk, chosen, listed},
};
use crate::{
    aux_files::FilesBeside,
    open_spec::{OpenSpec, Unpack},
    policy::Policy,
};

/// What it is called where a disk was taken from one.
pub(super) const NAME: &str = "an OVF package";

/// The disks of the package whose descriptor or archive stands at `path`; `None` if no package does.
///
/// # Errors
/// Corrupt, if the package is damaged; Unsupported, if it is larger than any that is meant; Host, if it cannot be read.
pub fn disks(path: &Path) -> Result<Option<Vec<PackedDisk>>> {
    if path.is_dir() {
        return Ok(None);
    }
    let source: Arc<dyn Source> = Arc::new(FileSource::open(path)?);
    let of = |source: &Arc<dyn Source>| -> Result<Option<Descriptor>> {
        let peek = ProbeWindow::of(&**source)?;
        if Text::of(&peek).is_some_and(Text::is_ovf) {
            return Descriptor::read(&**source).map(Some);
        }
        match Packing::of(&peek) {
            Some(packing) if is_in_archive(packing, source) => {
                let archive = Archive::read(Arc::clone(source))?;
                let (_, descriptor) = descriptor_of(&archive)?;
                Descriptor::read(&*descriptor).map(Some)
            }
            _ => Ok(None),
        }
    };
    let descriptor = of(&source).map_err(|error| error.in_file(path))?;
    Ok(descriptor.map(|descriptor| listed(&descriptor)))
}

/// Whether the archive in `source` has a descriptor. One whose headers are damaged has: reading it says how.
pub(super) fn is_in_archive(packing: &Packing, source: &Arc<dyn Source>) -> bool {
    packing.name == "tar"
        && Archive::read(Arc::clone(source)).map_or(true, |archive| {
            archive
                .members()
                .iter()
                .any(|member| is_descriptor(&member.name))
        })
}

fn is_descriptor(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("ovf"))
}

/// The descriptor in an archive, and its name.
fn descriptor_of(archive: &Archive) -> Result<(String, Arc<dyn Source>)> {
    let mut members = archive.members().iter();
    let found = members.find(|member| is_descriptor(&member.name));
    let Some(member) = found else {
        return Err(Error::new(Kind::Corrupt, "the archive has no .ovf").with_code("ovf"));
    };
    Ok((member.name.clone(), archive.open(member)?))
}

/// Where the files of a package stand.
enum Files<'a> {
    /// In an archive.
    Archive(&'a Archive),
    /// Beside the descriptor.
    Folder(&'a FilesBeside<'a>),
}

impl Files<'_> {
    /// The file of that name, as it is recorded or with the escapes of URLs; `None` if it is not there.
    fn open(&self, name: &str) -> Result<Option<Arc<dyn Source>>> {
        let decoded = percent_decode(name).ok().filter(|decoded| decoded != name);
        for name in [Some(name.to_owned()), decoded].into_iter().flatten() {
            if let Some(file) = self.open_named(&name)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    fn open_named(&self, name: &str) -> Result<Option<Arc<dyn Source>>> {
        match self {
            Self::Archive(archive) => {
                let member = archive.member(name);
                member.map(|member| archive.open(member)).transpose()
            }
            Self::Folder(beside) => match beside.open(name) {
                Err(error) if error.code() == "companion_missing" => Ok(None),
                other => other.map(Some),
            },
        }
    }
}

/// A package: its descriptor and the digests of its files.
struct Package<'a> {
    files: Files<'a>,
    descriptor: Descriptor,
    digests: Digests,
    unpack: &'a Unpack,
}

/// A disk's file.
struct DiskFile {
    source: Arc<dyn Source>,
    versions: Vec<FileVersion>,
    href: String,
    notes: Vec<String>,
}

impl<'a> Package<'a> {
    /// The package of the descriptor in `source`, called `name`.
    fn read(files: Files<'a>, name: &str, source: &dyn Source, unpack: &'a Unpack) -> Result<Self> {
        let list = Path::new(name).with_extension("mf");
        let digests = match files.open_named(&list.to_string_lossy())? {
            Some(list) => Digests::read(&*list)?,
            None => Digests::default(),
        };
        let package = Self {
            files,
            descriptor: Descriptor::read(source)?,
            digests,
            unpack,
        };
        package.prove(name, source)?;
        Ok(package)
    }

    /// Holds a file against its digest, if there is one and it is asked for.
    fn prove(&self, name: &str, source: &dyn Source) -> Result<()> {
        if !self.unpack.proves {
            return Ok(());
        }
        let stop = self.unpack.room.stop.as_ref();
        let go_on = || match stop {
            Some(stop) if stop.load(Ordering::Relaxed) => Err(Error::interrupted()),
            _ => Ok(()),
        };
        let name = name.strip_prefix("./").unwrap_or(name);
        self.digests.prove(name, source, &go_on)
    }

    /// The file of the disk that the user means.
    fn disk(&self) -> Result<DiskFile> {
        let (disk, file) = chosen(&self.descriptor, self.unpack.disk.as_deref())?;
        if disk.is_child {
            let message = format!(
                "disk '{}' is the difference from another disk of the package",
                disk.id.escape_debug()
            );
            return Err(Error::new(Kind::Unsupported, message).with_code("ovf_child"));
        }
        let opened = match file.chunk_size {
            Some(chunk_size) => self.chunks(file, chunk_size)?,
            None => {
                let source = self
                    .files
                    .open(&file.href)?
                    .ok_or_else(|| missing(&file.href))?;
                self.prove(&file.href, &*source)?;
                (source, Vec::new())
            }
        };
        let (source, versions) = opened;
        require_whole(file, &*source)?;
        Ok(DiskFile {
            notes: self.notes(file, &*source),
            source,
            versions,
            href: file.href.clone(),
        })
    }

    /// A file that was cut into chunks `NAME.000000000`, `NAME.000000001` ...
    fn chunks(
        &self,
        file: &PackageFile,
        chunk_size: Bytes,
    ) -> Result<(Arc<dyn Source>, Vec<FileVersion>)> {
        let count = file.size.map(|size| size.0.div_ceil(chunk_size.0));
        let mut chunks = Vec::new();
        loop {
            let name = format!("{}.{:09}", file.href, chunks.len());
            let is_wanted = count.is_none_or(|count| (chunks.len() as u64) < count);
            let chunk = if is_wanted {
                self.files.open(&name)?
            } else {
                None
            };
            let Some(chunk) = chunk else {
                let is_whole =
                    count.map_or(!chunks.is_empty(), |count| chunks.len() as u64 == count);
                if !is_whole {
                    return Err(missing(&name));
                }
                break;
            };
            self.prove(&name, &*chunk)?;
            chunks.push(chunk);
        }
        let joined = Joined::of(chunks)?;
        let versions = joined.versions();
        Ok((Arc::new(joined), versions))
    }

    fn notes(&self, file: &PackageFile, source: &dyn Source) -> Vec<String> {
        let href = file.href.escape_debug();
        let mut notes = Vec::new();
        if self.descriptor.disks.len() > 1 {
            notes.push(format!("of its disks '{href}' is read"));
        }
        if let Some(size) = file.size.filter(|size| *size != source.len()) {
            notes.push(format!(
                "'{href}' has {} bytes, the descriptor says {}",
                source.len().0,
                size.0
            ));
        }
        let is_listed = file.chunk_size.is_some() || self.digests.lists(&file.href);
        if self.digests.names().next().is_some() && !is_listed {
            notes.push(format!("the .mf says nothing of '{href}'"));
        }
        notes
    }
}

/// A file that is shorter than the descriptor says was cut: not every format would notice.
fn require_whole(file: &PackageFile, source: &dyn Source) -> Result<()> {
    match file.size.filter(|size| *size > source.len()) {
        None => Ok(()),
        Some(size) => {
            let (href, found) = (file.href.escape_debug(), source.len().0);
            let message = format!("'{href}' has {found} bytes, the descriptor says {}", size.0);
            Err(Error::new(Kind::Corrupt, message)
                .with_code("truncated")
                .with_hint("copy the package once more"))
        }
    }
}

fn missing(name: &str) -> Error {
    Error::new(
        Kind::Chain,
        format!("its file '{}' is missing", name.escape_debug()),
    )
    .with_code("companion_missing")
    .with_hint("a package is all of its files: copy it once more")
}

/// The disk of the package in an archive.
pub(super) fn of_archive(bare: Bare, unpack: &Unpack) -> Result<Bare> {
    let archive = Archive::read(Arc::clone(&bare.source))?;
    let (name, descriptor) = descriptor_of(&archive)?;
    let package = Package::read(Files::Archive(&archive), &name, &*descriptor, unpack)?;
    let disk = package.disk()?;
    let (mut within, mut notes) = (bare.within, bare.notes);
    within.extend([NAME.to_owned(), disk.href.clone()]);
    notes.extend(disk.notes);
    Ok(Bare {
        source: disk.source,
        name: PathBuf::from(disk.href),
        within,
        is_member: true,
        notes,
        ..bare
    })
}

/// The disk of the package whose descriptor is `bare`.
pub(super) fn of_folder(bare: Bare, spec: &OpenSpec, unpack: &Unpack) -> Result<Bare> {
    if bare.is_member || !bare.within.is_empty() {
        let message = "is a descriptor that is packed itself: its files cannot stand beside it";
        return Err(Error::new(Kind::Unsupported, message).with_code("ovf"));
    }
    let policy = Policy {
        search: spec.policy.search.clone(),
        ..Policy::default()
    };
    let beside = FilesBeside::new(&bare.path, &*bare.source, &policy)?;
    let name = bare
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let package = Package::read(Files::Folder(&beside), &name, &*bare.source, unpack)?;
    let disk = package.disk()?;
    let mut notes = bare.notes;
    notes.extend(disk.notes);
    notes.extend(beside.into_notes());
    let path = disk.source.path().unwrap_or(&bare.path).to_owned();
    Ok(Bare {
        name: PathBuf::from(&disk.href),
        source: disk.source,
        path,
        within: vec![NAME.to_owned()],
        versions: disk.versions,
        is_member: false,
        notes,
    })
}
