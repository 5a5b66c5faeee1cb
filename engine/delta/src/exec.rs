//! How a run is to be done: threads and their pool, the memory that all of them may take, who watches, which time to record.

mod pool;

use imgdelta_core::Bytes;

pub use self::pool::Pool;
use crate::{leaf_batch, progress::RunProgress, tree::WINDOW};

/// What the buffers of all workers of a run take at most, unless the caller says otherwise: 64 MiB.
pub const MEMORY: Bytes = Bytes::mib(64);

/// The longest task of a run that mostly waits for the disk: the longer a write, the less each costs the file system.
pub(crate) const LONGEST_STEP: Bytes = Bytes::mib(4);

/// The least length of a task of plain bytes.
const PLAIN_STEP: Bytes = Bytes::mib(1);

/// The least length of a task whose units are compressed: what compressing costs, a longer write does not save.
const COMPRESSED_STEP: Bytes = Bytes::kib(256);

/// How a run is to be done.
#[derive(Clone, Copy, Debug)]
pub struct ExecContext<'a> {
    /// How many threads; none counts as one. The result is the same for any number.
    pub threads: usize,
    /// How many bytes the buffers of all workers may take together: beyond that, threads idle. A run has at least one worker, and two where
    /// two are wanted, whatever they take.
    pub memory: Bytes,
    /// The threads; `None`: each call starts its own.
    pub pool: Option<&'a Pool>,
    /// Who watches, and may stop it.
    pub progress: &'a RunProgress,
    /// The time to record in images, in seconds since 1970.
    pub time: Option<u64>,
    /// What ids are made of instead of the content, if the user wants new ones.
    pub new_ids: Option<[u8; 32]>,
}

impl<'a> ExecContext<'a> {
    /// So many threads with the usual memory, watched by `progress`; no time is recorded, and ids are made of the content.
    #[must_use]
    pub const fn new(threads: usize, progress: &'a RunProgress) -> Self {
        Self {
            threads,
            memory: MEMORY,
            pool: None,
            progress,
            time: None,
            new_ids: None,
        }
    }

    /// For one of `count` runs that share threads and memory.
    #[must_use]
    pub fn shared_by(self, count: usize) -> Self {
        Self {
            memory: Bytes(self.memory.0 / (count.max(1) as u64)),
            ..self
        }
    }

    /// What ids are made of.
    pub(crate) fn seed(&self, of_content: [u8; 32]) -> [u8; 32] {
        self.new_ids.unwrap_or(of_content)
    }

    /// How many threads compute whose buffers take `each` bytes: as many as were asked for and the memory feeds.
    pub(crate) fn threads_fed(&self, each: Bytes) -> usize {
        let fed = Bytes(self.memory.0 / each.0.max(1)).in_memory();
        fed.max(2).min(self.threads.max(1))
    }

    /// How long tasks are, and how many workers take them. The longest steps at which the memory feeds all that are wanted; else the shortest
    /// ones, and as many workers as it feeds then.
    pub(crate) fn crew(&self, wanted: usize, costs: &Costs) -> (Bytes, usize) {
        let computing = self.threads.max(1) as u64;
        let fed = |step: Bytes| {
            let each = costs.at(step);
            let with_windows = Bytes(each.0.saturating_add(costs.beside.0));
            let taken = with_windows.0.saturating_mul(computing);
            let count = match self.memory.0.checked_sub(taken) {
                Some(left) => computing + left / each.0.max(1),
                None => self.memory.0 / with_windows.0.max(1),
            };
            Bytes(count).in_memory().max(2).min(wanted)
        };
        let mut step = costs.longest;
        while step > costs.shortest && fed(step) < wanted {
            step = Bytes(step.0 / 2).max(costs.shortest);
        }
        (step, fed(step))
    }

