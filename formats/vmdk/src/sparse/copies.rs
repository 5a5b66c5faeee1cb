//! The two copies of the grain tables of an extent: which of them is read. Where they say different things the sound one counts; where nobody
//! can tell which that is, the extent is damaged.

use imgdelta_core::{Bytes, Error, Kind, Result, SECTOR};

use crate::{
    extent::File,
    fault::Fault,
    grain::PREFIX,
    layout::{COMPRESSED, REDUNDANT, SparseHeader},
    map::{Form, GrainMapping, GrainVisit, Tables},
    shared_grains::Misplaced,
};

/// What the first copy is called.
const PRIMARY: &str = "grain directory";
/// What the second one is called.
const SECOND: &str = "redundant grain directory";

/// Which of two copies of the grain tables counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Copies {
    /// The sound one.
    #[default]
    Sound,
    /// The sound one; the first, where nobody can tell.
    Either,
    /// The first.
    Primary,
    /// The redundant one.
    Redundant,
}

/// The copies of one extent.
pub(super) struct TableCopies<'a> {
    file: &'a File,
    header: &'a SparseHeader,
    size: Bytes,
}

/// One copy, every entry of which can be.
struct TableCandidate {
    tables: Tables,
    seen: GrainVisit,
}

/// The tables that are read.
pub(super) fn choose(
    file: &File,
    header: &SparseHeader,
    size: Bytes,
    copies: Copies,
    notes: &mut Vec<String>,
) -> Result<Tables> {
    let pair = TableCopies::of(file, header, size);
    let copy = match (copies, pair.has_two()) {
        (Copies::Primary, _) | (_, false) => pair.open(PRIMARY)?,
        (Copies::Redundant, true) => pair.open(SECOND)?,
        (Copies::Sound | Copies::Either, true) => pair.sound(copies, notes)?,
    };
    let found = Misplaced::of(&copy.tables, &*file.source, pair.step(), &copy.seen)?;
    notes.extend(found.notes());
    Ok(copy.tables)
}

impl<'a> TableCopies<'a> {
    pub(super) const fn of(file: &'a File, header: &'a SparseHeader, size: Bytes) -> Self {
        Self { file, header, size }
    }

    /// Whether the header says that there are two.
    pub(super) const fn has_two(&self) -> bool {
        self.header.flags & REDUNDANT != 0 && self.header.rgd_offset != 0
    }

    /// Sectors that a stored grain takes at least.
    pub(super) const fn step(&self) -> u64 {
        if self.header.flags & COMPRESSED == 0 {
            self.header.grain_size
        } else {
            1
        }
    }

    /// The tables of the first copy.
    pub(super) fn primary(&self) -> Result<Tables> {
        Ok(self.open(PRIMARY)?.tables)
    }

    /// The tables of the second copy.
    pub(super) fn redundant(&self) -> Result<Tables> {
        Ok(self.open(SECOND)?.tables)
    }

    /// The tables of one directory, not judged.
    fn tables(&self, name: &'static str) -> Tables {
        let header = self.header;
        let sector = if name == PRIMARY {
            header.gd_offset
        } else {
            header.rgd_offset
        };
        let grain = Bytes(header.grain_size.saturating_mul(SECTOR));
        let form = Form::Hosted {
            entries: u64::from(header.entries_per_table),
        };
        let text = header.descriptor_offset;
        let front = text.saturating_add(header.descriptor_size);
        let tables = Tables::new(self.file, form, sector, grain, self.size);
        let tables = tables.beginning_at(front.max(1));
        if header.flags & COMPRESSED == 0 {
            tables
        } else {
            tables.needing(Bytes::from(PREFIX))
        }
    }

    fn open(&self, name: &'static str) -> Result<TableCandidate> {
        let tables = self.tables(name);
        tables.validate_directory(name)?;
        let seen = tables.validate(self.step())?;
        Ok(TableCandidate { tables, seen })
    }

    /// The sound one of both.
    fn sound(&self, copies: Copies, notes: &mut Vec<String>) -> Result<TableCandidate> {
        match (self.open(PRIMARY), self.open(SECOND)) {
            (Err(error), _) | (Ok(_), Err(error)) if error.kind() != Kind::Corrupt => Err(error),
            (Ok(first), Ok(second)) if first.seen.sum == second.seen.sum => Ok(first),
            (Ok(first), Ok(second)) => self.sounder(first, second, copies, notes),
            (Ok(first), Err(error)) => {
                self.stands_in(&first, SECOND, copies)?;
                notes.push(format!("the {SECOND} is damaged: {}", error.message()));
                Ok(first)
            }
            (Err(error), Ok(second)) => match self.stands_in(&second, PRIMARY, copies) {
                Ok(()) => {
                    notes.push(format!(
                        "the {PRIMARY} is damaged, the redundant one is used: {}",
                        error.message()
                    ));
                    Ok(second)
                }
                Err(_) => Err(error),
            },
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// Whether a copy can be read alone, the other one being damaged: that must not know of grains which this one does not have. Where even its
    /// directory is damaged it knows nothing.
    fn stands_in(&self, copy: &TableCandidate, other: &'static str, copies: Copies) -> Result<()> {
        let damaged = self.tables(other).leniently();
        if copies == Copies::Either || damaged.validate_directory(other).is_err() {
            return Ok(());
        }
        let mut count = 0;
        let knows = damaged.each(|grain, _| {
            count += u64::from(copy.tables.cell(grain)? == GrainMapping::Absent);
            Ok(())
        });
        match knows {
            Ok(()) if count > 0 => Err(disagree(count)),
            Err(error) if error.kind() != Kind::Corrupt => Err(error),
            _ => Ok(()),
        }
    }

    /// Of two copies whose entries all can be and that say different things: the one whose grains have places of their own, if the other's
    /// have not; else the one that only has more grains than the other, which lost them. Tables never lose grains by themselves.
    fn sounder(
        &self,
        first: TableCandidate,
        second: TableCandidate,
        copies: Copies,
        notes: &mut Vec<String>,
    ) -> Result<TableCandidate> {
        let (mut count, mut only_first, mut only_second) = (0_u64, 0_u64, 0_u64);
        let see = |_, one, other| {
            count += 1;
            only_first += u64::from(other == GrainMapping::Absent);
            only_second += u64::from(one == GrainMapping::Absent);
        };
        first.tables.each_difference(&second.tables, see)?;
        let is_clean = |copy: &TableCandidate| {
            let source = &*self.file.source;
            Misplaced::of(&copy.tables, source, self.step(), &copy.seen)
                .map(|found| found.is_none())
        };
        let takes_first = match (is_clean(&first)?, is_clean(&second)?) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ if count == only_first => Some(true),
            _ if count == only_second => Some(false),
            _ => None,
        };
        let used = match takes_first {
            Some(true) => "first",
            Some(false) => "redundant",
            None if copies == Copies::Either => "first",
            None => return Err(disagree(count)),
        };
        if count > 0 {
            notes.push(format!(
                "the grain tables and the redundant ones say different things of {count} grains: the {used} ones are used"
            ));
        }
        Ok(if used == "first" { first } else { second })
    }
}

fn disagree(count: u64) -> Error {
    Error::from(Fault::CopiesDisagree { count }).in_structure("grain table")
}
