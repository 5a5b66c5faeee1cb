//! Tables that say different things, and grains where they should not be: the right bytes, or damage, and never silence.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{Kind, Result};
use imgdelta_fixtures::{
    Fill, Recipe,
    vmdk::{Files, Layout, Stream, VmdkSpec},
};
use proptest::prelude::*;
use reading::{check, open, open_with, read_over};

const GRAIN: u64 = 64 << 10;
/// Where the entries of the first copy of such an image stand, and those of the redundant one.
const PRIMARY: usize = 27 * 512;
const REDUNDANT: usize = 22 * 512;

fn recipe() -> Recipe {
    Recipe::of(16 * GRAIN, [(0, 8 * GRAIN, Fill::Pattern(5))])
}

fn image() -> Files {
    VmdkSpec::new(recipe(), Layout::Sparse).build()
}

fn entry(files: &Files, table: usize, grain: usize) -> u32 {
    let at = table + grain * 4;
    u32::from_le_bytes(files[0].1[at..at + 4].try_into().expect("4 bytes"))
}

fn set(files: &mut Files, table: usize, grain: usize, value: u32) {
    let at = table + grain * 4;
    files[0].1[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// What a check says of all of it.
fn codes(files: &Files) -> Vec<String> {
    let report = check(files).expect("it opens");
    let codes = report.faults.iter().map(|fault| fault.code().to_owned());
    codes.collect()
}

#[test]
fn both_copies_are_where_the_tests_believe_them() {
    let files = image();
    for grain in 0..16 {
        assert_eq!(
            entry(&files, PRIMARY, grain),
            entry(&files, REDUNDANT, grain)
        );
        assert_eq!(entry(&files, PRIMARY, grain) > 0, grain < 8);
    }
}

#[test]
fn a_copy_that_lost_grains_gives_way_to_the_other() -> Result<()> {
    for table in [PRIMARY, REDUNDANT] {
        for lost in [0..1, 3..5, 0..8] {
            let mut files = image();
            lost.clone()
                .for_each(|grain| set(&mut files, table, grain, 0));
            let found = open(&files)?;
            assert!(
                read_over(&*found, &[])? == recipe().expected(None),
                "{lost:?}"
            );
            assert_eq!(
                found.metadata().notes.len(),
                1,
                "{:?}",
                found.metadata().notes
            );
            assert_eq!(codes(&files), vec!["vmdk_copies_differ"; lost.len()]);
        }
    }
    Ok(())
}

#[test]
fn a_copy_whose_grains_share_a_place_gives_way_to_the_other() -> Result<()> {
    for table in [PRIMARY, REDUNDANT] {
        let mut files = image();
        let first = entry(&files, table, 0);
        set(&mut files, table, 5, first);
        let found = open(&files)?;
        assert!(read_over(&*found, &[])? == recipe().expected(None));
        assert!(codes(&files).contains(&"vmdk_copies_differ".to_owned()));
    }
    Ok(())
}

#[test]
fn where_nobody_can_tell_it_is_damage_and_the_user_decides() -> Result<()> {
    let mut files = image();
    let (first, second) = (entry(&files, PRIMARY, 0), entry(&files, PRIMARY, 1));
    set(&mut files, PRIMARY, 0, second);
    set(&mut files, PRIMARY, 1, first);
    let error = open(&files).expect_err("both may be right");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Corrupt, "vmdk_copies_disagree")
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("tables=redundant"))
    );
    assert_eq!(codes(&files), ["vmdk_copies_differ"; 2]);
    let right = recipe().expected(None);
    assert!(read_over(&*open_with(&files, &["tables=redundant"])?, &[])? == right);
    let other = read_over(&*open_with(&files, &["tables=primary"])?, &[])?;
    assert!(other != right && other[2 * GRAIN as usize..] == right[2 * GRAIN as usize..]);
    Ok(())
}