    /// How many windows each thread reads and hashes at once, of each of `disks`: as many as the processor hashes together, and no more than that, since
    /// few stay in the nearer caches of a core; less where the windows of all threads would take more than half of the memory.
    pub(crate) fn windows_at_once(&self, disks: usize) -> usize {
        let buffers = self.threads.max(1).saturating_mul(disks.max(1)) as u64;
        let share = Bytes(self.memory.0 / 2 / buffers / WINDOW.0).in_memory();
        let lanes = leaf_batch::lanes();
        let fitting = (1..=lanes)
            .rev()
            .find(|windows| windows.is_power_of_two() && *windows <= share);
        fitting.unwrap_or(1).clamp(4, lanes)
    }

    /// Workers for work that mostly waits for the disk: four times as many as threads, so that the disk always has several tasks to write
    /// while others are read. One thread stays one, and beyond 16 workers there are no more than threads.
    pub(crate) fn io_workers(&self) -> usize {
        pool::io_workers(self.threads)
    }
}

/// `count` workers.
pub(crate) fn workers<W>(count: usize, worker: impl FnMut() -> W) -> Vec<W> {
    std::iter::repeat_with(worker).take(count).collect()
}

/// What decoding costs where disks may hold compressed units.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Decoding {
    /// The largest unit that is compressed as a whole.
    pub(crate) unit: Bytes,
    /// What one worker takes to decode.
    pub(crate) memory: Bytes,
}

impl Decoding {
    /// Of units of at most `unit` bytes: what is read, what it becomes, and the decoder's window and tables.
    pub(crate) fn of(unit: Option<Bytes>) -> Self {
        unit.map_or_else(Self::default, |unit| Self {
            unit,
            memory: Bytes(unit.0.saturating_mul(3).saturating_add(DECODER.0)),
        })
    }

    /// Of two disks.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            unit: self.unit.max(other.unit),
            memory: self.memory.max(other.memory),
        }
    }
}

/// What a decoder takes beside its window.
const DECODER: Bytes = Bytes::kib(256);

/// What one worker of a run that writes takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// The longest and the shortest task: powers of two.
    longest: Bytes,
    shortest: Bytes,
    /// What it takes however long its tasks are.
    fixed: Bytes,
    /// What each thread that computes takes beside the workers.
    beside: Bytes,
    /// Whether it holds, beside the bytes of its task, what they were compressed to.
    is_compressed: bool,
}

impl Costs {
    /// For units of `unit` bytes whose encoder takes `encoder`, in tasks of up to `longest`, of `disk`.
    pub(crate) fn new(unit: Bytes, encoder: Bytes, disk: Decoding, longest: Bytes) -> Self {
        let is_compressed = encoder > Bytes::ZERO;
        let shortest = if is_compressed {
            COMPRESSED_STEP
        } else {
            PLAIN_STEP
        };
        // Less than a compressed unit would be decoded more than once.
        let whole = unit.max(WINDOW).max(disk.unit.min(LONGEST_STEP));
        let longest = Bytes(longest.max(whole).0.next_power_of_two());
        let shortest = Bytes(shortest.max(whole).0.next_power_of_two());
        Self {
            longest,
            shortest: shortest.min(longest),
            fixed: Bytes(encoder.0.saturating_add(disk.memory.0)),
            beside: Bytes::ZERO,
            is_compressed,
        }
    }

    /// With windows that each thread that computes keeps beside the workers, of so many bytes.
    pub(crate) fn with_windows(self, beside: Bytes) -> Self {
        Self { beside, ..self }
    }

    fn at(&self, step: Bytes) -> Bytes {
        let buffers = if self.is_compressed { 2 } else { 1 };
        Bytes(step.0.saturating_mul(buffers).saturating_add(self.fixed.0))
    }
}

/// The length of a task that is to hold such units, and blocks of readers: a power of two.
pub(crate) fn step(unit: Bytes, block: Bytes) -> Bytes {
    let step = Bytes::mib(1).max(unit).max(block.min(LONGEST_STEP));
    Bytes(step.0.next_power_of_two())
}

