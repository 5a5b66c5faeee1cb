//! Layers in memory, sector by sector: the model that the engine is held against.

#![allow(dead_code, reason = "each test uses its part of the model")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the model knows its sizes and says what it expects"
)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use imgdelta_core::{
    BlockState, Bytes, Encoded, Encoder, Extent, FileOffset, FinishParams, Format, Image,
    ImageMetadata, ImageWriter, LayerId, MemSink, Payload, Placement, ReadsAs, Result, Sink,
    Source, State, Unit, VirtOffset, WriterLayout,
};
use imgdelta_delta::{Chain, Layer};

/// What a layer says of a sector.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "the model is plain, not small")]
pub(crate) enum Cell {
    Absent,
    Zero,
    Data([u8; 512]),
}

/// A layer in memory. Its last sector may be cut by the disk's end.
pub(crate) struct MemImage {
    facts: ImageMetadata,
    cells: Arc<Vec<Cell>>,
    /// How often it was asked for an extent, by where the extent begins.
    asked: Mutex<HashMap<u64, u32>>,
}

/// Its only file: sector by sector where the disk has it. To read of it what is not data is the engine's fault.
struct CellFile(Arc<Vec<Cell>>);

impl std::fmt::Debug for CellFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CellFile({} cells)", self.0.len())
    }
}

impl Source for CellFile {
    fn len(&self) -> Bytes {
        Bytes(self.0.len() as u64 * 512)
    }

