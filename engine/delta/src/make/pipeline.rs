//! What `make` does task by task: takes a part of both disks, has it compared by any worker, and commits in order what was found. How it is
//! compared stands in `compare`.

use imgdelta_core::{Bytes, ImageWriter, Kind, Result};

use super::{
    compare::Comparison,
    task::{DiffContext, DiffTask, DiffWorker, Sides, damaged_memory},
};
use crate::{
    chain::Chain,
    digest_cache::{LeafReader, LeafRun, windows_of},
    disk_hasher::DiskHasher,
    layer::LayerHasher,
    pipeline::Stage,
    planner::{ExtentPlanner, Relation, Task},
    unit_writer::Seed,
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
pub(super) struct Differ<'a>(pub(super) DiffContext<'a>);

impl<'a> Stage for Differ<'a> {
    type Task = DiffTask;
    type Worker = DiffWorker;
    type Source = DiffSource<'a>;
    type Sink = DiffSink;

    fn next_task(&self, source: &mut Self::Source) -> Result<Option<DiffTask>> {
        self.0.work.progress.go_on()?;
        let Some(plan) = source.planner.task()? else {
            return Ok(None);
        };
        let Sides { base, target } = &mut source.leaves;
        Ok(Some(DiffTask {
            base: known(base.as_mut(), &plan, self.0.base)?,
            target: known(target.as_mut(), &plan, self.0.target)?,
            plan,
            windows: Vec::new(),
            changed: Bytes::ZERO,
            units: 0,
        }))
    }

    fn process(&self, worker: &mut DiffWorker, task: &mut DiffTask) -> Result<()> {
        if task.plan.relation == Relation::Unknown {
            Comparison {
                context: self.0,
                worker,
                task,
            }
            .run()
        } else {
            Ok(())
        }
    }

    fn commit(
        &self,
        worker: &mut DiffWorker,
        task: &mut DiffTask,
        sink: &mut DiffSink,
    ) -> Result<()> {
        let range = task.plan.windows();
        let count = range.end - range.start;
        match task.plan.relation {
            Relation::Zero => {
                sink.base.zeros(count);
                sink.target.zeros(count);
                sink.layer.absent(count);
            }
            Relation::Same => {
                for run in &task.base {
                    sink.base.run(run);
                    sink.target.run(run);
                }
                sink.layer.absent(count);
            }
            Relation::Unknown => {
                if task.units > 0 {
                    let unit_writer = &mut worker.unit_writer;
                    unit_writer.place(task.plan.at, &mut *sink.writer, &mut sink.seed)?;
                }
                for found in &task.windows {
                    sink.base.leaf(&found.base);
                    sink.target.leaf(&found.target);
                    match &found.layer {
                        Some(leaf) => sink.layer.leaf(leaf),
                        None => sink.layer.absent(1),
                    }
                }
                sink.units += task.units;
                sink.changed = Bytes(sink.changed.0 + task.changed.0);
            }
        }
        self.0.work.progress.advance(task.plan.len, task.changed);
        Ok(())
    }

    fn flush(&self, worker: &mut DiffWorker, task: DiffTask) -> Result<()> {
        if task.units > 0 {
            worker.unit_writer.write()
        } else {
            Ok(())
        }
    }
}

/// What is known of the leaves of a task; nothing of one that is zero.
fn known(leaves: Option<&mut LeafReader>, plan: &Task, disk: &Chain) -> Result<Vec<LeafRun>> {
    let Some(leaves) = leaves else {
        return Ok(Vec::new());
    };
    let range = plan.windows();
    let end = range.end.min(windows_of(disk.size()));
    let there = end.saturating_sub(range.start);
    let taken = match plan.relation {
        // However long it is: what a damaged file says of it is not gathered.
        Relation::Zero => leaves.pass_zeros(there).map(|()| Vec::new()),
        Relation::Same | Relation::Unknown => leaves.take(there),
    };
    taken.map_err(|error| match error.kind() {
        Kind::Corrupt => damaged_memory(),
        _ => error,
    })
}
