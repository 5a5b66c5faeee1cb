//! The BAT: where blocks and bitmaps are. What a bitmap says is read in `bitmap`; that no two share a byte is judged in `validate`.

pub(crate) mod validate;

use std::{iter, ops::Range};

use imgdelta_core::{
    Bytes, Error, FileOffset, PagedTable, Result, Source, State, VirtOffset, parallel, read_vec,
};

use crate::{
    fault::Fault,
    layout::{BatEntry, BatShape},
};

/// Bytes of an entry.
const ENTRY: u64 = 8;
/// How much of the BAT is read at once when all of it is looked at.
const PIECE: u64 = 64 << 10;
/// Pieces that are read side by side: 8 MiB.
const MOST_PIECES: usize = 128;

/// What an entry of the BAT is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A block of the disk.
    Block(u64),
    /// The bitmap of a chunk.
    Bitmap(u64),
}

impl Slot {
    /// What people call it, and its number.
    pub(crate) const fn spoken(self) -> (&'static str, u64) {
        match self {
            Self::Block(number) => ("block", number),
            Self::Bitmap(number) => ("bitmap", number),
        }
    }
}

/// Where blocks are, already judged to be within the file's regions.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// Where the BAT stands.
    pub(crate) bat: Range<u64>,
    /// How it is laid out.
    pub(crate) shape: BatShape,
    /// Bytes of a block: a power of two.
    pub(crate) block_size: Bytes,
    /// The size of the disk.
    pub(crate) size: Bytes,
    /// Bytes of a sector: 512 or 4096.
    pub(crate) sector: u64,
    /// Whether there is a parent.
    pub(crate) is_child: bool,
}

impl Tables {
    /// Entries that the disk needs.
    pub(crate) const fn entries(&self) -> u64 {
        self.shape.entries(self.is_child)
    }

    /// Entries that the region has room for.
    pub(crate) const fn room(&self) -> u64 {
        self.bat.end.saturating_sub(self.bat.start) / ENTRY
    }

    /// Judges that the region has room for what the disk needs.
    pub(crate) fn validate_room(&self) -> Result<()> {
        let (found, required) = (self.room(), self.entries());
        if found < required {
            return Err(self.in_bat(Fault::BatTooSmall { found, required }, 0));
        }
        Ok(())
    }

    /// What entry `index` is about.
    pub(crate) const fn slot(&self, index: u64) -> Slot {
        let in_chunk = self.shape.ratio + 1;
        let (chunk, place) = (index / in_chunk, index % in_chunk);
        if place == self.shape.ratio {
            Slot::Bitmap(chunk)
        } else {
            Slot::Block(chunk.saturating_mul(self.shape.ratio).saturating_add(place))
        }
    }

    /// The entry of the BAT that is about `slot`.
    pub(crate) const fn index(&self, slot: Slot) -> u64 {
        match slot {
            Slot::Block(block) => self.shape.block_index(block),
            Slot::Bitmap(chunk) => self.shape.bitmap_index(chunk),
        }
    }

    /// The bytes of the file that a stored block or bitmap takes.
    pub(crate) fn range(&self, slot: Slot, entry: BatEntry) -> Range<u64> {
        let len = match slot {
            Slot::Block(_) => self.block_size.0,
            Slot::Bitmap(_) => crate::layout::BITMAP_LEN,
        };
        entry.at()..entry.at().saturating_add(len)
    }

    /// Where entry `index` stands.
    pub(crate) fn entry_at(&self, index: u64) -> FileOffset {
        FileOffset(self.bat.start).saturating_add(Bytes(index.saturating_mul(ENTRY)))
    }

    /// The entry about `slot`, which must be one of the disk's.
    pub(crate) fn entry(&self, bat: &PagedTable, slot: Slot) -> Result<BatEntry> {
        let bytes = bat.entry(self.entry_at(self.index(slot)))?;
        Ok(BatEntry(u64::from_le_bytes(bytes)))
    }

    /// Which block `at` lies in, and how far.
    pub(crate) fn split(&self, at: VirtOffset) -> (u64, u64) {
        let size = self.block_size.0;
        let block = at.0.checked_div(size).unwrap_or_default();
        (block, at.0.saturating_sub(block.saturating_mul(size)))
    }

