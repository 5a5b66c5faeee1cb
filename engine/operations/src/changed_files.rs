//! What differs between two disks, file by file.

use std::collections::HashMap;

use imgdelta_core::Result;
use imgdelta_delta::Chain;
use imgdelta_guest::{Owner, OwnerKind, Run};
use serde::Serialize;

use crate::{
    block_owner::{Asked, BlockOwner, Owned, kind_name},
    unneeded::{Unneeded, UnneededRuns, UnusedBytes},
};

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
    let runs = asked.runs.iter().map(|run| (run.start, run.len));
    Ok(ChangedFiles {
        by_kind: by_kind(&changed),
        unused: UnneededRuns::known(&other.survey, &Unneeded::ALL).among(runs),
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
