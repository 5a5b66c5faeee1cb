//! What proves a disk, gathered window by window while it is read.

use imgdelta_core::{Bytes, Error, Kind, Result};

use crate::{
    remembered::{Keeping, LeafRun, windows_of},
    tree::{Builder, ContentId, Digest, Filler, Nodes, WINDOW},
};

/// What proves a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Its size in bytes.
    pub size: Bytes,
    /// Its content id.
    pub id: ContentId,
    /// The nodes of its tree at the level that a manifest keeps.
    pub nodes: Nodes,
}

impl Proof {
    /// Makes sure that `self`, the disk that is needed, is `found`, the disk that is there.
    ///
    /// # Errors
    /// Chain, with the first region that differs.
    pub fn require(&self, found: &Self) -> Result<()> {
        if self.id == found.id {
            return Ok(());
        }
        let mut error = Error::new(Kind::Chain, "base image does not match this child")
            .with_code("base_mismatch");
        error = error.with_detail(format!("needed {} of {} bytes", self.id, self.size.0));
        error = error.with_detail(format!("given  {} of {} bytes", found.id, found.size.0));
        if self.size != found.size {
            return Err(error.with_detail("the sizes differ"));
        }
        if let Some((from, to)) = self.nodes.first_difference(&found.nodes) {
            error = error.with_detail(format!(
                "first difference in {}..{}",
                from.0,
                to.0.min(self.size.0)
            ));
        }
        Err(error)
    }
}

/// Takes a disk's windows in order.
#[derive(Debug)]
pub(crate) struct Prover {
    size: Bytes,
    tree: Builder,
    keeping: Option<Keeping>,
}

impl Prover {
    /// For a disk of `size` bytes; its leaves are also kept if there is a place for them.
    pub(crate) fn new(size: Bytes, keeping: Option<Keeping>) -> Self {
        Self {
            size,
            tree: Builder::new(Some(Nodes::level_for(size))),
            keeping,
        }
    }

    /// How many bytes of window `number` lie on the disk; 0 beyond its end.
    pub(crate) const fn window_len(size: Bytes, number: u64) -> Bytes {
        let left = size.0.saturating_sub(number.saturating_mul(WINDOW.0));
        Bytes(if left < WINDOW.0 { left } else { WINDOW.0 })
    }

    /// The leaf of a window, of which the part beyond the disk's end is left out.
    pub(crate) fn leaf_of(size: Bytes, number: u64, window: &[u8]) -> Digest {
        let len = Self::window_len(size, number).in_memory();
        Digest::leaf(window.get(..len).unwrap_or(window))
    }

    /// The next window; one beyond the disk's end is not taken.
    pub(crate) fn leaf(&mut self, leaf: &Digest) {
        if self.tree.leaves() < windows_of(self.size) {
            self.tree.push(*leaf);
            if let Some(keeping) = &mut self.keeping {
                keeping.leaf(leaf);
            }
        }
    }

    /// The next `count` windows, all zero; those beyond the disk's end are not taken.
    pub(crate) fn zeros(&mut self, count: u64) {
        let from = self.tree.leaves();
        let to = from.saturating_add(count).min(windows_of(self.size));
        let whole = to.min(self.size.0 / WINDOW.0).saturating_sub(from);
        if whole > 0 {
            self.tree.push_run(Filler::zero(), whole);
            if let Some(keeping) = &mut self.keeping {
                keeping.zeros(whole);
            }
        }
        if from.saturating_add(whole) < to {
            let tail = self.size.0 % WINDOW.0;
            let zeros = [0; WINDOW.0 as usize];
            self.leaf(&Digest::leaf(
                zeros.get(..Bytes(tail).in_memory()).unwrap_or(&zeros),
            ));
        }
    }

    /// The next windows as they were remembered.
    pub(crate) fn run(&mut self, run: &LeafRun) {
        match run {
            LeafRun::Zero(count) => self.zeros(*count),
            LeafRun::Leaves(leaves) => leaves.iter().for_each(|leaf| self.leaf(leaf)),
        }
    }

    /// The proof; the leaves are remembered if `is_settled`.
    pub(crate) fn finish(mut self, is_settled: bool) -> Proof {
        let missing = windows_of(self.size).saturating_sub(self.tree.leaves());
        debug_assert_eq!(missing, 0, "every window of the disk has been taken");
        self.zeros(missing);
        let (root, nodes) = self.tree.finish();
        let id = ContentId::new(self.size, &root);
        if let Some(keeping) = self.keeping.filter(|_| is_settled) {
            keeping.finish(id);
        }
        Proof {
            size: self.size,
            id,
            nodes: nodes.unwrap_or(Nodes {
                level: 0,
                nodes: Vec::new(),
            }),
        }
    }
}
