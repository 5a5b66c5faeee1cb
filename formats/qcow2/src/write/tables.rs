//! L1 and L2 tables in the making: addresses only grow, so that one L2 table is in memory at a time.
//!
//! What an entry says is decided elsewhere.

use imgdelta_core::{Bytes, FileOffset, Result, Sink, write_without_zeros};

use super::{create_options::CreateOptions, space::ClusterAllocator};
use crate::layout::{L1Entry, L2Entry, Subclusters};

/// How much of the L1 table is written at once.
const PIECE: usize = 64 << 10;

/// The tables of one disk.
#[derive(Debug)]
pub(super) struct Tables {
    /// Log 2 of the entries of an L2 table.
    l2_bits: u32,
    /// Bytes of an L2 entry.
    entry: usize,
    /// The L1 table, as far as it is written.
    l1: Vec<L1Entry>,
    /// Which L2 table is in memory.
    open: Option<usize>,
    /// Its bytes, as on disk.
    l2: Vec<u8>,
}

impl Tables {
    /// Empty tables.
    pub(super) fn new(form: &CreateOptions) -> Self {
        let cluster = form.cluster().in_memory();
        Self {
            l2_bits: form.l2_bits(),
            entry: cluster >> form.l2_bits(),
            l1: Vec::new(),
            open: None,
            l2: vec![0; cluster],
        }
    }

    /// Makes ready for the entry of guest cluster `cluster`: an L2 table that ends before it is written, behind its data, so that it
    /// breaks no run of them.
    ///
    /// # Errors
    /// As [`ClusterAllocator::take`].
    pub(super) fn turn_to(&mut self, cluster: u64, space: &mut ClusterAllocator) -> Result<()> {
        let index = usize::try_from(cluster >> self.l2_bits).unwrap_or(usize::MAX);
        if self.open != Some(index) {
            self.close(space)?;
            self.open = Some(index);
        }
        Ok(())
    }

    /// Sets the entry of guest cluster `cluster`, which was turned to.
    pub(super) fn set(&mut self, cluster: u64, entry: L2Entry, subclusters: Subclusters) {
        let index = cluster & ((1 << self.l2_bits) - 1);
        let at =
            usize::try_from(index).map_or(usize::MAX, |index| index.saturating_mul(self.entry));
        let Some(place) = self.l2.get_mut(at..at.saturating_add(self.entry)) else {
            return;
        };
        let halves = [entry.0.to_be_bytes(), subclusters.bits().to_be_bytes()];
        for (place, half) in place.chunks_exact_mut(8).zip(halves) {
            place.copy_from_slice(&half);
        }
    }

    /// Writes the L2 table in memory, if there is one.
    ///
    /// # Errors
    /// As [`ClusterAllocator::take`].
    pub(super) fn close(&mut self, space: &mut ClusterAllocator) -> Result<()> {
        let Some(index) = self.open.take() else {
            return Ok(());
        };
        let at = space.take()?;
        write_without_zeros(&**space.sink(), at, &self.l2)?;
        self.l2.fill(0);
        if self.l1.len() <= index {
            self.l1.resize(index.saturating_add(1), L1Entry::default());
        }
        if let Some(entry) = self.l1.get_mut(index) {
            *entry = L1Entry::of_table(at);
        }
        Ok(())
    }

    /// Writes the L1 table to `at`, `len` long; what no entry fills is 0.
    ///
    /// # Errors
    /// Host, if the host cannot write.
    pub(super) fn write_l1(&self, sink: &dyn Sink, at: FileOffset, len: Bytes) -> Result<()> {
        let mut entries = self.l1.iter().flat_map(|entry| entry.0.to_be_bytes());
        let mut piece = vec![0; len.in_memory().min(PIECE)];
        let mut done = Bytes::ZERO;
        while done < len {
            let now = Bytes::from(piece.len()).min(Bytes(len.0 - done.0));
            piece.fill_with(|| entries.next().unwrap_or_default());
            let bytes = piece.get(..now.in_memory()).unwrap_or_default();
            write_without_zeros(sink, at.saturating_add(done), bytes)?;
            done = done.checked_add(now).unwrap_or(len);
        }
        Ok(())
    }
}
