//! An image on its way: to a file, to standard output, or nowhere, to learn how large it would be.

use std::{
    io::{self, IsTerminal},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use imgdelta_core::{
    AtomicFile, Bytes, Error, Existing, FileOffset, Format, ImageWriter, Kind, NewDisk, NewParent,
    Outputs, PipeSink, Result, SECTOR, Sectors, Sink,
};
use imgdelta_delta::Convert;
use imgdelta_registry::{
    AtomicFileSet, OpenSpec, create, create_in, create_stream, driver_for, open_image,
    refuse_inputs,
};

use super::{Run, disk::Disk};
use crate::job::Goal;

/// Where an image goes.
#[derive(Debug)]
enum Place {
    /// To files that get their names at the end.
    Files(AtomicFileSet),
    /// To standard output.
    Stream,
    /// Nowhere.
    Nowhere(Arc<Nowhere>),
}

/// An image on its way.
pub(crate) struct Writing {
    /// Takes the disk.
    pub(crate) writer: Box<dyn ImageWriter>,
    place: Place,
    /// The files beside the image that will be replaced: those of the new one have other names.
    replaced: Vec<PathBuf>,
    /// What the image does not say of its disk.
    unsaid: Option<String>,
}

/// The format that a goal's image will have.
pub(crate) fn format_of(goal: &Goal) -> Result<Format> {
    Ok(driver_for(&goal.output)?.format)
}

/// Refuses a place where the image cannot stand: taken, or one of the inputs. Nothing is begun.
pub(crate) fn check_place(goal: &Goal, inputs: &[&Disk]) -> Result<()> {
    let stamps: Vec<_> = inputs.iter().flat_map(|disk| disk.stamps()).collect();
    refuse_inputs(&goal.output.path, &stamps)?;
    AtomicFile::check_place(&goal.output.path, goal.output.existing)
}

/// Whether the image is written over what stands in its place, as on a device, and not beside it.
pub(crate) fn is_in_place(goal: &Goal) -> bool {
    let metadata = std::fs::metadata(&goal.output.path);
    metadata.is_ok_and(|metadata| metadata.file_type().is_block_device())
}

impl Writing {
    /// Starts an image of `disk`. An output that is one of the inputs is refused before anything is made.
    pub(crate) fn begin(
        goal: &Goal,
        disk: NewDisk,
        parent: Option<NewParent>,
        inputs: &[&Disk],
        run: &Run<'_>,
    ) -> Result<Self> {
        check_place(goal, inputs)?;
        if goal.dry_run {
            return Self::begin_nowhere(goal, disk, parent);
        }
        run.begun.store(true, Ordering::Relaxed);
        let replaced = others_of(&goal.output.path);
        let output = create(&goal.output, disk, parent)?;
        Ok(Self {
            writer: output.writer,
            place: Place::Files(output.drafts),
            replaced,
            unsaid: unsaid_sector(goal, disk)?,
        })
    }

    /// Starts the image that `copy` will write to standard output. If it has ids, which stand in front there, the disk is read
    /// once more for them.
    pub(crate) fn begin_stream(goal: &Goal, copy: &Convert<'_>, run: &Run<'_>) -> Result<Self> {
        if io::stdout().is_terminal() && goal.output.existing == Existing::Keep {
            return Err(Error::new(
                Kind::Usage,
                "standard output is a terminal, and an image is not text",
            )
            .with_hint("use -o FILE, or a pipe, or --force"));
        }
        let disk = copy.disk.disk();
        let shape = Self::begin_nowhere(goal, disk, None)?.writer.shape();
        let seed = if shape.has_ids {
            run.showing.phase("read the disk for its ids");
            Some(copy.seed(shape)?)
        } else {
            None
        };
        let sink: Arc<dyn Sink> = Arc::new(PipeSink::new(io::stdout()));
        Ok(Self {
            writer: create_stream(sink, &goal.output, disk, seed)?,
            place: Place::Stream,
            replaced: Vec::new(),
            unsaid: unsaid_sector(goal, disk)?,
        })
    }

    fn begin_nowhere(goal: &Goal, disk: NewDisk, parent: Option<NewParent>) -> Result<Self> {
        let nowhere = Arc::new(Nowhere::default());
        let writer = create_in(&*nowhere, &goal.output, disk, parent)?;
        Ok(Self {
            writer,
            place: Place::Nowhere(nowhere),
            replaced: Vec::new(),
            unsaid: unsaid_sector(goal, disk)?,
        })
    }

    /// Hands over the writer; what is left knows what became of it.
    pub(crate) fn split(self) -> (Box<dyn ImageWriter>, Written) {
        let written = Written {
            place: self.place,
            beside: Mutex::default(),
            replaced: self.replaced,
            unsaid: self.unsaid,
        };
        (self.writer, written)
    }
}

/// An image that has been written, but has no name yet.
pub(crate) struct Written {
    place: Place,
    /// The names of the files that go with the image and are not its own.
    beside: Mutex<Vec<String>>,
    replaced: Vec<PathBuf>,
    unsaid: Option<String>,
}

impl Written {
    /// Starts another file beside the image's, that gets its name with it.
    pub(crate) fn beside(&self, name: &str) -> Result<Arc<dyn Sink>> {
        let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.push(name.to_owned());
        match &self.place {
            Place::Files(drafts) => drafts.other(name),
            Place::Stream | Place::Nowhere(_) => Ok(Arc::<Measure>::default()),
        }
    }

    /// How long the image's files are, if it has any.
    pub(crate) fn file_size(&self) -> Option<u64> {
        let beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.place {
            Place::Files(drafts) => drafts.len_without(&beside).ok().map(|len| len.0),
            Place::Nowhere(nowhere) => Some(nowhere.len()),
            Place::Stream => None,
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

/// What to say when a disk has other sectors than usual and the format says nothing of sectors.
fn unsaid_sector(goal: &Goal, disk: NewDisk) -> Result<Option<String>> {
    let driver = driver_for(&goal.output)?;
    let is_unsaid = driver.sectors == Sectors::Unsaid && disk.sector != Bytes(SECTOR);
    Ok(is_unsaid.then(|| {
        format!(
            "{}: a {} image does not say that its disk has sectors of {} bytes: the virtual machine must be told",
            goal.output.path.display(),
            driver.format,
            disk.sector.0
        )
    }))
}

/// Keeps nothing but the length.
#[derive(Debug, Default)]
struct Measure(AtomicU64);

impl Sink for Measure {
    fn write_at(&self, at: FileOffset, bytes: &[u8]) -> Result<()> {
        let end = at.saturating_add(Bytes::from(bytes.len()));
        self.0.fetch_max(end.0, Ordering::Relaxed);
        Ok(())
    }

    fn set_len(&self, len: Bytes) -> Result<()> {
        self.0.store(len.0, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

/// Outputs that are only measured.
#[derive(Debug, Default)]
struct Nowhere {
    main: Arc<Measure>,
    others: Mutex<Vec<Arc<Measure>>>,
}

impl Nowhere {
    /// How long all would be together.
    fn len(&self) -> u64 {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let all = others.iter().chain([&self.main]);
        all.fold(0, |sum, one| {
            sum.saturating_add(one.0.load(Ordering::Relaxed))
        })
    }
}

impl Outputs for Nowhere {
    fn main(&self) -> Result<Arc<dyn Sink>> {
        Ok(Arc::clone(&self.main) as Arc<dyn Sink>)
    }

    fn other(&self, _name: &str) -> Result<Arc<dyn Sink>> {
        let other = Arc::<Measure>::default();
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.push(Arc::clone(&other));
        Ok(other)
    }
}

/// The files beside the first of the image at `path`, if there is one that opens.
fn others_of(path: &Path) -> Vec<PathBuf> {
    if !path.is_file() {
        return Vec::new();
    }
    let Ok(image) = open_image(&OpenSpec::of(path)) else {
        return Vec::new();
    };
    let files = image.image.facts().files.iter().skip(1);
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