#[test]
fn one_that_lost_grains_does_not_stand_in_for_one_that_is_damaged_elsewhere() -> Result<()> {
    for (lost, damaged) in [(PRIMARY, REDUNDANT), (REDUNDANT, PRIMARY)] {
        let mut files = image();
        set(&mut files, lost, 2, 0);
        set(&mut files, damaged, 6, 0x00ff_ffff);
        assert_eq!(
            open(&files).expect_err("neither is whole").kind(),
            Kind::Corrupt
        );
        // Damage alone is mended.
        let mut files = image();
        set(&mut files, damaged, 6, 0x00ff_ffff);
        assert!(read_over(&*open(&files)?, &[])? == recipe().expected(None));
    }
    Ok(())
}

#[test]
fn directories_that_name_tables_again_in_other_places_disagree() -> Result<()> {
    let recipe = Recipe::of(4 * 512 * GRAIN, [(0, GRAIN, Fill::Pattern(5))]);
    let mut files = VmdkSpec::new(recipe, Layout::Sparse).build();
    let bytes = &mut files[0].1;
    let number = |bytes: &[u8], at: usize| {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes")) as usize
    };
    let (redundant, primary) = (number(bytes, 48) * 512, number(bytes, 56) * 512);
    // One says that the third table is the first one again, the other one says so of the fourth.
    for (directory, order) in [(primary, [0, 1, 0, 1]), (redundant, [0, 1, 1, 0])] {
        let entries = bytes[directory..directory + 16].to_vec();
        for (number, from) in order.into_iter().enumerate() {
            let at = directory + 4 * number;
            bytes[at..at + 4].copy_from_slice(&entries[4 * from..4 * from + 4]);
        }
    }
    let error = open(&files).expect_err("both may be right");
    assert_eq!(error.code(), "vmdk_copies_disagree");
    assert!(open_with(&files, &["tables=primary"]).is_ok());
    Ok(())
}

#[test]
fn the_copies_of_a_qemu_stream_are_held_against_each_other_too() -> Result<()> {
    let files = VmdkSpec::new(recipe(), Layout::Stream(Stream::Qemu)).build();
    for table in [PRIMARY, REDUNDANT] {
        let mut files = files.clone();
        set(&mut files, table, 3, 0);
        assert!(read_over(&*open(&files)?, &[])? == recipe().expected(None));
    }
    Ok(())
}

#[test]
fn a_second_directory_that_the_flags_do_not_name_is_not_looked_at() -> Result<()> {
    let mut files = image();
    files[0].1[8] = 1;
    set(&mut files, REDUNDANT, 0, 0);
    assert!(open(&files)?.metadata().notes.is_empty());
    Ok(())
}

#[test]
fn grains_that_share_a_place_are_counted_where_they_are_read() -> Result<()> {
    for (layout, table, places) in [
        (Layout::Sparse, 22 * 512, 1),
        (Layout::LoneSparse, 2 * 512, 1),
        (Layout::Stream(Stream::OpenVmdk), 22 * 512, 1),
        (Layout::LoneCowd, 5 * 512, 3),
    ] {
        let spec = VmdkSpec {
            redundant: false,
            ..VmdkSpec::new(recipe(), layout.clone())
        };
        let sound = spec.build();
        let before = open(&sound)?.metadata().notes.len();
        let mut files = sound.clone();
        let first = entry(&files, table, 0);
        (1..=places).for_each(|grain| set(&mut files, table, grain, first));
        let found = open(&files)?;
        let notes = &found.metadata().notes;
        assert_eq!(notes.len(), before + 1, "{layout:?}: {notes:?}");
        let told = format!("{places} stored grains share their place");
        assert!(
            notes.iter().any(|note| note.starts_with(&told)),
            "{layout:?}: {notes:?}"
        );
        assert!(
            codes(&files).iter().any(|code| code == "vmdk_shared"),
            "{layout:?}"
        );
    }
    Ok(())
}

