//! The least engine that a writer can be driven with: one thread, each unit packed, placed and written; and its witness.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{
    BlockState, Bytes, Create, FileSink, FinishParams, Format, OneOutput, Options, Outputs,
    ParentSpec, Payload, Placement, Result, Sink, Unit, VirtOffset, WriterLayout,
};
use imgdelta_fixtures::{Fill, Recipe, peers};
use imgdelta_qcow2::DRIVER;
use tempfile::TempDir;

/// What tests return.
pub(crate) type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

/// A unit's bytes with the place that they were given.
pub(crate) type Piece = (Placement, Vec<u8>);

/// A folder with images.
pub(crate) struct Bench {
    folder: TempDir,
}

/// One image to be written.
pub(crate) struct Job<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) options: &'a [&'a str],
    pub(crate) parent: Option<ParentSpec>,
    /// The parent's disk, from which half-silent grains are filled up.
    pub(crate) below: &'a dyn Fn(u64, &mut [u8]),
}

impl<'a> Job<'a> {
    /// An image without parent.
    pub(crate) fn whole(recipe: &'a Recipe, options: &'a [&'a str]) -> Self {
        Self {
            recipe,
            options,
            parent: None,
            below: &|_, _| {},
        }
    }

    /// Writes the image; `write` gets each piece at once.
    pub(crate) fn run(
        &self,
        outputs: &dyn Outputs,
        write: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<()> {
        let mut writer = DRIVER.start(Create {
            outputs,
            disk: Bytes(self.recipe.size).into(),
            options: Options::parse(self.options)?,
            parent: self.parent.clone(),
            seed: None,
        })?;
        let shape = writer.shape();
        let mut encoder = writer.encoder();
        for at in self.units(&shape) {
            let (bytes, grains) = self.unit(at, &shape);
            let wanted = match self.parent {
                Some(_) => grains.iter().any(|grain| *grain != BlockState::Absent),
                None => grains.contains(&BlockState::Data) || shape.wants_zeros,
            };
            if !wanted {
                continue;
            }
            let unit = Unit {
                at: VirtOffset(at),
                bytes: &bytes,
                grains: &grains,
            };
            let mut out = Vec::new();
            let payload = encoder.encode(&unit, &mut out)?.payload;
            let stored = match payload {
                Payload::None => Vec::new(),
                Payload::Plain => bytes.clone(),
                Payload::Compressed => out,
            };
            if let Some(placed) = writer.place(&unit, payload, Bytes::from(stored.len()))? {
                write((placed, stored))?;
            }
        }
        writer.finish(&FinishParams::default())
    }

    /// Where the units start on which the layer says something.
    fn units(&self, shape: &WriterLayout) -> Vec<u64> {
        let mut all = Vec::new();
        for run in self
            .recipe
            .runs
            .iter()
            .filter(|run| run.fill != Fill::Absent)
        {
            let first = run.at / shape.unit.0;
            let last = (run.end() - 1) / shape.unit.0;
            all.extend((first..=last).map(|unit| unit * shape.unit.0));
        }
        all.dedup();
        all
    }

    /// A unit's bytes, zero where it has none of its own, and what its grains are.
    fn unit(&self, at: u64, shape: &WriterLayout) -> (Vec<u8>, Vec<BlockState>) {
        let len = shape.unit.0.min(shape.size.0 - at);
        let mut bytes = vec![0; len as usize];
        let mut grains = Vec::new();
        for (piece, from) in bytes
            .chunks_mut(shape.grain.0 as usize)
            .zip((at..).step_by(shape.grain.0 as usize))
        {
            let on_disk = (piece.len() as u64).min(self.recipe.size - from);
            let grain = if self.recipe.is_absent(from, on_disk) {
                BlockState::Absent
            } else if self.recipe.is_zero(from, on_disk)
                && (shape.marks_zero || self.parent.is_none())
            {
                BlockState::Zero
            } else {
                (self.below)(from, &mut piece[..on_disk as usize]);
                self.recipe.paint(from, &mut piece[..on_disk as usize]);
                BlockState::Data
            };
            grains.push(grain);
        }
        (bytes, grains)
    }
}

/// Writes a piece where it belongs, and what pads it.
pub(crate) fn write_piece((placed, mut bytes): Piece) -> Result<()> {
    bytes.resize(bytes.len() + placed.padding.in_memory(), 0);
    placed.sink.write_at(placed.at, &bytes)
}

/// Outputs that are files of a folder.
struct Files<'a> {
    folder: &'a Path,
    main: Arc<dyn Sink>,
}

impl Outputs for Files<'_> {
    fn main(&self) -> Result<Arc<dyn Sink>> {
        Ok(Arc::clone(&self.main))
    }

