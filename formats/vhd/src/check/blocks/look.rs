//! What a block's bitmap says, held against its data and the batmap. Nothing here changes: any number of threads look at once.

use std::ops::Range;

use imgdelta_core::{Bytes, Error, Result, SECTOR, Source, VirtOffset, read_vec};

use super::Unused;
use crate::{
    bitmap,
    fault::Fault,
    map::{BatEntry, Tables, bitmap_at},
};

/// How much of a block's data is read at once.
pub(super) const PIECE: Bytes = Bytes::kib(64);

/// What is needed to look at a block.
pub(super) struct BlockChecker<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) tables: Tables,
    /// Sectors without bits are zero, whatever stands there: in a child they are the parent's.
    pub(super) follows_bitmaps: bool,
    /// tapdisk's batmap, if there is one that can be read.
    pub(super) batmap: Option<Vec<u8>>,
}

/// What was seen of some blocks.
#[derive(Default)]
pub(super) struct BlockFindings {
    /// Where those that are allocated stand.
    pub(super) sectors: Vec<u32>,
    /// Sectors that their bitmaps say are there.
    pub(super) present: u64,
    /// Bitmaps that say more than a block has sectors.
    pub(super) padded: u64,
    /// Sectors without bits that hold data.
    pub(super) unused: Unused,
    pub(super) faults: Vec<Error>,
}

/// The sectors of a block without bits that hold data all the same: how many, and the first.
type SelectedFooter = (u64, Option<usize>);

impl BlockChecker<'_> {
    /// Looks at every one of `blocks` that is allocated.
    pub(super) fn blocks(&self, blocks: &Range<u64>) -> Result<BlockFindings> {
        let mut seen = BlockFindings::default();
        let mut buffer = Vec::new();
        self.tables.each(self.source, blocks.clone(), |entry| {
            self.block(entry, &mut buffer, &mut seen)
        })?;
        Ok(seen)
    }

    fn block(&self, entry: BatEntry, buffer: &mut Vec<u8>, seen: &mut BlockFindings) -> Result<()> {
        seen.sectors.push(entry.sector);
        let bits = read_vec(
            self.source,
            bitmap_at(entry.sector),
            self.tables.bitmap_len(),
        )?;
        let start = entry.block.saturating_mul(self.tables.block_size.0);
        // What lies past the end of the disk is nobody's: it is not looked at.
        let on_disk = self
            .tables
            .size
            .0
            .saturating_sub(start)
            .min(self.tables.block_size.0);
        let sectors = Bytes(on_disk / SECTOR).in_memory();
        let in_block = Bytes(self.tables.block_size.0 / SECTOR).in_memory();
        let mut unused: SelectedFooter = (0, None);
        for (is_set, at, len) in runs(&bits, sectors) {
            if is_set {
                seen.present += len as u64;
            } else if self.follows_bitmaps {
                self.count_data(entry, at, len, buffer, &mut unused)?;
            }
        }
        if let (count, Some(first)) = unused {
            let at = VirtOffset(start.saturating_add(first as u64 * SECTOR));
            let fault = Fault::UnusedHoldsData {
                block: entry.block,
                sectors: count,
                at,
            };
            seen.faults.push(self.tables.in_bat(fault, entry.block));
            seen.unused.sectors += count;
            seen.unused.blocks += 1;
        }
        let (past_last, run) = bitmap::run(&bits, in_block, bits.len() * 8);
        if run > 0 && (past_last || in_block + run < bits.len() * 8) {
            seen.padded += 1;
        }
        self.hold_against_batmap(entry, &bits, sectors, seen);
        Ok(())
    }

    /// Counts the sectors of a run without bits that hold data all the same.
    fn count_data(
        &self,
        entry: BatEntry,
        first: usize,
        len: usize,
        buffer: &mut Vec<u8>,
        unused: &mut SelectedFooter,
    ) -> Result<()> {
        buffer.resize(PIECE.min(self.tables.block_size).in_memory(), 0);
        let mut next = first;
        let end = first + len;
        while next < end {
            let count = (end - next).min(buffer.len() / 512);
            let piece = buffer.get_mut(..count * 512).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            let at = self
                .tables
                .data_at(entry.sector)
                .saturating_add(Bytes::from(next * 512));
            self.source.read_at(at, piece)?;
            for (number, sector) in piece.chunks(512).enumerate() {
                if sector.iter().any(|byte| *byte != 0) {
                    unused.0 += 1;
                    unused.1.get_or_insert(next + number);
                }
            }
            next += count;
        }
        Ok(())
    }

    /// A set bit of the batmap promises that the bitmap is full: a reader may skip it.
    fn hold_against_batmap(
        &self,
        entry: BatEntry,
        bits: &[u8],
        sectors: usize,
        seen: &mut BlockFindings,
    ) {
        let Some(map) = &self.batmap else { return };
        let number = Bytes(entry.block).in_memory();
        let (is_full, _) = bitmap::run(map, number, number.saturating_add(1));
        if !is_full {
            return;
        }
        let unset = runs(bits, sectors).filter(|(is_set, ..)| !is_set);
        let missing: u64 = unset.map(|(.., len)| len as u64).sum();
        if missing > 0 {
            let block = entry.block;
            let fault = Fault::BatmapLies { block, missing };
            seen.faults.push(self.tables.in_bat(fault, block));
        }
    }
}

/// The runs of the first `sectors` bits: what they are, where they start, how long they are.
fn runs(bits: &[u8], sectors: usize) -> impl Iterator<Item = (bool, usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= sectors {
            return None;
        }
        let (is_set, len) = bitmap::run(bits, at, sectors);
        let start = at;
        at += len;
        (len > 0).then_some((is_set, start, len))
    })
}
