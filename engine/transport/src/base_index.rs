//! What the base holds, as two lists: where each block of it stands, and on which pages its anchors are. One reading, on all cores, of bounded
//! memory.

use std::ops::Range;

use imgdelta_core::{Bytes, Result, VirtOffset, is_zero, parallel};
use imgdelta_delta::{Chain, Cursor, ExecContext, Origin};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    gear,
    layout::{BLOCK, LARGEST_DISK, MOST_PAGES, PAGE},
    sampled_index::SampledIndex,
};

/// How much of the base is read at once.
const PIECE: Bytes = Bytes::mib(1);

/// Most pieces that are in memory at once.
const AHEAD: usize = 16;

/// How many places are kept at most, eight bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexBudget {
    /// Of blocks.
    pub blocks: usize,
    /// Of anchors.
    pub anchors: usize,
}

impl Default for IndexBudget {
    /// 72 MiB together: all blocks of 12 GiB of data, all anchors of 3 GiB; a sample of more.
    fn default() -> Self {
        Self {
            blocks: 3 << 20,
            anchors: 6 << 20,
        }
    }
}

/// What the base holds.
#[derive(Debug)]
pub(crate) struct BaseIndex {
    /// Numbers of blocks by the XXH3 of their bytes.
    blocks: SampledIndex,
    /// Numbers of pages by anchors.
    anchors: SampledIndex,
}

/// What was found in a piece.
struct Piece {
    blocks: Vec<(u64, u64)>,
    anchors: Vec<(u64, u64)>,
}

impl BaseIndex {
    /// Reads the base.
    ///
    /// # Errors
    /// Those of the base; Interrupted.
    pub(crate) fn of(base: &Chain, budget: IndexBudget, work: ExecContext<'_>) -> Result<Self> {
        let bits = |unit: Bytes| (LARGEST_DISK.0 / unit.0).trailing_zeros();
        let size = base.size();
        let mut index = Self {
            blocks: SampledIndex::new(bits(BLOCK), size.pieces(BLOCK), budget.blocks),
            anchors: SampledIndex::new(bits(PAGE), size.0 / 500, budget.anchors),
        };
        work.progress.begin(size);
        let pieces = Pieces {
            cursor: Cursor::over(base),
            at: VirtOffset::ZERO,
            work,
        };
        work.install(|| {
            parallel::in_order(
                pieces,
                AHEAD,
                |range| look_at(base, range),
                |piece| {
                    for (hash, place) in piece.blocks {
                        index.blocks.insert(hash, place);
                    }
                    for (hash, place) in piece.anchors {
                        index.anchors.insert(hash, place);
                    }
                    Ok(())
                },
            )
        })??;
        index.blocks.finish();
        index.anchors.finish();
        Ok(index)
    }

    /// Where a block of that hash may stand: whoever asks compares.
    pub(crate) fn block(&self, hash: u64) -> Option<u64> {
        self.blocks.find(hash)
    }

    /// The pages with which `bytes` have most in common, in order: the best ones by how many anchors they share.
    pub(crate) fn pages(&self, bytes: &[u8]) -> Vec<u64> {
        let mut hits = Vec::new();
        gear::anchors(bytes, |_, hash| hits.extend(self.anchors.find(hash)));
        hits.sort_unstable();
        let runs = hits.chunk_by(|one, other| one == other);
        let mut pages: Vec<(usize, u64)> = runs
            .filter_map(|run| Some((run.len(), *run.first()?)))
            .collect();
        pages.sort_by_key(|(votes, page)| (std::cmp::Reverse(*votes), *page));
        pages.truncate(MOST_PAGES);
        let mut pages: Vec<u64> = pages.into_iter().map(|(_, page)| page).collect();
        pages.sort_unstable();
        pages
    }

    /// How many blocks and anchors are kept.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.blocks.len(), self.anchors.len())
    }
}

/// The pieces of a disk that are not zero throughout, in order.
struct Pieces<'a> {
    cursor: Cursor<'a>,
    at: VirtOffset,
    work: ExecContext<'a>,
}

impl Pieces<'_> {
    fn advance(&mut self) -> Result<Option<Range<u64>>> {
        let size = self.cursor.size().0;
        while self.at.0 < size {
            self.work.progress.go_on()?;
            let run = self.cursor.run_at(self.at)?;
            let end = run.at.saturating_add(run.len).align_down(PIECE);
            let is_last = run.at.saturating_add(run.len).0 >= size;
            if run.origin == Origin::Zero && (end > self.at || is_last) {
                let end = if is_last { VirtOffset(size) } else { end };
                self.work.progress.advance(end.since(self.at), Bytes::ZERO);
                self.at = end;
                continue;
            }
            let start = self.at.0;
            let end = start.saturating_add(PIECE.0).min(size);
            self.at = VirtOffset(end);
            self.work.progress.advance(Bytes(end - start), Bytes::ZERO);
            return Ok(Some(start..end));
        }
        Ok(None)
    }
}

impl Iterator for Pieces<'_> {
    type Item = Result<Range<u64>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// What stands in a piece: its whole blocks that are not zero, and the anchors in them.
fn look_at(base: &Chain, range: &Range<u64>) -> Result<Piece> {
    let lead = range.start.min(gear::MEMORY as u64);
    let start = range.start - lead;
    let mut bytes = vec![0; range.end.saturating_sub(start) as usize];
    base.read_at(VirtOffset(start), &mut bytes)?;
    let lead = lead as usize;
    let mut piece = Piece {
        blocks: Vec::new(),
        anchors: Vec::new(),
    };
    let block = BLOCK.in_memory();
    let own = bytes.get(lead..).unwrap_or_default();
    let mut run = 0..0;
    for (number, part) in (range.start / BLOCK.0..).zip(own.chunks(block)) {
        let end = run.end + part.len();
        if is_zero(part) {
            add_anchors(&bytes, start, lead, &run, &mut piece.anchors);
            run = end..end;
            continue;
        }
        run.end = end;
        if part.len() == block {
            piece.blocks.push((xxh3_64(part), number));
        }
    }
    add_anchors(&bytes, start, lead, &run, &mut piece.anchors);
    Ok(piece)
}

/// The anchors in a run of a piece, and the pages that they are on. The bytes before the run lead up to it.
fn add_anchors(
    bytes: &[u8],
    start: u64,
    lead: usize,
    run: &Range<usize>,
    out: &mut Vec<(u64, u64)>,
) {
    if run.is_empty() {
        return;
    }
    let from = (run.start + lead).saturating_sub(gear::MEMORY - 1);
    let part = bytes.get(from..run.end + lead).unwrap_or_default();
    gear::anchors(part, |at, hash| {
        let place = start.saturating_add((from + at) as u64);
        out.push((hash, place / PAGE.0));
    });
}
