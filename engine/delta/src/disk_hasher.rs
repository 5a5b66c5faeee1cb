//! What proves a disk, gathered window by window while it is read.

use imgdelta_core::{AtomicFile, Bytes, Error, Kind, Result};

use crate::{
    digest_cache::{LeafRun, LeafWriter, settle, windows_of},
    tree::{Builder, ContentId, Digest, Nodes, RepeatedSubtrees, WINDOW},
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
        let mut error = Self::other_base();
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

    /// A base is not the one that is needed.
    pub(crate) fn other_base() -> Error {
        Error::new(Kind::Chain, "base image does not match this child").with_code("base_mismatch")
    }
}

/// Takes a disk's windows in order.
#[derive(Debug)]
pub(crate) struct DiskHasher {
    size: Bytes,
    tree: Builder,
    keeping: Option<LeafWriter>,
    /// Whole zero windows that have been taken but are not in the tree yet: long runs cost less than their windows one by one.
    zeros: u64,
}

impl DiskHasher {
    /// For a disk of `size` bytes; its leaves are also kept if there is a place for them.
    pub(crate) fn new(size: Bytes, keeping: Option<LeafWriter>) -> Self {
        let tree = Builder::new(Some(Nodes::level_for(size)));
        Self {
            size,
            tree,
            keeping,
            zeros: 0,
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

    /// How many windows have been taken.
    const fn taken(&self) -> u64 {
        self.tree.leaves() + self.zeros
    }

    /// The next window; one beyond the disk's end is not taken.
    pub(crate) fn leaf(&mut self, leaf: &Digest) {
        if self.taken() >= windows_of(self.size) {
            return;
        }
        if *leaf == RepeatedSubtrees::zero().leaf() {
            self.zeros += 1;
            return;
        }
        self.flush_zeros();
        self.tree.push(*leaf);
        if let Some(keeping) = &mut self.keeping {
            keeping.leaf(leaf);
        }
    }

    /// The next `count` windows, all zero; those beyond the disk's end are not taken.
    pub(crate) fn zeros(&mut self, count: u64) {
        let from = self.taken();
        let to = from.saturating_add(count).min(windows_of(self.size));
        let whole = to.min(self.size.0 / WINDOW.0).saturating_sub(from);
        self.zeros += whole;
        if from.saturating_add(whole) < to {
            let tail = Bytes(self.size.0 % WINDOW.0).in_memory();
            let zeros = [0; WINDOW.0 as usize];
            self.leaf(&Digest::leaf(zeros.get(..tail).unwrap_or(&zeros)));
        }
    }

    /// The nodes that are complete so far, zero windows that came last aside.
    pub(crate) const fn nodes(&self) -> Option<&Nodes> {
        self.tree.kept()
    }

    fn flush_zeros(&mut self) {
        let zeros = std::mem::take(&mut self.zeros);
        if zeros > 0 {
            self.tree.push_run(RepeatedSubtrees::zero(), zeros);
            if let Some(keeping) = &mut self.keeping {
                keeping.zeros(zeros);
            }
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
    pub(crate) fn finish(self, is_settled: bool) -> Proof {
        let (proof, leaves) = self.close();
        if let Some(leaves) = leaves.filter(|_| is_settled) {
            settle(leaves, proof.size, proof.id);
        }
        proof
    }

    /// The proof, and the file of leaves that was to be written.
    ///
    /// # Errors
    /// Host, if it could not be.
    pub(crate) fn finish_kept(self) -> Result<(Proof, AtomicFile)> {
        let (proof, leaves) = self.close();
        let leaves = leaves.ok_or_else(|| Error::new(Kind::Usage, "no leaves were to be kept"))?;
        let draft = leaves.finish(proof.size, proof.id)?;
        Ok((proof, draft))
    }

    fn close(mut self) -> (Proof, Option<LeafWriter>) {
        self.flush_zeros();
        debug_assert_eq!(
            self.taken(),
            windows_of(self.size),
            "every window of the disk has been taken"
        );
        let (root, nodes) = self.tree.finish();
        let proof = Proof {
            size: self.size,
            id: ContentId::new(self.size, &root),
            nodes: nodes.unwrap_or(Nodes {
                level: 0,
                nodes: Vec::new(),
            }),
        };
        (proof, self.keeping)
    }
}
