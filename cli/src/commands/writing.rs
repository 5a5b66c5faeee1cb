//! An image on its way: to a file, to standard output, or nowhere, to learn how large it would be.

use std::{
    io::{self, IsTerminal},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use imgdelta_core::{
    Bytes, Create, Draft, Error, Existing, FileOffset, Format, ImageWriter, Kind, NewParent,
    Outputs, PipeSink, Result, Sink,
};
use imgdelta_delta::Copy;
use imgdelta_registry::{Drafts, create, create_stream, driver_for, refuse_inputs};

use super::{Run, disk::Disk};
use crate::job::Goal;

/// Where an image goes.
#[derive(Debug)]
enum Place {
    /// To files that get their names at the end.
    Files(Drafts),
    /// To standard output.
    Stream,
    /// Nowhere.
    Nowhere(Arc<Measure>),
}

/// An image on its way.
pub(crate) struct Writing {
    /// Takes the disk.
    pub(crate) writer: Box<dyn ImageWriter>,
    place: Place,
}

/// The format that a goal's image will have.
pub(crate) fn format_of(goal: &Goal) -> Result<Format> {
    Ok(driver_for(&goal.output)?.format)
}

/// Refuses a place where the image cannot stand: taken, or one of the inputs. Nothing is begun.
pub(crate) fn check_place(goal: &Goal, inputs: &[&Disk]) -> Result<()> {
    let stamps: Vec<_> = inputs.iter().flat_map(|disk| disk.stamps()).collect();
    refuse_inputs(&goal.output.path, &stamps)?;
    Draft::check_place(&goal.output.path, goal.output.existing)
}

impl Writing {
    /// Starts an image with a disk of `size` bytes. An output that is one of the inputs is refused before anything is made.
    pub(crate) fn begin(
        goal: &Goal,
        size: Bytes,
        parent: Option<NewParent>,
        inputs: &[&Disk],
        run: &Run<'_>,
    ) -> Result<Self> {
        check_place(goal, inputs)?;
        if goal.dry_run {
            return Self::begin_nowhere(goal, size, parent);
        }
        run.begun.store(true, Ordering::Relaxed);
        let output = create(&goal.output, size, parent)?;
        Ok(Self {
            writer: output.writer,
            place: Place::Files(output.drafts),
        })
    }

    /// Starts the image that `copy` will write to standard output. If it has ids, which stand in front there, the disk is read
    /// once more for them.
    pub(crate) fn begin_stream(goal: &Goal, copy: &Copy<'_>, run: &Run<'_>) -> Result<Self> {
        if io::stdout().is_terminal() && goal.output.existing == Existing::Keep {
            return Err(Error::new(
                Kind::Usage,
                "standard output is a terminal, and an image is not text",
            )
            .with_hint("use -o FILE, or a pipe, or --force"));
        }
        let size = copy.disk.size();
        let shape = Self::begin_nowhere(goal, size, None)?.writer.shape();
        let seed = if shape.has_ids {
            run.showing.phase("read the disk for its ids");
            Some(copy.seed(shape)?)
        } else {
            None
        };
        let sink: Arc<dyn Sink> = Arc::new(PipeSink::new(io::stdout()));
        Ok(Self {
            writer: create_stream(sink, &goal.output, size, seed)?,
            place: Place::Stream,
        })
    }

    fn begin_nowhere(goal: &Goal, size: Bytes, parent: Option<NewParent>) -> Result<Self> {
        let driver = driver_for(&goal.output)?;
        let measure = Arc::new(Measure::default());
        let writer = (driver.create)(Create {
            outputs: &Nowhere(Arc::clone(&measure)),
            size,
            options: goal.output.options.clone(),
            parent,
            seed: None,
        })
        .map_err(|error| error.in_file(&goal.output.path))?;
        Ok(Self {
            writer,
            place: Place::Nowhere(measure),
        })
    }

    /// Hands over the writer; what is left knows what became of it.
    pub(crate) fn split(self) -> (Box<dyn ImageWriter>, Written) {
        (self.writer, Written(self.place))
    }
}

/// An image that has been written, but has no name yet.
pub(crate) struct Written(Place);

impl Written {
    /// Starts another file beside the image's, that gets its name with it.
    pub(crate) fn beside(&self, name: &str) -> Result<Arc<dyn Sink>> {
        match &self.0 {
            Place::Files(drafts) => drafts.other(name),
            Place::Stream | Place::Nowhere(_) => Ok(Arc::<Measure>::default()),
        }
    }

    /// How long the image's file is, if it is one.
    pub(crate) fn file_size(&self) -> Option<u64> {
        match &self.0 {
            Place::Files(drafts) => std::fs::metadata(drafts.written_at())
                .ok()
                .map(|file| file.len()),
            Place::Nowhere(measure) => Some(measure.0.load(Ordering::Relaxed)),
            Place::Stream => None,
        }
    }

    /// Makes everything durable and gives it its name.
    pub(crate) fn commit(self) -> Result<()> {
        match self.0 {
            Place::Files(drafts) => {
                // Before the first file gets its name, all that can fail has been done.
                drafts.main()?.sync()?;
                drafts.commit()
            }
            Place::Stream | Place::Nowhere(_) => Ok(()),
        }
    }
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

/// Outputs of which only the first is measured.
struct Nowhere(Arc<Measure>);

impl Outputs for Nowhere {
    fn main(&self) -> Result<Arc<dyn Sink>> {
        Ok(Arc::clone(&self.0) as Arc<dyn Sink>)
    }

    fn other(&self, _name: &str) -> Result<Arc<dyn Sink>> {
        Ok(Arc::<Measure>::default())
    }
}

/// A path as results name it.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
