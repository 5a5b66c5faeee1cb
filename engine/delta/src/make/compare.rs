//! One task of base and target: which windows are equal, which grains the child needs, what proves both.
//!
//! It is any worker's part; what must happen in order stands in `pipeline`.

use imgdelta_core::{
    BlockState, Bytes, Error, Kind, Result, SECTOR, VirtOffset, WriterLayout, is_same, is_zero,
};

use super::task::{DiffContext, DiffTask, WindowBuffers, WindowDiff};
use crate::{
    chain::Chain,
    digest_cache::LeafRun,
    disk_hasher::DiskHasher,
    layer::{self, LayerHasher, LayerWindow},
    leaf_batch,
    planner::{Relation, Side, TaskWindow, extents_of, read_extents},
    tree::{Digest, RepeatedSubtrees, WINDOW},
    unit_writer::UnitWriter,
};

/// A task while it is compared.
pub(super) struct Comparison<'a, 'b> {
    pub(super) context: DiffContext<'a>,
    pub(super) unit_writer: &'b mut UnitWriter,
    pub(super) buffers: &'b mut WindowBuffers,
    pub(super) task: &'b mut DiffTask,
}

/// A window, and what is known of it before it is read.
struct Window {
    number: u64,
    at: VirtOffset,
    len: usize,
    /// Where it starts in the part that is written.
    packed: usize,
    /// Whether as many of its bytes lie on either disk.
    is_alike: bool,
    /// Whether tables say that it is equal on both sides.
    is_equal: bool,
    /// Whether they say that it is zero on both.
    is_zero: bool,
    /// Its leaf in the base, if that is known.
    base: Option<Digest>,
    /// Its leaf in the target.
    target: Option<Digest>,
}

