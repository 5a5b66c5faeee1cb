//! What of a disk certainly nobody needs, by why, as the guest's own file systems say.

use std::str::FromStr;

use imgdelta_core::{Bytes, Error, Kind, Result, VirtOffset};
use imgdelta_delta::manifest::LeftOut;
use imgdelta_guest::{Contents, Runs, Survey, Unused, Verdict, Volume, survey};
use serde::Serialize;

use crate::{disk::Disk, guest_disk::GuestDisk};

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
    pub(crate) const fn of(self, unused: &Unused) -> &Runs {
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

/// Bytes that nobody needs, by why. No byte is counted twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnusedBytes {
    /// In blocks that a file system calls free.
    pub free: u64,
    /// In pages of a swap in which no system sleeps.
    pub swap: u64,
    /// In page files of Windows.
    pub pagefile: u64,
}

impl UnusedBytes {
    /// The bytes that `count` counts of each.
    pub(crate) fn counted(count: impl Fn(Unneeded) -> u64) -> Self {
        Self {
            free: count(Unneeded::Free),
            swap: count(Unneeded::Swap),
            pagefile: count(Unneeded::PageFile),
        }
    }

    /// Those that a manifest says are left out.
    #[must_use]
    pub fn left_out(parts: &[LeftOut]) -> Self {
        Self::counted(|why| {
            let parts = parts.iter().filter(|part| part.why == why.name());
            parts.fold(0_u64, |sum, part| sum.saturating_add(part.bytes))
        })
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.free
            .saturating_add(self.swap)
            .saturating_add(self.pagefile)
    }
}

/// The runs of a disk that nobody needs: what of a difference need not travel.
#[derive(Clone, Debug, Default)]
pub struct UnneededRuns {
    /// Those of each of [`Unneeded::ALL`]; none of what was not asked for.
    runs: [Runs; 3],
    /// Of which volumes all is needed, and why.
    notes: Vec<String>,
}

impl UnneededRuns {
    /// Reads the partition table and the file systems of `disk`, and takes what is in `what`.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn of(disk: &Disk, what: &[Unneeded]) -> Result<Self> {
        let survey = survey(&GuestDisk::of(&disk.chain))?;
        let mut this = Self::known(&survey, what);
        this.notes = reasons(&survey, &disk.path());
        Ok(this)
    }

    /// The same of a disk that was looked at.
    pub(crate) fn known(survey: &Survey, what: &[Unneeded]) -> Self {
        let all = |why| {
            let volumes = survey.verdicts.iter().filter_map(|verdict| match verdict {
                Verdict::Known(unused) if what.contains(&why) => Some(why.of(unused)),
                _ => None,
            });
            volumes.fold(Runs::default(), |all, one| all.with(one))
        };
        Self {
            runs: Unneeded::ALL.map(all),
            notes: Vec::new(),
        }
    }

    /// How many bytes of `runs`, in order of address, they are.
    #[must_use]
    pub fn among(&self, runs: impl Iterator<Item = (VirtOffset, Bytes)> + Clone) -> UnusedBytes {
        let [free, swap, page_files] = &self.runs;
        UnusedBytes::counted(|why| match why {
            Unneeded::Free => shared(free, runs.clone()),
            Unneeded::Swap => shared(swap, runs.clone()),
            Unneeded::PageFile => shared(page_files, runs.clone()),
        })
    }

    /// Of which volumes all is needed, and why, a line each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// How many bytes of `runs` are in `unused`.
fn shared(unused: &Runs, runs: impl Iterator<Item = (VirtOffset, Bytes)>) -> u64 {
    let unused = unused.as_slice();
    let mut sum = 0_u64;
    for (at, len) in runs {
        let until = at.saturating_add(len).0;
        let first = unused.partition_point(|one| one.end() <= at.0);
        let meeting = unused.iter().skip(first);
        for one in meeting.take_while(|one| one.start.0 < until) {
            let (start, end) = (one.start.max(at).0, one.end().min(until));
            sum = sum.saturating_add(end.saturating_sub(start));
        }
    }
    sum
}

/// Why all of a volume, or of the disk, is needed.
pub(crate) fn reasons(survey: &Survey, path: &str) -> Vec<String> {
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