/// What spans of tasks start at multiples of, where none of these lengths, in bytes, is to be cut: a power of two, at most a step.
pub(crate) fn block(step: Bytes, whole: impl IntoIterator<Item = Bytes>) -> Bytes {
    let longest = whole.into_iter().fold(WINDOW, Bytes::max);
    Bytes(longest.min(step).0.next_power_of_two()).min(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_stay_within_the_memory_whatever_threads_there_are() {
        let progress = RunProgress::default();
        for threads in [1, 2, 3, 16, 64, 256, 4096] {
            let exec = ExecContext::new(threads, &progress);
            for unit in [Bytes::kib(4), Bytes::kib(64), Bytes::mib(2)] {
                for encoder in [Bytes::ZERO, Bytes::mib(3)] {
                    let costs = Costs::new(unit, encoder, Decoding::default(), LONGEST_STEP);
                    let (step, count) = exec.crew(exec.io_workers(), &costs);
                    let taken = costs.at(step).0 * count as u64;
                    assert!(taken <= MEMORY.0, "{threads} threads take {taken}");
                    assert!(step >= unit && step.0.is_power_of_two());
                    assert!(
                        count >= threads.min(4),
                        "{threads} threads, {count} workers"
                    );
                }
            }
        }
    }

    #[test]
    fn windows_of_all_threads_take_at_most_half_of_the_memory() {
        let progress = RunProgress::default();
        let lanes = leaf_batch::lanes();
        for memory in [Bytes::mib(8), MEMORY] {
            for threads in [1, 2, 3, 16, 64, 256] {
                for disks in [1, 2] {
                    let exec = ExecContext {
                        memory,
                        ..ExecContext::new(threads, &progress)
                    };
                    let windows = exec.windows_at_once(disks);
                    let taken = leaf_batch::room(windows).0 * (threads * disks) as u64;
                    assert!(windows == 4 || taken <= memory.0 / 2, "{threads}: {taken}");
                    assert!(windows.is_power_of_two() && (4..=lanes).contains(&windows));
                }
            }
        }
        assert_eq!(ExecContext::new(2, &progress).windows_at_once(2), lanes);
    }

    #[test]
    fn what_stands_beside_the_workers_leaves_them_less_memory() {
        let progress = RunProgress::default();
        let exec = ExecContext::new(16, &progress);
        let plain = Costs::new(
            Bytes::kib(64),
            Bytes::ZERO,
            Decoding::default(),
            LONGEST_STEP,
        );
        let beside = Bytes::mib(2);
        let (step, count) = exec.crew(exec.io_workers(), &plain.with_windows(beside));
        let taken = step.0 * count as u64 + 16 * beside.0;
        assert!(
            taken <= MEMORY.0,
            "{count} workers of {step:?} take {taken}"
        );
        assert_eq!((step, count), (Bytes::mib(2), 16));
        // More threads than the memory feeds: some have nothing to do, but not nearly all.
        let exec = ExecContext::new(256, &progress);
        let (step, count) = exec.crew(exec.io_workers(), &plain.with_windows(Bytes::kib(512)));
        assert_eq!((step, count), (Bytes::mib(1), 42));
    }

    #[test]
    fn long_steps_are_kept_as_long_as_all_workers_are_fed() {
        let progress = RunProgress::default();
        let plain = Decoding::default();
        let costs = Costs::new(Bytes::kib(64), Bytes::ZERO, plain, LONGEST_STEP);
        let crew = |threads| {
            let exec = ExecContext::new(threads, &progress);
            exec.crew(exec.io_workers(), &costs)
        };
        assert_eq!(crew(1), (Bytes::mib(4), 1));
        assert_eq!(crew(2), (Bytes::mib(4), 8));
        assert_eq!(crew(64), (Bytes::mib(1), 64));
        assert_eq!(crew(256), (Bytes::mib(1), 64));
    }
}
