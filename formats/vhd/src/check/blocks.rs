//! Every block against its bitmap and the batmap, and what of the file belongs to nothing. Blocks are looked at side by side.

mod look;

use std::{ops::Range, sync::Arc};

use imgdelta_core::{Bytes, CheckReport, Kind, Result, Source, parallel};

use crate::{batmap, layout::DynamicHeader, locator, map::Tables, validate::ValidatedHeader};

use look::{BlockChecker, BlockFindings, PIECE};

/// Gaps up to this are alignment and what writers leave between structures.
const USUAL_GAP: u64 = 64 << 10;
/// Blocks that are looked at as one piece of work.
const TOGETHER: u64 = 64;
/// What is read of blocks that are looked at side by side takes at most this together.
const MOST_READ: Bytes = Bytes::mib(8);

/// Sectors whose bit is not set and which hold data all the same.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unused {
    /// How many.
    pub(super) sectors: u64,
    /// In how many blocks.
    pub(super) blocks: u64,
}

/// What is counted and found while all blocks are looked at.
pub(super) struct Blocks<'a> {
    look: BlockChecker<'a>,
    /// What the file's structures and blocks take.
    taken: Vec<Range<u64>>,
    report: &'a mut CheckReport,
    allocated: u64,
    present: u64,
    padded: u64,
    unused: Unused,
}

impl<'a> Blocks<'a> {
    /// Ready to look at the blocks of `tables`.
    pub(super) fn new(
        source: &'a Arc<dyn Source>,
        meta: &ValidatedHeader,
        header: &DynamicHeader,
        tables: Tables,
        report: &'a mut CheckReport,
    ) -> Result<Self> {
        let mut taken: Vec<Range<u64>> = tables.structures().map(|(range, _)| range).into();
        taken.extend(
            header
                .parent_locators
                .iter()
                .filter(|entry| entry.platform_code != [0; 4])
                .map(|entry| {
                    let at = entry.platform_data_offset;
                    at..at.saturating_add(locator::space(entry))
                }),
        );
        let batmap = match batmap::read(&**source, meta.footer(), header) {
            Ok(None) => None,
            Ok(Some(found)) => {
                let start = found.at.0;
                taken.push(start..start.saturating_add(found.map.len() as u64));
                found
                    .wrong
                    .into_iter()
                    .for_each(|wrong| report.fault(wrong));
                Some(found.map)
            }
            Err(error) if error.kind() == Kind::Corrupt => {
                report.fault(error);
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            look: BlockChecker {
                source: &**source,
                tables,
                follows_bitmaps: !meta.is_child(),
                batmap,
            },
            taken,
            report,
            allocated: 0,
            present: 0,
            padded: 0,
            unused: Unused::default(),
        })
    }

    /// Looks at every block, also at what lies under clear bits if the disk is read by them.
    pub(super) fn check(mut self, follows_bitmaps: bool) -> Result<Unused> {
        self.look.follows_bitmaps &= follows_bitmaps;
        let tables = self.look.tables;
        let (blocks, entries) = (tables.blocks(), u64::from(tables.entries));
        let a_piece = tables.bitmap_len().0.saturating_add(PIECE.0);
        parallel::in_order(
            parallel::pieces(0..blocks, TOGETHER),
            Bytes(MOST_READ.0 / a_piece).in_memory(),
            |blocks| self.look.blocks(blocks),
            |seen| {
                let (taken, report) = (&mut self.taken, &mut *self.report);
                self.allocated += seen.sectors.len() as u64;
                self.present += seen.present;
                self.padded += seen.padded;
                self.unused.sectors += seen.unused.sectors;
                self.unused.blocks += seen.unused.blocks;
                take(seen, &tables, taken, report);
                Ok(())
            },
        )?;
        let beyond = tables.count(self.look.source, blocks..entries)?;
        let notes = &mut self.report.notes;
        if beyond > 0 {
            notes.push(format!(
                "{beyond} BAT entries past the end of the disk name blocks"
            ));
        }
        if self.padded > 0 {
            notes.push(format!(
                "the bitmaps of {} blocks have bits set past their last sector",
                self.padded
            ));
        }
        let leaked = leaked(&mut self.taken, tables.data_end);
        if leaked > 0 {
            notes.push(format!(
                "{leaked} bytes between structures and blocks belong to nothing"
            ));
        }
        self.report.counts.extend([
            ("blocks", blocks),
            ("allocated", self.allocated),
            ("sectors", self.present),
            ("leaked", leaked),
        ]);
        Ok(self.unused)
    }
}

/// Takes what was seen of some blocks.
fn take(
    seen: BlockFindings,
    tables: &Tables,
    taken: &mut Vec<Range<u64>>,
    report: &mut CheckReport,
) {
    taken.extend(seen.sectors.iter().map(|sector| tables.range(*sector)));
    if taken.len() > 1 << 16 {
        join(taken);
    }
    seen.faults
        .into_iter()
        .for_each(|fault| report.fault(fault));
}

/// Joins ranges that touch or overlap.
fn join(taken: &mut Vec<Range<u64>>) {
    taken.sort_unstable_by_key(|range| range.start);
    taken.dedup_by(|next, last| {
        let goes_on = next.start <= last.end.saturating_add(USUAL_GAP);
        if goes_on {
            last.end = last.end.max(next.end);
        }
        goes_on
    });
}

/// The bytes before `end` that belong to nothing, small gaps left out.
fn leaked(taken: &mut Vec<Range<u64>>, end: u64) -> u64 {
    taken.push(end..end);
    join(taken);
    let ends = taken.iter().map(|range| range.end);
    let starts = taken.iter().skip(1).map(|range| range.start);
    ends.zip(starts)
        .map(|(end, start)| start.saturating_sub(end))
        .sum()
}
