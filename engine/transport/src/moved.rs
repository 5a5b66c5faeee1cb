//! Blocks of the target that stand elsewhere in the base: found by their hash, and then by going on from the last one that was found, in both
//! directions, so that a sample of hashes is enough.

use imgdelta_core::{BlockState, Bytes, Result, VirtOffset, is_same};
use imgdelta_delta::Chain;
use xxhash_rust::xxh3::xxh3_64;

use crate::{base_index::BaseIndex, layout::BLOCK};

/// How much of the base is read at once to be compared: the unit in which most images compress.
const CHUNK: Bytes = Bytes::kib(64);

/// What was found of a block of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoundBlock {
    /// It is the base's.
    Same,
    /// It is zero.
    Zero,
    /// It is this block of the base.
    Copy(u64),
    /// It is new; this is the hash of it.
    Fresh(u64),
}

/// What the blocks from `first` on are, of which `states` says whether they differ.
///
/// # Errors
/// Those of the disks.
pub(crate) fn find(
    base: &Chain,
    target: &Chain,
    index: &BaseIndex,
    first: u64,
    states: &[BlockState],
) -> Result<Vec<FoundBlock>> {
    let mut bytes = vec![0; BLOCK.in_memory() * states.len()];
    read_data(target, first, states, &mut bytes)?;
    let mut reader = BaseReader {
        base,
        chunk: Vec::new(),
        at: u64::MAX,
    };
    let blocks = || bytes.chunks(BLOCK.in_memory());
    let mut found = Vec::with_capacity(states.len());
    let mut next = None;
    for (state, block) in states.iter().zip(blocks()) {
        let one = match state {
            BlockState::Absent => FoundBlock::Same,
            BlockState::Zero => FoundBlock::Zero,
            BlockState::Data => look_up(&mut reader, index, next, block)?,
        };
        next = match one {
            FoundBlock::Copy(from) => from.checked_add(1),
            _ => None,
        };
        found.push(one);
    }
    extend_back(&mut reader, &mut found, blocks())?;
    Ok(found)
}

/// A block of data: that of the base which goes on from the last one, else the one of its hash, else it is new.
fn look_up(
    reader: &mut BaseReader<'_>,
    index: &BaseIndex,
    next: Option<u64>,
    block: &[u8],
) -> Result<FoundBlock> {
    if let Some(next) = next
        && reader.is(next, block)?
    {
        return Ok(FoundBlock::Copy(next));
    }
    let hash = xxh3_64(block);
    match index.block(hash) {
        Some(from) if reader.is(from, block)? => Ok(FoundBlock::Copy(from)),
        _ => Ok(FoundBlock::Fresh(hash)),
    }
}

/// Goes back from each copy as long as the blocks before it are new and those before it in the base are the same.
fn extend_back<'a>(
    reader: &mut BaseReader<'_>,
    found: &mut [FoundBlock],
    blocks: impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator,
) -> Result<()> {
    let mut before = None;
    for (one, block) in found.iter_mut().zip(blocks).rev() {
        if let (FoundBlock::Fresh(_), Some(from)) = (*one, before)
            && reader.is(from, block)?
        {
            *one = FoundBlock::Copy(from);
        }
        before = match one {
            FoundBlock::Copy(from) => from.checked_sub(1),
            _ => None,
        };
    }
    Ok(())
}

/// Reads the blocks that are data, each run of them at once.
fn read_data(target: &Chain, first: u64, states: &[BlockState], bytes: &mut [u8]) -> Result<()> {
    let block = BLOCK.in_memory();
    let mut at = 0;
    for run in states.chunk_by(|one, other| one == other) {
        let end = at + run.len();
        if run.first() == Some(&BlockState::Data)
            && let Some(part) = bytes.get_mut(at * block..end * block)
        {
            let start = first.saturating_add(at as u64).saturating_mul(BLOCK.0);
            target.read_at(VirtOffset(start), part)?;
        }
        at = end;
    }
    Ok(())
}

/// Compares blocks with the base's, of which it keeps the piece that was read last.
struct BaseReader<'a> {
    base: &'a Chain,
    chunk: Vec<u8>,
    at: u64,
}

impl BaseReader<'_> {
    /// Whether the base's block of that number is these bytes; one beyond its end is none.
    fn is(&mut self, number: u64, block: &[u8]) -> Result<bool> {
        let at = number.saturating_mul(BLOCK.0);
        if at >= self.base.size().0 {
            return Ok(false);
        }
        let start = VirtOffset(at).align_down(CHUNK);
        if start.0 != self.at {
            self.chunk.resize(CHUNK.in_memory(), 0);
            self.at = u64::MAX;
            self.base.read_at(start, &mut self.chunk)?;
            self.at = start.0;
        }
        let from = VirtOffset(at).since(start).in_memory();
        let there = self.chunk.get(from..from + BLOCK.in_memory());
        Ok(there.is_some_and(|there| is_same(there, block)))
    }
}
