//! Whose the bytes of a disk are: a file's, a directory's, the file system's own, nobody's.
//!
//! Who asks says which runs he asks about. Only what meets one of them is remembered, so that memory follows the question and not the disk.

use imgdelta_core::{Result, VirtOffset};

use crate::{
    contents::Contents,
    disk::Disk,
    entry::Entry,
    fault::{Fault, Found},
    files::entries,
    owner::{Owner, OwnerKind},
    partition::{Table, Volume},
    runs::Run,
    survey::Survey,
    unused::Verdict,
};

/// How many bytes are spent on remembering who owns what: about three million pieces. What is met beyond that has no owner that is known.
const ROOM: usize = 96 << 20;

/// A run that somebody owns.
#[derive(Clone, Copy, Debug)]
struct Claim {
    start: u64,
    end: u64,
    owner: u32,
}

/// Who owns what, among the runs that were asked about.
#[derive(Clone, Debug)]
pub struct Owners {
    /// All owners that were met.
    known: Vec<Owner>,
    /// Claims in order of address, apart: of files and metadata, of what nobody uses, of volumes. The first that has a byte owns it.
    claims: [Vec<Claim>; 3],
    /// Who owns what none of them does.
    rest: u32,
    /// What could not be told, a line each.
    notes: Vec<String>,
    /// How much of [`ROOM`] is left.
    room: usize,
}

impl Owners {
    /// Who owns what of `disk`, of which `survey` was made, among the runs `among`, in order of address and apart. A block that several files
    /// share counts for the first that is met.
    ///
    /// # Errors
    /// Those of the disk. A file system that is not sound is no error: what it does not tell is unknown, and [`notes`](Self::notes) say so.
    pub fn of(disk: &dyn Disk, survey: &Survey, among: &[Run]) -> Result<Self> {
        let mut owners = Self {
            known: Vec::new(),
            claims: [const { Vec::new() }; 3],
            rest: 0,
            notes: Vec::new(),
            room: ROOM,
        };
        owners.notes.extend(survey.layout.doubt.clone());
        let whole = survey.layout.table != Table::None && survey.layout.doubt.is_none();
        owners.rest = owners.add(if whole {
            Owner::plain(OwnerKind::Outside, None)
        } else {
            Owner::plain(OwnerKind::Unknown, None)
        });
        for (volume, verdict) in survey.layout.volumes.iter().zip(&survey.verdicts) {
            owners.add_volume(disk, volume, verdict, among)?;
        }
        owners.claims = owners.claims.map(apart);
        Ok(owners)
    }

    /// What could not be told, a line each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Cuts `run`, which is one of those that were asked about or a part of one, into pieces in order of address, each with its owner.
    pub fn each<'o>(&'o self, run: Run, tell: &mut dyn FnMut(Run, &'o Owner)) {
        let mut piece = |start: u64, end: u64, owner: u32| {
            if let Some(owner) = self.known.get(owner as usize)
                && end > start
            {
                tell(Run::new(start, end - start), owner);
            }
        };
        self.cut(&self.claims, (run.start.0, run.end()), &mut piece);
    }

    /// Cuts a range by the first of `layers`; what that one does not own goes to the next.
    fn cut(
        &self,
        layers: &[Vec<Claim>],
        (start, end): (u64, u64),
        piece: &mut dyn FnMut(u64, u64, u32),
    ) {
        let Some((claims, below)) = layers.split_first() else {
            return piece(start, end, self.rest);
        };
        let mut at = start;
        let first = claims.partition_point(|claim| claim.end <= start);
        let meeting = claims.iter().skip(first);
        for claim in meeting.take_while(|claim| claim.start < end) {
            let from = claim.start.max(at);
            if from > at {
                self.cut(below, (at, from), piece);
            }
            at = claim.end.min(end);
            piece(from, at, claim.owner);
        }
        if at < end {
            self.cut(below, (at, end), piece);
        }
    }

