//! The block table: where a block is. That no two are in one place is for `check` to find.

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, Extent, FileOffset, PagedTable, Result, Source, State, VirtOffset,
};

use crate::{fault::Fault, layout::Header, validate::ValidatedHeader};

/// Where blocks are.
#[derive(Debug)]
pub(crate) struct Table {
    header: ValidatedHeader,
    pages: PagedTable,
    /// The length of the file.
    end: u64,
}

impl Table {
    /// The table of the image in `source`, read in pages as it is asked.
    pub(crate) fn new(header: &ValidatedHeader, source: Arc<dyn Source>) -> Self {
        let end = source.len().0;
        Self {
            header: header.clone(),
            pages: PagedTable::new(source),
            end,
        }
    }

    /// The run from `at` on: to the end of its block.
    pub(crate) fn extent_at(&self, at: VirtOffset) -> Result<Extent> {
        let block = self.header.block();
        let number = at.0.checked_div(block.0).unwrap_or_default();
        let inside = Bytes(at.0.saturating_sub(number.saturating_mul(block.0)));
        let left = Bytes(block.0.saturating_sub(inside.0));
        let state = match self.block_at(number)? {
            None => State::Zero,
            Some(place) => State::Data {
                file: 0,
                at: place.saturating_add(inside),
            },
        };
        Ok(Extent {
            at,
            len: left.min(Bytes(self.header.size().0.saturating_sub(at.0))),
            state,
        })
    }

    /// Where the block of that number is; `None`: nowhere, it is zero.
    pub(crate) fn block_at(&self, number: u64) -> Result<Option<FileOffset>> {
        let (start, table_end) = self.header.table();
        let entry_at = FileOffset(start.saturating_add(number.saturating_mul(8)));
        let at = FileOffset(u64::from_le_bytes(self.pages.entry(entry_at)?));
        if at == FileOffset::ZERO {
            return Ok(None);
        }
        let guest = VirtOffset(number.saturating_mul(self.header.block().0));
        // The disk may end inside its last block, and then the file may too.
        let needed = Bytes(self.header.size().0.saturating_sub(guest.0)).min(self.header.block());
        let block_end = at.saturating_add(needed).0;
        let is_on_table = at.0 < table_end && start < block_end;
        if at.0 < Header::SIZE as u64 || block_end > self.end || is_on_table {
            let fault = Fault::BlockPlace {
                guest,
                at,
                block_end,
                end: self.end,
            };
            return Err(Error::from(fault).in_structure("block table").at(entry_at));
        }
        Ok(Some(at))
    }
}
