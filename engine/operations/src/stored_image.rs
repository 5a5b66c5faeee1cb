//! An image that is kept or sent on, in the making: whole, or as a child of its base. Repositories and deployments write theirs with this.
//!
//! The images of [`make`](crate::make) and [`convert`](crate::convert) stand where their user says, in the format that he says. These do
//! not: where one is to stand, whether a child is worth its room, and when it gets its name, its keeper says, in whose journal that is
//! entered. So nothing here commits, and nothing here proves what the keeper proves when he reads it back.

use std::{
    fmt,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use imgdelta_core::{
    AtomicFile, Bytes, DiskSpec, Driver, Error, FileSource, Format, FreeSpace, Kind, Outputs,
    ParentSpec, Result, SECTOR, Source,
};
use imgdelta_delta::{
    Chain, Convert, Converted, DigestCache, ExecContext, Made, Make, Manifest,
    digest_cache::LeafReader,
};
use imgdelta_registry::{
    AtomicFileSet, DiskTraits, OpenSpec, Opened, Output, OutputSpec, Policy, ResolvedOutput,
    check_child, create, driver_of, new_parent,
};

use crate::{
    disk::{Disk, traits_of},
    make::describe,
    space::SpaceCheck,
};

/// What is remembered of an image that is about to be kept: nothing.
static NOTHING_KNOWN: DigestCache = DigestCache::none();

/// A new image at `place`, of a format, with that one's defaults; nothing is replaced.
#[must_use]
pub fn new_image(place: &Path, format: Format) -> OutputSpec {
    OutputSpec {
        format: Some(format),
        ..OutputSpec::of(place)
    }
}

/// How much room a file takes on the host, in bytes. A block that is there for a few sectors of it is mostly a hole, where the file system
/// knows holes.
///
/// # Errors
/// Host, if the host cannot tell.
pub fn room_on_disk(file: &Path) -> Result<Bytes> {
    let metadata = std::fs::metadata(file)
        .map_err(|cause| Error::host("cannot look at", cause).in_file(file))?;
    Ok(Bytes(metadata.blocks().saturating_mul(SECTOR)))
}

/// Makes sure that a child of `format` can turn `base` into `target`: asked before it is made, so that another form can be taken instead.
///
/// # Errors
/// As [`check_child`]; Unsupported, if this build does not have the format.
pub fn require_child(format: Format, base: &DiskTraits, target: &DiskTraits) -> Result<()> {
    let driver = driver_of(format)
        .ok_or_else(|| Error::new(Kind::Unsupported, format!("{format} is not supported")))?;
    check_child(driver, base, target)
}

/// A whole image that was begun. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct WholeImage<P> {
    /// What its keeper calls its place.
    pub place: P,
    /// Its format; raw, if the one that was asked for holds no disk of that size.
    pub format: Format,
    /// Takes the disk.
    pub output: Output,
}

impl<P> WholeImage<P> {
    /// Starts an image of `disk` in `format`; or in raw, if that format can only hold a rounded size, which would be another disk.
    /// `place_of` says where an image of a format is to stand, and what the keeper calls that.
    ///
    /// # Errors
    /// Those of `place_of`; as [`create`](fn@create).
    pub fn begin(
        format: Format,
        disk: DiskSpec,
        mut place_of: impl FnMut(Format) -> Result<(P, PathBuf)>,
    ) -> Result<Self> {
        let mut begin = |format| {
            let (place, path) = place_of(format)?;
            let output = create(&new_image(&path, format), disk, None)?;
            Ok(Self {
                place,
                format,
                output,
            })
        };
        let whole = begin(format)?;
        if whole.output.writer.shape().size == disk.size {
            return Ok(whole);
        }
        drop(whole);
        begin(Format::Raw)
    }

