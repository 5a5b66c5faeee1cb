//! The block map: where a block is. That no two are in one place is for `check` to find.

use std::ops::Range;

use imgdelta_core::{Bytes, Error, FileOffset, PagedTable, Result, Source, parallel, read_vec};

use crate::{
    fault::Fault,
    layout::{FREE, ZERO},
    validate::ValidatedHeader,
};

/// How much of the map is read at once when all of it is looked at.
const PIECE: u64 = 64 << 10;
/// Pieces that are looked at side by side: 8 MiB.
const MOST_PIECES: usize = 128;

/// What the map says of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockEntry {
    /// Nothing: the parent's, or zero.
    Free,
    /// Zero, whatever the parent holds.
    Zero,
    /// The block of that number in the file.
    Index(u32),
}

impl BlockEntry {
    /// The meaning of an entry's four bytes.
    const fn of(bytes: [u8; 4]) -> Self {
        match u32::from_le_bytes(bytes) {
            FREE => Self::Free,
            ZERO => Self::Zero,
            index => Self::Index(index),
        }
    }
}

/// Entries that stand one behind the other.
struct BlockRun {
    /// The block that the first is of.
    first: u64,
    bytes: Vec<u8>,
}

impl BlockRun {
    /// Each with the block that it is of.
    fn entries(&self) -> impl Iterator<Item = (u64, BlockEntry)> {
        let (entries, _) = self.bytes.as_chunks::<4>();
        (self.first..).zip(entries.iter().map(|bytes| BlockEntry::of(*bytes)))
    }
}

/// Where map and blocks are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Map {
    /// Where the map stands.
    map_at: FileOffset,
    /// Where the first block stands, with what is in front of its data.
    data_at: FileOffset,
    /// Bytes of a block's data.
    pub(crate) block_size: Bytes,
    /// Bytes in front of each block's data.
    extra: Bytes,
    /// The entries that there are: no index is greater.
    entries: u32,
    /// The size of the disk.
    pub(crate) size: Bytes,
}

impl Map {
    /// The map of a judged image.
    pub(crate) fn of(meta: &ValidatedHeader) -> Self {
        Self {
            map_at: meta.map_at,
            data_at: meta.data_at,
            block_size: meta.block_size(),
            extra: Bytes(u64::from(meta.header.block_extra)),
            entries: meta.header.blocks,
            size: meta.size,
        }
    }

    /// How many blocks the disk has; the map may have more entries.
    pub(crate) const fn blocks(&self) -> u64 {
        self.size.pieces(self.block_size)
    }

    /// How many entries the map has.
    pub(crate) const fn entries(&self) -> u32 {
        self.entries
    }

    /// Bytes of a block in the file.
    pub(crate) const fn block_len(&self) -> Bytes {
        Bytes(self.extra.0.saturating_add(self.block_size.0))
    }

    /// Where the data of the block with that index start: behind what is in front of them. VirtualBox alone reads it so, the others take
    /// the extra bytes for 0.
    pub(crate) fn data_at(&self, index: u32) -> FileOffset {
        let before = self.block_len().0.saturating_mul(u64::from(index));
        self.data_at
            .saturating_add(Bytes(before))
            .saturating_add(self.extra)
    }

    /// Which block `at` bytes of the disk lie in, and how far.
    pub(crate) fn split(&self, at: u64) -> (u64, u64) {
        let block = at.checked_div(self.block_size.0).unwrap_or_default();
        let start = block.saturating_mul(self.block_size.0);
        (block, at.saturating_sub(start))
    }

    /// Where the entry of `block` stands.
    fn entry_at(&self, block: u64) -> FileOffset {
        self.map_at.saturating_add(Bytes(block.saturating_mul(4)))
    }

    /// The entry of `block`, which must be one of the disk's, judged.
    pub(crate) fn entry(&self, pages: &PagedTable, block: u64) -> Result<BlockEntry> {
        let bytes = pages.entry(self.entry_at(block))?;
        self.validate(block, BlockEntry::of(bytes))
    }

