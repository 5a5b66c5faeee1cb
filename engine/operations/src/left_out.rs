//! What of a target certainly nobody needs, and is left out of a child: the result keeps the base's bytes there.
//!
//! The runs are those of which the guest's own file systems say so. Where that is not certain, all of a volume travels, and a note says why.

use std::{cmp::Reverse, collections::BTreeMap, str::FromStr};

use imgdelta_core::{Bytes, Error, Kind, Result, SECTOR, VirtOffset};
use imgdelta_delta::{Chain, Cursor, Origin, keep, manifest::LeftOut};
use imgdelta_guest::{Contents, Run, Runs, Survey, Unused, Verdict, Volume, survey};

use crate::{changed_files::UnusedBytes, disk::Disk, guest_disk::GuestDisk};

/// Most runs that are left out of one child: the manifest names each, in about 40 bytes. The shortest of what is more travel.
const MOST: usize = 8192;

/// What may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unneeded {
    /// Blocks that a file system calls free.
    Free,
    /// Pages of a swap in which no system sleeps.
    Swap,
    /// Page files of Windows.
    PageFile,
}

impl Unneeded {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Free, Self::Swap, Self::PageFile];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Swap => "swap",
            Self::PageFile => "pagefile",
        }
    }

    /// Those runs of a volume.
    const fn of(self, unused: &Unused) -> &Runs {
        match self {
            Self::Free => &unused.free,
            Self::Swap => &unused.swap,
            Self::PageFile => &unused.page_files,
        }
    }
}

impl FromStr for Unneeded {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| {
            let message = format!("'{text}' is nothing that can be left out");
            Error::new(Kind::Usage, message)
                .with_hint("free, swap and pagefile can, with commas between them")
        })
    }
}

/// A target as the site will get it.
#[derive(Debug)]
pub(crate) struct Reduced {
    /// Its disk.
    pub(crate) chain: Chain,
    /// What is left out, as the manifest says it.
    pub(crate) parts: Vec<LeftOut>,
    /// The sum.
    pub(crate) bytes: UnusedBytes,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

/// A run that is left out.
#[derive(Clone, Copy, Debug)]
struct Piece {
    run: Run,
    volume: u32,
    why: Unneeded,
}

/// `target` without what nobody needs of it, of all that is in `what`: there it keeps what `base` has.
///
/// # Errors
/// Those of the disks.
pub(crate) fn reduce(what: &[Unneeded], base: &Disk, target: &Disk) -> Result<Reduced> {
    let survey = survey(&GuestDisk::of(&target.chain))?;
    let mut notes = reasons(&survey, &target.path());
    let mut pieces = Vec::new();
    let mut found = 0_u64;
    let mut pair = Pair::of(&base.chain, &target.chain);
    for (volume, verdict) in survey.layout.volumes.iter().zip(&survey.verdicts) {
        if let Verdict::Known(unused) = verdict {
            for why in what {
                for run in why.of(unused).as_slice() {
                    pair.unequal(*run, &mut |run| {
                        let volume = volume.number;
                        let why = *why;
                        found = found.saturating_add(1);
                        pieces.push(Piece { run, volume, why });
                        if pieces.len() >= MOST * 4 {
                            shorten(&mut pieces);
                        }
                    })?;
                }
            }
        }
    }
    shorten(&mut pieces);
    if found > MOST as u64 {
        let path = target.path();
        notes.push(format!(
            "{path}: of {found} runs that nobody needs the {MOST} longest are left out"
        ));
    }
    pieces.sort_unstable_by_key(|piece| piece.run.start);
    let runs = pieces.iter().map(|piece| (piece.run.start, piece.run.len));
    Ok(Reduced {
        chain: keep(&target.chain, &base.chain, runs.collect())?,
        bytes: sum(&pieces),
        parts: parts(&pieces),
        notes,
    })
}

/// Keeps the longest.
fn shorten(pieces: &mut Vec<Piece>) {
    if pieces.len() > MOST {
        pieces.sort_unstable_by_key(|piece| Reverse((piece.run.len, piece.run.start)));
        pieces.truncate(MOST);
    }
}

/// Why nothing of a volume, or of the disk, is left out.
fn reasons(survey: &Survey, path: &str) -> Vec<String> {
    let volumes = survey.layout.volumes.iter().zip(&survey.verdicts);
    let line = |(volume, verdict): (&Volume, &Verdict)| match verdict {
        Verdict::Kept(why) if volume.contents != Contents::Empty => {
            let named = match volume.number {
                0 => "the disk".to_owned(),
                number => format!("volume {number}"),
            };
            Some(format!("{path}: nothing of {named} is left out: {why}"))
        }
        _ => None,
    };
    let mut notes: Vec<_> = volumes.filter_map(line).collect();
    if let Some(doubt) = &survey.layout.doubt
        && notes.is_empty()
    {
        notes.push(format!("{path}: nothing is left out: {doubt}"));
    }
    notes
}

fn sum(pieces: &[Piece]) -> UnusedBytes {
    let of = |why| {
        let pieces = pieces.iter().filter(|piece| piece.why == why);
        pieces.fold(0_u64, |sum, piece| sum.saturating_add(piece.run.len.0))
    };
    UnusedBytes {
        free: of(Unneeded::Free),
        swap: of(Unneeded::Swap),
        pagefile: of(Unneeded::PageFile),
    }
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