    /// Refuses it where its file system has no room for `disk`. A disk whose data seems too much is read once to be measured.
    ///
    /// # Errors
    /// Host (`no_space`), with what is needed and what is free; those of the disk; Interrupted.
    pub fn require_room(&self, disk: &Chain, exec: ExecContext<'_>) -> Result<()> {
        let place = self.output.drafts.place();
        let Some(space) = FreeSpace::beside(place) else {
            return Ok(());
        };
        let image = ResolvedOutput::of(new_image(place, self.format))?;
        let room = SpaceCheck {
            image: &image,
            place,
            disk,
            space,
        };
        room.require(exec, || ()).map(drop)
    }
}

/// How a disk is written whole: proven in the same pass, with nothing of it remembered.
#[must_use]
pub fn whole_copy<'a>(disk: &'a Chain, exec: ExecContext<'a>) -> Convert<'a> {
    Convert {
        disk,
        proves: true,
        memory: &NOTHING_KNOWN,
        work: exec,
    }
}

/// Lets the child in `copy` name `parent`: the copy of a child, which will stand where its draft says. Returns it as it will be read there: by
/// its own link, with no options.
///
/// # Errors
/// Unsupported, if children of that format carry no link; as [`new_parent`] and [`Disk::open`]; Host, if the link cannot be written.
pub fn relinked(copy: &AtomicFile, driver: &Driver, parent: &Opened) -> Result<Disk> {
    relinked_in(copy, driver, parent, Policy::default())
}

/// As [`relinked`], opened under that policy: a repository's images may lie anywhere in it.
///
/// # Errors
/// As [`relinked`].
pub fn relinked_in(
    copy: &AtomicFile,
    driver: &Driver,
    parent: &Opened,
    policy: Policy,
) -> Result<Disk> {
    let relink = driver
        .relink
        .ok_or_else(|| Error::new(Kind::Unsupported, format!("{} has no links", driver.format)))?;
    let file: Arc<dyn Source> = Arc::new(FileSource::open(copy.written_at())?);
    let link = new_parent(parent, copy.place())?;
    for patch in relink(&file, &link)? {
        copy.sink().write_at(patch.at, &patch.bytes)?;
    }
    Disk::open(&OpenSpec {
        format: Some(driver.format),
        policy,
        ..OpenSpec::of(copy.written_at())
    })
}

/// Writes a disk as the whole image that `spec` says, to be sent on: proven in the same pass, but neither durable nor in its place.
///
/// # Errors
/// As [`create`](fn@create); those of the disk; Host, if an input changed meanwhile; Interrupted.
pub fn write_whole(
    disk: &Chain,
    spec: &OutputSpec,
    exec: ExecContext<'_>,
) -> Result<(Converted, AtomicFileSet)> {
    let Output { writer, drafts } = create(spec, disk.disk(), None)?;
    let converted = whole_copy(disk, exec).run(writer)?;
    Ok((converted, drafts))
}

/// A child that is to be kept beside its base, in that one's format.
#[derive(Clone, Copy, Debug)]
pub struct NewChild<'a> {
    /// The base's disk.
    pub base: &'a Chain,
    /// The base's image, which the child names.
    pub parent: &'a Opened,
    /// The disk that base and child are to be.
    pub target: &'a Chain,
    /// The format of the image that the target is read from: what it says of its sectors is what that format says.
    pub target_format: Format,
    /// Threads, counters, time.
    pub exec: ExecContext<'a>,
}

/// A child that is written out, but neither proven nor in its place. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct ChildDraft<P> {
    /// What its keeper calls its place.
    pub place: P,
    /// Its files.
    pub drafts: AtomicFileSet,
}

/// Why a base can have no such child.
#[derive(Debug)]
pub enum NoChild {
    /// What its format demands of children.
    Rule(Error),
    /// The format can only hold a rounded size, which would be another disk.
    Size {
        /// The format.
        format: Format,
        /// The size of the disk in bytes.
        size: Bytes,
    },
}

impl fmt::Display for NoChild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(error) => f.write_str(error.message()),
            Self::Size { format, size } => write!(f, "{format} holds no disk of {} bytes", size.0),
        }
    }
}

