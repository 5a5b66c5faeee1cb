//! `convert` and `apply`: a disk, whatever its chain, as one whole image.

mod reading;

use imgdelta_core::{
    AlignedBuffer, AtomicFile, BlockState, Bytes, Error, FinishParams, ImageWriter, Kind, Result,
    WriterLayout, is_zero,
};

use crate::{
    base_check::{BaseCheck, BaseProgress},
    buffer::SpareBuffers,
    chain::Chain,
    digest_cache::{DigestCache, LeafWriter},
    disk_hasher::{DiskHasher, Proof},
    exec::{self, Costs, ExecContext, LONGEST_STEP},
    leaf_batch,
    pipeline::{self, Stage},
    planner::{ExtentPlanner, PlanOptions, Relation, Section, Side, Task, extents_of},
    tree::Digest,
    unit_writer::{Seed, UnitWriter},
};

/// How a disk is to be copied.
#[derive(Clone, Copy, Debug)]
pub struct Convert<'a> {
    /// The disk. It may be smaller than the writer's: the rest is zero.
    pub disk: &'a Chain,
    /// Whether its content id is worked out in the same pass.
    pub proves: bool,
    /// Where its leaf digests are then remembered.
    pub memory: &'a DigestCache,
    /// Threads, counters, time.
    pub work: ExecContext<'a>,
}

/// A disk that was copied.
#[derive(Clone, Debug)]
pub struct Converted {
    /// What proves it; `None` if it was not asked for.
    pub proof: Option<Proof>,
    /// How many bytes were written besides tables.
    pub written: Bytes,
}

impl Convert<'_> {
    /// Writes the image. It is complete, but neither durable nor in its place.
    ///
    /// # Errors
    /// Those of the chain and of the writer; Host, if an input changed meanwhile; Interrupted.
    pub fn run(&self, writer: Box<dyn ImageWriter>) -> Result<Converted> {
        let keeping = self.proves.then(|| self.memory.keep(self.disk)).flatten();
        let done = self.write(writer, keeping, None)?;
        Ok(Converted {
            written: done.written,
            proof: self.proves.then(|| done.prover.finish(true)),
        })
    }

    /// As [`run`](Self::run), the disk being proven, and its leaves going to `leaves`, whose file is then complete, but neither
    /// durable nor in its place.
    ///
    /// # Errors
    /// As [`run`](Self::run); Host, if the leaves cannot be written.
    pub fn run_keeping(
        &self,
        writer: Box<dyn ImageWriter>,
        leaves: LeafWriter,
    ) -> Result<(Converted, AtomicFile)> {
        let (copied, leaves) = self.run_beside(writer, Some(leaves), None)?;
        let leaves = leaves.ok_or_else(|| Error::new(Kind::Host, "the leaves were not kept"))?;
        Ok((copied, leaves))
    }

    /// Writes the image and proves it, its leaves going to `leaves` if they are wanted, and the base of the disk being proven in the same pass
    /// if there is one: what both have is hashed once.
    ///
    /// # Errors
    /// As [`run_keeping`](Self::run_keeping); Chain, as soon as the base is found to be another one.
    pub(crate) fn run_beside(
        &self,
        writer: Box<dyn ImageWriter>,
        leaves: Option<LeafWriter>,
        base: Option<&BaseCheck<'_>>,
    ) -> Result<(Converted, Option<AtomicFile>)> {
        let proving = Self {
            proves: true,
            ..*self
        };
        let is_kept = leaves.is_some();
        let done = proving.write(writer, leaves, base)?;
        let (proof, leaves) = if is_kept {
            let (proof, leaves) = done.prover.finish_kept()?;
            (proof, Some(leaves))
        } else {
            (done.prover.finish(true), None)
        };
        let copied = Converted {
            proof: Some(proof),
            written: done.written,
        };
        Ok((copied, leaves))
    }

    fn write(
        &self,
        writer: Box<dyn ImageWriter>,
        keeping: Option<LeafWriter>,
        base: Option<&BaseCheck<'_>>,
    ) -> Result<Written> {
        let shape = writer.shape();
        let decoding = self.disk.decoding();
        let decoding = base.map_or(decoding, |base| decoding.max(base.disk().decoding()));
        let encoder = writer.encoder().memory();
        let at_once = self.work.windows_at_once(1);
        let beside = base.map_or(Bytes::ZERO, |_| leaf_batch::room(at_once));
        let costs = Costs::new(shape.unit, encoder, decoding, LONGEST_STEP).with_windows(beside);
        let (step, count) = self.work.crew(self.work.io_workers(), &costs);
        let zero_run = if shape.marks_zero {
            writer.zero_run()
        } else {
            Bytes::ZERO
        };
        let options = PlanOptions {
            step,
            block: exec::block(step, [shape.unit, zero_run, decoding.unit]),
            gathers: true,
            skips_zero: !shape.wants_zeros || base.is_some_and(BaseCheck::is_under),
            skips_same: false,
            longest_same: Bytes::ZERO,
        };
        let least = if shape.wants_zeros {
            shape.size
        } else {
            Bytes::ZERO
        };
        let end = base.map_or(Bytes::ZERO, |base| base.disk().size());
        let end = end.max(self.disk.size()).max(least);
        let planner = ExtentPlanner::new(base.map(BaseCheck::disk), self.disk, end, options);
        let sink = ConvertSink {
            prover: DiskHasher::new(self.disk.size(), keeping),
            base: base.map(BaseCheck::begin),
            seed: Seed::new(shape.size),
            writer,
            written: Bytes::ZERO,
        };
        self.work.progress.begin(end);
        let workers = exec::workers(count, || UnitWriter::new(&*sink.writer, step));
        let copier = Copier {
            copy: self,
            shape,
            base,
            at_once,
            base_buffers: SpareBuffers::new(),
        };
        let (_, sink) = pipeline::run(&copier, &self.work, workers, (planner, sink))?;
        self.disk.prove_unchanged()?;
        sink.base.map_or(Ok(()), BaseProgress::finish)?;
        let seed = self.work.seed(sink.seed.finish());
        sink.writer.finish(&FinishParams {
            seed,
            time: self.work.time,
        })?;
        Ok(Written {
            prover: sink.prover,
            written: sink.written,
        })
    }
}

