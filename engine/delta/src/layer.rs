//! The layer digest: what proves a child's own layer, whatever path or parent it names.
//!
//! The tree of a content id, over the child's windows; each leaf hashes a map of what each 512-byte sector is (0 absent, 1 zero,
//! 2 data) and then the bytes of the sectors that are data. Link fields are no part of it, so `attach` leaves it true.

use std::collections::VecDeque;

use imgdelta_core::{BlockState, Bytes, Extent, Image, Result, SECTOR, VirtOffset};
use sha2::{Digest as _, Sha256};

use crate::{
    buffer::SpareBuffers,
    digest_cache::windows_of,
    exec::{Decoding, ExecContext},
    leaf_batch,
    pipeline::{self, Stage},
    tree::{Builder, ContentId, Digest, RepeatedSubtrees, WINDOW},
};

/// Sectors in a window.
const SECTORS: usize = (WINDOW.0 / SECTOR) as usize;

/// A window of a layer: what each of its sectors is, and all its bytes.
#[derive(Debug)]
pub(crate) struct LayerWindow<'a> {
    pub(crate) sectors: Vec<BlockState>,
    pub(crate) bytes: &'a [u8],
}

impl LayerWindow<'_> {
    /// Whether it is whole, and data all over.
    fn is_data(&self) -> bool {
        self.bytes.len() == WINDOW.in_memory()
            && self.sectors.len() == SECTORS
            && self
                .sectors
                .iter()
                .all(|sector| *sector == BlockState::Data)
    }
}

/// The leaves of windows, in their order: those that are data all over begin alike, and are hashed together.
pub(crate) fn leaves(windows: &[LayerWindow<'_>]) -> Vec<Digest> {
    let mut prefix = [byte_of(BlockState::Data); SECTORS + 1];
    prefix[0] = 0;
    let data = windows.iter().filter(|window| window.is_data());
    let data: Vec<&[u8]> = data.map(|window| window.bytes).collect();
    let mut data = leaf_batch::prefixed(&prefix, &data).into_iter();
    let windows = windows.iter();
    let leaves = windows.filter_map(|window| {
        if window.is_data() {
            data.next()
        } else {
            Some(leaf(&window.sectors, window.bytes))
        }
    });
    leaves.collect()
}

const fn byte_of(sector: BlockState) -> u8 {
    match sector {
        BlockState::Absent => 0,
        BlockState::Zero => 1,
        BlockState::Data => 2,
    }
}

/// The leaf of a window: what each of its sectors is, and all its bytes.
fn leaf(sectors: &[BlockState], bytes: &[u8]) -> Digest {
    let mut map = [0; SECTORS];
    for (place, sector) in map.iter_mut().zip(sectors) {
        *place = byte_of(*sector);
    }
    let map = map.get(..sectors.len()).unwrap_or(&map);
    let mut hash = Sha256::new().chain_update([0]).chain_update(map);
    let sector = SECTOR as usize;
    let mut from = 0;
    for run in sectors.chunk_by(|one, two| one == two) {
        let to = from + run.len() * sector;
        if run.first() == Some(&BlockState::Data) {
            hash.update(bytes.get(from..to.min(bytes.len())).unwrap_or_default());
        }
        from = to;
    }
    Digest(hash.finalize().into())
}

/// Takes a layer's windows in order.
#[derive(Debug)]
pub(crate) struct LayerHasher {
    size: Bytes,
    tree: Builder,
    absent: RepeatedSubtrees,
}

impl LayerHasher {
    pub(crate) fn new(size: Bytes) -> Self {
        Self {
            size,
            tree: Builder::new(None),
            absent: RepeatedSubtrees::of(leaf(&[BlockState::Absent; SECTORS], &[])),
        }
    }

    /// How many sectors of window `number` lie on the disk.
    pub(crate) fn sectors_of(size: Bytes, number: u64) -> usize {
        let left = Bytes(size.0.saturating_sub(number.saturating_mul(WINDOW.0)));
        Bytes(left.pieces(Bytes(SECTOR))).in_memory().min(SECTORS)
    }

    /// The next window; one beyond the disk's end is not taken.
    pub(crate) fn leaf(&mut self, leaf: &Digest) {
        if self.tree.leaves() < windows_of(self.size) {
            self.tree.push(*leaf);
        }
    }

    /// The next `count` windows, of which the layer says nothing; those beyond the disk's end are not taken.
    pub(crate) fn absent(&mut self, count: u64) {
        let from = self.tree.leaves();
        let to = from.saturating_add(count).min(windows_of(self.size));
        let whole = to.min(self.size.0 / WINDOW.0).saturating_sub(from);
        self.tree.push_run(&self.absent, whole);
        if from.saturating_add(whole) < to {
            let sectors = Self::sectors_of(self.size, to - 1);
            let map = [BlockState::Absent; SECTORS];
            self.tree
                .push(leaf(map.get(..sectors).unwrap_or(&map), &[]));
        }
    }

    pub(crate) fn finish(mut self) -> Digest {
        self.absent(windows_of(self.size).saturating_sub(self.tree.leaves()));
        ContentId::new(self.size, &self.tree.finish().0).0
    }
}

/// The digest of the layer that `image` is, its parent apart.
///
/// # Errors
/// Corrupt or Host, if the image cannot be read; Interrupted.
pub fn layer_digest(image: &dyn Image, work: ExecContext<'_>) -> Result<Digest> {
    let size = image.metadata().size;
    work.progress.begin(size);
    let source = Asked {
        at: VirtOffset::ZERO,
        asked: VirtOffset::ZERO,
        ahead: VecDeque::new(),
    };
    let decoding = Decoding::of(image.compressed_unit());
    let at_once = work.windows_at_once(1);
    let room = leaf_batch::room(at_once);
    let each = Bytes(room.0.saturating_add(decoding.memory.0));
    let threads = work.threads_fed(each);
    let longest_task = at_once.max(16);
    let reader = Reader {
        image,
        size,
        longest_task,
        work,
        room,
        buffers: SpareBuffers::new(),
    };
    let prover = LayerHasher::new(size);
    let (_, prover) = pipeline::compute(&reader, &work, threads, (source, prover))?;
    Ok(prover.finish())
}

struct Reader<'a> {
    image: &'a dyn Image,
    size: Bytes,
    /// Most windows of a task that are read: as many as are hashed at once, and no fewer than a mebibyte has.
    longest_task: usize,
    work: ExecContext<'a>,
    /// What a buffer holds.
    room: Bytes,
    buffers: SpareBuffers<Vec<u8>>,
}

