//! Whether a whole image will fit where it is to stand: looked at before its first byte is written.
//!
//! What nobody can know is not refused. A disk whose data seems too much is read once to be measured: it may be full of zeros, which take no
//! room. What a compressor makes of it shows only as it is written: there a note says what it takes at most.

use std::path::Path;

use imgdelta_core::{Bytes, Error, FreeSpace, ImageWriter, Result, VirtOffset};
use imgdelta_delta::{self as delta, Chain, Cursor, DigestCache, ExecContext};
use imgdelta_registry::ResolvedOutput;

use crate::{
    context::{Context, Stage},
    nowhere::Nowhere,
    output::ResolvedTarget,
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
        if writer.encoder().memory() > Bytes::ZERO {
            return Ok(Some(format!(
                "it may not fit: {data} of data are to be compressed, {} are free",
                self.space.free
            )));
        }
        measures();
        self.refuse(self.measured(&nowhere, writer, exec)?)
            .map(|()| None)
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
fn with_tables(data: Bytes) -> Bytes {
    let tables = data.0 / TABLES;
    Bytes(data.0.saturating_add(tables).saturating_add(LEAST.0))
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use imgdelta_core::{Format, Kind};
    use imgdelta_delta::RunProgress;
    use imgdelta_registry::{OpenSpec, OutputSpec};

    use super::*;
    use crate::disk::Disk;

    /// What comes of a disk of 4 MiB zeros and 4 MiB data that are all there, in a hole of 64 MiB.
    fn required(format: Format, space: FreeSpace) -> Result<(Option<String>, bool)> {
        let folder = tempfile::tempdir().expect("a place");
        let path = folder.path().join("disk.raw");
        let mut bytes = vec![0; 8 << 20];
        bytes[4 << 20..].fill(7);
        fs::write(&path, bytes).expect("room");
        let file = fs::File::options().write(true).open(&path).expect("there");
        file.set_len(64 << 20).expect("room");
        let disk = Disk::open(&OpenSpec::of(&path))?;
        let place = folder.path().join("new");
        let spec = OutputSpec {
            format: Some(format),
            ..OutputSpec::of(&place)
        };
        let image = ResolvedOutput::of(spec)?;
        let room = SpaceCheck {
            image: &image,
            place: &place,
            disk: &disk.chain,
            space,
        };
        let mut is_measured = false;
        let progress = Arc::new(RunProgress::default());
        let note = room.require(ExecContext::new(2, &progress), || is_measured = true)?;
        Ok((note, is_measured))
    }

    fn free(mib: u64) -> FreeSpace {
        FreeSpace {
            free: Bytes::mib(mib),
            longest_file: None,
            has_holes: true,
        }
    }

    #[test]
    fn what_may_not_fit_is_measured_and_refused_with_what_it_takes() -> Result<()> {
        for format in [Format::Raw, Format::Qcow2, Format::Vhdx] {
            assert_eq!(required(format, free(80))?, (None, false), "{format}");
            assert_eq!(required(format, free(13))?, (None, false), "{format}");
        }
        for format in [Format::Raw, Format::Qcow2] {
            assert_eq!(required(format, free(5))?, (None, true), "{format}");
            let error = required(format, free(3)).expect_err("4 MiB are data");
            assert_eq!((error.kind(), error.code()), (Kind::Host, Error::NO_SPACE));
            assert!(error.to_string().contains("(3145728 bytes) are free"));
        }
        Ok(())
    }

    #[test]
    fn where_there_are_no_holes_a_raw_disk_takes_all_of_its_size() -> Result<()> {
        let space = FreeSpace {
            has_holes: false,
            ..free(60)
        };
        let error = required(Format::Raw, space).expect_err("64 MiB");
        assert_eq!(error.code(), Error::NO_SPACE);
        assert_eq!(required(Format::Qcow2, space)?, (None, false));
        Ok(())
    }

    #[test]
    fn a_file_that_is_too_long_for_fat_is_refused_before_it_is_begun() -> Result<()> {
        let space = FreeSpace {
            longest_file: Some(Bytes::mib(20)),
            ..free(1000)
        };
        let error = required(Format::Raw, space).expect_err("64 MiB");
        assert_eq!(error.code(), Error::FILE_TOO_LONG);
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains("twoGbMaxExtentSparse"), "{hint}");
        assert_eq!(required(Format::Qcow2, space)?, (None, false));
        let less = FreeSpace {
            longest_file: Some(Bytes::mib(10)),
            ..space
        };
        let (note, _) = required(Format::Qcow2, less)?;
        assert!(note.is_some_and(|note| note.contains("FAT")));
        Ok(())
    }
}