    /// Adds all that is in a volume.
    fn add_volume(
        &mut self,
        disk: &dyn Disk,
        volume: &Volume,
        verdict: &Verdict,
        among: &[Run],
    ) -> Result<()> {
        let number = volume.number;
        let whole = Run {
            start: volume.start,
            len: volume.len,
        };
        if meeting(among, whole).next().is_none() {
            return Ok(());
        }
        let is_swap = volume.contents == Contents::Swap;
        let owner = self.add(if is_swap {
            Owner::plain(OwnerKind::Swap, Some(number))
        } else {
            Owner::plain(OwnerKind::Unknown, Some(number))
        });
        self.claim(2, whole, owner, among);
        match verdict {
            Verdict::Known(unused) => {
                let free = self.add(Owner::plain(OwnerKind::Free, Some(number)));
                for run in unused.free.as_slice() {
                    self.claim(1, *run, free, among);
                }
            }
            Verdict::Kept(_) if is_swap || volume.contents == Contents::Empty => {}
            Verdict::Kept(why) => self.note(volume, "what is free is not known", why),
        }
        match self.add_entries(disk, volume, among) {
            Ok(()) => Ok(()),
            Err(Fault::Disk(error)) => Err(error),
            Err(Fault::Unsound(why) | Fault::Suspended(why)) => {
                self.note(volume, "its files are not known, or not all", &why);
                Ok(())
            }
        }
    }

    /// Adds the files of a volume.
    fn add_entries(&mut self, disk: &dyn Disk, volume: &Volume, among: &[Run]) -> Found<()> {
        let Some(entries) = entries(disk, volume)? else {
            return Ok(());
        };
        for entry in entries {
            let entry = entry?;
            let meets = |run: &&Run| meeting(among, **run).next().is_some();
            if !entry.extents.iter().any(|run| meets(&run)) {
                continue;
            }
            let Entry {
                path,
                kind,
                extents,
            } = entry;
            self.room = self.room.saturating_sub(path.len());
            let owner = self.add(Owner {
                kind: kind.into(),
                volume: Some(volume.number),
                path: Some(path),
            });
            for run in extents {
                self.claim(0, run, owner, among);
            }
            if self.room == 0 {
                return Err(Fault::unsound("there are more of them than are remembered"));
            }
        }
        Ok(())
    }

    /// Adds what of `run` was asked about.
    fn claim(&mut self, layer: usize, run: Run, owner: u32, among: &[Run]) {
        let Some(claims) = self.claims.get_mut(layer) else {
            return;
        };
        for asked in meeting(among, run) {
            let Some(room) = self.room.checked_sub(size_of::<Claim>()) else {
                self.room = 0;
                return;
            };
            self.room = room;
            claims.push(Claim {
                start: run.start.0.max(asked.start.0),
                end: run.end().min(asked.end()),
                owner,
            });
        }
    }

    /// Adds an owner: its number.
    fn add(&mut self, owner: Owner) -> u32 {
        let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        self.room = self.room.saturating_sub(size_of::<Owner>());
        self.known.push(owner);
        number
    }

    fn note(&mut self, volume: &Volume, what: &str, why: &str) {
        let named = match volume.number {
            0 => "the disk".to_owned(),
            number => format!("volume {number}"),
        };
        let contents = volume.contents;
        self.notes
            .push(format!("{named} ({contents}): {what}: {why}"));
    }
}

/// Those of `among` that have a byte of `run`.
fn meeting(among: &[Run], run: Run) -> impl Iterator<Item = Run> {
    let first = among.partition_point(|one| one.end() <= run.start.0);
    let end = VirtOffset(if run.len.0 == 0 { 0 } else { run.end() });
    let rest = among.iter().skip(first).copied();
    rest.take_while(move |one| one.start < end)
}

/// Claims in order of address, of which the earlier one has what two want.
fn apart(mut claims: Vec<Claim>) -> Vec<Claim> {
    claims.sort_unstable_by_key(|claim| (claim.start, claim.owner));
    let mut end = 0;
    claims.retain_mut(|claim| {
        claim.start = claim.start.max(end);
        end = end.max(claim.end);
        claim.end > claim.start
    });
    claims
}
