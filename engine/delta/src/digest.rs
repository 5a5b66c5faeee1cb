//! `digest`: a disk's content id, from bytes read, from memory or from its parent's leaves; and the plain SHA-256 of its bytes.

mod against;
mod over;

use std::{sync::mpsc::sync_channel, thread};

use imgdelta_core::{AlignedBuffer, AtomicFile, Bytes, Error, Kind, Result, VirtOffset, threads};
use sha2::{Digest as _, Sha256};

use self::against::Against;
pub use self::{against::Verdict, over::prove_over};
use crate::{
    base_check::{BaseCheck, BaseProgress},
    buffer::SpareBuffers,
    chain::Chain,
    digest_cache::{DigestCache, LeafReader, LeafWriter, windows_of},
    disk_hasher::{DiskHasher, Proof},
    exec::{self, Decoding, ExecContext},
    leaf_batch,
    pipeline::{self, Stage},
    planner::{ExtentPlanner, PlanOptions, Relation, Section, Side, Task},
    tree::{ContentId, Digest, WINDOW},
};

/// Reads the disk and works out what proves it; its leaves are then remembered.
///
/// # Errors
/// Those of the chain; Host, if an input changed meanwhile; Interrupted.
pub fn prove(disk: &Chain, memory: &DigestCache, work: ExecContext<'_>) -> Result<Proof> {
    let sink = hash(disk, memory.keep(disk), None, None, work)?;
    Ok(sink.prover.finish(true))
}

/// Reads the disk and works out what proves it; its leaves go to `leaves`, whose file is then complete, but neither durable nor in
/// its place.
///
/// # Errors
/// As [`prove`]; Host, if the leaves cannot be written.
pub fn prove_keeping(
    disk: &Chain,
    leaves: LeafWriter,
    work: ExecContext<'_>,
) -> Result<(Proof, AtomicFile)> {
    hash(disk, Some(leaves), None, None, work)?
        .prover
        .finish_kept()
}

/// Reads the disk, works out what proves it, and in which windows it is not the disk whose leaves these are.
///
/// # Errors
/// As [`prove`]; Corrupt, if the file of leaves is damaged; Usage, if it is of a disk of another size.
pub fn verify(disk: &Chain, leaves: LeafReader, work: ExecContext<'_>) -> Result<(Proof, Verdict)> {
    if leaves.size() != disk.size() {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "the leaves are of a disk of {} bytes, the disk has {}",
                leaves.size().0,
                disk.size().0
            ),
        ));
    }
    let sink = hash(disk, None, Some(Against::new(leaves)), None, work)?;
    let verdict = sink.against.map(Against::finish).unwrap_or_default();
    Ok((sink.prover.finish(true), verdict))
}

/// Reads the disk and works out what proves it, and proves its base in the same pass: what both have is read and hashed once.
///
/// # Errors
/// As [`prove`]; Chain, as soon as the base is found to be another one.
pub(crate) fn prove_beside(
    disk: &Chain,
    base: &BaseCheck<'_>,
    work: ExecContext<'_>,
) -> Result<Proof> {
    let sink = hash(disk, None, None, Some(base), work)?;
    sink.base.map_or(Ok(()), BaseProgress::finish)?;
    Ok(sink.prover.finish(true))
}

