//! `convert`: a disk, whatever its chain, as one whole image.

use imgdelta_core::{Bytes, Error, Kind, Result};
use imgdelta_delta::{Chain, Convert, DigestCache};
use serde::Serialize;

use super::{
    Outcome, Run,
    disk::Disk,
    stream,
    writing::{Writing, format_of, shown},
};
use crate::job::{self, Goal};

/// An image that was written from a disk.
#[derive(Debug, Serialize)]
pub(crate) struct Converted {
    /// What was read.
    pub(crate) source: String,
    /// Its format.
    pub(crate) source_format: &'static str,
    /// The size of its disk in bytes.
    pub(crate) source_size: u64,
    /// How many layers it had.
    pub(crate) layers: usize,
    /// What was written.
    pub(crate) output: String,
    /// Its format.
    pub(crate) format: &'static str,
    /// The size of its disk in bytes.
    pub(crate) size: u64,
    /// How long its file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_size: Option<u64>,
    /// How many bytes were written besides tables.
    pub(crate) written: u64,
    /// Whether nothing was written.
    pub(crate) dry_run: bool,
    /// What the user should know: what was left out, what grew.
    pub(crate) notes: Vec<String>,
}

impl Outcome for Converted {
    const SCHEMA: &'static str = "imgdelta/convert/1";

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Where a disk comes from.
enum Source {
    /// An image file and its parents.
    File(Box<Disk>),
    /// Standard input.
    Stream(Chain),
}

impl Source {
    const fn chain(&self) -> &Chain {
        match self {
            Self::File(disk) => &disk.chain,
            Self::Stream(chain) => chain,
        }
    }

    /// The images among which the output may not be.
    fn inputs(&self) -> Vec<&Disk> {
        match self {
            Self::File(disk) => vec![&**disk],
            Self::Stream(_) => Vec::new(),
        }
    }
}

/// Writes the disk as one image.
pub(crate) fn convert(job: &job::Convert, run: &Run<'_>) -> Result<Converted> {
    let goal = &job.goal;
    let format = format_of(goal)?;
    let source = if job::is_stream(&job.source.path) {
        // What cannot be written is refused before a long stream is read.
        if !job::is_stream(&goal.output.path) {
            imgdelta_core::AtomicFile::check_place(&goal.output.path, goal.output.existing)?;
        }
        Source::Stream(stream::open(&job.source, run)?)
    } else {
        Source::File(Box::new(Disk::open(&job.source)?))
    };
    let chain = source.chain();
    let copy = Convert {
        disk: chain,
        proves: false,
        memory: &DigestCache::none(),
        work: run.work(goal.ids)?,
    };
    let writing = if job::is_stream(&goal.output.path) && !goal.dry_run {
        Writing::begin_stream(goal, &copy, run)?
    } else {
        Writing::begin(goal, chain.disk(), None, &source.inputs(), run)?
    };
    let size = writing.writer.shape().size;
    if size < chain.size() {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "the disk has {} bytes, the image would hold {}",
                chain.size().0,
                size.0
            ),
        )
        .in_file(&goal.output.path));
    }
    let (writer, written) = writing.split();
    run.showing
        .phase(format!("convert {}", goal.output.path.display()));
    let copied = copy.run(writer)?;
    let file_size = written.file_size();
    let mut notes = notes(&source, goal, format.name(), size);
    notes.extend(written.commit()?);
    let facts_of = |chain: &Chain| {
        let top = chain.layers().first();
        top.map_or("raw", |layer| layer.image.facts().format.name())
    };
    Ok(Converted {
        source: shown(&job.source.path),
        source_format: facts_of(chain),
        source_size: chain.size().0,
        layers: chain.layers().len(),
        output: shown(&goal.output.path),
        format: format.name(),
        size: size.0,
        file_size,
        written: copied.written.0,
        dry_run: goal.dry_run,
        notes,
    })
}

/// What was noticed, what was left out, what grew.
fn notes(source: &Source, goal: &Goal, format: &str, size: Bytes) -> Vec<String> {
    let mut notes = Vec::new();
    if let Source::File(disk) = source {
        notes = disk.notes();
        let others = disk.facts().snapshots.len();
        if others > 0 {
            notes.push(format!(
                "{}: internal snapshots left out: {others}; --snapshot NAME converts one",
                disk.path()
            ));
        }
        let bitmaps = disk
            .facts()
            .details
            .iter()
            .find(|(name, _)| *name == "bitmaps");
        if let Some((_, bitmaps)) = bitmaps {
            notes.push(format!(
                "{}: its dirty bitmaps are left out ({bitmaps})",
                disk.path()
            ));
        }
    }
    let before = source.chain().size();
    if size > before {
        let options = if goal.typed_options.is_empty() {
            String::new()
        } else {
            format!(" with {}", goal.typed_options)
        };
        notes.push(format!(
            "the disk grows from {} to {} bytes: {format}{options} holds no size between",
            before.0, size.0
        ));
    }
    notes
}