    /// How many blocks from `block` on go on as `first` begins it, as far as the page of its entry shows; at least 1, `block` itself.
    pub(crate) fn run(&self, bat: &PagedTable, block: u64, first: State) -> Result<u64> {
        let index = self.shape.block_index(block);
        let (page, inside) = bat.page(self.entry_at(index))?;
        let (entries, _) = page.get(inside..).unwrap_or_default().as_chunks::<8>();
        let mut wanted = first;
        let mut run = 0;
        for (index, bytes) in (index..self.entries()).zip(entries) {
            let Slot::Block(block) = self.slot(index) else {
                continue;
            };
            let state = state_of(BatEntry(u64::from_le_bytes(*bytes)));
            if block >= self.shape.blocks || state != Some(wanted) {
                break;
            }
            wanted = wanted.moved(self.block_size);
            run += 1;
        }
        Ok(run.max(1))
    }

    /// Shows `see` every entry of `indices` that is not zero, in order. Pieces of the BAT are read side by side.
    pub(crate) fn each(
        &self,
        source: &dyn Source,
        indices: Range<u64>,
        mut see: impl FnMut(u64, BatEntry) -> Result<()>,
    ) -> Result<()> {
        let pieces = self.stored(source, indices, PIECE / ENTRY);
        let read = |piece: &Range<u64>| Ok((piece.start, self.read(source, piece)?));
        parallel::in_order(pieces, MOST_PIECES, read, |(first, piece)| {
            used(first, &piece).try_for_each(|(index, entry)| see(index, entry))
        })
    }

    /// The stored ones of `indices` in pieces of at most `most`; holes of the file are passed over: their entries are zero.
    pub(crate) fn stored(
        &self,
        source: &dyn Source,
        indices: Range<u64>,
        most: u64,
    ) -> impl Iterator<Item = Result<Range<u64>>> {
        let mut next = indices.start;
        iter::from_fn(move || {
            while next < indices.end {
                let at = self.entry_at(next);
                let stored = match source.stored_at(at) {
                    Ok(stored) => stored,
                    Err(error) => {
                        next = indices.end;
                        return Some(Err(error));
                    }
                };
                // At least one entry, so that a host that tells nothing does not keep this here.
                let known = (stored.end.since(at).0 / ENTRY).max(1);
                let start = next;
                if stored.is_data || known <= 1 {
                    next = next.saturating_add(known.min(most)).min(indices.end);
                    return Some(Ok(start..next));
                }
                next = next.saturating_add(known);
            }
            None
        })
    }

    /// The bytes of a piece of the BAT.
    pub(crate) fn read(&self, source: &dyn Source, piece: &Range<u64>) -> Result<Vec<u8>> {
        let len = Bytes(piece.end.saturating_sub(piece.start).saturating_mul(ENTRY));
        read_vec(source, self.entry_at(piece.start), len).map_err(|error| error.in_structure("BAT"))
    }

    /// Places a fault at entry `index`.
    pub(crate) fn in_bat(&self, fault: Fault, index: u64) -> Error {
        Error::from(fault)
            .in_structure("BAT")
            .at(self.entry_at(index))
    }
}

/// The entries in a piece of the BAT that begins with entry `first`, without those that are zero.
pub(crate) fn used(first: u64, piece: &[u8]) -> impl Iterator<Item = (u64, BatEntry)> {
    let (entries, _) = piece.as_chunks::<8>();
    let entries = entries
        .iter()
        .map(|bytes| BatEntry(u64::from_le_bytes(*bytes)));
    (first..).zip(entries).filter(|(_, entry)| entry.0 != 0)
}

/// What a block's entry says of all of it; `None` if its bitmap has to be asked, or its state is no state. UNDEFINED and UNMAPPED may be
/// anything: they are zero for everybody, and hide the parent.
pub(crate) const fn state_of(entry: BatEntry) -> Option<State> {
    match entry.state() {
        BatEntry::NOT_PRESENT => Some(State::Absent),
        BatEntry::UNDEFINED | BatEntry::ZERO | BatEntry::UNMAPPED => Some(State::Zero),
        BatEntry::FULLY_PRESENT => Some(State::Data {
            file: 0,
            at: FileOffset(entry.at()),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_about_what_leads_to_it() {
        let tables = Tables {
            bat: 3 << 20..4 << 20,
            shape: BatShape::new(1 << 40, 32 << 20, 512),
            block_size: Bytes::mib(32),
            size: Bytes::gib(1024),
            sector: 512,
            is_child: true,
        };
        for index in 0..1000 {
            assert_eq!(tables.index(tables.slot(index)), index);
        }
        assert_eq!(tables.slot(128), Slot::Bitmap(0));
        assert_eq!(tables.slot(129), Slot::Block(128));
    }
}