/// Reads the whole disk.
fn hash<'a>(
    disk: &'a Chain,
    keeping: Option<LeafWriter>,
    against: Option<Against>,
    beside: Option<&'a BaseCheck<'a>>,
    work: ExecContext<'a>,
) -> Result<HashSink<'a>> {
    let base = beside.map(BaseCheck::disk);
    let room = leaf_batch::room(work.windows_at_once(1 + usize::from(base.is_some())));
    // A task has as much as is hashed at once, or the lanes of a wide processor stay empty.
    let step = exec::step(room, disk.block_size());
    let decoding = base.map_or(Decoding::default(), Chain::decoding);
    let decoding = decoding.max(disk.decoding());
    let options = PlanOptions {
        step,
        block: exec::block(step, [decoding.unit]),
        gathers: true,
        skips_zero: true,
        skips_same: false,
        longest_same: Bytes::ZERO,
    };
    let end = base.map_or(disk.size(), |base| base.size().max(disk.size()));
    let planner = ExtentPlanner::new(base, disk, end, options);
    let sink = HashSink {
        prover: DiskHasher::new(disk.size(), keeping),
        against,
        base: beside.map(BaseCheck::begin),
    };
    work.progress.begin(end);
    // As much at once as is hashed together, or decoded.
    let portion = room.max(decoding.unit.round_up(WINDOW).min(step));
    let beside_room = base.map_or(Bytes::ZERO, |_| room);
    let each = Bytes(portion.0 + beside_room.0 + decoding.memory.0);
    let threads = work.threads_fed(each);
    let hasher = Hasher {
        disk,
        base: beside,
        work,
        room: (portion, beside_room),
        buffers: SpareBuffers::new(),
    };
    let (_, sink) = pipeline::compute(&hasher, &work, threads, (planner, sink))?;
    disk.prove_unchanged()?;
    Ok(sink)
}

/// What proves the disk, from memory if it is remembered; true if it was.
///
/// # Errors
/// As [`prove`].
pub fn prove_or_recall(
    disk: &Chain,
    memory: &DigestCache,
    work: ExecContext<'_>,
) -> Result<(Proof, bool)> {
    match recall(disk, memory) {
        Some(proof) => Ok((proof, true)),
        None => Ok((prove(disk, memory, work)?, false)),
    }
}

/// The content id of the disk whose leaves these are, worked out from all of them.
///
/// # Errors
/// Corrupt, if the file of leaves is damaged.
pub fn id_of(mut leaves: LeafReader) -> Result<ContentId> {
    const PORTION: u64 = 4096;
    let mut prover = DiskHasher::new(leaves.size(), None);
    let mut left = windows_of(leaves.size());
    while left > 0 {
        let now = left.min(PORTION);
        leaves.take(now)?.iter().for_each(|run| prover.run(run));
        left -= now;
    }
    Ok(prover.finish(true).id)
}

/// What is remembered of the disk, worked out from its leaves; `None` if it is not what it should be.
fn recall(disk: &Chain, memory: &DigestCache) -> Option<Proof> {
    const PORTION: u64 = 4096;
    let mut recalled = memory.recall(disk)?;
    let mut prover = DiskHasher::new(disk.size(), None);
    let mut left = windows_of(disk.size());
    while left > 0 {
        let now = left.min(PORTION);
        recalled
            .take(now)
            .ok()?
            .iter()
            .for_each(|run| prover.run(run));
        left -= now;
    }
    let proof = prover.finish(true);
    (proof.id == recalled.id()).then_some(proof)
}

/// The SHA-256 of the disk's bytes, for comparison with published checksums.
///
/// # Errors
/// As [`prove`].
pub fn plain_sha256(disk: &Chain, work: ExecContext<'_>) -> Result<Digest> {
    work.progress.begin(disk.size());
    let step = exec::step(WINDOW, disk.block_size());
    // One thread reads ahead while the other hashes: two buffers go round.
    let (filled, to_hash) = sync_channel(1);
    let (used, to_fill) = sync_channel(2);
    let hash = thread::scope(move |scope| {
        let buffers = [(); 2].map(|()| vec![0; step.in_memory()]);
        buffers.into_iter().try_for_each(|one| used.send(one)).ok();
        threads::beside(scope, move || {
            let mut at = VirtOffset::ZERO;
            while at.0 < disk.size().0
                && let Ok(mut buffer) = to_fill.recv()
            {
                let len = Bytes(disk.size().0 - at.0).min(step);
                buffer.truncate(len.in_memory());
                let read = disk.read_at(at, &mut buffer).map(|()| buffer);
                let is_over = read.is_err();
                if filled.send(read).is_err() || is_over {
                    return;
                }
                at = at.saturating_add(len);
            }
        })?;
        let mut hash = Sha256::new();
        while let Ok(read) = to_hash.recv() {
            work.progress.go_on()?;
            let buffer: Vec<u8> = read?;
            hash.update(&buffer);
            work.progress
                .advance(Bytes::from(buffer.len()), Bytes::ZERO);
            // Nobody waits for it behind the disk's end.
            let _ = used.send(buffer);
        }
        Ok::<_, Error>(hash)
    })?;
    disk.prove_unchanged()?;
    Ok(Digest(hash.finalize().into()))
}