    fn other(&self, name: &str) -> Result<Arc<dyn Sink>> {
        let path = self.folder.join(name);
        let file = File::create(&path).expect("there is room");
        Ok(Arc::new(FileSink::new(file, &path, false)))
    }
}

impl Bench {
    /// An empty folder; `None` where there is no qemu-img to look into it.
    pub(crate) fn new() -> Option<Self> {
        peers::find(peers::Peer::QemuImg)?;
        let folder = tempfile::tempdir().expect("there is room");
        Some(Self { folder })
    }

    /// This folder, whether or not there is a qemu-img.
    pub(crate) fn in_folder(folder: TempDir) -> Self {
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes an image to a file.
    pub(crate) fn write(&self, name: &str, job: &Job<'_>) -> Result<PathBuf> {
        let path = self.path(name);
        let file = File::create(&path).expect("there is room");
        let main: Arc<dyn Sink> = Arc::new(FileSink::new(file, &path, false));
        let folder = self.folder.path();
        job.run(&Files { folder, main }, &mut write_piece)?;
        Ok(path)
    }

    /// Writes an image over old bytes that stay where nothing is written, as on a device.
    pub(crate) fn write_stale(&self, name: &str, job: &Job<'_>, old: &[u8]) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, old).expect("there is room");
        let file = File::options().write(true).open(&path);
        let file = file.expect("it was just made");
        let sink = Arc::new(FileSink::new(file, &path, true));
        job.run(&OneOutput(sink), &mut write_piece)?;
        Ok(path)
    }

    /// Writes a disk as a sparse raw file: what the parent holds, with the recipe's runs over it.
    pub(crate) fn write_raw(
        &self,
        name: &str,
        recipe: &Recipe,
        parent: Option<&[u8]>,
    ) -> std::io::Result<PathBuf> {
        let path = self.path(name);
        let file = File::create(&path)?;
        file.set_len(recipe.size.next_multiple_of(512))?;
        if parent.is_some() {
            file.write_all_at(&recipe.expected(parent), 0)?;
            return Ok(path);
        }
        for run in &recipe.runs {
            if matches!(run.fill, Fill::Pattern(_) | Fill::Text) {
                file.write_all_at(&recipe.bytes_at(run.at, run.len), run.at)?;
            }
        }
        Ok(path)
    }

    /// qemu finds the image sound and sees in it what stands in the raw file.
    pub(crate) fn prove(
        &self,
        image: &Path,
        raw: &Path,
        options: &[&str],
    ) -> std::result::Result<(), String> {
        let data_file = options
            .iter()
            .find_map(|option| option.strip_prefix("data_file="));
        let Some(name) = data_file else {
            peers::qemu_check(image, "qcow2")?;
            return peers::qemu_compare(image, "qcow2", raw, "raw");
        };
        // qemu looks for a data file in the folder that it runs in, not in the image's.
        let image = format!(
            "driver=qcow2,file.filename={},data-file.filename={}",
            image.display(),
            self.path(name).display()
        );
        let raw = format!("driver=raw,file.filename={}", raw.display());
        peers::qemu_img(&["check", "--image-opts", &image])?;
        peers::qemu_img(&["compare", "--image-opts", &image, &raw]).map(drop)
    }
}

/// How a child names a parent in its own folder.
pub(crate) fn beside(name: &str, format: Format, size: u64) -> ParentSpec {
    ParentSpec {
        format: Some(format),
        size: Bytes(size),
        relative: Some(name.to_owned()),
        absolute: format!("/nowhere/{name}"),
        ..ParentSpec::default()
    }
}

/// Reads from bytes in memory, zero beyond their end.
pub(crate) fn read_from(bytes: &[u8]) -> impl Fn(u64, &mut [u8]) {
    move |at, buf| {
        let start = (at as usize).min(bytes.len());
        let have = (bytes.len() - start).min(buf.len());
        buf[..have].copy_from_slice(&bytes[start..start + have]);
        buf[have..].fill(0);
    }
}

/// All of a sink of files or memory, for comparisons.
pub(crate) fn in_memory(job: &Job<'_>, backwards: bool) -> Result<Vec<u8>> {
    let sink = Arc::new(imgdelta_core::MemSink::default());
    let outputs = OneOutput(Arc::clone(&sink) as Arc<dyn Sink>);
    let mut later = Vec::new();
    job.run(&outputs, &mut |piece| {
        if backwards {
            later.push(piece);
            Ok(())
        } else {
            write_piece(piece)
        }
    })?;
    for piece in later.into_iter().rev() {
        write_piece(piece)?;
    }
    Ok(sink.bytes())
}

/// The address behind the last that one L2 table reaches.
pub(crate) fn reach(cluster: u64, extended: bool) -> u64 {
    cluster * (cluster / if extended { 16 } else { 8 })
}
