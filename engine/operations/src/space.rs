//! Whether a whole image will fit where it is to stand: looked at before its first byte is written.
//!
//! What nobody can know is not refused. A disk whose data seems too much is read once to be measured: it may be full of zeros, which take no
//! room. What a compressor makes of it shows only as it is written: there a note says what it takes at most.

use std::path::Path;

use imgdelta_core::{Bytes, Error, FreeSpace, ImageWriter, Result, VirtOffset, fs::FileSystem};
use imgdelta_delta::{self as delta, Chain, Cursor, DigestCache, ExecContext, Layer};
use imgdelta_registry::ResolvedOutput;

use crate::{
    context::{Context, Stage},
    nowhere::Nowhere,
    target::ResolvedTarget,
};

/// What tables take beside the data they speak of, at most: one part of so many.
const TABLES: u64 = 256;
/// What an image takes that holds nothing.
const LEAST: Bytes = Bytes::mib(4);

/// Refuses an output whose file system has no room for the disk. Returns what to say where only writing will tell.
///
/// # Errors
/// Host (`no_space`), with what is needed and what is free; as [`delta::Convert::run`], where the disk has to be measured.
pub(crate) fn require_room(
    target: &ResolvedTarget,
    disk: &Chain,
    context: &Context,
) -> Result<Option<String>> {
    if target.dry_run || target.is_in_place() {
        return Ok(None);
    }
    let Some(space) = FreeSpace::beside(&target.spec.path) else {
        return Ok(None);
    };
    let room = SpaceCheck {
        image: &target.image,
        place: &target.spec.path,
        disk,
        space,
    };
    room.require(context.exec(target.ids)?, || {
        context.begin(Stage::Measure(&target.spec.path));
    })
}

/// A disk, and the file system that it is to go to.
pub(crate) struct SpaceCheck<'a> {
    /// The image.
    pub(crate) image: &'a ResolvedOutput,
    /// Where it is to stand.
    pub(crate) place: &'a Path,
    /// Its disk.
    pub(crate) disk: &'a Chain,
    /// What is free where it is to stand.
    pub(crate) space: FreeSpace,
}

impl SpaceCheck<'_> {
    /// As [`require_room`]; `measures` is called before the disk is read for it.
    pub(crate) fn require(
        &self,
        exec: ExecContext<'_>,
        measures: impl FnOnce(),
    ) -> Result<Option<String>> {
        let longest = self.space.longest_file.unwrap_or(Bytes(u64::MAX));
        if with_tables(self.disk.size()) <= self.space.free.min(longest) {
            return Ok(None);
        }
        let nowhere = Nowhere::default();
        let writer = self.image.create_in(&nowhere, self.disk.disk(), None)?;
        self.require_begun(&nowhere)?;
        let data = data_of(self.disk)?;
        if with_tables(data) > longest && writer.encoder().memory() == Bytes::ZERO {
            return Ok(Some(format!(
                "it may not fit: {data} of data are to be written, a file on FAT holds {longest}"
            )));
        }
        if with_tables(data) <= self.space.free {
            return Ok(None);
        }
        if writer.encoder().memory() > Bytes::ZERO || self.space.shrinks || self.may_share() {
            return Ok(Some(format!(
                "it may not fit: {data} of data are to be stored, {} are free; how small they become shows as they are written",
                self.space.free
            )));
        }
        measures();
        self.refuse(self.measured(&nowhere, writer, exec)?)
            .map(|()| None)
    }

    /// Whether what the disk's own files hold may be shared with them instead of written.
    fn may_share(&self) -> bool {
        let folder = self
            .place
            .parent()
            .filter(|folder| *folder != Path::new(""));
        let there = FileSystem::at(folder.unwrap_or(Path::new(".")));
        let mut files = self.disk.layers().iter().flat_map(Layer::stamps);
        there.shares_blocks() && files.any(|file| file.file_system == there)
    }

    /// Refuses files that are too long for their file system from the beginning.
    fn require_begun(&self, begun: &Nowhere) -> Result<()> {
        let refused = self.space.require_file(begun.main_len(), self.place);
        refused.map_err(|error| {
            error.with_hint("-f vmdk --option subformat=twoGbMaxExtentSparse writes files of 2 GiB")
        })?;
        match self.space.has_holes {
            true => Ok(()),
            false => self.refuse(Bytes(begun.len())),
        }
    }

    /// How much of the disk is written, tables included: what is data and not zero.
    fn measured(
        &self,
        nowhere: &Nowhere,
        writer: Box<dyn ImageWriter>,
        exec: ExecContext<'_>,
    ) -> Result<Bytes> {
        delta::Convert {
            disk: self.disk,
            proves: false,
            memory: &DigestCache::none(),
            work: exec,
        }
        .run(writer)?;
        Ok(nowhere.written())
    }

    fn refuse(&self, needed: Bytes) -> Result<()> {
        let refused = self.space.require(needed, self.place);
        refused.map_err(|error| error.with_hint("choose another place for it, with more room"))
    }
}

/// What a disk takes at most, said with an error for want of room.
pub(crate) fn explain(error: Error, disk: &Chain) -> Error {
    if error.code() != Error::NO_SPACE || !error.has_cause() {
        return error;
    }
    match data_of(disk) {
        Ok(data) => error.with_detail(format!(
            "the disk holds {data} ({} bytes) of data: so much is needed at most, beside tables",
            data.0
        )),
        Err(_) => error,
    }
}

/// How many bytes of a disk are data, by what its images say.
fn data_of(disk: &Chain) -> Result<Bytes> {
    let mut cursor = Cursor::over(disk);
    let (mut at, mut data) = (VirtOffset::ZERO, Bytes::ZERO);
    while at.0 < disk.size().0 {
        let run = cursor.run_at(at)?;
        if run.state.holds_data() {
            data = Bytes(data.0.saturating_add(run.len.0));
        }
        at = at.saturating_add(run.len);
    }
    Ok(data)
}

/// What so much data takes with its tables.
pub(crate) fn with_tables(data: Bytes) -> Bytes {
    let tables = data.0 / TABLES;
    Bytes(data.0.saturating_add(tables).saturating_add(LEAST.0))
}

#[cfg(test)]
mod tests;
