//! A base that is proven in the same pass in which the disk over it is copied: what both have is read and hashed once. Nothing is written
//! here.

use imgdelta_core::{AlignedBuffer, Bytes, Result};

use crate::{
    chain::Chain,
    digest_cache::DigestCache,
    disk_hasher::{DiskHasher, Proof},
    leaf_batch,
    planner::{Relation, Side, Task, TaskWindow, extents_of, read_extents},
    tree::Digest,
};

/// The base, and what it must be.
#[derive(Debug)]
pub(crate) struct BaseCheck<'a> {
    base: Chain,
    needed: &'a Proof,
    /// Where its leaves are then remembered.
    memory: &'a DigestCache,
    is_under: bool,
}

impl<'a> BaseCheck<'a> {
    /// `base` in the size of the disk that is needed: a format that counts in sectors may hold it rounded up. `is_under`: what is written to
    /// holds the base already.
    pub(crate) fn new(
        base: &Chain,
        needed: &'a Proof,
        memory: &'a DigestCache,
        is_under: bool,
    ) -> Self {
        Self {
            base: base.resized(needed.size),
            needed,
            memory,
            is_under,
        }
    }

    /// Whether what the disk has from its base stands already where it is to be written.
    pub(crate) const fn is_under(&self) -> bool {
        self.is_under
    }

    /// The base.
    pub(crate) const fn disk(&self) -> &Chain {
        &self.base
    }

    /// Starts to prove it.
    pub(crate) fn begin(&self) -> BaseProgress<'a> {
        BaseProgress {
            prover: DiskHasher::new(self.base.size(), self.memory.keep(&self.base)),
            needed: self.needed,
            compared: 0,
        }
    }

    /// The base's leaves of a task's windows, `targets` being those of the disk of `size` bytes over it.
    pub(crate) fn leaves(
        &self,
        buffer: &mut AlignedBuffer,
        task: &Task,
        (targets, size): (&[Digest], Bytes),
    ) -> Result<Vec<Digest>> {
        let own = self.base.size();
        let windows: Vec<TaskWindow> = task.windows_to_read().collect();
        let part = |place: usize| {
            let window = windows.get(place).copied().unwrap_or_default();
            let TaskWindow {
                number, at, len, ..
            } = window;
            (number, at, len, extents_of(&task.extents, at, len))
        };
        let known = targets.iter().enumerate().map(|(place, target)| {
            let (number, _, _, extents) = part(place);
            let is_alike =
                DiskHasher::window_len(own, number) == DiskHasher::window_len(size, number);
            let mut relations = extents.iter().map(|extent| extent.relation);
            let is_same = is_alike && relations.all(|relation| relation != Relation::Unknown);
            is_same.then_some(*target)
        });
        leaf_batch::completed(known.collect(), buffer.bytes_mut(), |place, slot| {
            let (number, at, len, extents) = part(place);
            let bytes = slot.get_mut(..len.in_memory()).unwrap_or_default();
            read_extents(&self.base, extents, Side::Base, at, bytes)?;
            Ok(DiskHasher::window_len(own, number).min(len).in_memory())
        })
    }
}

/// How far the proof is.
#[derive(Debug)]
pub(crate) struct BaseProgress<'a> {
    prover: DiskHasher,
    needed: &'a Proof,
    /// How many nodes have been found to be those that are needed.
    compared: usize,
}

impl BaseProgress<'_> {
    /// The next `count` windows are zero.
    pub(crate) fn zeros(&mut self, count: u64) {
        self.prover.zeros(count);
    }

    /// The leaf of the next window.
    ///
    /// # Errors
    /// Chain, if a region that is complete now is not the one that is needed.
    pub(crate) fn leaf(&mut self, leaf: &Digest) -> Result<()> {
        self.prover.leaf(leaf);
        let Some(found) = self.prover.nodes() else {
            return Ok(());
        };
        let needed = &self.needed.nodes;
        let news = found.nodes.iter().zip(&needed.nodes).skip(self.compared);
        if found.level == needed.level && news.clone().any(|(found, needed)| found != needed) {
            return Err(Proof::other_base());
        }
        self.compared = found.nodes.len();
        Ok(())
    }

    /// All windows have been given.
    ///
    /// # Errors
    /// Chain, with the first region that differs, if the base is another disk than the one that is needed.
    pub(crate) fn finish(self) -> Result<()> {
        self.needed.require(&self.prover.finish(true))
    }
}
