//! The map: what each block of the target is. A segment of it stands for 64 MiB, and is read by itself.
//!
//! A run is a number `count << 3 | kind`; behind a copy stands where it begins, counted from the end of the copy before it, behind a repeat how
//! many stored blocks it goes back.

use imgdelta_core::{Result, VirtOffset};

use crate::{
    fault::Fault,
    layout::{BLOCK, SEGMENT_BLOCKS},
    varint,
};

/// What a run of blocks of the target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// What the base has in the same place.
    Same,
    /// Zero.
    Zero,
    /// The blocks of the base from this number on.
    Copy {
        /// The first of them.
        from: u64,
    },
    /// The next blocks of the windows, from this number on.
    Fresh {
        /// The number of the first one among all stored blocks.
        from: u64,
    },
    /// Blocks of the windows that stood earlier in the target, from this number on.
    Repeat {
        /// The number of the first one among all stored blocks.
        from: u64,
    },
}

const SAME: u64 = 0;
const ZERO: u64 = 1;
const COPY: u64 = 2;
const FRESH: u64 = 3;
const REPEAT: u64 = 4;

/// The bits of a run's number that say its kind.
const KIND_BITS: u32 = 3;

impl Content {
    /// The same, `by` blocks further on.
    #[must_use]
    pub const fn moved(self, by: u64) -> Self {
        match self {
            Self::Same | Self::Zero => self,
            Self::Copy { from } => Self::Copy {
                from: from.saturating_add(by),
            },
            Self::Fresh { from } => Self::Fresh {
                from: from.saturating_add(by),
            },
            Self::Repeat { from } => Self::Repeat {
                from: from.saturating_add(by),
            },
        }
    }
}

/// A run of blocks of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its first block, counted from the start of the disk.
    pub at: u64,
    /// How many there are; never none.
    pub count: u64,
    /// What they are.
    pub content: Content,
}

impl Run {
    /// The first block behind it.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.at.saturating_add(self.count)
    }

    /// Where it starts on the disk.
    #[must_use]
    pub const fn start(&self) -> VirtOffset {
        VirtOffset(self.at.saturating_mul(BLOCK.0))
    }
}

/// What is needed to read a segment's map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentShape {
    /// Its number.
    pub(crate) number: u64,
    /// How many blocks of the target it stands for.
    pub(crate) blocks: u64,
    /// How many blocks the base has.
    pub(crate) base_blocks: u64,
    /// How many blocks are stored by the segments before it.
    pub(crate) fresh_before: u64,
    /// How many it stores itself.
    pub(crate) fresh: u64,
}

impl SegmentShape {
    /// Its first block.
    const fn first(&self) -> u64 {
        self.number.saturating_mul(SEGMENT_BLOCKS)
    }
}

/// The runs of a segment in the making.
#[derive(Debug, Default)]
pub(crate) struct MapBuilder {
    runs: Vec<Run>,
}

impl MapBuilder {
    /// The next block, which goes on with the last run if it can.
    pub(crate) fn push(&mut self, at: u64, content: Content) {
        if let Some(last) = self.runs.last_mut()
            && last.end() == at
            && last.content.moved(last.count) == content
        {
            last.count += 1;
            return;
        }
        self.runs.push(Run {
            at,
            count: 1,
            content,
        });
    }

    /// Whether all of it is the base's.
    pub(crate) fn is_same(&self) -> bool {
        self.runs.iter().all(|run| run.content == Content::Same)
    }

    /// The map of these runs as it is stored, where so many blocks are stored before them; nothing is left to start the next one with.
    pub(crate) fn take(&mut self, fresh_before: u64) -> Vec<u8> {
        encode(&std::mem::take(&mut self.runs), fresh_before)
    }
}