impl NewChild<'_> {
    /// Writes what differs, durably, and proves nothing: its keeper reads it as it will be read. `place` says where it is to stand, and what
    /// the keeper calls that; it is asked only if there can be such a child.
    ///
    /// # Errors
    /// Those of `place`; as [`create`](fn@create) and [`new_parent`]; those of the disks; Host, if an input changed meanwhile; Interrupted.
    pub fn write<P>(
        &self,
        place: impl FnOnce() -> Result<(P, PathBuf)>,
    ) -> Result<Result<ChildDraft<P>, NoChild>> {
        self.write_as(self.parent.driver, place)
    }

    /// As [`write`](Self::write), as a child of another format than its base's.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_as<P>(
        &self,
        driver: &Driver,
        place: impl FnOnce() -> Result<(P, PathBuf)>,
    ) -> Result<Result<ChildDraft<P>, NoChild>> {
        let format = driver.format;
        let base = traits_of(self.base, self.parent.driver.format);
        let target = traits_of(self.target, self.target_format);
        if let Err(fault) = check_child(driver, &base, &target) {
            return Ok(Err(NoChild::Rule(fault)));
        }
        let (place, path) = place()?;
        let link = new_parent(self.parent, &path)?;
        let spec = new_image(&path, format);
        let Output { writer, drafts } = create(&spec, self.target.disk(), Some(link))?;
        let size = self.target.size();
        if writer.shape().size != size {
            return Ok(Err(NoChild::Size { format, size }));
        }
        let make = Make {
            base: self.base,
            target: self.target,
            proves: false,
            memory: &NOTHING_KNOWN,
            work: self.exec,
        };
        make.run(writer)?;
        // Some file systems count what a file takes only when it is written out.
        drafts.main()?.sync()?;
        Ok(Ok(ChildDraft { place, drafts }))
    }
}

/// A child that is to be sent on with its manifest: its base stands elsewhere, and in which form it travels its sender says.
#[derive(Clone, Copy, Debug)]
pub struct SentChild<'a> {
    /// The base, and what it is called.
    pub base: (&'a str, &'a Disk),
    /// The disk that base and child are to be, and what its image is called.
    pub target: (&'a str, &'a Disk),
    /// Threads, counters, time.
    pub exec: ExecContext<'a>,
}

/// A child that is written and proven, but neither durable nor in its place. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct ProvenChild {
    /// What was made, with the proofs of base, target and layer.
    pub made: Made,
    /// The size of its disk in bytes.
    pub size: Bytes,
    /// Its files.
    pub drafts: AtomicFileSet,
}

impl SentChild<'_> {
    /// Writes what differs as the child that `spec` says, which names its base by `link`; proven in the same pass. What the leaves of base
    /// and target say, where they are `known`, needs no reading: see [`Make::run_knowing`]. That a child of the format fits,
    /// [`require_child`] says.
    ///
    /// # Errors
    /// As [`create`](fn@create); with leaves as [`Make::run_knowing`]; those of the disks; Host, if an input changed meanwhile; Interrupted.
    pub fn write(
        &self,
        spec: &OutputSpec,
        link: ParentSpec,
        known: Option<(LeafReader, LeafReader)>,
    ) -> Result<ProvenChild> {
        let (base, target) = (&self.base.1.chain, &self.target.1.chain);
        let Output { writer, drafts } = create(spec, target.disk(), Some(link))?;
        let size = writer.shape().size;
        let make = Make {
            base,
            target,
            proves: true,
            memory: &NOTHING_KNOWN,
            work: self.exec,
        };
        let made = match known {
            Some((base, target)) => make.run_knowing(writer, base, target),
            None => make.run(writer),
        }?;
        Ok(ProvenChild { made, size, drafts })
    }

    /// The manifest of the child, which is called `name` and has that format.
    ///
    /// # Errors
    /// As [`Manifest::describe`].
    pub fn manifest(&self, name: &str, format: Format, child: &ProvenChild) -> Result<Manifest> {
        describe(
            &child.made,
            self.base,
            self.target,
            (name, format),
            child.size,
        )
    }
}

#[cfg(test)]
mod tests;
