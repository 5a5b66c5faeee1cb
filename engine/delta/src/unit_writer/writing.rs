//! Writes what of a part has been placed: as few pieces as can be, and no more than must be.

use std::sync::Arc;

use imgdelta_core::{BlockState, Bytes, Placement, Result, Sink, is_zero, write_pages};

use super::{UnitWriter, shared::SharingSink};

/// Bytes that have their place.
pub(super) struct Write {
    pub(super) placed: Placement,
    /// Where they stand in the part, or in `compressed`.
    pub(super) skip: usize,
    pub(super) len: usize,
    pub(super) is_compressed: bool,
}

impl UnitWriter {
    /// Writes what has been placed: neighbours in memory and file as one piece, and of units with gaps only what is data.
    pub(crate) fn write(&mut self) -> Result<()> {
        let mut writes = std::mem::take(&mut self.writes).into_iter().peekable();
        while let Some(mut write) = writes.next() {
            while let Some(next) = writes.next_if(|next| write.goes_on_with(next)) {
                write.len += next.len;
                write.placed.padding = next.placed.padding;
            }
            self.write_one(&write)?;
        }
        Ok(())
    }

    fn write_one(&self, write: &Write) -> Result<()> {
        let Write {
            placed,
            skip,
            len,
            is_compressed,
        } = write;
        let bytes = self.bytes_of(*skip, *len, *is_compressed);
        if *is_compressed {
            placed.sink.write_at(placed.at, bytes)?;
        } else {
            self.write_plain(placed, *skip, bytes)?;
        }
        if placed.sink.needs_zeroing() && placed.padding > Bytes::ZERO {
            let zeros = vec![0; placed.padding.in_memory()];
            let behind = placed.at.saturating_add(Bytes::from(bytes.len()));
            placed.sink.write_at(behind, &zeros)?;
        }
        Ok(())
    }

    fn write_plain(&self, placed: &Placement, skip: usize, bytes: &[u8]) -> Result<()> {
        let sharing = SharingSink::new(&*placed.sink, placed.at, skip, &self.standing);
        let sink: &dyn Sink = if sharing.may_share() {
            &sharing
        } else {
            &*placed.sink
        };
        if self.shape.wants_zeros {
            self.write_said(sink, placed, skip, bytes)
        } else if sink.needs_zeroing() || self.shape.grain == self.shape.unit {
            sink.write_at(placed.at, bytes)
        } else {
            self.write_data(sink, placed, skip, bytes)
        }
    }

    /// Where old bytes stand, what is absent stands there already, and zeros are written as any data.
    fn write_said(
        &self,
        sink: &dyn Sink,
        placed: &Placement,
        skip: usize,
        bytes: &[u8],
    ) -> Result<()> {
        write_pages(sink, placed.at, bytes, |from, page| {
            let said = self.grains_at(skip.saturating_add(from), page.len());
            said.iter().any(|grain| *grain != BlockState::Absent)
        })
    }

    /// The grains that a piece of the part touches.
    fn grains_at(&self, from: usize, len: usize) -> &[BlockState] {
        let grain = self.shape.grain.in_memory().max(1);
        let to = from.saturating_add(len).div_ceil(grain);
        self.grains.get(from / grain..to).unwrap_or_default()
    }

    /// A new file reads as zero where nothing is written: pages without data, and of data those that are zero, stay holes. Grains that
    /// share a page with data are zero in memory, and cost nothing.
    fn write_data(
        &self,
        sink: &dyn Sink,
        placed: &Placement,
        skip: usize,
        bytes: &[u8],
    ) -> Result<()> {
        let wanted = |from: usize, page: &[u8]| {
            let grains = self.grains_at(skip.saturating_add(from), page.len());
            grains.contains(&BlockState::Data) && !is_zero(page)
        };
        write_pages(sink, placed.at, bytes, wanted)
    }
}

impl Write {
    /// Whether `next` lies right behind this, in memory and in the same file.
    fn goes_on_with(&self, next: &Self) -> bool {
        let end = self
            .placed
            .at
            .saturating_add(Bytes::from(self.len))
            .saturating_add(self.placed.padding);
        self.is_compressed == next.is_compressed
            && self.placed.padding == Bytes::ZERO
            && self.skip + self.len == next.skip
            && end == next.placed.at
            && Arc::ptr_eq(&self.placed.sink, &next.placed.sink)
    }
}