/// Runs as they are stored, where so many blocks are stored before them.
pub(crate) fn encode(runs: &[Run], fresh_before: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut next_copy = runs.first().map_or(0, |run| run.at);
    let mut stored = fresh_before;
    for run in runs {
        let head = |kind| run.count << KIND_BITS | kind;
        match run.content {
            Content::Same => varint::put(&mut out, head(SAME)),
            Content::Zero => varint::put(&mut out, head(ZERO)),
            Content::Copy { from } => {
                varint::put(&mut out, head(COPY));
                let distance = (from as i64).wrapping_sub(next_copy as i64);
                varint::put(&mut out, varint::zigzag(distance));
                next_copy = from.saturating_add(run.count);
            }
            Content::Fresh { from } => {
                varint::put(&mut out, head(FRESH));
                stored = from.saturating_add(run.count);
            }
            Content::Repeat { from } => {
                varint::put(&mut out, head(REPEAT));
                varint::put(&mut out, stored.saturating_sub(from));
            }
        }
    }
    out
}

/// The runs that a segment's map says; they fill it.
///
/// # Errors
/// Corrupt, if the map breaks a rule.
pub(crate) fn decode(map: &[u8], shape: &SegmentShape) -> Result<Vec<Run>> {
    let mut decoder = Decoder {
        shape,
        len: map.len() as u64,
        rest: map,
        next_copy: shape.first(),
        stored: shape.fresh_before,
    };
    let mut runs = Vec::new();
    let mut at = 0;
    while at < shape.blocks {
        let run = decoder.run(at)?;
        at += run.count;
        runs.push(run);
    }
    decoder.finish()?;
    Ok(runs)
}

struct Decoder<'a> {
    shape: &'a SegmentShape,
    len: u64,
    rest: &'a [u8],
    /// Where the last copy ended.
    next_copy: u64,
    /// How many blocks are stored so far.
    stored: u64,
}

impl Decoder<'_> {
    /// The run that begins `at` blocks into the segment.
    fn run(&mut self, at: u64) -> Result<Run, Fault> {
        let head = self.number()?;
        let (count, most) = (head >> KIND_BITS, self.shape.blocks.saturating_sub(at));
        if count == 0 || count > most {
            return Err(Fault::RunLength {
                number: self.shape.number,
                at,
                found: count,
                most,
            });
        }
        let content = match head & ((1 << KIND_BITS) - 1) {
            SAME => Content::Same,
            ZERO => Content::Zero,
            COPY => self.copy(count)?,
            FRESH => {
                let from = self.stored;
                self.stored = from.saturating_add(count);
                Content::Fresh { from }
            }
            REPEAT => self.repeat(count)?,
            kind => {
                return Err(Fault::Constant {
                    field: "kind of a run",
                    found: kind,
                    required: REPEAT,
                });
            }
        };
        Ok(Run {
            at: self.shape.first().saturating_add(at),
            count,
            content,
        })
    }

    fn copy(&mut self, count: u64) -> Result<Content, Fault> {
        let distance = varint::unzigzag(self.number()?);
        let from = self.next_copy.wrapping_add_signed(distance);
        let to = from.saturating_add(count);
        if to > self.shape.base_blocks {
            return Err(Fault::CopyRange {
                number: self.shape.number,
                from,
                to,
                blocks: self.shape.base_blocks,
            });
        }
        self.next_copy = to;
        Ok(Content::Copy { from })
    }

    fn repeat(&mut self, count: u64) -> Result<Content, Fault> {
        let back = self.number()?;
        match self.stored.checked_sub(back) {
            Some(from) if back >= count => Ok(Content::Repeat { from }),
            from => Err(Fault::RepeatRange {
                number: self.shape.number,
                from: from.unwrap_or_default(),
                count,
                stored: self.stored,
            }),
        }
    }

    fn number(&mut self) -> Result<u64, Fault> {
        varint::take(&mut self.rest).ok_or(Fault::MapEnd {
            number: self.shape.number,
            found: self.len,
            len: self.len,
        })
    }

    /// All runs have been read: nothing is left, and as many blocks are stored as the index says.
    fn finish(self) -> Result<(), Fault> {
        if !self.rest.is_empty() {
            return Err(Fault::MapEnd {
                number: self.shape.number,
                found: self.len.saturating_sub(self.rest.len() as u64),
                len: self.len,
            });
        }
        let found = self.stored.saturating_sub(self.shape.fresh_before);
        if found != self.shape.fresh {
            return Err(Fault::FreshCount {
                number: self.shape.number,
                found,
                required: self.shape.fresh,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "map/tests.rs"]
mod tests;
