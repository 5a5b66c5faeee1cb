//! An image on its way: to files that get their names at the end, to a pipe, or nowhere, to learn how large it would be.

use std::{
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use imgdelta_core::{
    Bytes, DiskSpec, Driver, Format, ImageWriter, Outputs, Ownership, ParentSpec, Result, SECTOR,
    Sectors, Sink,
};
use imgdelta_delta::Convert;
use imgdelta_registry::{
    AtomicFileSet, NewPackage, OpenSpec, OutputSpec, PackageSpec, is_raw_name, open_image,
    package_file,
};

use crate::{
    context::{Context, Stage},
    disk::Disk,
    nowhere::{Measure, Nowhere},
    target::ResolvedTarget,
};

/// Where an image goes.
#[derive(Debug)]
enum Place {
    /// To files that get their names at the end.
    Files(Box<AtomicFileSet>),
    /// To a pipe.
    Stream,
    /// Nowhere.
    Nowhere(Arc<Nowhere>),
}

/// An image that is being written.
pub(crate) struct ImageOutput {
    /// Takes the disk.
    pub(crate) writer: Box<dyn ImageWriter>,
    /// Its format.
    pub(crate) driver: &'static Driver,
    place: Place,
    /// The files beside the image that will be replaced: those of the new one have other names.
    replaced: Vec<PathBuf>,
    /// What neither the image nor its name says.
    unsaid: Vec<String>,
    /// The package that the image is a part of.
    package: Option<NewPackage>,
}

impl ImageOutput {
    /// Starts an image of `disk`. An output that is one of the inputs is refused before anything is made.
    pub(crate) fn begin(
        target: &ResolvedTarget,
        disk: DiskSpec,
        parent: Option<ParentSpec>,
        inputs: &[&Disk],
        context: &Context,
    ) -> Result<Self> {
        target.check_place(inputs)?;
        if target.dry_run {
            return Self::begin_nowhere(target, disk, parent);
        }
        context.begin(Stage::Write(&target.spec.path));
        let replaced = others_of(&target.spec.path);
        let read: Vec<_> = inputs.iter().flat_map(|disk| disk.versions()).collect();
        let output = target.image.create_beside(disk, parent, &read)?;
        let driver = target.driver();
        let mut unsaid = unsaid(driver, &target.spec.path, disk);
        unsaid.extend(lost_owner(&target.spec, output.drafts.written_at()));
        Ok(Self {
            writer: output.writer,
            driver,
            place: Place::Files(Box::new(output.drafts)),
            replaced,
            unsaid,
            package: None,
        })
    }

    /// Starts the image that `convert` will write to `pipe`. If it has ids, which stand in front there, the disk is read once more for them.
    pub(crate) fn begin_stream(
        target: &ResolvedTarget,
        pipe: Arc<dyn Sink>,
        convert: &Convert<'_>,
        context: &Context,
    ) -> Result<Self> {
        let disk = convert.disk.disk();
        let shape = Self::begin_nowhere(target, disk, None)?.writer.shape();
        let seed = if shape.has_ids {
            context.begin(Stage::ReadIds);
            Some(convert.seed(shape)?)
        } else {
            None
        };
        let driver = target.driver();
        Ok(Self {
            writer: target.image.create_stream(pipe, disk, seed)?,
            driver,
            place: Place::Stream,
            replaced: Vec::new(),
            unsaid: unsaid(driver, &target.spec.path, disk),
            package: None,
        })
    }

    /// Starts the disk that `convert` will write into a package. Its ids stand in front: the disk is read once more for them.
    pub(crate) fn begin_package(
        target: &ResolvedTarget,
        package: &PackageSpec,
        convert: &Convert<'_>,
        inputs: &[&Disk],
        context: &Context,
    ) -> Result<Self> {
        target.check_place(inputs)?;
        let disk = convert.disk.disk();
        let shape = Self::begin_nowhere(target, disk, None)?.writer.shape();
        let seed = if shape.has_ids && !target.dry_run {
            context.begin(Stage::ReadIds);
            Some(convert.seed(shape)?)
        } else {
            Some([0; 32])
        };
        let (place, sink) = if target.dry_run {
            let nowhere = Arc::<Nowhere>::default();
            let sink = nowhere.main()?;
            (Place::Nowhere(nowhere), sink)
        } else {
            context.begin(Stage::Write(&target.spec.path));
            let read: Vec<_> = inputs.iter().flat_map(|disk| disk.versions()).collect();
            let files = package_file(&target.spec, &read)?;
            let sink = files.main()?;
            (Place::Files(Box::new(files)), sink)
        };
        let (writer, new) = package.begin(sink, disk, seed, context.recorded_time())?;
        let driver = target.driver();
        let mut unsaid = unsaid(driver, &target.spec.path, disk);
        unsaid.extend(package.notes());
        Ok(Self {
            writer,
            driver,
            place,
            package: Some(new),
            replaced: Vec::new(),
            unsaid,
        })
    }

    /// How large the image of a disk would be made: as large as `disk`, or the next size that its format holds.
    pub(crate) fn size_held(target: &ResolvedTarget, disk: DiskSpec) -> Result<Bytes> {
        Ok(Self::begin_nowhere(target, disk, None)?.writer.shape().size)
    }

    fn begin_nowhere(
        target: &ResolvedTarget,
        disk: DiskSpec,
        parent: Option<ParentSpec>,
    ) -> Result<Self> {
        let nowhere = Arc::new(Nowhere::default());
        let driver = target.driver();
        let writer = target.image.create_in(&*nowhere, disk, parent)?;
        Ok(Self {
            writer,
            driver,
            place: Place::Nowhere(nowhere),
            replaced: Vec::new(),
            unsaid: unsaid(driver, &target.spec.path, disk),
            package: None,
        })
    }

    /// Has the output, which is to be a raw image, hold what `base` holds, if that lies byte for byte in one file and the file system shares blocks;
    /// false, and nothing is done, where it does not.
    pub(crate) fn share(&self, base: &Disk) -> bool {
        let (Place::Files(drafts), Format::Raw) = (&self.place, self.driver.format) else {
            return false;
        };
        base.in_one_file()
            .is_some_and(|(file, opened)| drafts.share(&**file, opened))
    }

    /// Hands over the writer; what is left knows what became of it.
    pub(crate) fn split(self) -> (Box<dyn ImageWriter>, WrittenImage) {
        let written = WrittenImage {
            place: self.place,
            beside: Mutex::default(),
            replaced: self.replaced,
            unsaid: self.unsaid,
            package: self.package,
        };
        (self.writer, written)
    }
}

/// An image that has been written, but has no name yet.
pub(crate) struct WrittenImage {
    place: Place,
    /// The names of the files that go with the image and are not its own.
    beside: Mutex<Vec<String>>,
    replaced: Vec<PathBuf>,
    unsaid: Vec<String>,
    package: Option<NewPackage>,
}

impl WrittenImage {
    /// Ends the package that the image, which is whole now, is a part of.
    pub(crate) fn finish_package(&mut self) -> Result<()> {
        match self.package.take() {
            Some(package) => package.finish().map(drop),
            None => Ok(()),
        }
    }

    /// Starts another file beside the image's, that gets its name with it.
    pub(crate) fn beside(&self, name: &str) -> Result<Arc<dyn Sink>> {
        let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.push(name.to_owned());
        match &self.place {
            Place::Files(drafts) => drafts.other(name),
            Place::Stream | Place::Nowhere(_) => Ok(Arc::<Measure>::default()),
        }
    }

    /// How long the image's files are, in bytes, if it has any.
    pub(crate) fn file_size(&self) -> Option<u64> {
        let beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.place {
            Place::Files(drafts) => drafts.len_without(&beside).ok().map(|len| len.0),
            Place::Nowhere(nowhere) => Some(nowhere.len()),
            Place::Stream => None,
        }
    }

    /// What the image's files take on the host, in bytes, if there are any. They are made durable for that: some file systems count it only
    /// when it is written out.
    ///
    /// # Errors
    /// Host, if they cannot be: a host may say that once only.
    pub(crate) fn on_disk(&self) -> Result<Option<u64>> {
        let beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.place {
            Place::Files(drafts) => {
                drafts.main()?.sync()?;
                Ok(Some(drafts.on_disk_without(&beside)?.0))
            }
            Place::Nowhere(_) | Place::Stream => Ok(None),
        }
    }

    /// Makes everything durable and gives it its name; what the user should know then.
    pub(crate) fn commit(self) -> Result<Vec<String>> {
        let unsaid = self.unsaid.into_iter();
        let Place::Files(drafts) = self.place else {
            return Ok(unsaid.collect());
        };
        // Before the first file gets its name, all that can fail has been done.
        drafts.main()?.sync()?;
        drafts.commit()?;
        let left = self.replaced.iter().map(|file| {
            format!(
                "{} belonged to the image that was replaced; the new one does not use it",
                file.display()
            )
        });
        Ok(unsaid.chain(left).collect())
    }
}

/// What neither an image nor its name says, and who reads it must know.
fn unsaid(driver: &Driver, path: &Path, disk: DiskSpec) -> Vec<String> {
    let sector = unsaid_sector(driver, path, disk);
    sector.into_iter().chain(unsaid_raw(driver, path)).collect()
}

/// What to say of a file whose new version will belong to somebody else: only root gives files away.
fn lost_owner(spec: &OutputSpec, draft: &Path) -> Option<String> {
    let (old, new) = (Ownership::of(&spec.path), Ownership::of(draft));
    let (old, new) = (spec.ownership.user.or(old.user)?, new.user?);
    (old != new && new != 0).then(|| {
        format!(
            "{}: belonged to user {old}, belongs to user {new} now",
            spec.path.display()
        )
    })
}

/// What to say when nothing tells that a file is a raw disk.
fn unsaid_raw(driver: &Driver, path: &Path) -> Option<String> {
    let is_device =
        std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device());
    let is_unsaid = driver.format == Format::Raw && !is_raw_name(path) && !is_device;
    is_unsaid.then(|| {
        format!(
            "{}: nothing in the name says that it is a raw disk: it is read with --input-format raw",
            path.display()
        )
    })
}

