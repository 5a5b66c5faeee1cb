//! A transport file over its base, as a layer: what reads chains reads it, so that `convert`, `apply` and `make` expand it.
//!
//! All that it says beyond zero is [`State::Compressed`]: bytes come from windows, or from elsewhere in the base, which it is given where it is
//! opened. It names no parent: the base is the one whose content id its header holds.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use imgdelta_core::{
    BlockCache, Bytes, Error, Extent, FileOffset, Format, Image, ImageMetadata, Kind, Result,
    SECTOR, State, VirtOffset,
};
use imgdelta_delta::{Chain, Digest};
use lru::LruCache;

use crate::{
    file::TransportFile,
    layout::{BLOCK, SEGMENT_BLOCKS, WINDOW, WINDOW_BLOCKS, layer_size},
    map::{Content, Run},
    window,
};

/// Windows that are kept unpacked: 2 MiB.
const WINDOWS: usize = 8;

/// Segments of the map that are kept, 400 KB each at most.
const SEGMENTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// What a reader takes to unpack a window, beside what others take for a unit of its length: prefix and tables.
const DECODED: Bytes = Bytes(2 * WINDOW.0);

/// A transport file as a layer, of the target's size rounded up to sectors: the exact one is its manifest's.
#[derive(Debug)]
pub struct TransportImage {
    file: TransportFile,
    base: Option<Chain>,
    metadata: ImageMetadata,
    /// Segments of the map that were read last, by their place in the index.
    segments: Mutex<LruCache<usize, Arc<[Run]>>>,
    windows: BlockCache<u64>,
}

impl TransportImage {
    /// The layer over `base`; without one it tells its extents, and nothing of it can be read.
    ///
    /// A base of another size is taken as a disk of the size that is needed: formats that count in sectors round up. Whether it is the right one is
    /// found where it is proven, and where windows unpack to something else.
    #[must_use]
    pub fn new(file: TransportFile, base: Option<&Chain>) -> Self {
        let head = file.head();
        let metadata = ImageMetadata {
            format: Format::Transport,
            variant: "1".to_owned(),
            size: layer_size(head.target_size()),
            block_size: Some(BLOCK),
            grain: Some(BLOCK),
            logical_sector: Bytes(SECTOR),
            identity: None,
            aliases: Vec::new(),
            files: vec![Arc::clone(file.source())],
            notes: Vec::new(),
            details: details(&file),
            snapshots: Vec::new(),
        };
        Self {
            base: base.map(|base| base.resized(head.base_size())),
            metadata,
            segments: Mutex::new(LruCache::new(SEGMENTS)),
            windows: BlockCache::new(WINDOWS),
            file,
        }
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> &TransportFile {
        &self.file
    }

    fn base(&self) -> Result<&Chain> {
        self.base.as_ref().ok_or_else(|| {
            Error::new(Kind::Chain, "a transport file is read over its base alone")
                .with_code("transport_base")
                .with_hint("'imgdelta apply' makes an image of it and its base")
        })
    }

    /// The segments of a disk: those that the index has are read, the others are silent. The run at `at`, as far as it is alike.
    fn run_at(&self, at: VirtOffset) -> Result<Run> {
        let block = at.0 / BLOCK.0;
        let number = block / SEGMENT_BLOCKS;
        let index = self.file.segments();
        let place = index.partition_point(|entry| entry.number < number);
        let same = |to: u64| Run {
            at: block,
            count: to.saturating_sub(block),
            content: Content::Same,
        };
        match index.get(place) {
            None => Ok(same(u64::MAX / BLOCK.0)),
            Some(entry) if entry.number > number => {
                Ok(same(entry.number.saturating_mul(SEGMENT_BLOCKS)))
            }
            Some(_) => {
                let runs = self.segment(place)?;
                let next = runs.partition_point(|run| run.end() <= block);
                let run = runs.get(next).copied();
                Ok(run.unwrap_or(same(block.saturating_add(1))))
            }
        }
    }

    fn segment(&self, place: usize) -> Result<Arc<[Run]>> {
        let cache = || self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache().get(&place) {
            return Ok(Arc::clone(known));
        }
        let runs: Arc<[Run]> = self.file.runs(place)?.into();
        cache().put(place, Arc::clone(&runs));
        Ok(runs)
    }

    /// The blocks of a window.
    fn window(&self, number: u64) -> Result<Arc<[u8]>> {
        if let Some(known) = self.windows.get(&number) {
            return Ok(known);
        }
        let (entry, record) = self.file.window_record(number)?;
        let promised = (self.file.head().blocks_in(number), &Digest(entry.digest));
        let bytes: Arc<[u8]> = window::unpack(number, &record, promised, self.base()?)
            .map_err(|error| error.at(FileOffset(entry.at)))?
            .into();
        self.windows.insert(number, Arc::clone(&bytes));
        Ok(bytes)
    }

    /// Fills `buf` from `at` on, which all lies in one run of data.
    fn read_run(&self, run: &Run, at: VirtOffset, buf: &mut [u8]) -> Result<()> {
        let skip = at.since(run.start());
        match run.content {
            Content::Same | Content::Zero => {
                let message = format!("the layer has no data of its own at {at}");
                Err(Error::new(Kind::Usage, message).with_code("not_stored"))
            }
            Content::Copy { from } => {
                let start = VirtOffset(from.saturating_mul(BLOCK.0)).saturating_add(skip);
                self.base()?.read_at(start, buf)
            }
            Content::Fresh { from } | Content::Repeat { from } => {
                let start = from.saturating_mul(BLOCK.0).saturating_add(skip.0);
                self.read_stored(start, buf)
            }
        }
    }

    /// Fills `buf` from the stored blocks, of which `at` counts the bytes.
    fn read_stored(&self, at: u64, buf: &mut [u8]) -> Result<()> {
        let (mut at, mut rest) = (at, buf);
        while !rest.is_empty() {
            let window = self.window(at / WINDOW.0)?;
            let from = Bytes(at % WINDOW.0).in_memory();
            let there = window.get(from..).unwrap_or_default();
            let len = there.len().min(rest.len());
            if len == 0 {
                let message = format!("there is no stored block {}", at / BLOCK.0);
                return Err(Error::new(Kind::Corrupt, message).with_code("not_stored"));
            }
            let (now, later) = rest.split_at_mut(len);
            now.copy_from_slice(there.get(..len).unwrap_or_default());
            at = at.saturating_add(len as u64);
            rest = later;
        }
        Ok(())
    }
}

impl Image for TransportImage {
    fn metadata(&self) -> &ImageMetadata {
        &self.metadata
    }

    fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let run = self.run_at(at)?;
        let size = VirtOffset(self.metadata.size.0);
        let end = VirtOffset(run.end().saturating_mul(BLOCK.0)).min(size);
        let state = match run.content {
            Content::Same => State::Absent,
            Content::Zero => State::Zero,
            Content::Copy { .. } | Content::Fresh { .. } | Content::Repeat { .. } => {
                State::Compressed {
                    unit: run.start(),
                    at: FileOffset::ZERO,
                    len: Bytes::ZERO,
                }
            }
        };
        let len = end.since(at);
        Ok(Extent { at, len, state })
    }

    fn read_compressed(&self, extents: &[Extent], buf: &mut [u8]) -> Result<()> {
        let mut rest = buf;
        for extent in extents {
            let (now, later) = rest.split_at_mut(extent.len.in_memory().min(rest.len()));
            let (mut at, mut part) = (extent.at, now);
            while !part.is_empty() {
                let run = self.run_at(at)?;
                let end = VirtOffset(run.end().saturating_mul(BLOCK.0));
                let len = end.since(at).in_memory().min(part.len());
                let (now, later) = part.split_at_mut(len);
                self.read_run(&run, at, now)?;
                at = end;
                part = later;
            }
            rest = later;
        }
        Ok(())
    }

    fn compressed_unit(&self) -> Option<Bytes> {
        Some(DECODED)
    }
}

/// What its header says, for `info`.
fn details(file: &TransportFile) -> Vec<(&'static str, String)> {
    let head = file.head();
    let header = head.fields();
    let manifest = file.manifest();
    vec![
        ("base content id", head.base_id().to_string()),
        ("base size", head.base_size().0.to_string()),
        ("base name", manifest.base.name.clone()),
        ("target content id", head.target_id().to_string()),
        ("target name", manifest.result.name.clone()),
        ("windows", header.windows.to_string()),
        ("blocks in windows", header.fresh_blocks.to_string()),
        ("blocks of a window", WINDOW_BLOCKS.to_string()),
        ("segments of the map", header.segments.to_string()),
    ]
}
