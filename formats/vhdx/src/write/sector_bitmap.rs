//! The bitmap of a new child, a chunk at a time: which sectors of the blocks that share it are the child's own.

use std::sync::Arc;

use imgdelta_core::{BlockState, Bytes, FileOffset, Result, Sink};

use crate::{bitmap, layout::BITMAP_LEN};

/// How much of a bitmap is written or left out at once.
const PAGE: usize = 4096;

/// The blocks that are written now, and their bitmap.
#[derive(Debug, Default)]
pub(super) struct SectorBitmap {
    /// Which chunk.
    pub(super) number: u64,
    /// Where the bitmap goes, once a block needs it.
    pub(super) at: Option<FileOffset>,
    /// Bits up to the last that was set.
    bits: Vec<u8>,
}

impl SectorBitmap {
    /// Says of the sectors from `first` on, a multiple of 8, what `grains` are; returns how many are the child's own.
    pub(super) fn mark(&mut self, first: u64, grains: &[BlockState]) -> u64 {
        let from = Bytes((first / 8).min(BITMAP_LEN)).in_memory();
        self.bits.resize(from, 0);
        bitmap::of_grains(grains, &mut self.bits)
    }

    /// Writes the bitmap, if a block needs it, and goes on to chunk `next`; what is zero in it is zero in a new file.
    pub(super) fn close(&mut self, sink: &Arc<dyn Sink>, next: u64) -> Result<()> {
        if let Some(start) = self.at {
            for (number, page) in self.bits.chunks(PAGE).enumerate() {
                if page.iter().any(|byte| *byte != 0) {
                    let skipped = Bytes::from(number.saturating_mul(PAGE));
                    sink.write_at(start.saturating_add(skipped), page)?;
                }
            }
        }
        self.bits.clear();
        self.at = None;
        self.number = next;
        Ok(())
    }
}
