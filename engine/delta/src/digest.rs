//! `digest`: a disk's content id, from bytes read, from memory or from its parent's leaves; and the plain SHA-256 of its bytes.

mod against;
mod over;

use std::{sync::mpsc::sync_channel, thread};

use imgdelta_core::{AtomicFile, Bytes, Error, Kind, Result, VirtOffset};
use sha2::{Digest as _, Sha256};

use self::against::Against;
pub use self::{against::Verdict, over::prove_over};
use crate::{
    buffer::Aligned,
    chain::Chain,
    digest_cache::{DigestCache, LeafReader, LeafWriter, windows_of},
    disk_hasher::{DiskHasher, Proof},
    exec::{self, ExecContext},
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
    let sink = hash(disk, memory.keep(disk), None, work)?;
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
    hash(disk, Some(leaves), None, work)?.prover.finish_kept()
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
    let sink = hash(disk, None, Some(Against::new(leaves)), work)?;
    let verdict = sink.against.map(Against::finish).unwrap_or_default();
    Ok((sink.prover.finish(true), verdict))
}

/// Reads the whole disk.
fn hash<'a>(
    disk: &'a Chain,
    keeping: Option<LeafWriter>,
    against: Option<Against>,
    work: ExecContext<'a>,
) -> Result<HashSink> {
    let step = exec::step(WINDOW, disk.block_size());
    let decoding = disk.decoding();
    let options = PlanOptions {
        step,
        block: exec::block(step, [decoding.unit]),
        gathers: true,
        skips_zero: true,
        skips_same: false,
        longest_same: Bytes::ZERO,
    };
    let planner = ExtentPlanner::new(None, disk, disk.size(), options);
    let sink = HashSink {
        prover: DiskHasher::new(disk.size(), keeping),
        against,
    };
    work.progress.begin(disk.size());
    // As much at once as is hashed together, or decoded.
    let portion = leaf_batch::buffer().max(decoding.unit.round_up(WINDOW).min(step));
    let each = Bytes(portion.0 + decoding.memory.0);
    let workers = work.cpu_workers(each, || Aligned::zeroed(portion));
    let hasher = Hasher { disk, work };
    let (_, sink) = pipeline::run(&hasher, &work, workers, (planner, sink))?;
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
        scope.spawn(move || {
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
        });
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

struct HashSink {
    prover: DiskHasher,
    /// What the disk's leaves are to be.
    against: Option<Against>,
}

struct Hasher<'a> {
    disk: &'a Chain,
    work: ExecContext<'a>,
}

struct HashTask {
    plan: Task,
    leaves: Vec<Digest>,
}

impl<'a> Stage for Hasher<'a> {
    type Task = HashTask;
    type Worker = Aligned;
    type Source = ExtentPlanner<'a>;
    type Sink = HashSink;

    fn next_task(&self, planner: &mut Self::Source) -> Result<Option<HashTask>> {
        self.work.progress.go_on()?;
        Ok(planner.task()?.map(|plan| HashTask {
            plan,
            leaves: Vec::new(),
        }))
    }

    fn process(&self, buffer: &mut Aligned, task: &mut HashTask) -> Result<()> {
        if task.plan.relation == Relation::Zero {
            return Ok(());
        }
        let (mut from, end) = (Bytes::ZERO, task.plan.to_read());
        while from < end {
            let buffer = buffer.bytes_mut();
            let len = Bytes(end.0 - from.0).in_memory().min(buffer.len());
            let bytes = buffer.get_mut(..len).unwrap_or_default();
            task.plan
                .read_packed(self.disk, Side::Target, from, bytes)?;
            let windows: Vec<&[u8]> = bytes.chunks(WINDOW.in_memory()).collect();
            task.leaves.extend(leaf_batch::leaves(&windows));
            from = Bytes(from.0.saturating_add(len as u64));
        }
        Ok(())
    }

    fn commit(&self, _: &mut Aligned, task: &mut HashTask, sink: &mut HashSink) -> Result<()> {
        let mut leaves = task.leaves.iter();
        for section in task.plan.sections() {
            match section {
                Section::Passed(count) => {
                    sink.prover.zeros(count);
                    if let Some(against) = &mut sink.against {
                        against.zeros(count)?;
                    }
                }
                Section::Read(count) => {
                    for leaf in leaves.by_ref().take(Bytes(count).in_memory()) {
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
