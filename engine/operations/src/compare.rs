//! `compare`: are two disks equal, and where are they not?

use imgdelta_core::Result;
use imgdelta_delta::{self as delta, WINDOW};
use imgdelta_registry::OpenSpec;
use serde::Serialize;

use crate::{
    block_owner::Asked,
    changed_files::{self, ChangedFiles},
    context::{Context, Ids, Stage},
    disk::{Disk, DiskRef, own_layers},
    promise::{Found, Promise},
};

/// How two disks are to be compared.
#[derive(Clone, Debug)]
pub struct Compare {
    one: OpenSpec,
    other: OpenSpec,
    stops_early: bool,
    ignores_size: bool,
    proves: bool,
    files: bool,
}

/// A run of differing bytes.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct DifferingRun {
    /// Where it starts on the disk.
    pub start: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

/// What a comparison found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CompareReport {
    /// Whether the disks are equal.
    pub same: bool,
    /// One.
    pub one: DiskRef,
    /// The other.
    pub other: DiskRef,
    /// Whether the sizes differ and that counts.
    pub sizes_differ: bool,
    /// The first byte that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// How many bytes differ, in whole sectors; `None` if it stopped at the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How many blocks hold a difference; `None` if it stopped at the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
    /// How long a block is, in bytes.
    pub block_size: u64,
    /// Whose the bytes are that differ, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<ChangedFiles>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Compare {
    /// The guest-visible bytes of two disks, whatever their formats.
    #[must_use]
    pub const fn new(one: OpenSpec, other: OpenSpec) -> Self {
        Self {
            one,
            other,
            stops_early: false,
            ignores_size: false,
            proves: false,
            files: false,
        }
    }

    /// Whether the first difference is enough; what differs is not counted then.
    #[must_use]
    pub const fn stops_early(mut self, stops_early: bool) -> Self {
        self.stops_early = stops_early;
        self
    }

    /// Whether a disk that goes on with zeros where the other has ended is equal to it.
    #[must_use]
    pub const fn ignores_size(mut self, ignores_size: bool) -> Self {
        self.ignores_size = ignores_size;
        self
    }

    /// Whether a child beside which a manifest stands is proven by it first, which reads it and its base; else that is done only as far as the
    /// context remembers the base.
    #[must_use]
    pub const fn proves(mut self, proves: bool) -> Self {
        self.proves = proves;
        self
    }

    /// Whether each run of differing bytes is assigned to the file, or what else, that it belongs to on either disk. All differences are found
    /// then.
    #[must_use]
    pub const fn files(mut self, files: bool) -> Self {
        self.files = files;
        self
    }

    /// Compares.
    ///
    /// # Errors
    /// Those of the images; Chain or Digest, if a child's manifest promises another disk; Host, if one changed meanwhile; Interrupted.
    pub fn run(&self, context: &Context) -> Result<CompareReport> {
        self.run_listing(context, &mut |_| Ok(()))
    }

    /// As [`run`](Self::run); each run of differing bytes, in whole sectors, goes to `each`, in order of address.
    ///
    /// # Errors
    /// As [`run`](Self::run); those of `each`.
    pub fn run_listing(
        &self,
        context: &Context,
        each: &mut (dyn FnMut(DifferingRun) -> Result<()> + Send),
    ) -> Result<CompareReport> {
        let one = Disk::open(&self.one)?;
        let other = Disk::open(&self.other)?;
        let held = [
            self.held(&one, &self.one, context)?,
            self.held(&other, &self.other, context)?,
        ];
        context.begin(Stage::Compare(&one.top.path));
        let counted = !self.stops_early || self.files;
        let mut asked = Asked::default();
        let found = delta::Compare {
            one: &one.chain,
            other: &other.chain,
            stops_early: !counted,
            ignores_size: self.ignores_size,
            work: context.exec(Ids::OfContent)?,
        }
        .run(&mut |at, len| {
            if self.files {
                asked.push(at.0, len.0);
            }
            each(DifferingRun {
                start: at.0,
                length: len.0,
            })
        })?;
        let mut notes = one.notes();
        notes.extend(other.notes());
        notes.extend(held.into_iter().flatten());
        if counted {
            let (above, others) = own_layers(&one.chain, &other.chain);
            notes.extend(one.passed_over(above, context)?);
            notes.extend(other.passed_over(others, context)?);
        }
        let files = match self.files {
            true => Some(Self::assign([&one, &other], &asked, &mut notes)?),
            false => None,
        };
        Ok(CompareReport {
            same: found.is_none(),
            one: one.named(None),
            other: other.named(None),
            sizes_differ: found.sizes_differ,
            first: found.first.map(|at| at.0),
            bytes: counted.then_some(found.bytes.0),
            blocks: counted.then_some(found.windows),
            block_size: WINDOW.0,
            files,
            notes,
        })
    }

    /// Whose the runs are that differ. The disks are read once more for that, so they must be what was compared.
    fn assign(
        [one, other]: [&Disk; 2],
        asked: &Asked,
        notes: &mut Vec<String>,
    ) -> Result<ChangedFiles> {
        let (one_path, other_path) = (one.path(), other.path());
        let disks = [(&*one_path, &one.chain), (&*other_path, &other.chain)];
        let files = changed_files::assign(disks, asked, notes)?;
        one.chain.prove_unchanged()?;
        other.chain.prove_unchanged()?;
        Ok(files)
    }

    /// What to say of a child's manifest.
    fn held(&self, disk: &Disk, spec: &OpenSpec, context: &Context) -> Result<Option<String>> {
        match Promise::of(disk, spec) {
            Found::Nothing => Ok(None),
            Found::Unreadable(note) => Ok(Some(note)),
            Found::Promise(promise) if self.proves => {
                context.begin(Stage::Prove(&disk.top.path));
                promise.prove(context)
            }
            Found::Promise(promise) => promise.recall(context),
        }
    }
}
