//! The content id of a child, by reading only what it says itself: the rest is its base's, whose leaves are there.

use imgdelta_core::{AlignedBuffer, AtomicFile, Bytes, Error, Kind, Result, VirtOffset};

use crate::{
    buffer::SpareBuffers,
    chain::Chain,
    digest_cache::{LeafReader, LeafRun, LeafWriter, windows_of},
    disk_hasher::{DiskHasher, Proof},
    exec::{self, ExecContext},
    leaf_batch,
    pipeline::{self, Stage},
    planner::{
        Extent, ExtentPlanner, PlanOptions, Relation, Side, Task, extents_of, read_extents, windows,
    },
    tree::{Digest, WINDOW},
};

/// The longest run of the base that is taken over at once: 4096 leaves.
const LONGEST_SAME: Bytes = Bytes::mib(256);

/// What proves `disk`, of which `base` is a lower part: its layers are the last ones of the disk's. Where the layers above say nothing, the
/// leaves are those of `known`, which are the base's. They are believed: a file that is not what it says is found out, a base that
/// has changed since is not.
///
/// The disk's own leaves go to `keeping`, if they are wanted: its file is then complete, but neither durable nor in its place.
///
/// # Errors
/// Corrupt with the code `leaves`, if `known` is damaged or of another disk; else as [`prove`](super::prove).
pub fn prove_over(
    disk: &Chain,
    base: &Chain,
    known: LeafReader,
    keeping: Option<LeafWriter>,
    work: ExecContext<'_>,
) -> Result<(Proof, Option<AtomicFile>)> {
    if known.size() != base.size() {
        return Err(wrong_leaves("are of a disk of another size"));
    }
    let step = exec::step(WINDOW, disk.block_size());
    let options = PlanOptions {
        step,
        block: exec::block(step, [disk.decoding().unit]),
        gathers: false,
        skips_zero: true,
        skips_same: true,
        longest_same: LONGEST_SAME,
    };
    // A base that is longer is walked to its end too: of its leaves none is left out.
    let end = disk.size().max(base.size());
    let expected = known.id();
    let is_kept = keeping.is_some();
    let source = HashSource {
        planner: ExtentPlanner::new(Some(base), disk, end, options),
        known,
        base: DiskHasher::new(base.size(), None),
    };
    let prover = DiskHasher::new(disk.size(), keeping);
    work.progress.begin(end);
    let room = leaf_batch::room(work.windows_at_once(1));
    let each = Bytes(room.0 + disk.decoding().memory.0);
    let threads = work.threads_fed(each);
    let hasher = Hasher {
        disk,
        base,
        work,
        room,
        buffers: SpareBuffers::new(),
    };
    let (source, prover) = pipeline::compute(&hasher, &work, threads, (source, prover))?;
    disk.prove_unchanged()?;
    if source.base.finish(false).id != expected {
        return Err(wrong_leaves("do not make its content id"));
    }
    if is_kept {
        let (proof, leaves) = prover.finish_kept()?;
        return Ok((proof, Some(leaves)));
    }
    Ok((prover.finish(true), None))
}

struct HashSource<'a> {
    planner: ExtentPlanner<'a>,
    known: LeafReader,
    /// Of what the leaves that were read make: in the order in which they stand in their file, so it belongs to the source.
    base: DiskHasher,
}

struct Hasher<'a> {
    disk: &'a Chain,
    base: &'a Chain,
    work: ExecContext<'a>,
    /// What a buffer holds.
    room: Bytes,
    buffers: SpareBuffers<AlignedBuffer>,
}

struct HashTask {
    plan: Task,
    /// The base's leaves there.
    known: Vec<LeafRun>,
    /// The disk's leaves there, where they were worked out.
    leaves: Vec<Digest>,
}

impl<'a> Stage for Hasher<'a> {
    type Task = HashTask;
    type Worker = ();
    type Source = HashSource<'a>;
    type Sink = DiskHasher;

    fn next_task(&self, source: &mut Self::Source) -> Result<Option<HashTask>> {
        self.work.progress.go_on()?;
        let Some(plan) = source.planner.task()? else {
            return Ok(None);
        };
        let range = windows(plan.at, plan.len);
        let there = range.end.min(windows_of(self.base.size()));
        let there = there.saturating_sub(range.start);
        let known = match plan.relation {
            // However long it is: what a damaged file says of it is not gathered.
            Relation::Zero => {
                source.known.pass_zeros(there)?;
                source.base.zeros(there);
                Vec::new()
            }
            Relation::Same | Relation::Unknown => {
                let known = source.known.take(there)?;
                known.iter().for_each(|run| source.base.run(run));
                known
            }
        };
        Ok(Some(HashTask {
            plan,
            known,
            leaves: Vec::new(),
        }))
    }

    fn process(&self, (): &mut (), task: &mut HashTask) -> Result<()> {
        if task.plan.relation != Relation::Unknown {
            return Ok(());
        }
        let new = || AlignedBuffer::zeroed(self.room);
        self.buffers.lend(new, |buffer| self.hash(buffer, task))
    }

    fn commit(&self, (): &mut (), task: &mut HashTask, disk: &mut DiskHasher) -> Result<()> {
        let range = windows(task.plan.at, task.plan.len);
        match task.plan.relation {
            Relation::Zero => disk.zeros(range.end - range.start),
            Relation::Same => task.known.iter().for_each(|run| disk.run(run)),
            Relation::Unknown => task.leaves.iter().for_each(|leaf| disk.leaf(leaf)),
        }
        self.work.progress.advance(task.plan.len, Bytes::ZERO);
        Ok(())
    }
}

impl Hasher<'_> {
    /// Hashes what of a task is not the base's.
    fn hash(&self, buffer: &mut AlignedBuffer, task: &mut HashTask) -> Result<()> {
        let end = task.plan.end().min(VirtOffset(self.disk.size().0));
        let mut known = task.known.iter().flat_map(LeafRun::iter);
        let numbers: Vec<u64> = windows(task.plan.at, end.since(task.plan.at)).collect();
        let part = |number: u64| {
            let at = VirtOffset(number.saturating_mul(WINDOW.0));
            let len = WINDOW.min(end.since(at));
            (at, len, extents_of(&task.plan.extents, at, len))
        };
        let leaves = numbers.iter().map(|number| {
            let (_, len, extents) = part(*number);
            known.next().filter(|_| self.is_base_s(extents, len))
        });
        let leaves: Vec<Option<Digest>> = leaves.collect();
        let found = leaf_batch::completed(leaves, buffer.bytes_mut(), |place, slot| {
            let number = numbers.get(place).copied().unwrap_or_default();
            let (at, len, extents) = part(number);
            let bytes = slot.get_mut(..len.in_memory()).unwrap_or_default();
            read_extents(self.disk, extents, Side::Target, at, bytes)?;
            Ok(len.in_memory())
        })?;
        task.leaves.extend(found);
        Ok(())
    }

    /// Whether a window of these extents is the base's own: a short one only where both disks end in it at the same place.
    fn is_base_s(&self, extents: &[Extent], len: Bytes) -> bool {
        let is_whole = len == WINDOW || self.disk.size() == self.base.size();
        is_whole
            && extents
                .iter()
                .all(|extent| extent.relation == Relation::Same)
    }
}

fn wrong_leaves(what: &str) -> Error {
    Error::new(
        Kind::Corrupt,
        format!("the leaf digests of the base {what}"),
    )
    .with_code("leaves")
}
