//! `convert`: a disk, whatever its chain, as one whole image.

use std::{fmt, sync::Arc};

use imgdelta_core::{Bytes, DiskSpec, Error, Kind, Result, Sink, Source};
use imgdelta_delta::{
    self as delta, Chain, DigestCache, Layer,
    gpt::{self, Resized, TableMove},
};
use imgdelta_registry::{OpenSpec, OutputSpec, open_bytes};
use serde::Serialize;

use crate::{
    child_pair::no_manifest,
    context::{Context, Ids, Stage},
    disk::{Disk, notes_of, passed_over},
    output::{ImageOutput, shown},
    promise::{Found, Promise},
    space::{explain, require_room},
    target::{ResolvedTarget, Target},
};

/// How a disk is to be written as one image.
#[derive(Clone)]
pub struct Convert {
    source: OpenSpec,
    /// Bytes that are read instead of the file of that name.
    bytes: Option<Arc<dyn Source>>,
    output: Target,
    /// Where they go instead of to a file.
    pipe: Option<Arc<dyn Sink>>,
    /// The size that the disk is to have, if it is another one.
    size: Option<Bytes>,
    /// Whether a child without a manifest is refused.
    needs_manifest: bool,
}

impl fmt::Debug for Convert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Convert")
            .field("source", &self.source)
            .field("output", &self.output)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// An image that was written from a disk.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ConvertReport {
    /// What was read.
    pub source: String,
    /// Its format.
    pub source_format: &'static str,
    /// The size of its disk in bytes.
    pub source_size: u64,
    /// How many layers it had.
    pub layers: usize,
    /// What was written.
    pub output: String,
    /// Its format.
    pub format: &'static str,
    /// The size of its disk in bytes.
    pub size: u64,
    /// How long its file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_size: Option<u64>,
    /// What that takes on the host, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_disk: Option<u64>,
    /// How many bytes were written besides tables.
    pub written: u64,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the user should know: what was left out, what grew.
    pub notes: Vec<String>,
}

/// Where a disk comes from.
enum Input {
    /// An image file and its parents.
    File(Box<Disk>),
    /// Bytes that were handed over.
    Bytes(Chain, Vec<String>),
}

impl Input {
    const fn chain(&self) -> &Chain {
        match self {
            Self::File(disk) => &disk.chain,
            Self::Bytes(chain, _) => chain,
        }
    }

    /// What the manifest beside a child promises.
    fn promise<'a>(&'a self, spec: &OpenSpec, is_needed: bool) -> Result<Option<Box<Promise<'a>>>> {
        let found = match self {
            Self::File(disk) => Promise::of(disk, spec),
            Self::Bytes(..) => Found::Nothing,
        };
        match found {
            Found::Promise(promise) => Ok(Some(promise)),
            _ if !is_needed => Ok(None),
            _ => Err(no_manifest(&spec.path)),
        }
    }

    /// The images among which the output may not be.
    fn inputs(&self) -> Vec<&Disk> {
        match self {
            Self::File(disk) => vec![&**disk],
            Self::Bytes(..) => Vec::new(),
        }
    }
}

impl Convert {
    /// The disk of `source`, its chain flattened, as one image at `output`.
    #[must_use]
    pub fn new(source: OpenSpec, output: OutputSpec) -> Self {
        Self {
            source,
            bytes: None,
            output: Target::of(output),
            pipe: None,
            size: None,
            needs_manifest: false,
        }
    }

    /// Refuses a child beside which no manifest stands. One that does is held against what is read in any case.
    #[must_use]
    pub const fn needs_manifest(mut self, needs_manifest: bool) -> Self {
        self.needs_manifest = needs_manifest;
        self
    }

    /// Makes the disk so large: cut, or grown with zeros. The backup of a sound GPT moves to the new end; a note says what became of it.
    #[must_use]
    pub const fn size(mut self, size: Bytes) -> Self {
        self.size = Some(size);
        self
    }

