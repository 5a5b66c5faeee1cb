//! What differs between two disks, file by file.

use std::collections::HashMap;

use imgdelta_core::Result;
use imgdelta_delta::Chain;
use imgdelta_guest::{Owner, OwnerKind, Run, Runs, Verdict};
use serde::Serialize;

use crate::block_owner::{Asked, BlockOwner, Owned, kind_name};

/// What differs, by whose it is. All bytes of [`by_kind`](Self::by_kind), and all of [`changed`](Self::changed), are each what the comparison
/// counted.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ChangedFiles {
    /// How many of the bytes that differ are of which kind, each kind that has some.
    pub by_kind: Vec<ChangedKind>,
    /// The same, owner by owner, the one with the most first.
    pub changed: Vec<ChangedOwner>,
    /// How many of them the other disk certainly does not need: what `make --leave-out` would leave out of a child that makes it.
    pub unused: UnusedBytes,
}

/// How much differs of a kind.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct ChangedKind {
    /// The kind.
    #[serde(serialize_with = "kind_name")]
    pub kind: OwnerKind,
    /// How many bytes.
    pub bytes: u64,
    /// Of how many owners.
    pub owners: u64,
}

/// What differs of one owner on either side.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ChangedOwner {
    /// How many bytes differ.
    pub bytes: u64,
    /// What they count for: a block that is a file's on one of the disks is a file's.
    #[serde(serialize_with = "kind_name")]
    pub kind: OwnerKind,
    /// Whose they are on the one disk.
    pub one: BlockOwner,
    /// Whose they are on the other.
    pub other: BlockOwner,
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
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.free
            .saturating_add(self.swap)
            .saturating_add(self.pagefile)
    }
}

/// Bytes by who has them on either side.
type Sums<'o> = HashMap<[&'o Owner; 2], u64>;

/// Of what nobody looked at.
static UNKNOWN: Owner = Owner {
    kind: OwnerKind::Unknown,
    volume: None,
    path: None,
};

/// Assigns the runs that differ between two disks; what could not be told goes to `notes`, with the path of the disk.
///
/// # Errors
/// Those of the disks.
pub(crate) fn assign(
    [one, other]: [(&str, &Chain); 2],
    asked: &Asked,
    notes: &mut Vec<String>,
) -> Result<ChangedFiles> {
    let owned = [
        Owned::of(one.1, &asked.runs)?,
        Owned::of(other.1, &asked.runs)?,
    ];
    for ((path, _), owned) in [one, other].iter().zip(&owned) {
        let of_disk = owned.owners.notes().iter();
        notes.extend(of_disk.map(|note| format!("{path}: {note}")));
    }
    let mut sums = Sums::new();
    for run in &asked.runs {
        add(&mut sums, &owned, *run);
    }
    if asked.beyond > 0 {
        notes.push("there are more differences than are assigned: the last are unknown".to_owned());
        let sum = sums.entry([&UNKNOWN, &UNKNOWN]).or_default();
        *sum = sum.saturating_add(asked.beyond);
    }
    let changed = listed(sums);
    let [_, other] = &owned;
    Ok(ChangedFiles {
        by_kind: by_kind(&changed),
        unused: unused(other, &asked.runs),
        changed,
    })
}

/// Adds the bytes of a run to the sums of those who own them.
fn add<'o>(sums: &mut Sums<'o>, [one, other]: &'o [Owned; 2], run: Run) {
    one.owners.each(run, &mut |part, before| {
        other.owners.each(part, &mut |piece, after| {
            let sum = sums.entry([before, after]).or_default();
            *sum = sum.saturating_add(piece.len.0);
        });
    });
}

/// The sums, largest first.
fn listed(sums: Sums<'_>) -> Vec<ChangedOwner> {
    let rows = sums.into_iter().map(|([one, other], bytes)| ChangedOwner {
        bytes,
        // Kinds stand in the order in which they count.
        kind: one.kind.min(other.kind),
        one: one.into(),
        other: other.into(),
    });
    let mut rows: Vec<_> = rows.collect();
    let place = |owner: &BlockOwner| (owner.volume, owner.path.clone(), owner.kind);
    rows.sort_by_cached_key(|row| {
        let places = (place(&row.other), place(&row.one));
        (std::cmp::Reverse(row.bytes), row.kind, places)
    });
    rows
}

fn by_kind(changed: &[ChangedOwner]) -> Vec<ChangedKind> {
    let kinds = OwnerKind::ALL.into_iter().filter_map(|kind| {
        let of_kind = || changed.iter().filter(move |row| row.kind == kind);
        let bytes = of_kind().fold(0_u64, |sum, row| sum.saturating_add(row.bytes));
        let owners = of_kind().count() as u64;
        (owners > 0).then_some(ChangedKind {
            kind,
            bytes,
            owners,
        })
    });
    kinds.collect()
}

/// How much of `runs` the disk certainly does not need.
fn unused(disk: &Owned, runs: &[Run]) -> UnusedBytes {
    let mut sum = UnusedBytes::default();
    for verdict in &disk.survey.verdicts {
        if let Verdict::Known(unused) = verdict {
            sum.free = sum.free.saturating_add(shared(&unused.free, runs));
            sum.swap = sum.swap.saturating_add(shared(&unused.swap, runs));
            sum.pagefile = sum
                .pagefile
                .saturating_add(shared(&unused.page_files, runs));
        }
    }
    sum
}

/// How many bytes of `runs`, in order of address, are in `unused`.
fn shared(unused: &Runs, runs: &[Run]) -> u64 {
    let unused = unused.as_slice();
    let mut sum = 0_u64;
    for run in runs {
        let first = unused.partition_point(|one| one.end() <= run.start.0);
        let meeting = unused.iter().skip(first);
        for one in meeting.take_while(|one| one.start.0 < run.end()) {
            let (start, end) = (one.start.max(run.start).0, one.end().min(run.end()));
            sum = sum.saturating_add(end.saturating_sub(start));
        }
    }
    sum
}
