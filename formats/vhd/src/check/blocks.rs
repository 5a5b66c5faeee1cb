//! Every block against its bitmap and the batmap, and what of the file belongs to nothing.

use std::{ops::Range, sync::Arc};

use imgdelta_core::{Bytes, CheckReport, Kind, Result, SECTOR, Source, VirtOffset, read_vec};

use crate::{
    batmap, bitmap,
    fault::Fault,
    layout::DynamicHeader,
    locator,
    meta::Meta,
    table::{Entry, Tables, bitmap_at},
};

/// How much of a block's data is read at once.
const PIECE: Bytes = Bytes::kib(256);
/// Gaps up to this are alignment and what writers leave between structures.
const USUAL_GAP: u64 = 64 << 10;

/// What is counted and found while all blocks are looked at.
pub(super) struct Blocks<'a> {
    source: &'a Arc<dyn Source>,
    tables: Tables,
    is_child: bool,
    /// tapdisk's batmap, if there is one that can be read.
    batmap: Option<Vec<u8>>,
    /// What the file's structures and blocks take.
    taken: Vec<Range<u64>>,
    report: &'a mut CheckReport,
    allocated: u64,
    present: u64,
    padded: u64,
    buffer: Vec<u8>,
}

impl<'a> Blocks<'a> {
    /// Ready to look at the blocks of `tables`.
    pub(super) fn new(
        source: &'a Arc<dyn Source>,
        meta: &Meta,
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
            source,
            tables,
            is_child: meta.is_child(),
            batmap,
            taken,
            report,
            allocated: 0,
            present: 0,
            padded: 0,
            buffer: vec![0; PIECE.min(tables.block_size).in_memory()],
        })
    }

    /// Looks at every block.
    pub(super) fn check(mut self) -> Result<()> {
        let (tables, source) = (self.tables, Arc::clone(self.source));
        let blocks = tables.blocks();
        tables.each(&*source, 0..blocks, |entry| self.check_block(entry))?;
        let mut beyond = 0_u64;
        tables.each(&*source, blocks..u64::from(tables.entries), |_| {
            beyond += 1;
            Ok(())
        })?;
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
        Ok(())
    }

    fn check_block(&mut self, entry: Entry) -> Result<()> {
        self.allocated += 1;
        self.taken.push(self.tables.range(entry.sector));
        if self.taken.len() > 1 << 16 {
            join(&mut self.taken);
        }
        let bits = read_vec(
            &**self.source,
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
        let mut at = 0;
        let mut unused = (0, None);
        while at < sectors {
            let (is_set, len) = bitmap::run(&bits, at, sectors);
            if len == 0 {
                break;
            }
            if is_set {
                self.present += len as u64;
            } else if !self.is_child {
                self.count_data(entry, at, len, &mut unused)?;
            }
            at += len;
        }
        if let (count, Some(first)) = unused {
            let at = VirtOffset(start.saturating_add(first as u64 * SECTOR));
            let fault = Fault::UnusedHoldsData {
                block: entry.block,
                sectors: count,
                at,
            };
            self.report.fault(self.tables.in_bat(fault, entry.block));
        }
        let (past_last, run) = bitmap::run(&bits, in_block, bits.len() * 8);
        if run > 0 && (past_last || in_block + run < bits.len() * 8) {
            self.padded += 1;
        }
        self.check_batmap(entry, &bits, sectors);
        Ok(())
    }

    /// Counts the sectors of a run without bits that hold data all the same.
    fn count_data(
        &mut self,
        entry: Entry,
        first: usize,
        len: usize,
        unused: &mut (u64, Option<usize>),
    ) -> Result<()> {
        let mut next = first;
        let end = first + len;
        while next < end {
            let count = (end - next).min(self.buffer.len() / 512);
            let piece = self.buffer.get_mut(..count * 512).unwrap_or_default();
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
    fn check_batmap(&mut self, entry: Entry, bits: &[u8], sectors: usize) {
        let Some(map) = &self.batmap else { return };
        let (is_full, _) = bitmap::run(map, Bytes(entry.block).in_memory(), usize::MAX);
        if !is_full {
            return;
        }
        let mut missing = 0;
        let mut at = 0;
        while at < sectors {
            let (is_set, len) = bitmap::run(bits, at, sectors);
            if len == 0 {
                break;
            }
            missing += if is_set { 0 } else { len as u64 };
            at += len;
        }
        if missing > 0 {
            let block = entry.block;
            let fault = Fault::BatmapLies { block, missing };
            self.report.fault(self.tables.in_bat(fault, block));
        }
    }
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