/// What is left when all has been written.
struct Written {
    prover: DiskHasher,
    written: Bytes,
}

struct ConvertSink<'a> {
    prover: DiskHasher,
    /// The proof of the base, if it is to be proven too.
    base: Option<BaseProgress<'a>>,
    seed: Seed,
    writer: Box<dyn ImageWriter>,
    written: Bytes,
}

struct Copier<'a> {
    copy: &'a Convert<'a>,
    shape: WriterLayout,
    base: Option<&'a BaseCheck<'a>>,
    /// How many windows are hashed at once.
    at_once: usize,
    /// So many windows of the base, if that is to be proven too.
    base_buffers: SpareBuffers<AlignedBuffer>,
}

struct ConvertTask {
    plan: Task,
    leaves: Vec<Digest>,
    /// The base's, if that is to be proven too.
    base: Vec<Digest>,
    units: u64,
}

impl<'a> Stage for Copier<'a> {
    type Task = ConvertTask;
    type Worker = UnitWriter;
    type Source = ExtentPlanner<'a>;
    type Sink = ConvertSink<'a>;

    fn next_task(&self, planner: &mut Self::Source) -> Result<Option<ConvertTask>> {
        self.copy.work.progress.go_on()?;
        Ok(planner.task()?.map(|plan| ConvertTask {
            plan,
            leaves: Vec::new(),
            base: Vec::new(),
            units: 0,
        }))
    }

    fn announce(&self, task: &ConvertTask) {
        if task.plan.relation != Relation::Zero {
            task.plan.will_read(self.copy.disk, Side::Target);
            if let Some(base) = self.base {
                task.plan.will_read(base.disk(), Side::Base);
            }
        }
    }

