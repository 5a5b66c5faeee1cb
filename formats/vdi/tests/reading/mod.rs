//! What the tests share: images in memory, whole disks read, new images written unit by unit.

#![allow(
    dead_code,
    unused_imports,
    clippy::indexing_slicing,
    reason = "not every test needs every verb"
)]

use std::sync::Arc;

use imgdelta_core::{
    BlockState, Bytes, CheckReport, Create, FinishParams, Image, MemSink, MemSource, NoAuxFiles,
    OneOutput, Open, Options, ParentSpec, Payload, Result, Sink, Unit, VirtOffset,
};
use imgdelta_vdi::DRIVER;

fn how(bytes: &[u8]) -> Open<'static> {
    Open {
        source: Arc::new(MemSource(bytes.to_vec())),
        aux_files: &NoAuxFiles,
        options: Options::default(),
        snapshot: None,
    }
}

/// Opens an image in memory.
pub(crate) fn open(bytes: &[u8]) -> Result<Arc<dyn Image>> {
    (DRIVER.open)(how(bytes))
}

/// Checks an image in memory.
pub(crate) fn check(bytes: &[u8]) -> Result<CheckReport> {
    (DRIVER.check)(how(bytes))
}

pub(crate) use imgdelta_fixtures::read_over;

/// Writes `disk` as a new image, over a parent whose disk is `below`: grains that are the same there are absent, those that are zero are said
/// to be.
pub(crate) fn write(
    disk: &[u8],
    options: &[&str],
    parent: Option<(ParentSpec, &[u8])>,
) -> Result<Vec<u8>> {
    let sink = Arc::new(MemSink::default());
    let (parent, below) = parent.unzip();
    let mut writer = DRIVER.start(Create {
        outputs: &OneOutput(Arc::clone(&sink) as Arc<dyn Sink>),
        disk: Bytes::from(disk.len()).into(),
        options: Options::parse(options)?,
        parent,
        seed: None,
    })?;
    let shape = writer.shape();
    let mut whole = disk.to_vec();
    whole.resize(shape.size.in_memory(), 0);
    let mut encoder = writer.encoder();
    let (unit, grain_len) = (shape.unit.in_memory(), shape.grain.in_memory());
    for (number, piece) in whole.chunks(unit).enumerate() {
        let at = number * unit;
        let state = |index: usize, bytes: &[u8]| {
            let from = at + index * grain_len;
            let is_zero = bytes.iter().all(|byte| *byte == 0);
            let here = below.map(|below| {
                let mut here = below.get(from..).unwrap_or_default().to_vec();
                here.resize(bytes.len(), 0);
                here
            });
            match here {
                Some(here) if here == bytes => BlockState::Absent,
                Some(_) if is_zero => BlockState::Zero,
                None if is_zero => BlockState::Absent,
                _ => BlockState::Data,
            }
        };
        let grains: Vec<BlockState> = piece
            .chunks(grain_len)
            .enumerate()
            .map(|(index, bytes)| state(index, bytes))
            .collect();
        let unit = Unit {
            at: VirtOffset(at as u64),
            bytes: piece,
            grains: &grains,
        };
        let payload = encoder.encode(&unit, &mut Vec::new())?.payload;
        assert_ne!(payload, Payload::Compressed);
        if let Some(placed) = writer.place(&unit, payload, Bytes::from(piece.len()))? {
            placed.sink.write_at(placed.at, piece)?;
        }
    }
    let mut seed = [u8::from(below.is_some()); 32];
    for (at, byte) in disk.iter().enumerate() {
        let place = &mut seed[at % 31 + 1];
        *place = place.rotate_left(1) ^ byte;
    }
    writer.finish(&FinishParams { seed, time: None })?;
    Ok(sink.bytes())
}

/// An image as the parent of a child that stands beside it.
pub(crate) fn parent_of(image: &dyn Image) -> ParentSpec {
    ParentSpec {
        format: Some(image.metadata().format),
        size: image.metadata().size,
        relative: Some("base.vdi".into()),
        absolute: "/images/base.vdi".into(),
        identity: image.metadata().identity.clone(),
        details: image.metadata().details.clone(),
    }
}
