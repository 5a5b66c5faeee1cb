//! One task of base and target: which windows are equal, which grains the child needs, what proves both.
//!
//! It is any worker's part; what must happen in order stands in `pipeline`.

use imgdelta_core::{
    BlockState, Bytes, Error, Kind, Result, SECTOR, VirtOffset, WriterLayout, is_same, is_zero,
};

use super::task::{DiffContext, DiffTask, WindowDiff, Worker};
use crate::{
    chain::Chain,
    digest_cache::LeafRun,
    disk_hasher::DiskHasher,
    layer::{self, LayerHasher},
    planner::{Relation, Side, Task, extents_of, read_extents},
    tree::{Digest, RepeatedSubtrees, WINDOW},
};

/// A task while it is compared.
pub(super) struct Comparison<'a, 'b> {
    pub(super) context: DiffContext<'a>,
    pub(super) worker: &'b mut Worker,
    pub(super) task: &'b mut DiffTask,
}

/// A window, and what is known of it before it is read.
struct Window {
    number: u64,
    at: VirtOffset,
    len: usize,
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

/// What was found in a window that was read.
struct Hashed {
    base: Digest,
    target: Digest,
    is_equal: bool,
}

impl Comparison<'_, '_> {
    /// Compares it window by window, and packs the units of which the child says something.
    pub(super) fn run(&mut self) -> Result<()> {
        let Task { at, len, .. } = self.task.plan;
        let child_len = len.min(Bytes(self.context.shape.size.0.saturating_sub(at.0)));
        self.worker.unit_writer.begin(child_len);
        let (mut base, mut target) = (one_by_one(&self.task.base), one_by_one(&self.task.target));
        for number in self.task.plan.windows() {
            let found = self.window(number, (base.next(), target.next()))?;
            self.task.windows.push(found);
        }
        self.complete_large_grains(at, child_len)?;
        self.mark_zero_runs(at, child_len)?;
        if self.task.changed == Bytes::ZERO {
            return Ok(());
        }
        self.worker.unit_writer.pack(at, child_len)?;
        if self.context.proves {
            self.prove_layer(at, child_len);
        }
        self.task.units = self.worker.unit_writer.units();
        Ok(())
    }

    /// Compares one window: are both sides equal there, what are its leaves, and which grains does the child need?
    fn window(
        &mut self,
        number: u64,
        (base, target): (Option<Digest>, Option<Digest>),
    ) -> Result<WindowDiff> {
        let context = self.context;
        let at = VirtOffset(number.saturating_mul(WINDOW.0));
        let len = WINDOW.min(self.task.plan.end().since(at));
        let len_on = |disk: &Chain| DiskHasher::window_len(disk.size(), number);
        let extents = extents_of(&self.task.plan.extents, at, len);
        let all = |is: fn(Relation) -> bool| extents.iter().all(|extent| is(extent.relation));
        let window = Window {
            number,
            at,
            len: len.in_memory(),
            is_alike: len_on(context.base) == len_on(context.target),
            is_equal: all(|relation| relation != Relation::Unknown),
            is_zero: all(|relation| relation == Relation::Zero),
            base,
            target,
        };
        if let Some(leaf) = self.decide(&window) {
            return Ok(WindowDiff::equal(leaf));
        }
        let found = self.hash(&window)?;
        if !found.is_equal {
            self.mark(at, window.len);
        }
        Ok(WindowDiff {
            base: found.base,
            target: found.target,
            layer: None,
        })
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

    /// Reads a window, the base only where the target's leaf is not the base's, and works out what its leaves are.
    fn hash(&mut self, window: &Window) -> Result<Hashed> {
        let (context, at, len) = (self.context, window.at, window.len);
        let extents = extents_of(&self.task.plan.extents, at, Bytes::from(len));
        let leaf_of = |disk: &Chain, bytes: &[u8]| {
            if context.proves {
                DiskHasher::leaf_of(disk.size(), window.number, bytes)
            } else {
                Digest::default()
            }
        };
        let target = self.worker.target.bytes_mut();
        let target = target.get_mut(..len).unwrap_or_default();
        read_extents(context.target, extents, Side::Target, at, target)?;
        let target_leaf = leaf_of(context.target, target);
        require(window.target, target_leaf, "target", at)?;
        let is_the_base_s = context.proves && window.base == Some(target_leaf);
        if window.is_alike && (window.is_equal || is_the_base_s) {
            return Ok(Hashed::equal(target_leaf));
        }
        let base = self.worker.base.bytes_mut();
        let base = base.get_mut(..len).unwrap_or_default();
        read_extents(context.base, extents, Side::Base, at, base)?;
        if window.is_alike && is_same(base, target) {
            return Ok(Hashed::equal(target_leaf));
        }
        let base_leaf = match window.base {
            Some(leaf) if window.target.is_none() => leaf,
            _ => leaf_of(context.base, base),
        };
        let promised = window.base.filter(|_| window.target.is_some());
        require(promised, base_leaf, "base", at)?;
        Ok(Hashed {
            base: base_leaf,
            target: target_leaf,
            is_equal: false,
        })
    }

    /// Marks the grains that differ in the window at `at`, and takes their bytes over.
    fn mark(&mut self, at: VirtOffset, window: usize) {
        let WriterLayout { grain, size, .. } = self.context.shape;
        let marks_zero = self.marks_zero_grains();
        let skip = at.since(self.task.plan.at).in_memory();
        let there = window.min(Bytes(size.0.saturating_sub(at.0)).in_memory());
        let base = self.worker.base.bytes().get(..there).unwrap_or_default();
        let target = self.worker.target.bytes().get(..there).unwrap_or_default();
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
            if let Some(place) = self.worker.unit_writer.grains_mut().get_mut(from / grain) {
                *place = state;
            }
            self.task.changed = Bytes(self.task.changed.0 + target.len() as u64);
            if state == BlockState::Data
                && let Some(place) = self
                    .worker
                    .unit_writer
                    .data_mut()
                    .get_mut(from..from + target.len())
            {
                place.copy_from_slice(target);
            }
        }
    }

