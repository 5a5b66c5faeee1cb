//! What the tests share: images in memory opened through the driver, whole disks read, new images written unit by unit.

#![allow(
    dead_code,
    unused_imports,
    clippy::indexing_slicing,
    reason = "not every test needs every verb"
)]

use std::sync::Arc;

use imgdelta_core::{
    AuxFiles, BlockState, Bytes, CheckReport, Create, Error, FileOffset, FinishParams, Image,
    MemSink, MemSource, NoAuxFiles, OneOutput, Open, Options, ParentSpec, Payload, Result, SECTOR,
    Sink, Source, Unit, VirtOffset,
};
use imgdelta_fixtures::Recipe;
use imgdelta_vhd::{
    DRIVER,
    layout::{DynamicHeader, Footer},
};

/// What a test ends with.
pub(crate) type Tested = std::result::Result<(), Box<dyn std::error::Error>>;

/// What is asked of the driver for `source`.
pub(crate) fn how<'a>(
    source: Arc<dyn Source>,
    options: &[&str],
    aux_files: &'a dyn AuxFiles,
) -> Result<Open<'a>> {
    Ok(Open {
        source,
        aux_files,
        options: Options::parse(options)?,
        snapshot: None,
    })
}

/// Bytes as a source.
pub(crate) fn memory(bytes: Vec<u8>) -> Arc<dyn Source> {
    Arc::new(MemSource(bytes))
}

/// Opens an image in memory.
pub(crate) fn open(bytes: Vec<u8>, options: &[&str]) -> Result<Arc<dyn Image>> {
    (DRIVER.open)(how(memory(bytes), options, &NoAuxFiles)?)
}

/// Checks an image in memory.
pub(crate) fn check(bytes: Vec<u8>) -> Result<CheckReport> {
    (DRIVER.check)(how(memory(bytes), &[], &NoAuxFiles)?)
}

/// Why an image in memory cannot be opened.
///
/// # Panics
/// If it can.
pub(crate) fn refusal(bytes: Vec<u8>) -> Error {
    open(bytes, &[]).expect_err("it must be refused")
}

pub(crate) use imgdelta_fixtures::read_over;

/// The whole disk of an image without a parent.
pub(crate) fn read_all(image: &dyn Image) -> Result<Vec<u8>> {
    read_over(image, &[])
}

/// What an image is sealed with: a seed that follows from its disk, as the engine gives it.
fn seal_of(disk: &[u8], is_child: bool) -> FinishParams {
    let mut seed = [u8::from(is_child); 32];
    for (at, byte) in disk.iter().enumerate() {
        let place = &mut seed[at % 31 + 1];
        *place = place.rotate_left(1) ^ byte;
    }
    FinishParams { seed, time: None }
}

/// Writes `disk` as a new image, over `parent` whose disk is `below`: sectors that are the same there are absent.
pub(crate) fn write(
    disk: &[u8],
    options: &[&str],
    parent: Option<(ParentSpec, &[u8])>,
) -> Result<Vec<u8>> {
    let sink = Arc::new(MemSink::default());
    let (parent, below) = match parent {
        Some((parent, below)) => (Some(parent), Some(below)),
        None => (None, None),
    };
    write_to(
        &(Arc::clone(&sink) as Arc<dyn Sink>),
        disk,
        options,
        parent,
        below,
    )?;
    Ok(sink.bytes())
}

/// As [`write`], to any sink.
pub(crate) fn write_to(
    sink: &Arc<dyn Sink>,
    disk: &[u8],
    options: &[&str],
    parent: Option<ParentSpec>,
    below: Option<&[u8]>,
) -> Result<()> {
    let mut writer = DRIVER.start(Create {
        outputs: &OneOutput(Arc::clone(sink)),
        disk: Bytes::from(disk.len()).into(),
        options: Options::parse(options)?,
        parent,
        seed: None,
    })?;
    let shape = writer.shape();
    let mut whole = disk.to_vec();
    whole.resize(shape.size.in_memory(), 0);
    let mut encoder = writer.encoder();
    let (unit_len, grain_len) = (shape.unit.in_memory(), shape.grain.in_memory());
    for (number, piece) in whole.chunks(unit_len).enumerate() {
        let at = number * unit_len;
        let mut bytes = piece.to_vec();
        let mut grains = Vec::new();
        for (index, grain) in bytes.chunks_mut(grain_len).enumerate() {
            let from = at + index * grain_len;
            let same = match below {
                Some(below) => grain == &below[from..from + grain.len()],
                None => grain.iter().all(|byte| *byte == 0),
            };
            if same {
                grain.fill(0);
            }
            grains.push(if same {
                BlockState::Absent
            } else {
                BlockState::Data
            });
        }
        let unit = Unit {
            at: VirtOffset(at as u64),
            bytes: &bytes,
            grains: &grains,
        };
        let payload = encoder.encode(&unit, &mut Vec::new())?.payload;
        assert_ne!(payload, Payload::Compressed);
        if let Some(placed) = writer.place(&unit, payload, Bytes::from(bytes.len()))? {
            bytes.resize(bytes.len() + placed.padding.in_memory(), 0);
            placed.sink.write_at(placed.at, &bytes)?;
        }
    }
    writer.finish(&seal_of(disk, below.is_some()))
}

/// An image as the parent of a child that stands beside it.
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

/// Reads a big-endian number of `N` bytes.
pub(crate) fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + N]
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Writes the patches of a relink over a copy.
pub(crate) fn patched(mut bytes: Vec<u8>, patches: &[imgdelta_core::Patch]) -> Vec<u8> {
    for patch in patches {
        let FileOffset(at) = patch.at;
        let end = at as usize + patch.bytes.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at as usize..end].copy_from_slice(&patch.bytes);
    }
    bytes
}

/// Bytes in a sector, as an index.
pub(crate) const S: usize = SECTOR as usize;

/// The footer at the end of an image.
pub(crate) fn footer_of(bytes: &[u8]) -> Footer {
    Footer::parse(bytes[bytes.len() - S..].try_into().expect("512 bytes"))
}

/// The dynamic header of an image of ours.
pub(crate) fn header_of(bytes: &[u8]) -> DynamicHeader {
    DynamicHeader::parse(bytes[512..1536].try_into().expect("1024 bytes"))
}

/// A base, and the content of a target that differs from it in lone sectors and across blocks.
pub(crate) struct Pair {
    pub(crate) base: Arc<dyn Image>,
    pub(crate) base_bytes: Vec<u8>,
    pub(crate) below: Vec<u8>,
    pub(crate) target: Vec<u8>,
}

/// A pair of the size of `over`, by which the target differs.
pub(crate) fn pair(over: &Recipe, block_size: u32) -> Result<Pair> {
    let below = Recipe::scatter(over.size, 4096, 11).expected(None);
    let base_bytes = write(&below, &[&format!("block_size={block_size}")], None)?;
    Ok(Pair {
        base: open(base_bytes.clone(), &[])?,
        base_bytes,
        target: over.expected(Some(&below)),
        below,
    })
}

/// A unique id as a reader says it.
pub(crate) fn uuid_text(id: [u8; 16]) -> String {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}
