//! What `make` does task by task: takes a part of both disks, has it compared by any worker, and commits in order what was found. How it is
//! compared stands in `compare`.

use imgdelta_core::{Bytes, ImageWriter, Kind, Result};

use super::{
    compare::Comparison,
    task::{DiffContext, DiffTask, Sides, WindowBuffers, damaged_memory},
};
use crate::{
    buffer::SpareBuffers,
    chain::Chain,
    digest_cache::{LeafReader, LeafRun, windows_of},
    disk_hasher::DiskHasher,
    layer::LayerHasher,
    pipeline::Stage,
    planner::{ExtentPlanner, Relation, Section, Side, Task, windows},
    tree::WINDOW,
    unit_writer::{Seed, UnitWriter},
};

/// Where tasks come from.
pub(super) struct DiffSource<'a> {
    pub(super) planner: ExtentPlanner<'a>,
    pub(super) leaves: Sides<LeafReader>,
}

/// What is found, in order.
pub(super) struct DiffSink {
    pub(super) base: DiskHasher,
    pub(super) target: DiskHasher,
    pub(super) layer: LayerHasher,
    pub(super) seed: Seed,
    pub(super) writer: Box<dyn ImageWriter>,
    pub(super) units: u64,
    pub(super) changed: Bytes,
}

/// Compares the disks of a context.
pub(super) struct Differ<'a> {
    context: DiffContext<'a>,
    buffers: SpareBuffers<WindowBuffers>,
}

impl<'a> Differ<'a> {
    pub(super) const fn new(context: DiffContext<'a>) -> Self {
        Self {
            context,
            buffers: SpareBuffers::new(),
        }
    }
}

impl<'a> Stage for Differ<'a> {
    type Task = DiffTask;
    type Worker = UnitWriter;
    type Source = DiffSource<'a>;
    type Sink = DiffSink;

    fn next_task(&self, source: &mut Self::Source) -> Result<Option<DiffTask>> {
        self.context.work.progress.go_on()?;
        let Some(plan) = source.planner.task()? else {
            return Ok(None);
        };
        let Sides { base, target } = &mut source.leaves;
        Ok(Some(DiffTask {
            base: known(base.as_mut(), &plan, self.context.base)?,
            target: known(target.as_mut(), &plan, self.context.target)?,
            plan,
            windows: Vec::new(),
            changed: Bytes::ZERO,
            units: 0,
        }))
    }

    fn announce(&self, task: &DiffTask) {
        if task.plan.relation == Relation::Unknown {
            task.plan.will_read(self.context.target, Side::Target);
            if task.base.is_empty() {
                task.plan.will_read(self.context.base, Side::Base);
            }
        }
    }

    fn process(&self, unit_writer: &mut UnitWriter, task: &mut DiffTask) -> Result<()> {
        if task.plan.relation != Relation::Unknown {
            return Ok(());
        }
        let new = || WindowBuffers::new(self.context.at_once);
        self.buffers.lend(new, |buffers| {
            Comparison {
                context: self.context,
                unit_writer,
                buffers,
                task,
            }
            .run()
        })
    }

    fn commit(
        &self,
        unit_writer: &mut UnitWriter,
        task: &mut DiffTask,
        sink: &mut DiffSink,
    ) -> Result<()> {
        if task.units > 0 {
            unit_writer.place(&mut *sink.writer, &mut sink.seed)?;
        }
        if task.plan.relation == Relation::Same {
            for run in &task.base {
                sink.base.run(run);
                sink.target.run(run);
            }
            let windows = windows(task.plan.at, task.plan.len);
            sink.layer.absent(windows.end - windows.start);
        } else {
            sink.prove(task);
        }
        sink.units += task.units;
        sink.changed = Bytes(sink.changed.0 + task.changed.0);
        self.context
            .work
            .progress
            .advance(task.plan.len, task.changed);
        Ok(())
    }

    fn needs_flush(&self, task: &DiffTask) -> bool {
        task.units > 0
    }

    fn flush(&self, unit_writer: &mut UnitWriter, _: DiffTask) -> Result<()> {
        unit_writer.write()
    }
}

impl DiffSink {
    /// Takes the windows of a task that was compared, or is zero, into the proofs.
    fn prove(&mut self, task: &DiffTask) {
        let mut windows = task.windows.iter();
        for section in task.plan.sections() {
            match section {
                Section::Passed(count) => {
                    self.base.zeros(count);
                    self.target.zeros(count);
                    self.layer.absent(count);
                }
                Section::Read(count) => {
                    for found in windows.by_ref().take(Bytes(count).in_memory()) {
                        self.base.leaf(&found.base);
                        self.target.leaf(&found.target);
                        match &found.layer {
                            Some(leaf) => self.layer.leaf(leaf),
                            None => self.layer.absent(1),
                        }
                    }
                }
            }
        }
    }
}

/// What is known of the leaves of the windows of a task that are looked at, or are the same; nothing of what is zero.
fn known(leaves: Option<&mut LeafReader>, plan: &Task, disk: &Chain) -> Result<Vec<LeafRun>> {
    let Some(leaves) = leaves else {
        return Ok(Vec::new());
    };
    let mut at = plan.at.0 / WINDOW.0;
    let mut known = Vec::new();
    for section in plan.sections() {
        let (Section::Passed(count) | Section::Read(count)) = section;
        let there = windows_of(disk.size()).saturating_sub(at).min(count);
        at = at.saturating_add(count);
        let taken = match section {
            // However long it is: what a damaged file says of it is not gathered.
            Section::Passed(_) if plan.relation != Relation::Same => {
                leaves.pass_zeros(there).map(|()| Vec::new())
            }
            _ => leaves.take(there),
        };
        known.extend(taken.map_err(|error| match error.kind() {
            Kind::Corrupt => damaged_memory(),
            _ => error,
        })?);
    }
    Ok(known)
}