/// How far the layer has been asked, and cut into tasks.
struct Asked {
    /// Where the next task starts: a multiple of a window.
    at: VirtOffset,
    /// Where the next extent that is asked for starts.
    asked: VirtOffset,
    /// Extents that reach beyond `at`, in order.
    ahead: VecDeque<Extent>,
}

/// Windows in their order, of which some are read, however far apart they lie.
struct LayerTask {
    runs: Vec<WindowRun>,
    /// What the layer says of those that are read.
    extents: Vec<Extent>,
    leaves: Vec<Digest>,
}

/// Windows that follow one another.
#[derive(Clone, Copy, Debug)]
enum WindowRun {
    /// So many of which the layer says nothing.
    Silent(u64),
    /// From this number on so many that are read.
    Read(u64, u64),
}

impl LayerTask {
    /// Goes on with window `number`, which is read.
    fn read(&mut self, number: u64) {
        match self.runs.last_mut() {
            Some(WindowRun::Read(_, count)) => *count += 1,
            _ => self.runs.push(WindowRun::Read(number, 1)),
        }
    }
}

impl Stage for Reader<'_> {
    type Task = LayerTask;
    type Worker = ();
    type Source = Asked;
    type Sink = LayerHasher;

    fn next_task(&self, source: &mut Asked) -> Result<Option<LayerTask>> {
        self.work.progress.go_on()?;
        let mut task = LayerTask {
            runs: Vec::new(),
            extents: Vec::new(),
            leaves: Vec::new(),
        };
        let mut to_read = 0;
        while to_read < self.longest_task && source.at.0 < self.size.0 {
            let first = source.at.0 / WINDOW.0;
            let silent = self.silent_until(source)?;
            let whole = if silent.0 >= self.size.0 {
                windows_of(self.size)
            } else {
                silent.0 / WINDOW.0
            };
            let count = whole.saturating_sub(first);
            source.at = VirtOffset((first + count.max(1)).saturating_mul(WINDOW.0));
            if count > 0 {
                task.runs.push(WindowRun::Silent(count));
            } else {
                self.extents_until(source, &mut task.extents)?;
                task.read(first);
                to_read += 1;
            }
        }
        Ok((!task.runs.is_empty()).then_some(task))
    }

    fn process(&self, (): &mut (), task: &mut LayerTask) -> Result<()> {
        let new = || vec![0; self.room.in_memory()];
        self.buffers.lend(new, |buffer| self.hash(buffer, task))
    }

    fn commit(&self, (): &mut (), task: &mut LayerTask, prover: &mut LayerHasher) -> Result<()> {
        let mut leaves = task.leaves.iter();
        let mut done = 0_u64;
        for run in &task.runs {
            let (WindowRun::Silent(count) | WindowRun::Read(_, count)) = *run;
            done = done.saturating_add(count);
            match run {
                WindowRun::Silent(count) => prover.absent(*count),
                WindowRun::Read(_, count) => {
                    let there = leaves.by_ref().take(Bytes(*count).in_memory());
                    there.for_each(|leaf| prover.leaf(leaf));
                }
            }
        }
        let len = Bytes(done.saturating_mul(WINDOW.0));
        self.work.progress.advance(len, Bytes::ZERO);
        Ok(())
    }
}

