//! The index entries, judged: records lie in their areas, segments are in order and store no more than there is.

use std::ops::RangeInclusive;

use imgdelta_core::{Bytes, Error, FileOffset, Result};

use crate::{
    fault::Fault,
    head::Head,
    layout::{LONGEST_MAP, LONGEST_PACKED_MAP, SEGMENT_BLOCKS, SegmentEntry, blocks_of},
};

/// The name of a window in messages.
pub(crate) const WINDOW: &str = "window";

/// The name of a segment of the map in messages.
pub(crate) const SEGMENT: &str = "segment";

/// A record lies in its area, and is not longer than one can be.
pub(crate) fn judge_record(
    (part, number): (&'static str, u64),
    (at, packed): (u64, u32),
    (from, to): (u64, u64),
    longest: Bytes,
) -> Result<(), Fault> {
    let (found, most) = (u64::from(packed), longest.0);
    if found == 0 || found > most {
        return Err(Fault::Packed {
            part,
            number,
            found,
            most,
        });
    }
    let is_inside = at >= from && at.checked_add(found).is_some_and(|end| end <= to);
    if !is_inside {
        return Err(Fault::Place {
            part,
            number,
            found: FileOffset(at),
            required: FileOffset(from),
        });
    }
    Ok(())
}

/// The segments are in order, lie one behind the other, and store no more than there is.
pub(crate) fn judge_segments(head: &Head, segments: &[SegmentEntry]) -> Result<()> {
    let header = head.fields();
    let mut next = NextSegment {
        head,
        count: blocks_of(head.target_size()).div_ceil(SEGMENT_BLOCKS),
        least: 0,
        at: header.map_at,
        stored: 0..=0,
    };
    for (place, entry) in (0_u64..).zip(segments) {
        let skip = Bytes(place.saturating_mul(SegmentEntry::SIZE as u64));
        let at = FileOffset(header.segment_index_at).saturating_add(skip);
        next.judge(entry)
            .map_err(|fault| Error::from(fault).at(at))?;
    }
    if next.at != header.manifest_at {
        return Err(Fault::Contradiction {
            field: "manifest_at",
            found: header.manifest_at,
            required: next.at,
        }
        .into());
    }
    Ok(())
}

/// What the next segment may be.
struct NextSegment<'a> {
    head: &'a Head,
    /// How many segments the target has.
    count: u64,
    /// The least number that it may have.
    least: u64,
    /// Where its record must be.
    at: u64,
    /// How many blocks may be stored before it.
    stored: RangeInclusive<u64>,
}

impl NextSegment<'_> {
    fn judge(&mut self, entry: &SegmentEntry) -> Result<(), Fault> {
        let number = entry.number;
        if number < self.least || number >= self.count {
            return Err(Fault::SegmentOrder {
                found: number,
                least: self.least,
                most: self.count.saturating_sub(1),
            });
        }
        let header = self.head.fields();
        let area = (header.map_at, header.manifest_at);
        let record = (entry.at, entry.packed);
        judge_record((SEGMENT, number), record, area, LONGEST_PACKED_MAP)?;
        if entry.at != self.at {
            return Err(Fault::Place {
                part: SEGMENT,
                number,
                found: FileOffset(entry.at),
                required: FileOffset(self.at),
            });
        }
        judge_numbers(entry)?;
        if !self.stored.contains(&entry.fresh_before) {
            return Err(Fault::FreshCount {
                number,
                found: entry.fresh_before,
                required: *self.stored.start(),
            });
        }
        self.least = number.saturating_add(1);
        self.at = self.at.saturating_add(entry.packed.into());
        let most = entry.fresh_before.saturating_add(SEGMENT_BLOCKS);
        self.stored = entry.fresh_before..=most.min(header.fresh_blocks);
        Ok(())
    }
}

/// Numbers of an entry that have bounds of their own.
fn judge_numbers(entry: &SegmentEntry) -> Result<(), Fault> {
    let (found, most) = (u64::from(entry.len), LONGEST_MAP.0);
    if found == 0 || found > most {
        let field = "len of a segment";
        return Err(Fault::TooLarge { field, found, most });
    }
    if entry.reserved != 0 {
        return Err(Fault::Constant {
            field: "reserved of a segment",
            found: entry.reserved.into(),
            required: 0,
        });
    }
    Ok(())
}