    fn process(&self, unit_writer: &mut UnitWriter, task: &mut ConvertTask) -> Result<()> {
        if task.plan.relation == Relation::Zero {
            return Ok(());
        }
        let len = task.plan.to_read();
        let image_len = self.image_len(&task.plan);
        unit_writer.begin_full(image_len);
        task.leaves = self.read(unit_writer, &task.plan, image_len.max(len))?;
        if let Some(beside) = self.base {
            let own = (task.leaves.as_slice(), self.copy.disk.size());
            let buffer = || AlignedBuffer::zeroed(leaf_batch::room(self.at_once));
            let read = |buffer: &mut AlignedBuffer| beside.leaves(buffer, &task.plan, own);
            task.base = self.base_buffers.lend(buffer, read)?;
        }
        unit_writer.stand(task.plan.standing(self.copy.disk, Side::Target));
        self.mark(unit_writer, &task.plan, image_len);
        unit_writer.pack(image_len, |packed| task.plan.address_of(packed))?;
        task.units = unit_writer.units();
        Ok(())
    }

    fn commit(
        &self,
        unit_writer: &mut UnitWriter,
        task: &mut ConvertTask,
        sink: &mut Self::Sink,
    ) -> Result<()> {
        let mut written = Bytes::ZERO;
        if task.units > 0 {
            written = unit_writer.place(&mut *sink.writer, &mut sink.seed)?;
        }
        sink.prove(task)?;
        sink.written = Bytes(sink.written.0.saturating_add(written.0));
        self.copy.work.progress.advance(task.plan.len, written);
        Ok(())
    }

    fn needs_flush(&self, task: &ConvertTask) -> bool {
        task.units > 0
    }

    fn flush(&self, unit_writer: &mut UnitWriter, _: ConvertTask) -> Result<()> {
        unit_writer.write()
    }
}

impl ConvertSink<'_> {
    /// Takes the task's windows into the proofs.
    fn prove(&mut self, task: &ConvertTask) -> Result<()> {
        let (mut own, mut base) = (task.leaves.iter(), task.base.iter());
        for section in task.plan.sections() {
            match section {
                Section::Passed(count) => {
                    self.prover.zeros(count);
                    if let Some(base) = &mut self.base {
                        base.zeros(count);
                    }
                }
                Section::Read(count) => {
                    let count = Bytes(count).in_memory();
                    let taken = own.by_ref().take(count);
                    taken.for_each(|leaf| self.prover.leaf(leaf));
                    if let Some(proof) = &mut self.base {
                        let mut taken = base.by_ref().take(count);
                        taken.try_for_each(|leaf| proof.leaf(leaf))?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Copier<'_> {
    /// How many bytes of the image the task's are, in memory: none beyond the image's end, and the rest of the disk's last unit, since a
    /// writer may round the disk's size up.
    fn image_len(&self, task: &Task) -> Bytes {
        let WriterLayout { size, unit, .. } = self.shape;
        let spans = task.spans().iter();
        let lens = spans.map(|span| {
            let there = Bytes(size.0.saturating_sub(span.at.0));
            span.len.round_up(unit).min(there).0
        });
        Bytes(lens.sum())
    }

    /// What is zero need not be stored, unless old bytes would show through; nor does what stands there already.
    fn mark(&self, unit_writer: &mut UnitWriter, task: &Task, len: Bytes) {
        let WriterLayout {
            grain,
            size,
            wants_zeros,
            ..
        } = self.shape;
        let is_under = self.base.is_some_and(BaseCheck::is_under);
        let is_same = |number: usize| {
            let at = (number as u64).saturating_mul(grain.0);
            let at = task.address_of(Bytes(at));
            // What a longer base has behind the image's end is cut off.
            let len = grain.min(Bytes(size.0.saturating_sub(at.0)));
            let extents = extents_of(&task.extents, at, len);
            let mut relations = extents.iter().map(|extent| extent.relation);
            relations.all(|relation| relation != Relation::Unknown)
        };
        let bytes = unit_writer
            .data()
            .get(..len.in_memory())
            .unwrap_or_default();
        let grains = bytes.chunks(grain.in_memory().max(1)).enumerate();
        let states: Vec<BlockState> = grains
            .map(|(number, bytes)| match wants_zeros || !is_zero(bytes) {
                true if !is_under || !is_same(number) => BlockState::Data,
                _ => BlockState::Absent,
            })
            .collect();
        for (place, state) in unit_writer.grains_mut().iter_mut().zip(states) {
            *place = state;
        }
    }
}
