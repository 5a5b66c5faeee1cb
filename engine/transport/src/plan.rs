//! The map of a whole target: what each block is, worked out on all cores, written down in order.

use imgdelta_core::{BlockState, Bytes, Error, Kind, Result, VirtOffset, is_same, parallel};
use imgdelta_delta::{Chain, Digest, ExecContext};

use crate::{
    base_index::BaseIndex,
    block_states::BlockStates,
    layout::{BLOCK, MOST_SEGMENTS, SEGMENT_BLOCKS, blocks_of},
    map::{Content, MapBuilder, Run, SegmentShape, decode},
    moved::{self, FoundBlock},
    repeats::{Stored, StoredBlocks},
    window::{compress_alone, decompress},
};

/// How many blocks are looked at together: 1 MiB of the target.
const TOGETHER: u64 = 256;

/// Most such parts that are in memory at once.
const AHEAD: usize = 16;

/// How much of the target is what, in bytes, whole blocks counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentCounts {
    /// Became zero.
    pub zero: Bytes,
    /// Stands elsewhere in the base.
    pub copied: Bytes,
    /// Stands earlier in the target, and is stored for that.
    pub repeated: Bytes,
    /// Is stored in windows.
    pub fresh: Bytes,
}

/// A segment of the map, packed: kept so until it is written, and to be gone over once more for the windows.
#[derive(Debug)]
pub(crate) struct PackedSegment {
    pub(crate) number: u64,
    pub(crate) fresh_before: u64,
    pub(crate) frame: Vec<u8>,
    pub(crate) len: usize,
    pub(crate) digest: Digest,
}

/// The map of a target.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) segments: Vec<PackedSegment>,
    /// How many blocks all windows hold.
    pub(crate) fresh: u64,
    pub(crate) counts: ContentCounts,
    /// How many blocks base and target have.
    base_blocks: u64,
    target_blocks: u64,
}

/// The two disks, and what is known of them.
#[derive(Clone, Copy)]
pub(crate) struct PlanInputs<'a> {
    pub(crate) base: &'a Chain,
    pub(crate) target: &'a Chain,
    pub(crate) states: &'a BlockStates,
    pub(crate) index: &'a BaseIndex,
    pub(crate) work: ExecContext<'a>,
}

/// A part of a segment.
struct Part {
    first: u64,
    states: Vec<BlockState>,
    ends_segment: bool,
}

impl Plan {
    /// Works it out.
    ///
    /// # Errors
    /// Those of the disks; Unsupported, if more segments differ than a map may have; Interrupted.
    pub(crate) fn of(inputs: &PlanInputs<'_>) -> Result<Self> {
        let PlanInputs {
            base, target, work, ..
        } = *inputs;
        let numbers: Vec<u64> = inputs.states.segments().collect();
        if numbers.len() as u64 > MOST_SEGMENTS {
            let message = "base and target differ in more places than a transport file can tell of";
            return Err(Error::new(Kind::Unsupported, message).with_code("too_many_segments"));
        }
        let blocks = blocks_of(target.size());
        let mut planner = Planner {
            target,
            plan: Self {
                base_blocks: blocks_of(base.size()),
                target_blocks: blocks,
                ..Self::default()
            },
            map: MapBuilder::default(),
            stored: StoredBlocks::default(),
            fresh_before: 0,
        };
        work.progress.begin(Bytes(blocks.saturating_mul(BLOCK.0)));
        let parts = numbers.into_iter().flat_map(|number| {
            let start = number.saturating_mul(SEGMENT_BLOCKS);
            let end = start.saturating_add(SEGMENT_BLOCKS).min(blocks);
            parallel::pieces(start..end, TOGETHER).map(move |range| (range, end))
        });
        let parts = parts.map(|(range, end)| {
            work.progress.go_on()?;
            let range = range?;
            Ok(Part {
                first: range.start,
                states: inputs.states.of(range.start, range.end - range.start),
                ends_segment: range.end == end,
            })
        });
        let look = |part: &Part| {
            let found = moved::find(base, target, inputs.index, part.first, &part.states)?;
            Ok((part.first, found, part.ends_segment))
        };
        work.install(|| parallel::in_order(parts, AHEAD, look, |found| planner.take(found)))??;
        Ok(planner.plan)
    }