    /// Reads the image from `bytes`; the source's path is only what messages call it. Where no format is said the bytes are probed as a file's
    /// without an extension; what the image names outside itself is not followed.
    #[must_use]
    pub fn from_bytes(mut self, bytes: Arc<dyn Source>) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Writes the image to `pipe`, in order; the output's path names nothing but a format.
    #[must_use]
    pub fn to_pipe(mut self, pipe: Arc<dyn Sink>) -> Self {
        self.pipe = Some(pipe);
        self
    }

    /// Whether all is worked out and nothing is written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.output.dry_run = dry_run;
        self
    }

    /// What the image's ids are made of.
    #[must_use]
    pub const fn ids(mut self, ids: Ids) -> Self {
        self.output.ids = ids;
        self
    }

    /// Writes the image, durable and in its place; with any error what stood there still does.
    ///
    /// # Errors
    /// Usage, if the output may not be replaced or is an input, or the size is no whole number of sectors; Unsupported, if the format does not hold
    /// such a disk, or is not written in order to a pipe; those of the image; Chain or Digest, if a child's manifest promises another disk; Host,
    /// if an input changed meanwhile; Interrupted.
    pub fn run(&self, context: &Context) -> Result<ConvertReport> {
        let path = &self.output.spec.path;
        let target = self.output.resolve()?;
        let input = self.open()?;
        let resized = self.resized(&target, input.chain())?;
        let chain = resized
            .as_ref()
            .map_or(input.chain(), |resized| &resized.disk);
        let promise = input.promise(&self.source, self.needs_manifest)?;
        let is_whole = promise.as_ref().is_some_and(|it| it.is_whole_disk());
        let convert = delta::Convert {
            disk: chain,
            proves: is_whole && resized.is_none(),
            memory: &DigestCache::none(),
            work: context.exec(self.output.ids)?,
        };
        let may_not_fit = match self.pipe {
            Some(_) => None,
            None => {
                target.check_place(&input.inputs())?;
                require_room(&target, chain, context)?
            }
        };
        let output = self.begin(&target, &input, &convert, context)?;
        let size = output.writer.shape().size;
        let driver = output.driver;
        let (writer, mut written) = output.split();
        context.begin(Stage::Convert(path));
        let copied = convert.run(writer);
        let copied = copied.map_err(|error| explain(error, chain))?;
        let held = promise.map(|promise| match &copied.proof {
            Some(proof) => promise.hold(&proof.id, context),
            None => promise.prove(context),
        });
        let held = held.transpose()?.flatten();
        written.finish_package()?;
        let (file_size, on_disk) = (written.file_size(), written.on_disk()?);
        let mut notes = self.notes(&target, &input, resized.as_ref(), size);
        notes.extend(may_not_fit);
        notes.extend(held);
        notes.extend(self.passed_over(&input, context)?);
        notes.extend(written.commit()?);
        let chain = input.chain();
        let top = chain.layers().first();
        Ok(ConvertReport {
            source: shown(&self.source.path),
            source_format: top.map_or("raw", |layer| layer.image.metadata().format.name()),
            source_size: chain.size().0,
            layers: chain.layers().len(),
            output: shown(path),
            format: driver.format.name(),
            size: size.0,
            file_size,
            on_disk,
            written: copied.written.0,
            dry_run: self.output.dry_run,
            notes,
        })
    }

    /// Starts the output: to a pipe, into a package, or to a file.
    fn begin(
        &self,
        target: &ResolvedTarget,
        input: &Input,
        convert: &delta::Convert<'_>,
        context: &Context,
    ) -> Result<ImageOutput> {
        let disk = convert.disk.disk();
        let pipe = self.pipe.clone().filter(|_| !target.dry_run);
        let output = match (pipe, target.package()) {
            (Some(pipe), _) => ImageOutput::begin_stream(target, pipe, convert, context)?,
            (None, Some(package)) => {
                let inputs = input.inputs();
                ImageOutput::begin_package(target, package, convert, &inputs, context)?
            }
            (None, None) => ImageOutput::begin(target, disk, None, &input.inputs(), context)?,
        };
        let size = output.writer.shape().size;
        if size < disk.size {
            let sizes = format!(
                "the disk has {} bytes, the image would hold {}",
                disk.size.0, size.0
            );
            return Err(Error::new(Kind::Unsupported, sizes).in_file(&target.spec.path));
        }
        Ok(output)
    }

    /// Opens the disk.
    fn open(&self) -> Result<Input> {
        match &self.bytes {
            None => Ok(Input::File(Box::new(Disk::open(&self.source)?))),
            Some(bytes) => {
                let opened = open_bytes(Arc::clone(bytes), &self.source)?;
                let notes = notes_of(&opened);
                let chain = Chain::new(vec![Layer::new(opened.image, opened.id)])?;
                Ok(Input::Bytes(chain, notes))
            }
        }
    }

    /// What reading passed over.
    fn passed_over(&self, input: &Input, context: &Context) -> Result<Vec<String>> {
        match input {
            Input::File(disk) => disk.passed_over(usize::MAX, context),
            Input::Bytes(chain, _) => {
                let layers = chain.layers().iter();
                let path = self.source.path.as_path();
                passed_over(layers.map(|layer| (path, &layer.image)), context)
            }
        }
    }

    /// The disk of the size that was asked for, or of the next one that the output's format holds.
    fn resized(&self, target: &ResolvedTarget, disk: &Chain) -> Result<Option<Resized>> {
        let Some(asked) = self.size else {
            return Ok(None);
        };
        let sector = disk.disk().sector;
        if asked == Bytes::ZERO || !asked.is_multiple_of(sector) {
            let message = format!(
                "a disk of {} bytes is asked for, a multiple of {} is required",
                asked.0, sector.0
            );
            return Err(Error::new(Kind::Usage, message).with_code("size"));
        }
        let held = ImageOutput::size_held(
            target,
            DiskSpec {
                size: asked,
                sector,
            },
        )?;
        gpt::resize(disk, held.max(asked)).map(Some)
    }

    /// What was noticed, what was left out, what grew.
    fn notes(
        &self,
        target: &ResolvedTarget,
        input: &Input,
        resized: Option<&Resized>,
        size: Bytes,
    ) -> Vec<String> {
        let mut notes = match input {
            Input::File(disk) => {
                let unread = match Promise::of(disk, &self.source) {
                    Found::Unreadable(note) => vec![note],
                    _ => Vec::new(),
                };
                [disk.notes(), left_out(disk), unread].concat()
            }
            Input::Bytes(_, notes) => notes.clone(),
        };
        let before = input.chain().size();
        if size < before {
            notes.push(format!(
                "the disk is cut from {} to {} bytes: what lies behind is left out",
                before.0, size.0
            ));
        }
        let asked = self.size.unwrap_or(before);
        if size > asked {
            let spec = target.image.spec();
            let format = target.driver().format;
            let options = if spec.options.is_empty() {
                String::new()
            } else {
                format!(" with {}", spec.options)
            };
            notes.push(format!(
                "the disk grows from {} to {} bytes ({size}): {format}{options} holds no size between",
                asked.0, size.0
            ));
        }
        notes.extend(resized.and_then(|resized| table_note(&resized.table)));
        notes
    }
}

/// What to say of a partition table.
fn table_note(table: &TableMove) -> Option<String> {
    match table {
        TableMove::Moved {
            backup,
            last_usable,
        } => Some(format!(
            "the backup of the GPT was moved to the disk's new end, LBA {backup}; partitions may go up to LBA {last_usable}"
        )),
        TableMove::Kept(why) => Some(format!(
            "the GPT is left as it is, its backup is not at the disk's new end: {why}"
        )),
        _ => None,
    }
}

/// What an image holds beside its disk.
fn left_out(disk: &Disk) -> Vec<String> {
    let mut notes = Vec::new();
    let others = disk.metadata().snapshots.len();
    if others > 0 {
        notes.push(format!(
            "{}: internal snapshots left out: {others}; --snapshot NAME converts one",
            disk.path()
        ));
    }
    let mut details = disk.metadata().details.iter();
    if let Some((_, bitmaps)) = details.find(|(name, _)| *name == "bitmaps") {
        notes.push(format!(
            "{}: its dirty bitmaps are left out ({bitmaps})",
            disk.path()
        ));
    }
    notes
}