    /// How many blocks from `block` on have the entry `first`, or the indexes that follow it, as far as the page shows; at least 1.
    pub(crate) fn run(&self, pages: &PagedTable, block: u64, first: BlockEntry) -> Result<u64> {
        let (page, inside) = pages.page(self.entry_at(block))?;
        let (entries, _) = page.get(inside..).unwrap_or_default().as_chunks::<4>();
        let goes_on = |(step, bytes): &(u32, &[u8; 4])| match (first, BlockEntry::of(**bytes)) {
            (BlockEntry::Index(first), BlockEntry::Index(index)) => {
                self.extra == Bytes::ZERO
                    && index < self.entries
                    && first.checked_add(*step) == Some(index)
            }
            (first, entry) => first == entry,
        };
        let run = (0_u32..).zip(entries).take_while(goes_on).count() as u64;
        Ok(run.min(self.blocks().saturating_sub(block)).max(1))
    }

    /// Shows `see` the entries of `blocks`, in order. Pieces of the map are read side by side.
    pub(crate) fn each(
        &self,
        source: &dyn Source,
        blocks: Range<u64>,
        mut see: impl FnMut(u64, BlockEntry) -> Result<()>,
    ) -> Result<()> {
        self.in_pieces(source, blocks, Ok, |piece| {
            piece
                .entries()
                .try_for_each(|(block, entry)| see(block, entry))
        })
    }

    /// Counts the entries of `blocks` that are not free.
    pub(crate) fn count(&self, source: &dyn Source, blocks: Range<u64>) -> Result<u64> {
        let mut all = 0_u64;
        let used = |piece: BlockRun| {
            let used = piece
                .entries()
                .filter(|(_, entry)| *entry != BlockEntry::Free);
            Ok(used.count() as u64)
        };
        self.in_pieces(source, blocks, used, |used| {
            all = all.saturating_add(used);
            Ok(())
        })?;
        Ok(all)
    }

    /// Hands `take` what `look` makes of each piece of the map, in order. Pieces are read and looked at side by side.
    fn in_pieces<R: Send>(
        &self,
        source: &dyn Source,
        blocks: Range<u64>,
        look: impl Fn(BlockRun) -> Result<R> + Sync,
        take: impl FnMut(R) -> Result<()>,
    ) -> Result<()> {
        let pieces = parallel::pieces(blocks, PIECE / 4);
        let looked = |blocks: &Range<u64>| {
            let count = blocks.end.saturating_sub(blocks.start);
            let bytes = read_vec(source, self.entry_at(blocks.start), Bytes(count * 4))
                .map_err(|error| error.in_structure("block map"))?;
            look(BlockRun {
                first: blocks.start,
                bytes,
            })
        };
        parallel::in_order(pieces, MOST_PIECES, looked, take)
    }

    /// Makes sure that every block of the disk which is in the file is whole there, so that a file that was cut is known at once. Returns
    /// the greatest index.
    pub(crate) fn validate_all(&self, source: &dyn Source) -> Result<Option<u32>> {
        let end = source.len().0;
        let mut greatest = None;
        let judged = |piece: BlockRun| {
            let mut greatest = None;
            for (block, entry) in piece.entries() {
                if let BlockEntry::Index(index) = self.validate(block, entry)? {
                    self.validate_end(block, index, end)?;
                    greatest = greatest.max(Some(index));
                }
            }
            Ok(greatest)
        };
        self.in_pieces(source, 0..self.blocks(), judged, |one| {
            greatest = greatest.max(one);
            Ok(())
        })?;
        Ok(greatest)
    }

    /// Makes sure that a block is whole in a file of `end` bytes.
    fn validate_end(&self, block: u64, index: u32, end: u64) -> Result<()> {
        let block_end = self.needed_end(block, index);
        if block_end <= end {
            return Ok(());
        }
        let fault = Fault::BlockPastEnd {
            block,
            index,
            block_end,
            end,
        };
        Err(self.in_map(fault, block))
    }

    /// Where the part of the block that the disk needs ends: the disk may end inside its last block, and then the file may too.
    fn needed_end(&self, block: u64, index: u32) -> u64 {
        let start = block.saturating_mul(self.block_size.0);
        let needed = self.size.0.saturating_sub(start).min(self.block_size.0);
        self.data_at(index).0.saturating_add(needed)
    }

    fn validate(&self, block: u64, entry: BlockEntry) -> Result<BlockEntry> {
        match entry {
            BlockEntry::Index(index) if index >= self.entries => {
                let blocks = self.entries;
                let fault = Fault::Index {
                    block,
                    index,
                    blocks,
                };
                Err(self.in_map(fault, block))
            }
            entry => Ok(entry),
        }
    }

    /// Places a fault at the entry of `block`.
    pub(crate) fn in_map(&self, fault: Fault, block: u64) -> Error {
        Error::from(fault)
            .in_structure("block map")
            .at(self.entry_at(block))
    }
}