struct HashSink<'a> {
    prover: DiskHasher,
    /// What the disk's leaves are to be.
    against: Option<Against>,
    /// The proof of the base, if it is to be proven too.
    base: Option<BaseProgress<'a>>,
}

struct Hasher<'a> {
    disk: &'a Chain,
    base: Option<&'a BaseCheck<'a>>,
    work: ExecContext<'a>,
    /// What each of a thread's buffers holds.
    room: (Bytes, Bytes),
    buffers: SpareBuffers<HashBuffers>,
}

struct HashTask {
    plan: Task,
    leaves: Vec<Digest>,
    /// The base's, if that is to be proven too.
    base: Vec<Digest>,
}

/// One thread's buffers.
struct HashBuffers {
    disk: AlignedBuffer,
    /// Empty where there is no base to be proven.
    base: AlignedBuffer,
}

impl<'a> Stage for Hasher<'a> {
    type Task = HashTask;
    type Worker = ();
    type Source = ExtentPlanner<'a>;
    type Sink = HashSink<'a>;

    fn next_task(&self, planner: &mut Self::Source) -> Result<Option<HashTask>> {
        self.work.progress.go_on()?;
        Ok(planner.task()?.map(|plan| HashTask {
            plan,
            leaves: Vec::new(),
            base: Vec::new(),
        }))
    }

    fn process(&self, (): &mut (), task: &mut HashTask) -> Result<()> {
        if task.plan.relation == Relation::Zero {
            return Ok(());
        }
        let (disk, base) = self.room;
        let new = || HashBuffers {
            disk: AlignedBuffer::zeroed(disk),
            base: AlignedBuffer::zeroed(base),
        };
        self.buffers.lend(new, |buffers| self.hash(buffers, task))
    }

    fn commit(&self, (): &mut (), task: &mut HashTask, sink: &mut HashSink<'a>) -> Result<()> {
        let (mut leaves, mut bases) = (task.leaves.iter(), task.base.iter());
        for section in task.plan.sections() {
            match section {
                Section::Passed(count) => {
                    sink.prover.zeros(count);
                    if let Some(base) = &mut sink.base {
                        base.zeros(count);
                    }
                    if let Some(against) = &mut sink.against {
                        against.zeros(count)?;
                    }
                }
                Section::Read(count) => {
                    let count = Bytes(count).in_memory();
                    if let Some(base) = &mut sink.base {
                        let mut taken = bases.by_ref().take(count);
                        taken.try_for_each(|leaf| base.leaf(leaf))?;
                    }
                    for leaf in leaves.by_ref().take(count) {
                        sink.prover.leaf(leaf);
                        if let Some(against) = &mut sink.against {
                            against.leaf(leaf)?;
                        }
                    }
                }
            }
        }
        self.work.progress.advance(task.plan.len, Bytes::ZERO);
        Ok(())
    }
}

impl Hasher<'_> {
    /// Hashes what is to be read of a task.
    fn hash(&self, buffers: &mut HashBuffers, task: &mut HashTask) -> Result<()> {
        let (mut from, end) = (Bytes::ZERO, task.plan.to_read());
        let size = self.disk.size();
        let mut numbers = task.plan.windows_to_read().map(|window| window.number);
        while from < end {
            let buffer = buffers.disk.bytes_mut();
            let len = Bytes(end.0 - from.0).in_memory().min(buffer.len());
            let bytes = buffer.get_mut(..len).unwrap_or_default();
            task.plan
                .read_packed(self.disk, Side::Target, from, bytes)?;
            let count = Bytes(Bytes::from(len).pieces(WINDOW)).in_memory();
            let numbers = numbers.by_ref().take(count);
            task.leaves
                .extend(leaf_batch::leaves_of(size, numbers, bytes));
            from = Bytes(from.0.saturating_add(len as u64));
        }
        if let Some(base) = self.base {
            let own = (task.leaves.as_slice(), self.disk.size());
            task.base = base.leaves(&mut buffers.base, &task.plan, own)?;
        }
        Ok(())
    }
}
