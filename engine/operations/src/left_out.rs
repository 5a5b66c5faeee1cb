//! What of a target certainly nobody needs, and is left out of a child: the result keeps the base's bytes there.
//!
//! The runs are those of which the guest's own file systems say so. Where that is not certain, all of a volume travels, and a note says why.

use std::{cmp::Reverse, collections::BTreeMap};

use imgdelta_core::{Bytes, Error, Kind, Result, SECTOR, VirtOffset};
use imgdelta_delta::{Chain, Cursor, Manifest, Origin, keep, manifest::LeftOut};
use imgdelta_guest::{Run, Survey, Verdict, survey};

use crate::{
    disk::Disk,
    guest_disk::GuestDisk,
    unneeded::{Unneeded, UnusedBytes, reasons},
};

/// Most runs that are left out of one child: the manifest names each, in about 40 bytes. The shortest of what is more travel.
const MOST: usize = 8192;

/// A target as the site will get it: without what nobody needs of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reduced {
    /// The disk: the target's images, and what they are called, but where something is left out the bytes of the base. Digests that are known
    /// of the target are not those of this disk.
    pub disk: Disk,
    /// What is left out, as the manifest says it.
    pub parts: Vec<LeftOut>,
    /// How many bytes that is; what is known to be equal on both disks without being read is not counted.
    pub bytes: UnusedBytes,
    /// What the user should know: of which volume nothing is left out, and why.
    pub notes: Vec<String>,
}

impl Reduced {
    /// `target` without what certainly nobody needs of it, of all that is in `what`: there it keeps what `base` has. `None` if nothing is to be
    /// left out at all.
    ///
    /// # Errors
    /// Those of the disks.
    pub fn of(what: &[Unneeded], base: &Disk, target: &Disk) -> Result<Option<Self>> {
        if what.is_empty() {
            return Ok(None);
        }
        let mut what = what.to_vec();
        what.sort_unstable();
        what.dedup();
        reduce(&what, base, target).map(Some)
    }

    /// The same disk once more, from what the manifest said of it: `target`, but with the bytes that `base` has where `parts` are left out.
    ///
    /// # Errors
    /// Corrupt (`left_out`), if the runs are none, overlap, or go beyond the disk; as [`keep`].
    pub fn again(parts: &[LeftOut], base: &Disk, target: &Disk) -> Result<Disk> {
        let chain = keep(&target.chain, &base.chain, runs_of(parts, target)?)?;
        Ok(target.over(chain))
    }

    /// Says in the manifest of what was made of [`disk`](Self::disk) what it is not.
    pub fn describe(&self, manifest: &mut Manifest) {
        manifest.left_out.clone_from(&self.parts);
    }
}

/// What to say where nothing of a target is to travel: `so` is what comes of that.
pub(crate) fn same_note(left_out: Option<UnusedBytes>, so: &str) -> String {
    let what = match left_out {
        Some(bytes) if bytes.total() > 0 => "differ at most in what is left out",
        _ => "are the same disk",
    };
    format!("base and target {what}: {so}")
}

/// A run that is left out.
#[derive(Clone, Copy, Debug)]
struct Piece {
    run: Run,
    volume: u32,
    why: Unneeded,
}

fn reduce(what: &[Unneeded], base: &Disk, target: &Disk) -> Result<Reduced> {
    let survey = survey(&GuestDisk::of(&target.chain))?;
    let mut notes = reasons(&survey, &target.path());
    let (pieces, found) = pieces(what, &survey, Pair::of(&base.chain, &target.chain))?;
    if found > MOST as u64 {
        let path = target.path();
        notes.push(format!(
            "{path}: of {found} runs that nobody needs the {MOST} longest are left out"
        ));
    }
    let runs = pieces.iter().map(|piece| (piece.run.start, piece.run.len));
    let chain = keep(&target.chain, &base.chain, runs.collect())?;
    Ok(Reduced {
        disk: target.over(chain),
        bytes: sum(&pieces),
        parts: parts(&pieces),
        notes,
    })
}

/// What is left out, in order of address, and in how many pieces it would be if there were no limit.
fn pieces(what: &[Unneeded], survey: &Survey, mut pair: Pair<'_>) -> Result<(Vec<Piece>, u64)> {
    let mut pieces = Vec::new();
    let mut found = 0_u64;
    for (volume, verdict) in survey.layout.volumes.iter().zip(&survey.verdicts) {
        let Verdict::Known(unused) = verdict else {
            continue;
        };
        let volume = volume.number;
        let runs = |why: &Unneeded| {
            let why = *why;
            why.of(unused).as_slice().iter().map(move |run| (why, *run))
        };
        for (why, run) in what.iter().flat_map(runs) {
            pair.unequal(run, &mut |run| {
                found = found.saturating_add(1);
                pieces.push(Piece { run, volume, why });
                if pieces.len() >= MOST * 4 {
                    shorten(&mut pieces);
                }
            })?;
        }
    }
    shorten(&mut pieces);
    pieces.sort_unstable_by_key(|piece| piece.run.start);
    Ok((pieces, found))
}