#[test]
fn grains_over_tables_and_tables_used_twice_are_counted_too() -> Result<()> {
    let spec = VmdkSpec {
        redundant: false,
        ..VmdkSpec::new(recipe(), Layout::Sparse)
    };
    let mut files = spec.build();
    set(&mut files, 22 * 512, 0, 22);
    let notes = open(&files)?.metadata().notes.clone();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("over the grain tables")),
        "{notes:?}"
    );
    // 64 MiB in grains of 64 KiB take two tables.
    let large = Recipe::of(
        64 << 20,
        [(0, GRAIN, Fill::Text), (32 << 20, GRAIN, Fill::Text)],
    );
    let spec = VmdkSpec {
        redundant: false,
        ..VmdkSpec::new(large, Layout::Sparse)
    };
    let mut files = spec.build();
    let first = entry(&files, 21 * 512, 0);
    set(&mut files, 21 * 512, 1, first);
    let notes = open(&files)?.metadata().notes.clone();
    assert!(!notes.is_empty(), "{notes:?}");
    assert!(codes(&files).iter().any(|code| code == "vmdk_shared"));
    Ok(())
}

#[test]
fn sound_images_say_nothing_whatever_their_order() -> Result<()> {
    for shuffled in [false, true] {
        for grain in [1, 8, 128] {
            for layout in [
                Layout::Sparse,
                Layout::Cowd,
                Layout::SeSparse,
                Layout::Stream(Stream::Qemu),
            ] {
                let spec = VmdkSpec {
                    shuffled,
                    grain,
                    ..VmdkSpec::new(recipe(), layout.clone())
                };
                let files = spec.build();
                assert!(open(&files)?.metadata().notes.is_empty(), "{layout:?}");
                assert!(check(&files)?.faults.is_empty(), "{layout:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn grains_that_start_between_multiples_of_their_size_share_nothing() -> Result<()> {
    let spec = VmdkSpec {
        shuffled: true,
        redundant: false,
        ..VmdkSpec::new(recipe(), Layout::Sparse)
    };
    let mut files = spec.build();
    // All grains five sectors further back.
    let first = (0..8)
        .map(|grain| entry(&files, 22 * 512, grain))
        .min()
        .expect("there are some");
    let at = first as usize * 512;
    let grains = files[0].1.split_off(at);
    files[0].1.extend([0; 5 * 512]);
    files[0].1.extend(grains);
    for grain in 0..8 {
        let sector = entry(&files, 22 * 512, grain) + 5;
        set(&mut files, 22 * 512, grain, sector);
    }
    let found = open(&files)?;
    assert!(
        found.metadata().notes.is_empty(),
        "{:?}",
        found.metadata().notes
    );
    assert!(read_over(&*found, &[])? == recipe().expected(None));
    assert!(check(&files)?.faults.is_empty());
    Ok(())
}

#[test]
fn what_is_said_to_be_zero_must_still_name_a_grain_of_the_file() -> Result<()> {
    let files = VmdkSpec::new(recipe(), Layout::LoneSeSparse).build();
    let at = 24 * 512;
    for kind in [1_u64, 2] {
        let with = |rest: u64| {
            let mut files = files.clone();
            files[0].1[at..at + 8].copy_from_slice(&(kind << 60 | rest).to_le_bytes());
            files
        };
        for inside in [0, 1 << 48, 5 << 48] {
            let disk = read_over(&*open(&with(inside))?, &[])?;
            assert!(disk[..4096].iter().all(|byte| *byte == 0));
            assert!(disk[4096..] == recipe().expected(None)[4096..]);
        }
        for outside in [1, 0xfff << 48, u64::MAX >> 4] {
            let error = open(&with(outside)).expect_err("the file has no such grain");
            assert_eq!(
                (error.kind(), error.code()),
                (Kind::Corrupt, "vmdk_grain_past_end")
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever becomes of some entries of one copy: the right bytes or damage.
    #[test]
    fn no_damage_to_one_copy_reads_as_another_disk(
        is_primary: bool,
        changes in prop::collection::vec((0_usize..16, 0_u32..1400), 1..5),
    ) {
        let mut files = image();
        let table = if is_primary { PRIMARY } else { REDUNDANT };
        let mut grows = false;
        for (grain, value) in changes {
            // A grain more is no less plausible than one that was lost.
            grows |= entry(&files, table, grain) == 0 && value != 0;
            set(&mut files, table, grain, value);
        }
        match open(&files).and_then(|image| read_over(&*image, &[])) {
            Ok(disk) => prop_assert!(grows || disk == recipe().expected(None)),
            Err(error) => prop_assert_eq!(error.kind(), Kind::Corrupt),
        }
    }
}
