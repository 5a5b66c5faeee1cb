//! `compare`: are two disks equal, and where are they not?

use imgdelta_core::Result;
use imgdelta_delta::{self as delta, WINDOW};
use serde::Serialize;

use super::{
    Outcome, Run,
    disk::{Disk, Named},
};
use crate::job::{self, Ids};

/// A run of differing bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Differing {
    /// Where it starts on the disk.
    pub(crate) start: u64,
    /// How long it is, in bytes.
    pub(crate) length: u64,
}

/// What a comparison found.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    /// Whether the disks are equal.
    pub(crate) same: bool,
    /// One.
    pub(crate) one: Named,
    /// The other.
    pub(crate) other: Named,
    /// Whether the sizes differ and that counts.
    pub(crate) sizes_differ: bool,
    /// The first byte that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<u64>,
    /// How many bytes differ, in whole sectors; `None` if it stopped at the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    /// How many blocks hold a difference; `None` if it stopped at the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blocks: Option<u64>,
    /// How long a block is, in bytes.
    pub(crate) block_size: u64,
    /// What the user should know.
    pub(crate) notes: Vec<String>,
}

impl Outcome for Compared {
    const SCHEMA: &'static str = "imgdelta/compare/1";

    fn exit(&self) -> u8 {
        u8::from(!self.same)
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Compares two disks; each run of differing bytes goes to `each`, in order.
pub(crate) fn compare(
    job: &job::Compare,
    run: &Run<'_>,
    each: &mut (dyn FnMut(Differing) -> Result<()> + Send),
) -> Result<Compared> {
    job::refuse_stream(&job.one.path, "an image to be compared")?;
    job::refuse_stream(&job.other.path, "an image to be compared")?;
    let one = Disk::open(&job.one)?;
    let other = Disk::open(&job.other)?;
    run.showing.phase(format!("compare {}", one.path()));
    let found = delta::Compare {
        one: &one.chain,
        other: &other.chain,
        stops_early: job.stops_early,
        ignores_size: job.ignores_size,
        work: run.work(Ids::OfContent)?,
    }
    .run(&mut |at, len| {
        each(Differing {
            start: at.0,
            length: len.0,
        })
    })?;
    let counted = !job.stops_early;
    let mut notes = one.notes();
    notes.extend(other.notes());
    Ok(Compared {
        same: found.is_none(),
        one: one.named(None),
        other: other.named(None),
        sizes_differ: found.sizes_differ,
        first: found.first.map(|at| at.0),
        bytes: counted.then_some(found.bytes.0),
        blocks: counted.then_some(found.windows),
        block_size: WINDOW.0,
        notes,
    })
}
