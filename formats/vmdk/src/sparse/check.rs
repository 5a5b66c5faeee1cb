//! What opening a sparse extent does not ask: both directories alike, no two grains in one place, packed grains that unpack.

use imgdelta_core::{Bytes, CheckReport, Error, Result, parallel};

use super::{Grains, Sparse, copies::TableCopies, footer};
use crate::{caches::GrainPlace, fault::Fault, grain::Unpacker, map::GrainMapping, shared_grains};

/// Packed grains that are unpacked as one piece of work.
const GRAINS: usize = 16;
/// Grains that are unpacked side by side take at most this together.
const MOST_UNPACKED: Bytes = Bytes::mib(16);
/// Packed grains whose places are gathered before they are unpacked.
const MOST_WAITING: usize = 64 * GRAINS;

impl Sparse {
    /// Looks at everything.
    pub(super) fn check_all(&self, report: &mut CheckReport) -> Result<()> {
        if let Some(line) = self.line.filter(|line| *line != self.header.capacity) {
            let capacity = self.header.capacity;
            report
                .fault(Error::from(Fault::SectorsDiffer { line, capacity }).in_structure("header"));
        }
        let stored = match &self.grains {
            Grains::Tables(tables) => {
                self.check_copies(report)?;
                let step = TableCopies::of(&self.file, &self.header, self.size).step();
                shared_grains::check(tables, &*self.file.source, step, report)?
            }
            Grains::Scanned(scanned) => scanned.each().count() as u64,
        };
        self.check_packed(report)?;
        self.check_end(report)?;
        let count = self.size.pieces(self.grain);
        report
            .counts
            .extend([("grains", count), ("stored", stored)]);
        Ok(())
    }

    /// Both directories must say the same of every grain.
    fn check_copies(&self, report: &mut CheckReport) -> Result<()> {
        let pair = TableCopies::of(&self.file, &self.header, self.size);
        if !pair.has_two() {
            return Ok(());
        }
        match (pair.primary(), pair.redundant()) {
            (Err(error), _) | (_, Err(error)) => report.fault(error),
            (Ok(primary), Ok(redundant)) => {
                primary.each_difference(&redundant, |grain, one, other| {
                    let fault = Fault::CopiesDiffer {
                        grain,
                        found: said(one),
                        redundant: said(other),
                    };
                    report.fault(Error::from(fault).in_structure("grain table"));
                })?;
            }
        }
        Ok(())
    }

    /// Packed grains are unpacked, several side by side.
    fn check_packed(&self, report: &mut CheckReport) -> Result<()> {
        let Some(unpacker) = &self.packed else {
            return Ok(());
        };
        let mut waiting = Vec::new();
        let mut see = |place: GrainPlace, report: &mut CheckReport| {
            waiting.push(place);
            if waiting.len() >= MOST_WAITING {
                self.unpack(unpacker, &waiting, report)?;
                waiting.clear();
            }
            Ok(())
        };
        match &self.grains {
            Grains::Tables(tables) => tables.each(|number, cell| match cell {
                GrainMapping::At(sector) => see((number, sector), report),
                GrainMapping::Absent | GrainMapping::Zero => Ok(()),
            })?,
            Grains::Scanned(scanned) => scanned.each().try_for_each(|place| see(place, report))?,
        }
        self.unpack(unpacker, &waiting, report)
    }

    /// Unpacks the grains that stand at `places`, in order.
    fn unpack(
        &self,
        unpacker: &Unpacker,
        places: &[GrainPlace],
        report: &mut CheckReport,
    ) -> Result<()> {
        // What a reader takes to unpack one.
        let each = self.grain.0.saturating_mul(4).max(1);
        let most = Bytes(MOST_UNPACKED.0 / each).in_memory();
        let unpacked = |places: &&[GrainPlace]| {
            let mut grain = vec![0; self.grain.in_memory()];
            let faults = places
                .iter()
                .filter_map(|place| unpacker.read_whole(&[*place], &mut grain).err());
            Ok(faults.collect::<Vec<_>>())
        };
        let parts = places.chunks(GRAINS).map(Ok);
        parallel::in_order(parts, most, unpacked, |faults| {
            faults.into_iter().for_each(|fault| report.fault(fault));
            Ok(())
        })
    }

    /// A stream that has a footer ends with an empty marker. What stands behind that is nobody's.
    fn check_end(&self, report: &mut CheckReport) -> Result<()> {
        let Some(at) = self.end else {
            return Ok(());
        };
        if !footer::has_end(&*self.file.source, at)? {
            report.fault(Error::from(Fault::NoEnd).at(at));
        }
        Ok(())
    }
}

/// A cell for people.
fn said(cell: GrainMapping) -> String {
    match cell {
        GrainMapping::Absent => "absent".into(),
        GrainMapping::Zero => "zero".into(),
        GrainMapping::At(sector) => format!("at sector {sector}"),
    }
}