impl<'a> Comparison<'a, '_> {
    /// Compares it window by window, and packs the units of which the child says something.
    pub(super) fn run(&mut self) -> Result<()> {
        let child_len = self.task.plan.to_read_below(self.context.shape.size);
        self.unit_writer.begin(child_len);
        let (mut base, mut target) = (one_by_one(&self.task.base), one_by_one(&self.task.target));
        let windows = self.task.plan.windows_to_read();
        let windows = windows.map(|window| self.window(window, (base.next(), target.next())));
        let windows: Vec<Window> = windows.collect();
        for group in windows.chunks(self.context.at_once.max(1)) {
            let found = self.group(group)?;
            self.task.windows.extend(found);
        }
        self.complete_large_grains(child_len)?;
        self.mark_zero_runs(child_len)?;
        if self.task.changed == Bytes::ZERO {
            return Ok(());
        }
        let plan = &self.task.plan;
        self.unit_writer
            .pack(child_len, |packed| plan.address_of(packed))?;
        if self.context.proves {
            self.prove_layer(&windows, child_len);
        }
        self.task.units = self.unit_writer.units();
        Ok(())
    }

    /// A window, and what tables and remembered leaves say of it.
    fn window(
        &self,
        window: TaskWindow,
        (base, target): (Option<Digest>, Option<Digest>),
    ) -> Window {
        let context = self.context;
        let TaskWindow {
            number,
            at,
            len,
            packed,
        } = window;
        let len_on = |disk: &Chain| DiskHasher::window_len(disk.size(), number);
        let extents = extents_of(&self.task.plan.extents, at, len);
        let all = |is: fn(Relation) -> bool| extents.iter().all(|extent| is(extent.relation));
        Window {
            number,
            at,
            len: len.in_memory(),
            packed: packed.in_memory(),
            is_alike: len_on(context.base) == len_on(context.target),
            is_equal: all(|relation| relation != Relation::Unknown),
            is_zero: all(|relation| relation == Relation::Zero),
            base,
            target,
        }
    }

    /// Compares as many windows as are hashed together: are both sides equal there, what are their leaves, and which grains does the child need?
    /// The base is read only where the target's leaf is not the base's.
    fn group(&mut self, windows: &[Window]) -> Result<Vec<WindowDiff>> {
        let mut found: Vec<Option<WindowDiff>> = windows
            .iter()
            .map(|window| self.decide(window).map(WindowDiff::equal))
            .collect();
        let unread: Vec<usize> = (0..windows.len())
            .filter(|slot| matches!(found.get(*slot), Some(None)))
            .collect();
        for run in unread.chunk_by(|one, other| *other == one + 1) {
            let (Some(first), count) = (run.first(), run.len()) else {
                continue;
            };
            let windows = windows.get(*first..first.saturating_add(count));
            self.read_targets(*first, windows.unwrap_or_default())?;
        }
        let own = unread.iter().map(|slot| (windows.get(*slot), *slot));
        let targets = self.leaves(Side::Target, own);
        let mut differing = Vec::new();
        for (slot, target) in unread.into_iter().zip(targets) {
            let Some(window) = windows.get(slot) else {
                continue;
            };
            // A base that turns out to be equal leaves its slot to the next one: what is compared stays in the nearest cache.
            let beside = differing.len();
            match self.is_equal(window, target, (slot, beside))? {
                true => put(&mut found, slot, WindowDiff::equal(target)),
                false => differing.push((slot, window, target)),
            }
        }
        let unknown = differing.iter().enumerate();
        let unknown = unknown.filter(|(_, (_, window, _))| window.base_leaf().is_none());
        let unknown = unknown.map(|(beside, (_, window, _))| (Some(*window), beside));
        let mut bases = self.leaves(Side::Base, unknown).into_iter();
        for (beside, (slot, window, target)) in differing.into_iter().enumerate() {
            let base = match window.base_leaf() {
                Some(leaf) => leaf,
                None => bases.next().unwrap_or_default(),
            };
            let promised = window.base.filter(|_| window.target.is_some());
            require(promised, base, "base", window.at)?;
            self.mark(window, (slot, beside));
            let diff = WindowDiff {
                base,
                target,
                layer: None,
            };
            put(&mut found, slot, diff);
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Whether a window, whose target's leaf is `leaf`, is equal on both sides. Reads the base where that is not known. The target stands in the
    /// first of the slots, the base in the second.
    fn is_equal(
        &mut self,
        window: &Window,
        leaf: Digest,
        (slot, beside): (usize, usize),
    ) -> Result<bool> {
        require(window.target, leaf, "target", window.at)?;
        let is_the_base_s = self.context.proves && window.base == Some(leaf);
        if window.is_alike && (window.is_equal || is_the_base_s) {
            return Ok(true);
        }
        self.read(Side::Base, beside, (window.at, window.len))?;
        let (base, target) = (
            self.buffers.window(Side::Base, beside, window.len),
            self.buffers.window(Side::Target, slot, window.len),
        );
        Ok(window.is_alike && is_same(base, target))
    }

    /// Reads the target of windows into the slots from `first` on; at once, where they follow one another on the disk.
    fn read_targets(&mut self, first: usize, windows: &[Window]) -> Result<()> {
        let follows = |one: &Window, other: &Window| {
            other.number == one.number + 1 && one.len == WINDOW.in_memory()
        };
        let mut slot = first;
        for run in windows.chunk_by(follows) {
            if let (Some(start), Some(end)) = (run.first(), run.last()) {
                let len = (run.len() - 1) * WINDOW.in_memory() + end.len;
                self.read(Side::Target, slot, (start.at, len))?;
            }
            slot += run.len();
        }
        Ok(())
    }

    /// Reads one side of a run, by address and length, into slots from the given one on.
    fn read(&mut self, side: Side, slot: usize, (at, len): (VirtOffset, usize)) -> Result<()> {
        let extents = extents_of(&self.task.plan.extents, at, Bytes::from(len));
        let disk = self.disk(side);
        let bytes = self.buffers.window_mut(side, slot, len);
        read_extents(disk, extents, side, at, bytes)
    }

    const fn disk(&self, side: Side) -> &'a Chain {
        match side {
            Side::Base => self.context.base,
            Side::Target => self.context.target,
        }
    }

    /// The leaves of one side of windows that were read, each beside its slot; anything, where nothing is proven.
    fn leaves<'w>(
        &self,
        side: Side,
        windows: impl Iterator<Item = (Option<&'w Window>, usize)>,
    ) -> Vec<Digest> {
        if !self.context.proves {
            return vec![Digest::default(); windows.count()];
        }
        let size = self.disk(side).size();
        let bytes: Vec<&[u8]> = windows
            .filter_map(|(window, slot)| {
                let window = window?;
                let len = DiskHasher::window_len(size, window.number).in_memory();
                let bytes = self.buffers.window(side, slot, window.len);
                Some(bytes.get(..len).unwrap_or(bytes))
            })
            .collect();
        leaf_batch::leaves(&bytes)
    }

    /// The leaf of a window that is equal on both sides, where tables and leaves that are known say so: nothing is read then.
    fn decide(&self, window: &Window) -> Option<Digest> {
        let Window {
            is_alike, is_equal, ..
        } = *window;
        if is_equal && !self.context.proves {
            return Some(Digest::default());
        }
        if is_alike && window.is_zero {
            return Some(zero_leaf(self.context.target.size(), window.number));
        }
        let is_known = is_alike && (is_equal || window.target == window.base);
        window.base.filter(|_| is_known)
    }

    /// Marks the grains that differ in a window, and takes their bytes over. The target stands in the first of the slots, the base in the second.
    fn mark(&mut self, window: &Window, (slot, beside): (usize, usize)) {
        let at = window.at;
        let WriterLayout { grain, size, .. } = self.context.shape;
        let marks_zero = self.marks_zero_grains();
        let skip = window.packed;
        let there = Bytes(size.0.saturating_sub(at.0)).in_memory();
        let there = window.len.min(there);
        let buffers = &*self.buffers;
        let base = buffers.window(Side::Base, beside, there);
        let target = buffers.window(Side::Target, slot, there);
        let grain = grain.in_memory();
        let piece = grain.min(WINDOW.in_memory());
        for (number, (base, target)) in base.chunks(piece).zip(target.chunks(piece)).enumerate() {
            if is_same(base, target) {
                continue;
            }
            let from = skip + number * piece;
            let is_zero = grain <= WINDOW.in_memory() && marks_zero && is_zero(target);
            let state = if is_zero {
                BlockState::Zero
            } else {
                BlockState::Data
            };
            if let Some(place) = self.unit_writer.grains_mut().get_mut(from / grain) {
                *place = state;
            }
            self.task.changed = Bytes(self.task.changed.0 + target.len() as u64);
            if state == BlockState::Data
                && let Some(place) = self
                    .unit_writer
                    .data_mut()
                    .get_mut(from..from + target.len())
            {
                place.copy_from_slice(target);
            }
        }
    }

    /// The leaves of the child's own layer as it will be read back, for the windows of which it says something.
    fn prove_layer(&mut self, windows: &[Window], child_len: Bytes) {
        let grains = self.unit_writer.read_back();
        let grain = self.context.shape.grain.0;
        let mut said = Vec::new();
        for (place, window) in windows.iter().enumerate() {
            let skip = window.packed as u64;
            let count = LayerHasher::sectors_of(self.context.shape.size, window.number);
            let sectors: Vec<BlockState> = (0..count as u64)
                .map(|sector| Bytes((skip + sector * SECTOR) / grain).in_memory())
                .map(|grain| grains.get(grain).copied().unwrap_or(BlockState::Absent))
                .collect();
            if sectors.iter().any(|sector| *sector != BlockState::Absent) {
                let to = (skip + WINDOW.0).min(child_len.0);
                let bytes = self
                    .unit_writer
                    .data()
                    .get(Bytes(skip).in_memory()..Bytes(to).in_memory())
                    .unwrap_or_default();
                said.push((place, LayerWindow { sectors, bytes }));
            }
        }
        let (places, said): (Vec<usize>, Vec<LayerWindow<'_>>) = said.into_iter().unzip();
        for (place, leaf) in places.into_iter().zip(layer::leaves(&said)) {
            if let Some(found) = self.task.windows.get_mut(place) {
                found.layer = Some(leaf);
            }
        }
    }
}

impl Window {
    /// Its leaf in the base, where that is known and need not be found again: what the target is held against proves both.
    fn base_leaf(&self) -> Option<Digest> {
        self.base.filter(|_| self.target.is_none())
    }
}

/// Fills a slot.
fn put(found: &mut [Option<WindowDiff>], slot: usize, diff: WindowDiff) {
    if let Some(place) = found.get_mut(slot) {
        *place = Some(diff);
    }
}

/// The leaves of runs.
fn one_by_one(runs: &[LeafRun]) -> std::vec::IntoIter<Digest> {
    let leaves: Vec<Digest> = runs.iter().flat_map(LeafRun::iter).collect();
    leaves.into_iter()
}

/// Makes sure that a window of the disk called `side` which was read has the leaf that was promised, if one was.
fn require(
    promised: Option<Digest>,
    found: Digest,
    side: &'static str,
    at: VirtOffset,
) -> Result<()> {
    if promised.is_none_or(|promised| promised == found) {
        return Ok(());
    }
    let message = format!("the {side} is not what its leaf digests say");
    let code = match side {
        "base" => "base_changed",
        _ => "target_changed",
    };
    let end = at.0.saturating_add(WINDOW.0);
    Err(Error::new(Kind::Digest, message)
        .with_code(code)
        .with_detail(format!("first difference in {}..{end}", at.0)))
}

/// The leaf of a window that is zero.
fn zero_leaf(size: Bytes, number: u64) -> Digest {
    if DiskHasher::window_len(size, number) == WINDOW {
        RepeatedSubtrees::zero().leaf()
    } else {
        DiskHasher::leaf_of(size, number, &[0; WINDOW.0 as usize])
    }
}