/// Keeps the longest.
fn shorten(pieces: &mut Vec<Piece>) {
    if pieces.len() > MOST {
        pieces.sort_unstable_by_key(|piece| Reverse((piece.run.len, piece.run.start)));
        pieces.truncate(MOST);
    }
}

fn sum(pieces: &[Piece]) -> UnusedBytes {
    UnusedBytes::counted(|why| {
        let pieces = pieces.iter().filter(|piece| piece.why == why);
        pieces.fold(0_u64, |sum, piece| sum.saturating_add(piece.run.len.0))
    })
}

/// The pieces by volume and why.
fn parts(pieces: &[Piece]) -> Vec<LeftOut> {
    let mut parts: BTreeMap<(u32, Unneeded), LeftOut> = BTreeMap::new();
    for Piece { run, volume, why } in pieces {
        let part = parts.entry((*volume, *why)).or_insert_with(|| LeftOut {
            why: why.name().to_owned(),
            volume: *volume,
            bytes: 0,
            runs: Vec::new(),
        });
        part.bytes = part.bytes.saturating_add(run.len.0);
        part.runs.push(format!("{}+{}", run.start.0, run.len.0));
    }
    parts.into_values().collect()
}

/// The runs that are left out, in order of address.
fn runs_of(parts: &[LeftOut], target: &Disk) -> Result<Vec<(VirtOffset, Bytes)>> {
    let faulty = |run: &str| {
        let shown: String = run.chars().take(64).collect();
        let message = format!("left out: '{}' is no run of it", shown.escape_debug());
        Error::new(Kind::Corrupt, message).with_code("left_out")
    };
    let read = |run: &String| {
        let (start, len) = run.split_once('+').ok_or_else(|| faulty(run))?;
        let numbers = start.parse().ok().zip(len.parse().ok());
        let (start, len) = numbers.ok_or_else(|| faulty(run))?;
        let is_inside = u64::checked_add(start, len).is_some_and(|end| end <= target.size().0);
        (is_inside && len > 0)
            .then_some((VirtOffset(start), Bytes(len)))
            .ok_or_else(|| faulty(run))
    };
    let runs = parts.iter().flat_map(|part| &part.runs).map(read);
    let mut runs = runs.collect::<Result<Vec<_>>>()?;
    runs.sort_unstable();
    let mut end = VirtOffset::ZERO;
    for (start, len) in &runs {
        if *start < end {
            return Err(faulty(&format!("{}+{}", start.0, len.0)));
        }
        end = start.saturating_add(*len);
    }
    Ok(runs)
}

/// Base and target, gone over side by side.
struct Pair<'a> {
    base: Cursor<'a>,
    target: Cursor<'a>,
    /// How many layers of each are its own.
    own: (usize, usize),
    /// Nothing is left out in smaller pieces than a sector.
    sector: u64,
}

impl<'a> Pair<'a> {
    fn of(base: &'a Chain, target: &'a Chain) -> Self {
        let all = (base.layers().len(), target.layers().len());
        Self {
            base: Cursor::over(base),
            target: Cursor::over(target),
            own: base.shared_with(target).unwrap_or(all),
            sector: base.disk().sector.max(target.disk().sector).0.max(SECTOR),
        }
    }

    /// Tells what of `run`, in whole sectors, is not known to be equal without being read: neither zero nor the same layer's on both sides.
    fn unequal(&mut self, run: Run, tell: &mut dyn FnMut(Run)) -> Result<()> {
        let sector = self.sector;
        let end = run.end().min(self.target.size().0) / sector * sector;
        let up = |at: u64| at.checked_next_multiple_of(sector).unwrap_or(end).min(end);
        let mut at = up(run.start.0);
        let mut begun = at;
        while at < end {
            let (is_equal, len) = self.look(VirtOffset(at))?;
            // What is equal for less than a sector is not worth a cut.
            let next = at.saturating_add(len.0.max(1)).min(end);
            let whole = match next == end {
                true => end,
                false => next / sector * sector,
            };
            if is_equal && whole > at {
                tell_some(begun, at, tell);
                (at, begun) = (whole, whole);
            } else {
                at = up(next);
            }
        }
        tell_some(begun, end, tell);
        Ok(())
    }

    /// Whether both are known to be equal at `at`, and for how long that is so.
    fn look(&mut self, at: VirtOffset) -> Result<(bool, Bytes)> {
        let target = self.target.run_above(at, self.own.1)?;
        if at.0 >= self.base.size().0 {
            return Ok((target.origin == Origin::Zero, target.len));
        }
        let base = self.base.run_above(at, self.own.0)?;
        let is_equal = matches!(
            (base.origin, target.origin),
            (Origin::Zero, Origin::Zero) | (Origin::Below(_), Origin::Below(_))
        );
        Ok((is_equal, base.len.min(target.len)))
    }
}

fn tell_some(start: u64, end: u64, tell: &mut dyn FnMut(Run)) {
    if end > start {
        tell(Run::new(start, end - start));
    }
}

#[cfg(test)]
mod tests;