    /// A grain larger than a window is data as a whole when any of its windows is: the others are read too.
    fn complete_large_grains(&mut self, at: VirtOffset, child_len: Bytes) -> Result<()> {
        let grain = self.context.shape.grain;
        let marks_zero = self.marks_zero_grains();
        if grain <= WINDOW {
            return Ok(());
        }
        for number in 0..self.worker.unit_writer.grains().len() {
            if self.worker.unit_writer.grains().get(number) != Some(&BlockState::Data) {
                continue;
            }
            let from = Bytes((number as u64).saturating_mul(grain.0));
            let to = Bytes(from.0.saturating_add(grain.0)).min(child_len);
            let start = at.saturating_add(from);
            let Some(bytes) = self
                .worker
                .unit_writer
                .data_mut()
                .get_mut(from.in_memory()..to.in_memory())
            else {
                continue;
            };
            let target = self.context.target;
            self.task.plan.read(target, Side::Target, start, bytes)?;
            if marks_zero
                && is_zero(bytes)
                && let Some(place) = self.worker.unit_writer.grains_mut().get_mut(number)
            {
                *place = BlockState::Zero;
            }
        }
        Ok(())
    }

    /// Whether the child can say of a single grain that it is zero.
    fn marks_zero_grains(&self) -> bool {
        self.context.zero_run == Some(self.context.shape.grain)
    }

    /// Marks runs of several grains that are zero all over and differ somewhere. What did not differ in them is zero too then, and
    /// the child says so.
    fn mark_zero_runs(&mut self, at: VirtOffset, child_len: Bytes) -> Result<()> {
        let grain = self.context.shape.grain;
        let Some(run) = self.context.zero_run.filter(|run| *run > grain) else {
            return Ok(());
        };
        for number in 0..child_len.pieces(run) {
            let from = Bytes(number.saturating_mul(run.0));
            let to = Bytes(from.0.saturating_add(run.0)).min(child_len);
            let range =
                Bytes(from.0 / grain.0.max(1)).in_memory()..Bytes(to.pieces(grain)).in_memory();
            let grains = self.worker.unit_writer.grains().get(range.clone());
            let grains = grains.unwrap_or_default();
            if !grains.contains(&BlockState::Data) {
                continue;
            }
            let is_whole = !grains.contains(&BlockState::Absent);
            let bytes = self.worker.unit_writer.data();
            let bytes = bytes.get(from.in_memory()..to.in_memory());
            // What is absent is zero in these bytes, whatever the target has there.
            if is_zero(bytes.unwrap_or_default())
                && (is_whole || self.is_target_zero(at.saturating_add(from), to.0 - from.0)?)
                && let Some(grains) = self.worker.unit_writer.grains_mut().get_mut(range)
            {
                grains.fill(BlockState::Zero);
            }
        }
        Ok(())
    }

    /// Whether `len` bytes of the target from `at` on are zero.
    fn is_target_zero(&mut self, at: VirtOffset, len: u64) -> Result<bool> {
        let mut skip = 0;
        while skip < len {
            let part = WINDOW.min(Bytes(len - skip)).in_memory();
            let bytes = self.worker.target.bytes_mut();
            let bytes = bytes.get_mut(..part).unwrap_or_default();
            let start = at.saturating_add(Bytes(skip));
            let target = self.context.target;
            self.task.plan.read(target, Side::Target, start, bytes)?;
            if !is_zero(bytes) {
                return Ok(false);
            }
            skip = skip.saturating_add(WINDOW.0);
        }
        Ok(true)
    }

    /// The leaves of the child's own layer as it will be read back, for the windows of which it says something.
    fn prove_layer(&mut self, at: VirtOffset, child_len: Bytes) {
        let grains = self.worker.unit_writer.read_back();
        let grain = self.context.shape.grain.0;
        let first = at.0 / WINDOW.0;
        for (number, found) in (first..).zip(&mut self.task.windows) {
            let skip = number.saturating_mul(WINDOW.0) - at.0;
            let count = LayerHasher::sectors_of(self.context.shape.size, number);
            let sectors: Vec<BlockState> = (0..count as u64)
                .map(|sector| Bytes((skip + sector * SECTOR) / grain).in_memory())
                .map(|grain| grains.get(grain).copied().unwrap_or(BlockState::Absent))
                .collect();
            if sectors.iter().any(|sector| *sector != BlockState::Absent) {
                let to = (skip + WINDOW.0).min(child_len.0);
                let bytes = self
                    .worker
                    .unit_writer
                    .data()
                    .get(Bytes(skip).in_memory()..Bytes(to).in_memory())
                    .unwrap_or_default();
                found.layer = Some(layer::leaf(&sectors, bytes));
            }
        }
    }
}

impl Hashed {
    const fn equal(leaf: Digest) -> Self {
        Self {
            base: leaf,
            target: leaf,
            is_equal: true,
        }
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