    fn read_at(&self, at: FileOffset, buf: &mut [u8]) -> Result<()> {
        for (number, byte) in buf.iter_mut().enumerate() {
            let address = at.0 + number as u64;
            match &self.0[(address / 512) as usize] {
                Cell::Data(bytes) => *byte = bytes[(address % 512) as usize],
                other => panic!("the engine reads {other:?} at {address}"),
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for MemImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemImage({} cells)", self.cells.len())
    }
}

impl MemImage {
    pub(crate) fn new(size: u64, cells: Vec<Cell>) -> Self {
        assert_eq!(cells.len() as u64, size.div_ceil(512));
        let cells = Arc::new(cells);
        let facts = ImageMetadata {
            format: Format::Raw,
            variant: "memory".to_owned(),
            size: Bytes(size),
            block_size: Some(Bytes(4096)),
            grain: Some(Bytes(512)),
            logical_sector: Bytes(512),
            identity: None,
            aliases: Vec::new(),
            files: vec![Arc::new(CellFile(Arc::clone(&cells)))],
            notes: Vec::new(),
            details: Vec::new(),
            snapshots: Vec::new(),
        };
        Self {
            facts,
            cells,
            asked: Mutex::default(),
        }
    }

    /// How often it was asked for an extent, by where the extent begins.
    pub(crate) fn asked(&self) -> HashMap<u64, u32> {
        self.asked.lock().expect("not poisoned").clone()
    }

    /// Where its extents begin.
    pub(crate) fn extents(&self) -> Vec<u64> {
        let grains: Vec<BlockState> = (0..self.cells.len())
            .map(|n| self.state(n).into())
            .collect();
        let starts = grains.chunk_by(|one, two| one == two).scan(0, |at, run| {
            let start = *at;
            *at += run.len() as u64 * 512;
            Some(start)
        });
        starts.collect()
    }

    /// What it says of a sector; nothing of one beyond its end.
    pub(crate) fn cell(&self, sector: usize) -> Cell {
        self.cells.get(sector).cloned().unwrap_or(Cell::Absent)
    }

    fn state(&self, sector: usize) -> State {
        match &self.cells[sector] {
            Cell::Absent => State::Absent,
            Cell::Zero => State::Zero,
            Cell::Data(_) => State::Data {
                file: 0,
                at: FileOffset(sector as u64 * 512),
            },
        }
    }
}

impl Image for MemImage {
    fn metadata(&self) -> &ImageMetadata {
        &self.facts
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        assert!(
            at.0 < self.facts.size.0,
            "the engine asks only for what is on the disk"
        );
        let first = (at.0 / 512) as usize;
        let grain = BlockState::from(self.state(first));
        let last = (first..self.cells.len())
            .find(|n| BlockState::from(self.state(*n)) != grain)
            .unwrap_or(self.cells.len());
        let end = (last as u64 * 512).min(self.facts.size.0);
        let whole = Extent {
            at: VirtOffset(first as u64 * 512),
            len: Bytes(end - first as u64 * 512),
            state: self.state(first),
        };
        *self
            .asked
            .lock()
            .expect("not poisoned")
            .entry(at.0)
            .or_default() += 1;
        Ok(whole.part(at, Bytes(u64::MAX)))
    }
}

/// A chain of layers in memory, top first.
pub(crate) fn chain(layers: &[Arc<MemImage>]) -> Chain {
    let layers = layers
        .iter()
        .map(|image| Layer::new(Arc::clone(image) as Arc<dyn Image>, LayerId::of(&**image)));
    Chain::new(layers.collect()).expect("a layer")
}

/// What the disk holds, byte by byte, worked out without the engine.
pub(crate) fn content(layers: &[Arc<MemImage>]) -> Vec<u8> {
    let Some((top, below)) = layers.split_first() else {
        return Vec::new();
    };
    let size = top.facts.size.0 as usize;
    let mut bytes = content(below);
    bytes.resize(size, 0);
    for (number, cell) in top.cells.iter().enumerate() {
        let range = number * 512..((number + 1) * 512).min(size);
        match cell {
            Cell::Absent => {}
            Cell::Zero => bytes[range].fill(0),
            Cell::Data(data) => {
                let len = range.len();
                bytes[range].copy_from_slice(&data[..len]);
            }
        }
    }
    bytes
}

/// Writes a layer into memory, and checks that the engine keeps its promises.
pub(crate) struct MemWriter {
    shape: WriterLayout,
    sink: Arc<dyn Sink>,
    memory: Arc<MemSink>,
    cells: Vec<Cell>,
    last: Option<u64>,
    zero_run: Bytes,
    /// What it keeps of what it is told.
    rule: ReadsAs,
    out: Arc<Mutex<Option<MemImage>>>,
}

/// What a writer leaves when it is finished.
pub(crate) type Written = Arc<Mutex<Option<MemImage>>>;

pub(crate) fn writer(shape: WriterLayout) -> (Box<dyn ImageWriter>, Written) {
    let memory = Arc::new(MemSink::default());
    writer_through(shape, Arc::clone(&memory) as Arc<dyn Sink>, memory)
}

/// A writer that says of no shorter run than `zero_run` that it is zero.
pub(crate) fn writer_of_runs(
    shape: WriterLayout,
    zero_run: Bytes,
) -> (Box<dyn ImageWriter>, Written) {
    let memory = Arc::new(MemSink::default());
    let sink = Arc::clone(&memory) as Arc<dyn Sink>;
    let (writer, out) = of_runs(shape, zero_run, sink, memory);
    (Box::new(writer), out)
}

/// A writer that cannot tell all that it is told: what it keeps is what `rule` makes of it, in each unit that has data and, where the rule
/// takes absent grains too, nothing absent.
pub(crate) fn writer_that_reads_as(
    shape: WriterLayout,
    rule: ReadsAs,
) -> (Box<dyn ImageWriter>, Written) {
    let memory = Arc::new(MemSink::default());
    let sink = Arc::clone(&memory) as Arc<dyn Sink>;
    let (writer, out) = of_runs(shape, shape.grain, sink, memory);
    (Box::new(MemWriter { rule, ..writer }), out)
}

/// A writer whose bytes go through `sink` to `memory`.
pub(crate) fn writer_through(
    shape: WriterLayout,
    sink: Arc<dyn Sink>,
    memory: Arc<MemSink>,
) -> (Box<dyn ImageWriter>, Written) {
    let (writer, out) = of_runs(shape, shape.grain, sink, memory);
    (Box::new(writer), out)
}

fn of_runs(
    shape: WriterLayout,
    zero_run: Bytes,
    sink: Arc<dyn Sink>,
    memory: Arc<MemSink>,
) -> (MemWriter, Written) {
    let out = Arc::new(Mutex::new(None));
    let cells = vec![Cell::Absent; shape.size.0.div_ceil(512) as usize];
    let writer = MemWriter {
        shape,
        sink,
        memory,
        cells,
        last: None,
        zero_run,
        rule: ReadsAs::Told,
        out: Arc::clone(&out),
    };
    (writer, out)
}

/// Says of each unit what the rule makes of it.
struct ModelEncoder(ReadsAs);

impl Encoder for ModelEncoder {
    fn encode(&mut self, unit: &Unit<'_>, _out: &mut Vec<u8>) -> Result<Encoded> {
        Ok(Encoded {
            reads_as: rule_of(self.0, unit),
            ..Encoded::as_told(unit)
        })
    }
}

/// What a rule is for one unit: as with compressed clusters, what is absent or all zero is none of its matter.
fn rule_of(rule: ReadsAs, unit: &Unit<'_>) -> ReadsAs {
    let hides = rule == ReadsAs::Data && unit.grains.contains(&BlockState::Absent);
    if hides || !unit.grains.contains(&BlockState::Data) {
        ReadsAs::Told
    } else {
        rule
    }
}

impl ImageWriter for MemWriter {
    fn shape(&self) -> WriterLayout {
        self.shape
    }

    fn zero_run(&self) -> Bytes {
        self.zero_run
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(ModelEncoder(self.rule))
    }

    fn place(
        &mut self,
        unit: &Unit<'_>,
        payload: Payload,
        stored: Bytes,
    ) -> Result<Option<Placement>> {
        assert!(
            self.last.is_none_or(|last| last < unit.at.0),
            "addresses only grow"
        );
        assert!(unit.at.is_aligned(self.shape.unit), "units are aligned");
        let expected = self.shape.unit.0.min(self.shape.size.0 - unit.at.0);
        assert_eq!(
            unit.bytes.len() as u64,
            expected,
            "units are whole but for the disk's last"
        );
        assert_eq!(
            unit.grains.len() as u64,
            expected.div_ceil(self.shape.grain.0),
            "every grain is told"
        );
        self.last = Some(unit.at.0);
        for (grain, bytes) in unit
            .grains
            .iter()
            .zip(unit.bytes.chunks(self.shape.grain.0 as usize))
        {
            assert!(
                self.shape.marks_zero || *grain != BlockState::Zero,
                "no zero marks were promised"
            );
            assert!(
                *grain == BlockState::Data || bytes.iter().all(|byte| *byte == 0),
                "grains that are not data are zero"
            );
        }
        let rule = rule_of(self.rule, unit);
        for (number, grain) in unit.grains.iter().enumerate() {
            let first = (unit.at.0 + number as u64 * self.shape.grain.0) / 512;
            let count = self.shape.grain.0 / 512;
            for sector in first..(first + count).min(self.cells.len() as u64) {
                self.cells[sector as usize] = match rule.of(*grain) {
                    BlockState::Absent => Cell::Absent,
                    BlockState::Zero => Cell::Zero,
                    BlockState::Data => Cell::Data([0; 512]),
                };
            }
        }
        if payload == Payload::None {
            return Ok(None);
        }
        assert_eq!(stored.0, expected);
        Ok(Some(Placement {
            sink: Arc::clone(&self.sink),
            at: FileOffset(unit.at.0),
            padding: Bytes::ZERO,
        }))
    }

    fn finish(mut self: Box<Self>, _: &FinishParams) -> Result<()> {
        self.sink.sync()?;
        let mut bytes = self.memory.bytes();
        bytes.resize(self.cells.len() * 512, 0);
        for (number, cell) in self.cells.iter_mut().enumerate() {
            if let Cell::Data(data) = cell {
                data.copy_from_slice(&bytes[number * 512..(number + 1) * 512]);
            }
        }
        *self.out.lock().expect("not poisoned") =
            Some(MemImage::new(self.shape.size.0, self.cells));
        Ok(())
    }
}

impl MemImage {
    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }
}
