//! What every run needs to know: how many threads, who watches, which time to record.

use imgdelta_core::Bytes;

use crate::watch::Watch;

/// How a run is to be done.
#[derive(Clone, Copy, Debug)]
pub struct ExecContext<'a> {
    /// How many threads; none counts as one.
    pub threads: usize,
    /// Who watches, and may stop it.
    pub watch: &'a Watch,
    /// The time to record in images, in seconds since 1970.
    pub time: Option<u64>,
    /// What ids are made of instead of the content, if the user wants new ones.
    pub new_ids: Option<[u8; 32]>,
}

impl ExecContext<'_> {
    /// What ids are made of.
    pub(crate) fn seed(&self, of_content: [u8; 32]) -> [u8; 32] {
        self.new_ids.unwrap_or(of_content)
    }

    /// One desk a thread: for work that computes.
    pub(crate) fn desks<D>(&self, desk: impl FnMut() -> D) -> Vec<D> {
        std::iter::repeat_with(desk)
            .take(self.threads.max(1))
            .collect()
    }

    /// For work that mostly waits for the disk: four times as many, so that the disk always has several pieces to write while
    /// others are read. One thread stays one, and beyond 16 desks there are no more than threads.
    pub(crate) fn waiting_desks<D>(&self, desk: impl FnMut() -> D) -> Vec<D> {
        let count = match self.threads {
            0 | 1 => 1,
            many => many.saturating_mul(4).min(many.max(16)),
        };
        std::iter::repeat_with(desk).take(count).collect()
    }

    /// The least length of a piece for such work: the longer a write, the less each costs the file system, as long as all
    /// desks together stay small.
    pub(crate) const fn waiting_step(&self) -> Bytes {
        if self.threads <= 16 {
            Bytes::mib(4)
        } else {
            Bytes::mib(1)
        }
    }
}

/// The length of a piece of work for a writer of such units, and readers of such blocks: a power of two.
pub(crate) fn step(unit: Bytes, block: Bytes) -> Bytes {
    const LARGEST: Bytes = Bytes::mib(4);
    let step = Bytes::mib(1).max(unit).max(block.min(LARGEST));
    Bytes(step.0.next_power_of_two())
}
