//! New images as the engine makes them, from recipes: unit by unit, only what is data written.

use std::{collections::BTreeSet, fs::File, path::Path, sync::Arc};

use imgdelta_core::{
    BlockState, Bytes, Create, FileOffset, FileSink, FinishParams, Image, ImageWriter, MemSink,
    OneOutput, Options, ParentSpec, Payload, Placement, Result, Sink, Unit, VirtOffset,
};
use imgdelta_fixtures::{Fill, Recipe};
use imgdelta_vhdx::DRIVER;
use sha2::{Digest as _, Sha256};

/// A MiB.
pub(crate) const MIB: u64 = 1 << 20;

/// Starts an image of `size` bytes on `sink`.
pub(crate) fn start(
    sink: Arc<dyn Sink>,
    size: u64,
    options: &[&str],
    parent: Option<ParentSpec>,
) -> Result<Box<dyn ImageWriter>> {
    DRIVER.start(Create {
        outputs: &OneOutput(sink),
        disk: Bytes(size).into(),
        options: Options::parse(options)?,
        parent,
        seed: None,
    })
}

/// Writes `layer` as a new image to `path`, over a parent whose disk is the other recipe's.
pub(crate) fn write(
    path: &Path,
    layer: &Recipe,
    options: &[&str],
    parent: Option<(ParentSpec, &Recipe)>,
) -> Result<()> {
    let file = File::create(path).map_err(|cause| imgdelta_core::Error::host("no room", cause))?;
    write_to(
        Arc::new(FileSink::new(file, path, false)),
        layer,
        options,
        parent,
    )
}

/// The same in memory.
pub(crate) fn bytes(
    layer: &Recipe,
    options: &[&str],
    parent: Option<(ParentSpec, &Recipe)>,
) -> Result<Vec<u8>> {
    let sink = Arc::new(MemSink::default());
    write_to(Arc::clone(&sink) as Arc<dyn Sink>, layer, options, parent)?;
    Ok(sink.bytes())
}

fn write_to(
    sink: Arc<dyn Sink>,
    layer: &Recipe,
    options: &[&str],
    parent: Option<(ParentSpec, &Recipe)>,
) -> Result<()> {
    let (parent, below) = parent.unzip();
    let seed = Sha256::digest(format!("{layer:?} {options:?} {parent:?}")).into();
    let mut writer = start(sink, layer.size, options, parent)?;
    let shape = writer.shape();
    let mut encoder = writer.encoder();
    let units = layer.runs.iter().filter(|run| run.fill != Fill::Absent);
    let units = units.flat_map(|run| run.at / shape.unit.0..run.end().div_ceil(shape.unit.0));
    for number in units.collect::<BTreeSet<_>>() {
        let at = number * shape.unit.0;
        let len = shape.unit.0.min(shape.size.0 - at);
        let under = below.map(|below| below.bytes_at(at, len));
        let mut disk = under.clone().unwrap_or_else(|| vec![0; len as usize]);
        layer.paint(at, &mut disk);
        let run = shape.marks_zero.then(|| writer.zero_run());
        let (grains, disk) = told(disk, under.as_deref(), shape.grain, run);
        if grains.iter().all(|grain| *grain == BlockState::Absent) {
            continue;
        }
        let unit = Unit {
            at: VirtOffset(at),
            bytes: &disk,
            grains: &grains,
        };
        let payload = encoder.encode(&unit, &mut Vec::new())?.payload;
        assert_ne!(payload, Payload::Compressed, "nothing is packed in a VHDX");
        if let Some(placed) = writer.place(&unit, payload, Bytes(len))? {
            put(&placed, &unit, shape.grain)?;
        }
    }
    writer.finish(&FinishParams { seed, time: None })
}

/// What the grains of a unit are, and its bytes, of which those that are not data are zero; zeros are told in runs of `zero_run`.
fn told(
    mut disk: Vec<u8>,
    under: Option<&[u8]>,
    grain: Bytes,
    zero_run: Option<Bytes>,
) -> (Vec<BlockState>, Vec<u8>) {
    let zeros = vec![0; disk.len()];
    let under = under.unwrap_or(&zeros);
    let run = zero_run.map_or(disk.len(), Bytes::in_memory);
    let mut grains = Vec::new();
    for (bytes, below) in disk.chunks_mut(run).zip(under.chunks(run)) {
        let is_zero = bytes.iter().all(|byte| *byte == 0);
        let is_marked = zero_run.is_some() && is_zero && bytes != below;
        let (pieces, len) = (bytes.chunks_mut(grain.in_memory()), grain.in_memory());
        for (bytes, below) in pieces.zip(below.chunks(len)) {
            let grain = match () {
                () if is_marked => BlockState::Zero,
                () if bytes == below => BlockState::Absent,
                () => BlockState::Data,
            };
            if grain != BlockState::Data {
                bytes.fill(0);
            }
            grains.push(grain);
        }
    }
    (grains, disk)
}

fn put(placed: &Placement, unit: &Unit<'_>, grain: Bytes) -> Result<()> {
    let pieces = unit.bytes.chunks(grain.in_memory());
    for (number, (bytes, state)) in pieces.zip(unit.grains).enumerate() {
        if *state == BlockState::Data {
            let at = placed.at.0 + number as u64 * grain.0;
            placed.sink.write_at(FileOffset(at), bytes)?;
        }
    }
    Ok(())
}

/// An image as the parent of a child that stands beside it; `name` is its path from there.
pub(crate) fn parent_of(image: &dyn Image, name: &str) -> ParentSpec {
    ParentSpec {
        format: Some(image.metadata().format),
        size: image.metadata().size,
        relative: Some(name.into()),
        absolute: format!("/images/{name}"),
        identity: image.metadata().identity.clone(),
        details: image.metadata().details.clone(),
    }
}
