//! Tests of its parent module.

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
        shrinks: false,
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

#[test]
fn a_file_system_that_compresses_is_tried() -> Result<()> {
    let space = FreeSpace {
        shrinks: true,
        ..free(3)
    };
    let (note, is_measured) = required(Format::Qcow2, space)?;
    assert!(note.is_some_and(|note| note.contains("may not fit")) && !is_measured);
    Ok(())
}
