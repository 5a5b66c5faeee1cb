//! `make`: what of the target differs from the base, as a child of the base.
//!
//! One pass: each byte of either side is read at most once, and the digests come from the same pass. A window that is equal on
//! both sides is hashed once. Where the base's leaves are remembered, windows of the target that have the same leaf need no
//! look at the base at all; where the leaves of both are known, only windows that differ are read.

mod compare;
mod grains;
mod pipeline;
mod task;

use imgdelta_core::{Bytes, Error, FinishParams, ImageWriter, Kind, Result, WriterLayout};
use sha2::{Digest as _, Sha256};

use self::{
    pipeline::{DiffSink, DiffSource, Differ},
    task::{DiffContext, Sides, damaged_memory},
};
use crate::{
    chain::Chain,
    digest_cache::{DigestCache, LeafReader},
    disk_hasher::{DiskHasher, Proof},
    exec::{self, Costs, ExecContext},
    layer::LayerHasher,
    leaf_batch,
    planner::{ExtentPlanner, PlanOptions},
    tree::{ContentId, Digest},
    unit_writer::{Seed, UnitWriter},
};

/// The longest run of a shared layer that is passed over at once, so that remembered leaves are taken in small portions.
const LONGEST_SAME: Bytes = Bytes::mib(256);

/// How a child is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Make<'a> {
    /// The image that the site has.
    pub base: &'a Chain,
    /// The image to be reproduced.
    pub target: &'a Chain,
    /// Whether the manifest's digests are worked out in the same pass.
    pub proves: bool,
    /// Where leaf digests are remembered.
    pub memory: &'a DigestCache,
    /// Threads, counters, time.
    pub work: ExecContext<'a>,
}

/// A child that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// What proves the base; `None` without proofs.
    pub base: Option<Proof>,
    /// What proves the target; `None` without proofs.
    pub target: Option<Proof>,
    /// The digest of the child's own layer; `None` without proofs.
    pub layer: Option<Digest>,
    /// How many units the child says something of.
    pub units: u64,
    /// The length of a unit.
    pub unit: Bytes,
    /// How many bytes of the target differ, to the child's grain.
    pub changed: Bytes,
    /// Whether the base's digests were remembered.
    pub remembered: bool,
}

