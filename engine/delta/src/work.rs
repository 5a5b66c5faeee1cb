//! What every run needs to know: how many threads, who watches, which time to record.

use imgdelta_core::Bytes;

use crate::watch::Watch;

/// How a run is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// How many threads; none counts as one.
    pub threads: usize,
    /// Who watches, and may stop it.
    pub watch: &'a Watch,
    /// The time to record in images, in seconds since 1970.
    pub time: Option<u64>,
    /// What ids are made of instead of the content, if the user wants new ones.
    pub new_ids: Option<[u8; 32]>,
}

impl Work<'_> {
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

    /// For work that mostly waits for the disk: four times as many, so that the disk always has several pieces to write while others are
    /// read. One thread stays one.
    pub(crate) fn waiting_desks<D>(&self, desk: impl FnMut() -> D) -> Vec<D> {
        let count = match self.threads {
            0 | 1 => 1,
            many => many.saturating_mul(4),
        };
        std::iter::repeat_with(desk).take(count).collect()
    }
}

/// The length of a piece of work for a writer of such units, and readers of such blocks: a power of two.
pub(crate) fn step(unit: Bytes, block: Bytes) -> Bytes {
    const LARGEST: Bytes = Bytes::mib(4);
    let step = Bytes::mib(1).max(unit).max(block.min(LARGEST));
    Bytes(step.0.next_power_of_two())
}
