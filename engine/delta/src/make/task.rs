//! What `make` works on: the two disks and the child's layout, a task of both, what is found of each of its windows, and the buffers it is read into.
//!
//! Plain data, so that comparing and the pipeline both use it and neither needs the other's file.

use imgdelta_core::{AlignedBuffer, Bytes, Error, Kind, WriterLayout};

use crate::{
    chain::Chain,
    digest_cache::LeafRun,
    exec::ExecContext,
    leaf_batch,
    planner::{Side, Task},
    tree::{Digest, WINDOW},
};

/// The two disks, and the child that is made of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiffContext<'a> {
    pub(super) base: &'a Chain,
    pub(super) target: &'a Chain,
    /// Whether windows are hashed.
    pub(super) proves: bool,
    pub(super) work: ExecContext<'a>,
    /// How many windows are read and hashed at once.
    pub(super) at_once: usize,
    pub(super) shape: WriterLayout,
    /// The shortest run of which the child can say that it is zero; `None`: it cannot.
    pub(super) zero_run: Option<Bytes>,
}

/// A task of both disks.
pub(super) struct DiffTask {
    pub(super) plan: Task,
    /// The base's leaves there, if they are known.
    pub(super) base: Vec<LeafRun>,
    /// The target's.
    pub(super) target: Vec<LeafRun>,
    /// What was found of each window, in order.
    pub(super) windows: Vec<WindowDiff>,
    pub(super) changed: Bytes,
    pub(super) units: u64,
}

/// What was found of a window.
pub(super) struct WindowDiff {
    pub(super) base: Digest,
    pub(super) target: Digest,
    /// `None`: the child is silent there.
    pub(super) layer: Option<Digest>,
}

impl WindowDiff {
    /// Both sides are the same, and the child is silent.
    pub(super) const fn equal(leaf: Digest) -> Self {
        Self {
            base: leaf,
            target: leaf,
            layer: None,
        }
    }
}

/// The bytes of as many windows as are hashed together, in the base and in the target: few enough to stay in the core's cache. Each has a slot.
pub(super) struct WindowBuffers {
    base: AlignedBuffer,
    target: AlignedBuffer,
}

impl WindowBuffers {
    /// For so many windows of each.
    pub(super) fn new(windows: usize) -> Self {
        Self {
            base: AlignedBuffer::zeroed(leaf_batch::room(windows)),
            target: AlignedBuffer::zeroed(leaf_batch::room(windows)),
        }
    }

    /// The first `len` bytes of the window in a slot.
    pub(super) fn window(&self, side: Side, slot: usize, len: usize) -> &[u8] {
        let buffer = match side {
            Side::Base => &self.base,
            Side::Target => &self.target,
        };
        let from = slot * WINDOW.in_memory();
        buffer.bytes().get(from..from + len).unwrap_or_default()
    }

    /// The same, to be filled.
    pub(super) fn window_mut(&mut self, side: Side, slot: usize, len: usize) -> &mut [u8] {
        let buffer = match side {
            Side::Base => &mut self.base,
            Side::Target => &mut self.target,
        };
        let from = slot * WINDOW.in_memory();
        let bytes = buffer.bytes_mut();
        bytes.get_mut(from..from + len).unwrap_or_default()
    }
}

/// What is known of base and target before they are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides<T> {
    pub(super) base: Option<T>,
    pub(super) target: Option<T>,
}

/// What was remembered of a disk is not what it is.
pub(super) fn damaged_memory() -> Error {
    Error::new(Kind::Host, "what was remembered of the disks is damaged")
        .with_code("cache_damaged")
        .with_hint("--prove reads everything and remembers it anew")
}
