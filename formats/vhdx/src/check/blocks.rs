//! Every entry of the BAT, the bitmaps of partially present blocks, and what of the file belongs to nothing. Entries are looked at side by side.

mod look;

use std::sync::Arc;

use imgdelta_core::{Bytes, CheckReport, FileOffset, PagedTable, Result, parallel};

use crate::{
    fault::Fault,
    layout::MIB,
    map::{Slot, validate::OccupiedRanges},
    validate::ValidatedHeader,
};

use look::{BlockChecker, Counts};

/// Entries that are looked at as one piece of work.
const TOGETHER: u64 = 512;
/// What is read for entries that are looked at side by side takes at most this together.
const MOST_READ: Bytes = Bytes::mib(8);

/// What looks at all entries.
pub(super) struct Blocks<'a> {
    look: BlockChecker<'a>,
    is_fixed: bool,
    taken: OccupiedRanges,
    report: &'a mut CheckReport,
    counts: Counts,
}

impl<'a> Blocks<'a> {
    /// Ready to look at the judged blocks of an image.
    pub(super) fn new(meta: &'a ValidatedHeader, report: &'a mut CheckReport) -> Self {
        let end = meta.source.len().0;
        let mut taken = OccupiedRanges::default();
        for (range, _) in meta.structures() {
            taken.take(&range, end);
        }
        Self {
            look: BlockChecker {
                source: &*meta.source,
                bat: PagedTable::new(Arc::clone(&meta.source)),
                tables: meta.tables(),
                end,
            },
            is_fixed: meta.metadata.is_fixed(),
            taken,
            report,
            counts: Counts::default(),
        }
    }

    /// Looks at every entry.
    pub(super) fn check(mut self) -> Result<()> {
        let look = &self.look;
        let (entries, room) = (look.tables.entries(), look.tables.room());
        let most = Bytes(MOST_READ.0 / look.a_piece(TOGETHER).0.max(1)).in_memory();
        let pieces = look.tables.stored(look.source, 0..entries, TOGETHER);
        let seen = |piece: &_| look.entries(piece);
        parallel::in_order(pieces, most, seen, |seen| {
            self.counts.add(&seen.counts);
            for range in &seen.taken {
                self.taken.take(range, look.end);
            }
            seen.faults
                .into_iter()
                .for_each(|fault| self.report.fault(fault));
            self.report.notes.extend(seen.notes);
            Ok(())
        })?;
        look.tables.each(look.source, entries..room, |_, _| {
            self.counts.beyond += 1;
            Ok(())
        })?;
        if self.counts.kept > 0 {
            self.ranges()?;
        }
        self.tell();
        Ok(())
    }

    /// Blocks without data that keep their room must be alone there. They are looked at when all that is stored is known.
    fn ranges(&mut self) -> Result<()> {
        let (look, taken, report) = (&self.look, &mut self.taken, &mut *self.report);
        let tables = &look.tables;
        tables.each(look.source, 0..tables.entries(), |index, entry| {
            if let Slot::Block(block) = tables.slot(index)
                && block < tables.shape.blocks
                && entry.keeps_room()
                && !taken.take(&tables.range(Slot::Block(block), entry), look.end)
            {
                let at = FileOffset(entry.at());
                let other = "something else";
                report.fault(tables.in_bat(Fault::RoomTaken { block, at, other }, index));
            }
            Ok(())
        })
    }

    /// Puts what was counted into the report.
    fn tell(self) {
        let (counts, blocks) = (self.counts, self.look.tables.shape.blocks);
        let units = self.look.end.div_ceil(MIB);
        let leaked = units.saturating_sub(self.taken.count()).saturating_mul(MIB);
        let notes = &mut self.report.notes;
        let mut note = |count: u64, what: &str| {
            if count > 0 {
                notes.push(format!("{count} {what}"));
            }
        };
        note(
            counts.beyond,
            "BAT entries past the end of the disk are not zero",
        );
        note(
            counts.placed,
            "BAT entries say zero or nothing and name a place all the same",
        );
        note(
            counts.lopsided,
            "partially present blocks are wholly present or wholly absent",
        );
        note(
            leaked,
            "bytes between structures and blocks belong to nothing",
        );
        if self.is_fixed {
            note(
                blocks.saturating_sub(counts.allocated),
                "blocks of the fixed image are not stored",
            );
        }
        self.report.counts.extend([
            ("blocks", blocks),
            ("allocated", counts.allocated),
            ("partial", counts.partial),
            ("sectors", counts.sectors),
            ("bitmaps", counts.bitmaps),
            ("leaked", leaked),
        ]);
    }
}