impl Reader<'_> {
    /// Hashes what a task has to read.
    fn hash(&self, buf: &mut [u8], task: &mut LayerTask) -> Result<()> {
        let read = task.runs.iter().filter_map(|run| match run {
            WindowRun::Silent(_) => None,
            WindowRun::Read(first, count) => Some(*first..first.saturating_add(*count)),
        });
        let mut numbers = read.flatten().peekable();
        while numbers.peek().is_some() {
            let mut windows = Vec::new();
            let slots = buf.chunks_mut(WINDOW.in_memory());
            for (slot, number) in slots.zip(numbers.by_ref()) {
                let sectors = self.read_window(number, &task.extents, slot)?;
                windows.push(LayerWindow {
                    sectors,
                    bytes: slot,
                });
            }
            task.leaves.extend(leaves(&windows));
        }
        Ok(())
    }

    /// Up to where the layer says nothing from the next task's start on.
    fn silent_until(&self, source: &mut Asked) -> Result<VirtOffset> {
        let at = source.at;
        while source.ahead.front().is_some_and(|first| first.end() <= at) {
            source.ahead.pop_front();
        }
        loop {
            match source.ahead.front() {
                Some(first) if BlockState::from(first.state) != BlockState::Absent => {
                    return Ok(at);
                }
                // Silent extents are one: behind it something else was found, or the end.
                Some(first) if source.ahead.len() > 1 || source.asked.0 >= self.size.0 => {
                    return Ok(first.end());
                }
                None if source.asked.0 >= self.size.0 => return Ok(at),
                _ => self.ask(source)?,
            }
        }
    }

    /// Asks for the next extent.
    fn ask(&self, source: &mut Asked) -> Result<()> {
        let extent = self.image.extent_at(source.asked)?;
        source.asked = extent.end();
        let joined = source.ahead.back().and_then(|last| last.joined(&extent));
        match (joined, source.ahead.back_mut()) {
            (Some(both), Some(last)) => *last = both,
            _ => source.ahead.push_back(extent),
        }
        Ok(())
    }

    /// What the layer says of the window that ends where the next one starts, behind what it said of those before.
    fn extents_until(&self, source: &mut Asked, said: &mut Vec<Extent>) -> Result<()> {
        while source.asked < source.at && source.asked.0 < self.size.0 {
            self.ask(source)?;
        }
        let ahead = source.ahead.iter();
        for extent in ahead.take_while(|extent| extent.at < source.at) {
            match said.last_mut() {
                // It reaches into several windows; what was found since may have made it longer.
                Some(last) if last.at == extent.at => *last = *extent,
                _ => said.push(*extent),
            }
        }
        Ok(())
    }

    /// What each sector of a window is; its data go to `buf`.
    fn read_window(
        &self,
        number: u64,
        extents: &[Extent],
        buf: &mut [u8],
    ) -> Result<Vec<BlockState>> {
        let start = VirtOffset(number.saturating_mul(WINDOW.0));
        let end = start.saturating_add(WINDOW).min(VirtOffset(self.size.0));
        let mut sectors = vec![BlockState::Absent; LayerHasher::sectors_of(self.size, number)];
        let first = extents.partition_point(|extent| extent.end() <= start);
        let there = extents.iter().skip(first);
        for extent in there.take_while(|extent| extent.at < end) {
            let from = extent.at.max(start);
            let part = extent.part(from, end.since(from));
            let grain = BlockState::from(part.state);
            let range = from.since(start).in_memory()..part.end().since(start).in_memory();
            if grain == BlockState::Data
                && let Some(bytes) = buf.get_mut(range.clone())
            {
                self.image.read_extent(&part, bytes)?;
            }
            let sector = SECTOR as usize;
            if let Some(part) = sectors.get_mut(range.start / sector..range.end.div_ceil(sector)) {
                part.fill(grain);
            }
        }
        Ok(sectors)
    }
}
