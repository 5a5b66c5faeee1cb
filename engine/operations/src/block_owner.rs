//! Whose the bytes of a disk are, as results say it.

use imgdelta_core::Result;
use imgdelta_delta::Chain;
use imgdelta_guest::{Owner, OwnerKind, Owners, Run, Survey, survey};
use serde::{Serialize, Serializer};

use crate::guest_disk::GuestDisk;

/// Most runs that are asked about, 16 bytes each.
const MOST_RUNS: usize = 4 << 20;

/// Who owns bytes of a disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct BlockOwner {
    /// What it is.
    #[serde(serialize_with = "kind_name")]
    pub kind: OwnerKind,
    /// The number of its volume as Linux counts, 0 where the disk has no partition table; `None` outside of all volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<u32>,
    /// Its path from the volume's root; for metadata what it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A kind by its name.
pub(crate) fn kind_name<S: Serializer>(kind: &OwnerKind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(kind.name())
}

impl From<&Owner> for BlockOwner {
    fn from(owner: &Owner) -> Self {
        Self {
            kind: owner.kind,
            volume: owner.volume,
            path: owner.path.clone(),
        }
    }
}

/// A disk whose volumes were looked at, and who owns those of its runs that were asked about.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) survey: Survey,
    pub(crate) owners: Owners,
}

impl Owned {
    /// Looks at the volumes of `disk`, and who owns what of `among`.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn of(disk: &Chain, among: &[Run]) -> Result<Self> {
        let disk = GuestDisk::of(disk);
        let survey = survey(&disk)?;
        let owners = Owners::of(&disk, &survey, among)?;
        Ok(Self { survey, owners })
    }
}

/// Runs in order of address, as they are met. What is more than [`MOST_RUNS`] is counted alone.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) runs: Vec<Run>,
    /// How many bytes were met behind the last run that is remembered.
    pub(crate) beyond: u64,
}

impl Asked {
    /// Adds a run behind all others.
    pub(crate) fn push(&mut self, start: u64, len: u64) {
        if let Some(last) = self.runs.last_mut()
            && last.end() == start
            && self.beyond == 0
        {
            last.len.0 = last.len.0.saturating_add(len);
        } else if self.runs.len() < MOST_RUNS {
            self.runs.push(Run::new(start, len));
        } else {
            self.beyond = self.beyond.saturating_add(len);
        }
    }
}