    /// How many windows it has.
    pub(crate) const fn windows(&self) -> u64 {
        self.fresh.div_ceil(crate::layout::WINDOW_BLOCKS)
    }

    /// The runs of the blocks that are stored, in order.
    pub(crate) fn fresh_runs(&self) -> impl Iterator<Item = Result<Run>> {
        let segments = self.segments.iter().enumerate();
        segments.flat_map(|(place, segment)| {
            let runs = self.runs(place, segment);
            let (runs, error) = match runs {
                Ok(runs) => (runs, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            let fresh = runs
                .into_iter()
                .filter(|run| matches!(run.content, Content::Fresh { .. }));
            fresh.map(Ok).chain(error)
        })
    }

    fn runs(&self, place: usize, segment: &PackedSegment) -> Result<Vec<Run>> {
        let next = self.segments.get(place + 1);
        let fresh_behind = next.map_or(self.fresh, |next| next.fresh_before);
        let start = segment.number.saturating_mul(SEGMENT_BLOCKS);
        let shape = SegmentShape {
            number: segment.number,
            blocks: self.target_blocks.saturating_sub(start).min(SEGMENT_BLOCKS),
            base_blocks: self.base_blocks,
            fresh_before: segment.fresh_before,
            fresh: fresh_behind.saturating_sub(segment.fresh_before),
        };
        let map = decompress(&[], &segment.frame, segment.len).map_err(|why| {
            Error::new(Kind::Host, format!("the map in memory is damaged: {why}"))
        })?;
        decode(&map, &shape)
    }
}

/// Writes the map down in order.
struct Planner<'a> {
    target: &'a Chain,
    plan: Plan,
    map: MapBuilder,
    stored: StoredBlocks,
    /// How many blocks are stored before the segment that is under way.
    fresh_before: u64,
}

impl Planner<'_> {
    fn take(&mut self, (first, found, ends_segment): (u64, Vec<FoundBlock>, bool)) -> Result<()> {
        for (block, found) in (first..).zip(found) {
            let content = self.content(block, found)?;
            self.count(content);
            self.map.push(block, content);
        }
        if ends_segment {
            self.end_segment(first / SEGMENT_BLOCKS)?;
        }
        Ok(())
    }

    fn content(&mut self, block: u64, found: FoundBlock) -> Result<Content> {
        let hash = match found {
            FoundBlock::Same => return Ok(Content::Same),
            FoundBlock::Zero => return Ok(Content::Zero),
            FoundBlock::Copy(from) => return Ok(Content::Copy { from }),
            FoundBlock::Fresh(hash) => hash,
        };
        if let Some(known) = self.stored.find(hash)
            && self.is_same(known.block, block)?
        {
            return Ok(Content::Repeat { from: known.fresh });
        }
        let fresh = self.plan.fresh;
        self.plan.fresh += 1;
        self.stored.insert(hash, Stored { block, fresh });
        Ok(Content::Fresh { from: fresh })
    }

    /// Whether two blocks of the target are the same: equal hashes are no proof.
    fn is_same(&self, one: u64, other: u64) -> Result<bool> {
        let mut blocks = [[0; BLOCK.0 as usize]; 2];
        for (place, block) in blocks.iter_mut().zip([one, other]) {
            let at = VirtOffset(block.saturating_mul(BLOCK.0));
            self.target.read_at(at, place)?;
        }
        let [one, other] = blocks;
        Ok(is_same(&one, &other))
    }

    fn count(&mut self, content: Content) {
        let counts = &mut self.plan.counts;
        let place = match content {
            Content::Same => return,
            Content::Zero => &mut counts.zero,
            Content::Copy { .. } => &mut counts.copied,
            Content::Repeat { .. } => &mut counts.repeated,
            Content::Fresh { .. } => &mut counts.fresh,
        };
        place.0 = place.0.saturating_add(BLOCK.0);
    }

    fn end_segment(&mut self, number: u64) -> Result<()> {
        let fresh_before = std::mem::replace(&mut self.fresh_before, self.plan.fresh);
        if self.map.is_same() {
            self.map = MapBuilder::default();
            return Ok(());
        }
        let map = self.map.take(fresh_before);
        self.plan.segments.push(PackedSegment {
            number,
            fresh_before,
            frame: compress_alone(&map)?,
            len: map.len(),
            digest: Digest::plain(&map),
        });
        Ok(())
    }
}