impl Make<'_> {
    /// Writes the child. The writer's image is complete, but neither durable nor in its place.
    ///
    /// # Errors
    /// Those of the chains and of the writer; Host, if an input changed meanwhile; Interrupted.
    pub fn run(&self, writer: Box<dyn ImageWriter>) -> Result<Made> {
        let recalled = self.proves.then(|| self.memory.recall(self.base)).flatten();
        let leaves = Sides {
            base: recalled,
            target: None,
        };
        self.write(writer, leaves)
    }

    /// As [`run`](Self::run), the leaves of both disks being known: where they are the same, nothing is read, and what is read must be what
    /// they say. The child is then right for the disks that the leaves are of, and so are the proofs; whether the disks are those as far as
    /// they were not read is not found out.
    ///
    /// # Errors
    /// As [`run`](Self::run); Usage, if leaves are of a disk of another size; Digest, if a disk is not what its leaves say where it was read;
    /// Host, if a file of leaves is damaged.
    pub fn run_knowing(
        &self,
        writer: Box<dyn ImageWriter>,
        base: LeafReader,
        target: LeafReader,
    ) -> Result<Made> {
        if (base.size(), target.size()) != (self.base.size(), self.target.size()) {
            let message = "the leaves are of disks of other sizes";
            return Err(Error::new(Kind::Usage, message).with_code("leaves_size"));
        }
        let proving = Self {
            proves: true,
            ..*self
        };
        let leaves = Sides {
            base: Some(base),
            target: Some(target),
        };
        proving.write(writer, leaves)
    }

    fn write(&self, writer: Box<dyn ImageWriter>, leaves: Sides<LeafReader>) -> Result<Made> {
        let shape = writer.shape();
        let zero_run = shape.marks_zero.then(|| writer.zero_run());
        if shape.size < self.target.size() {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "the child holds {} bytes, the target has {}",
                    shape.size.0,
                    self.target.size().0
                ),
            ));
        }
        let block = self.base.block_size().max(self.target.block_size());
        let decoding = self.base.decoding().max(self.target.decoding());
        let encoder = writer.encoder().memory();
        let at_once = self.work.windows_at_once(2);
        let windows = leaf_batch::room(at_once);
        let longest = exec::step(shape.unit.max(windows), block);
        let costs = Costs::new(shape.unit, encoder, decoding, longest)
            .with_windows(Bytes(windows.0.saturating_mul(2)));
        let (step, count) = self.work.crew(self.work.io_workers(), &costs);
        let end = self.end(shape);
        let whole = [shape.unit, zero_run.unwrap_or_default(), decoding.unit];
        let options = self.plan((step, exec::block(step, whole)), leaves.base.is_some());
        let expected = Sides {
            base: leaves.base.as_ref().map(LeafReader::id),
            target: leaves.target.as_ref().map(LeafReader::id),
        };
        let keeping = |disk: &Chain, known: Option<ContentId>| {
            let keeps = self.proves && known.is_none();
            keeps.then(|| self.memory.keep(disk)).flatten()
        };
        let base_kept = keeping(self.base, expected.base);
        let target_kept = keeping(self.target, expected.target);
        let source = DiffSource {
            planner: ExtentPlanner::new(Some(self.base), self.target, end, options),
            leaves,
        };
        let sink = DiffSink {
            base: DiskHasher::new(self.base.size(), base_kept),
            target: DiskHasher::new(self.target.size(), target_kept),
            layer: LayerHasher::new(shape.size),
            seed: Seed::new(shape.size),
            writer,
            units: 0,
            changed: Bytes::ZERO,
        };
        self.work.progress.begin(end);
        let workers = exec::workers(count, || UnitWriter::new(&*sink.writer, step));
        let differ = Differ::new(DiffContext {
            base: self.base,
            target: self.target,
            proves: self.proves,
            work: self.work,
            at_once,
            shape,
            zero_run,
        });
        let (_, sink) = crate::pipeline::run(&differ, &self.work, workers, (source, sink))?;
        self.base.prove_unchanged()?;
        self.target.prove_unchanged()?;
        self.finish(sink, shape, expected)
    }

    /// How far the disks are gone over: what lies behind the child's end in a larger base is only proven.
    fn end(&self, shape: WriterLayout) -> Bytes {
        if self.proves {
            self.base.size().max(shape.size)
        } else {
            shape.size
        }
    }

    /// How they are planned, in steps and blocks of so many bytes.
    fn plan(&self, (step, block): (Bytes, Bytes), knows_base: bool) -> PlanOptions {
        PlanOptions {
            step,
            block,
            gathers: true,
            skips_zero: true,
            skips_same: !self.proves || knows_base,
            longest_same: if self.proves {
                LONGEST_SAME
            } else {
                Bytes(u64::MAX)
            },
        }
    }

    /// What ids are made of: the content, and what the base is called. Of two children with the same content, as nights without a change
    /// make them one over the other, neither may be called as the other.
    fn seed(&self, content: &[u8]) -> [u8; 32] {
        let mut seed = Sha256::new()
            .chain_update(b"imgdelta child 2")
            .chain_update(content);
        let base = self.base.layers().first().map(|top| top.image.metadata());
        let names = base.map(|facts| facts.identity.iter().chain(&facts.aliases));
        for name in names.into_iter().flatten() {
            let name = name.to_string();
            seed.update((name.len() as u64).to_le_bytes());
            seed.update(name);
        }
        seed.finalize().into()
    }

    fn finish(
        &self,
        sink: DiffSink,
        shape: WriterLayout,
        expected: Sides<ContentId>,
    ) -> Result<Made> {
        let DiffSink {
            base,
            target,
            layer,
            seed,
            writer,
            units,
            changed,
        } = sink;
        let proofs = self
            .proves
            .then(|| (base.finish(true), target.finish(true), layer.finish()));
        if let Some((base, target, _)) = &proofs
            && !(expected.base.is_none_or(|id| id == base.id)
                && expected.target.is_none_or(|id| id == target.id))
        {
            return Err(damaged_memory());
        }
        let content = match &proofs {
            Some((base, target, _)) => [base.id.0.0, target.id.0.0].concat(),
            None => seed.finish().to_vec(),
        };
        writer.finish(&FinishParams {
            seed: self.work.seed(self.seed(&content)),
            time: self.work.time,
        })?;
        let remembered = expected.base.is_some();
        let (base, target, layer) = match proofs {
            Some((base, target, layer)) => (Some(base), Some(target), Some(layer)),
            None => (None, None, None),
        };
        Ok(Made {
            base,
            target,
            layer,
            units,
            unit: shape.unit,
            changed,
            remembered,
        })
    }
}