/// What to say when a disk has other sectors than usual and the format says nothing of sectors.
fn unsaid_sector(driver: &Driver, path: &Path, disk: DiskSpec) -> Option<String> {
    let is_unsaid = driver.sectors == Sectors::Unsaid && disk.sector != Bytes(SECTOR);
    is_unsaid.then(|| {
        format!(
            "{}: a {} image does not say that its disk has sectors of {} bytes: the virtual machine must be told",
            path.display(),
            driver.format,
            disk.sector.0
        )
    })
}

/// The files beside the first of the image at `path`, if there is one that opens.
fn others_of(path: &Path) -> Vec<PathBuf> {
    if !path.is_file() {
        return Vec::new();
    }
    let Ok(image) = open_image(&OpenSpec::of(path)) else {
        return Vec::new();
    };
    let files = image.image.metadata().files.iter().skip(1);
    files
        .filter_map(|file| file.path().map(Path::to_owned))
        .collect()
}

/// What to say of a file whose new version could not keep all that it had.
pub(crate) fn lost_note(file: &Path, lost: &[String]) -> Option<String> {
    (!lost.is_empty()).then(|| {
        format!(
            "{} could not keep what it had: {}",
            file.display(),
            lost.join(", ")
        )
    })
}

/// A path as results name it.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
