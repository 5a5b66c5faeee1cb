//! `salvage`: what can be read of a disk, as a new image; zeros where it cannot, and a list of where that is.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use imgdelta_core::{
    AllocatedRange, Bytes, Error, Extent, FileOffset, FileSource, FileVersion, Format, Image,
    ImageMetadata, Kind, LayerId, ProbeWindow, Result, SECTOR, Source, State, VirtOffset,
};
use imgdelta_delta::{self as delta, Chain, DigestCache, Layer, Origin};
use imgdelta_registry::{OpenSpec, OutputSpec, open_bytes};
use serde::Serialize;

use crate::{
    context::{Context, Stage},
    disk::Disk,
    output::{ImageOutput, shown},
    space::explain,
    target::Target,
};

/// What is read at once, and given up bit by bit where it cannot be.
const UNIT: Bytes = Bytes::kib(64);
/// Most runs that are listed; what lies behind them is counted.
const MOST_RUNS: usize = 1 << 16;
/// Most reasons that are told.
const MOST_REASONS: usize = 16;

/// How what can be read of a disk is to be written.
#[derive(Clone, Debug)]
pub struct Salvage {
    source: OpenSpec,
    output: Target,
}

/// What could be read of a disk.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SalvageReport {
    /// What was read.
    pub source: String,
    /// Its format.
    pub source_format: &'static str,
    /// What was written.
    pub output: String,
    /// Its format.
    pub format: &'static str,
    /// The size of the disk in bytes.
    pub size: u64,
    /// How many bytes could not be read: they are zero now.
    pub lost_bytes: u64,
    /// Where those are, in order.
    pub lost: Vec<LostRun>,
    /// Whether there are more of them than are listed.
    pub more: bool,
    /// Why they could not be read, each reason once.
    pub reasons: Vec<String>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A run that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LostRun {
    /// Where it starts on the disk.
    pub start: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

impl Salvage {
    /// What can be read of the disk of `source`, its chain flattened, as one image at `output`.
    #[must_use]
    pub fn new(source: OpenSpec, output: OutputSpec) -> Self {
        Self {
            source,
            output: Target::of(output),
        }
    }

    /// Whether all is read and nothing is written.
    #[must_use]
    pub const fn dry_run(mut self, dry_run: bool) -> Self {
        self.output.dry_run = dry_run;
        self
    }

    /// Writes the image, durable and in its place, whatever could not be read.
    ///
    /// # Errors
    /// Those of an image that does not open at all; as [`Convert::run`](crate::Convert::run).
    pub fn run(&self, context: &Context) -> Result<SalvageReport> {
        let target = self.output.resolve_image()?;
        let (disk, is_cut) = self.open()?;
        let salvaged = Arc::new(Salvaged::of(&disk));
        let image: Arc<dyn Image> = Arc::clone(&salvaged) as Arc<dyn Image>;
        let id = LayerId::of(&*image);
        let chain = Chain::new(vec![Layer::new(image, id)])?;
        let output = ImageOutput::begin(&target, chain.disk(), None, &[&disk], context)?;
        let driver = output.driver;
        let (writer, written) = output.split();
        context.begin(Stage::Convert(&self.output.spec.path));
        let convert = delta::Convert {
            disk: &chain,
            proves: false,
            memory: &DigestCache::none(),
            work: context.exec(self.output.ids)?,
        };
        let converted = convert.run(writer);
        converted.map_err(|error| explain(error, &chain))?;
        let mut notes = disk.notes();
        notes.extend(is_cut);
        notes.extend(written.commit()?);
        let lost = salvaged.lost();
        Ok(SalvageReport {
            source: disk.path(),
            source_format: disk.metadata().format.name(),
            output: shown(&self.output.spec.path),
            format: driver.format.name(),
            size: chain.size().0,
            lost_bytes: lost.bytes,
            more: lost.bytes > lost.runs.iter().map(|run| run.length).sum(),
            lost: lost.runs,
            reasons: lost.reasons.into_iter().map(|(_, reason)| reason).collect(),
            dry_run: self.output.dry_run,
            notes,
        })
    }
}

impl Salvage {
    /// The disk. Of an image that is cut short, and does not open for that, what is there.
    fn open(&self) -> Result<(Disk, Option<String>)> {
        let error = match Disk::open(&self.source) {
            Err(error) if error.kind() == Kind::Corrupt => error,
            other => return Ok((other?, None)),
        };
        let Ok(file) = FileSource::open(&self.source.path) else {
            return Err(error);
        };
        let stretched: Arc<dyn Source> = Arc::new(Stretched(file));
        match open_bytes(stretched, &self.source) {
            // Raw is what has no end of its own: that of a file that goes on for ever is nobody's disk.
            Ok(opened) if opened.driver.format != Format::Raw => {
                let note = format!("it does not open as it is: {error}");
                Ok((Disk::of_images(vec![opened])?, Some(note)))
            }
            _ => Err(error),
        }
    }
}

/// A file as if it went on: what lies beyond its end cannot be read.
#[derive(Debug)]
struct Stretched(FileSource);

impl Source for Stretched {
    fn len(&self) -> Bytes {
        Bytes(1 << 62)
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        // Whoever looks what kind of file it is looks at its end too.
        if at.0 >= self.len().0.saturating_sub(ProbeWindow::REACH.0) {
            buf.fill(0);
            return Ok(());
        }
        self.0.read_at(at, buf)
    }

    fn stored_at(&self, at: FileOffset) -> Result<AllocatedRange> {
        if at.0 >= self.0.len().0 {
            let end = FileOffset(self.len().0);
            return Ok(AllocatedRange { is_data: true, end });
        }
        self.0.stored_at(at)
    }

    fn opened(&self) -> Option<&FileVersion> {
        self.0.opened()
    }

    fn stamp(&self) -> Result<Option<FileVersion>> {
        self.0.stamp()
    }

    fn path(&self) -> Option<&Path> {
        self.0.path()
    }
}

/// What could not be read.
#[derive(Clone, Debug, Default)]
struct Lost {
    /// In no order, until all is read.
    runs: Vec<LostRun>,
    bytes: u64,
    /// The first address of each reason: those that begin first, whichever thread found them.
    reasons: Vec<(u64, String)>,
}

impl Lost {
    fn take(&mut self, at: VirtOffset, len: usize, why: &Error) {
        let length = len as u64;
        self.bytes = self.bytes.saturating_add(length);
        // Where it is stands in the list.
        let reason = why.message();
        match self.reasons.iter_mut().find(|(_, known)| known == reason) {
            Some((first, _)) => *first = at.0.min(*first),
            None => self.reasons.push((at.0, reason.to_owned())),
        }
        self.reasons.sort_unstable();
        self.reasons.truncate(MOST_REASONS);
        let (start, count) = (at.0, self.runs.len());
        match self.runs.last_mut() {
            Some(last) if last.start.saturating_add(last.length) == start => {
                last.length = last.length.saturating_add(length)
            }
            _ if count < MOST_RUNS => self.runs.push(LostRun { start, length }),
            _ => {}
        }
    }
}

/// A disk that reads as zero where it cannot be read.
#[derive(Debug)]
struct Salvaged {
    chain: Chain,
    facts: ImageMetadata,
    lost: Mutex<Lost>,
}

impl Salvaged {
    fn of(disk: &Disk) -> Self {
        let layers = disk.chain.layers().iter();
        let files = layers.flat_map(|layer| layer.image.metadata().files.clone());
        Self {
            facts: ImageMetadata {
                format: Format::Raw,
                variant: "salvaged".to_owned(),
                size: disk.size(),
                block_size: None,
                grain: None,
                logical_sector: disk.metadata().logical_sector,
                identity: None,
                aliases: Vec::new(),
                files: files.collect(),
                notes: Vec::new(),
                details: Vec::new(),
                snapshots: Vec::new(),
            },
            chain: disk.chain.clone(),
            lost: Mutex::default(),
        }
    }

    /// What could not be read, in order of address.
    fn lost(&self) -> Lost {
        let mut lost = self
            .lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        lost.runs.sort_by_key(|run| run.start);
        let mut joined: Vec<LostRun> = Vec::with_capacity(lost.runs.len());
        for run in lost.runs {
            match joined.last_mut() {
                Some(last) if last.start.saturating_add(last.length) == run.start => {
                    last.length = last.length.saturating_add(run.length)
                }
                _ => joined.push(run),
            }
        }
        lost.runs = joined;
        lost
    }

    /// Fills `buf` as far as the disk can be read: a half that cannot is tried half by half, down to a sector.
    fn fill(&self, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        let error = match self.chain.read_at(at, buf) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => error,
        };
        let sector = Bytes(SECTOR).in_memory();
        if buf.len() <= sector {
            buf.fill(0);
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            lost.take(at, buf.len(), &error);
            return Ok(());
        }
        let half = (buf.len() / 2).next_multiple_of(sector).min(buf.len() - 1);
        let (first, second) = buf.split_at_mut(half);
        self.fill(at, first)?;
        self.fill(at.saturating_add(Bytes::from(half)), second)
    }
}

impl Image for Salvaged {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    /// Zero where the chain says so; else a part of a unit of our own, which is read when it is asked for.
    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let unit = VirtOffset(at.0.saturating_sub(at.0 % UNIT.0));
        let end = unit.0.saturating_add(UNIT.0).min(self.facts.size.0);
        let own = Extent {
            at,
            len: Bytes(end.saturating_sub(at.0)),
            state: State::Compressed {
                unit,
                at: FileOffset(unit.0),
                len: Bytes::ZERO,
            },
        };
        Ok(match self.chain.run_above(at, usize::MAX) {
            Ok(run) if run.origin == Origin::Zero => Extent {
                at,
                len: run.len,
                state: State::Zero,
            },
            _ => own,
        })
    }

    fn read_compressed(&self, extents: &[Extent], buf: &mut [u8]) -> Result<()> {
        let at = extents.first().map_or(VirtOffset::ZERO, |extent| extent.at);
        self.fill(at, buf)
    }

    fn compressed_unit(&self) -> Option<Bytes> {
        Some(UNIT)
    }
}
