//! Disks of every variant, built by another hand, read as their recipes say.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{
    Bytes, FileOffset, MemSource, ProbeResult, ProbeWindow, Result, State, VirtOffset,
};
use imgdelta_fixtures::{
    Fill, Recipe, conform,
    parallels::{BundleSpec, ParallelsSpec},
    vhd::Order,
};
use imgdelta_parallels::DRIVER;
use reading::{check, check_files, open, open_files, read_over};

const KIB: u64 = 1 << 10;

fn recipe() -> Recipe {
    Recipe::scatter(600 * KIB + 512 * 3, 32 * KIB, 7)
}

#[test]
fn every_variant_of_a_file_conforms() -> Result<()> {
    let spec = || ParallelsSpec::new(recipe(), 8);
    let old = || ParallelsSpec::old(recipe(), 8);
    let variants = [
        spec(),
        old(),
        ParallelsSpec::new(recipe(), 1),
        ParallelsSpec::new(recipe(), 63),
        ParallelsSpec::old(recipe(), 63),
        ParallelsSpec::new(recipe(), 2048),
        ParallelsSpec {
            extra_entries: 900,
            ..spec()
        },
        ParallelsSpec {
            extra_entries: 900,
            gap: 3,
            ..old()
        },
        ParallelsSpec {
            order: Order::Descending,
            stores_zeros: true,
            ..spec()
        },
        ParallelsSpec {
            order: Order::Shuffled(3),
            ..old()
        },
        ParallelsSpec {
            sectors_high: 5,
            ..old()
        },
        ParallelsSpec::new(Recipe::empty(1 << 20), 8),
    ];
    for spec in variants {
        let bytes = spec.build();
        conform(&open(&bytes)?, &spec.recipe, None);
        let report = check(&bytes)?;
        assert!(report.faults.is_empty(), "{report:?} {spec:?}");
    }
    Ok(())
}

/// One entry means another place with each magic.
#[test]
fn a_bat_counts_sectors_with_the_old_magic_and_blocks_with_the_new_one() -> Result<()> {
    let recipe = || Recipe::of(0x1000 * 512, [(0, 0x80 * 512, Fill::Text)]);
    let place = |spec: &ParallelsSpec, entry: u32| -> Result<State> {
        let mut bytes = spec.build();
        bytes.resize(0x80 * 512 * 4, 0);
        bytes[64..68].copy_from_slice(&entry.to_le_bytes());
        Ok(open(&bytes)?.extent_at(VirtOffset(5))?.state)
    };
    let data = |at| State::Data {
        file: 0,
        at: FileOffset(at),
    };
    let (new, old) = (
        ParallelsSpec::new(recipe(), 0x80),
        ParallelsSpec::old(recipe(), 0x80),
    );
    assert_eq!(place(&new, 1)?, data(0x1_0005));
    assert_eq!(place(&old, 0x80)?, data(0x1_0005));
    Ok(())
}

fn layers() -> Vec<Recipe> {
    let block = 4 * KIB;
    let size = 200 * block;
    vec![
        Recipe::scatter(size, 8 * block, 3),
        Recipe::of(
            size,
            [
                (block, 3 * block, Fill::Pattern(1)),
                (90 * block, block, Fill::Zero),
            ],
        ),
        Recipe::of(
            size,
            [
                (2 * block, block, Fill::Zero),
                (150 * block, 2 * block, Fill::Text),
            ],
        ),
    ]
}

/// What a disk of several files holds, as a recipe.
fn flat(bytes: Vec<u8>) -> Recipe {
    let size = bytes.len() as u64;
    Recipe::of(size, [(0, size, Fill::Bytes(bytes.leak()))])
}

#[test]
fn folders_read_through_their_snapshots() -> Result<()> {
    let spec = || BundleSpec::new(layers(), 8);
    for spec in [
        BundleSpec::new(layers()[..1].to_vec(), 8),
        spec(),
        BundleSpec {
            plain: true,
            ..spec()
        },
        BundleSpec {
            splits: vec![80, 960],
            ..spec()
        },
        BundleSpec {
            splits: vec![8],
            plain: true,
            upper: true,
            ..spec()
        },
        BundleSpec {
            top: Some(1),
            ..spec()
        },
        BundleSpec {
            sector: Some(4096),
            ..spec()
        },
    ] {
        let top = spec.top.unwrap_or(spec.layers.len() - 1);
        let image = open_files(&spec.build(), &[], None)?;
        conform(&image, &flat(spec.expected(top)), None);
        let report = check_files(&spec.build())?;
        assert!(
            report.faults.is_empty() && report.notes.is_empty(),
            "{report:?}"
        );
        let sector = u64::from(spec.sector.unwrap_or(512));
        assert_eq!(image.metadata().logical_sector, Bytes(sector));
        assert_eq!(image.metadata().snapshots.len(), spec.layers.len() - 1);
        for layer in 0..spec.layers.len() {
            for guid in [
                spec.guid(layer),
                spec.guid(layer).to_uppercase().replace(['{', '}'], ""),
            ] {
                let image = open_files(&spec.build(), &[], Some(&guid))?;
                assert!(read_over(&*image, &[])? == spec.expected(layer), "{guid}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_snapshot_that_is_not_there_is_wrong_use_and_the_others_are_named() {
    let spec = BundleSpec::new(layers(), 8);
    for name in ["old", "{cccccccc-bbbb-cccc-dddd-000000000000}"] {
        let error = open_files(&spec.build(), &[], Some(name)).expect_err("it is not there");
        assert_eq!(
            (error.kind().exit(), error.code()),
            (2, "parallels_snapshot")
        );
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains(&spec.guid(0)))
        );
    }
    let file = ParallelsSpec::new(recipe(), 8).build();
    let files = [("disk.hds".to_owned(), file)];
    let error = open_files(&files, &[], Some("old")).expect_err("a file has none");
    assert_eq!(error.kind().exit(), 4);
}

#[test]
fn a_file_of_a_snapshot_is_not_taken_for_the_disk_unless_that_is_asked_for() -> Result<()> {
    let spec = BundleSpec::new(layers(), 8);
    let mut files = spec.build();
    // The lowest alone is what the disk was once; one above is nothing without it.
    files.swap(0, 1);
    assert!(read_over(&*open_files(&files, &[], None)?, &[])? == spec.expected(0));
    files.swap(1, 2);
    files.swap(0, 1);
    let error = open_files(&files, &[], None).expect_err("it stands over another");
    assert_eq!((error.kind().exit(), error.code()), (5, "parallels_part"));
    assert!(check_files(&files).is_err());
    let alone = open_files(&files, &["descriptor=ignore"], None)?;
    assert!(read_over(&*alone, &[])? == layers()[1].expected(None));
    let split = BundleSpec {
        splits: vec![80],
        ..BundleSpec::new(layers()[..1].to_vec(), 8)
    };
    let mut files = split.build();
    files.swap(0, 1);
    let error = open_files(&files, &[], None).expect_err("it is half of the disk");
    assert_eq!(error.code(), "parallels_part");
    Ok(())
}

#[test]
fn a_disk_that_has_grown_reads_through_smaller_snapshots() -> Result<()> {
    let block = 4 * KIB;
    let low = Recipe::scatter(50 * block, 4 * block, 9);
    let top = Recipe::of(80 * block, [(60 * block, block, Fill::Text)]);
    let mut spec = BundleSpec::new(vec![Recipe::empty(80 * block), top], 8);
    let mut files = spec.build();
    files[1].1 = ParallelsSpec::new(low.clone(), 8).build();
    spec.layers[0] = Recipe::of(
        80 * block,
        [(0, 50 * block, Fill::Bytes(low.expected(None).leak()))],
    );
    let image = open_files(&files, &[], None)?;
    conform(&image, &flat(spec.expected(1)), None);
    Ok(())
}

#[test]
fn probing_knows_both_magics_and_descriptors() -> Result<()> {
    let claim = |bytes: &[u8]| -> Result<ProbeResult> {
        Ok((DRIVER.probe)(&ProbeWindow::of(&MemSource(
            bytes.to_vec(),
        ))?))
    };
    let mut bytes = ParallelsSpec::new(recipe(), 8).build();
    assert!(matches!(claim(&bytes)?, ProbeResult::Yes));
    assert!(matches!(claim(&bytes[..40])?, ProbeResult::Damaged));
    bytes[16] = 3;
    assert!(matches!(claim(&bytes)?, ProbeResult::Damaged));
    bytes[0] = 0;
    assert!(matches!(claim(&bytes)?, ProbeResult::No));
    let xml = BundleSpec::new(layers(), 8).descriptor();
    for text in [
        &xml,
        &format!("\u{feff}{xml}"),
        &xml[xml.find("<Parallels").unwrap_or(0)..],
    ] {
        assert!(matches!(claim(text.as_bytes())?, ProbeResult::Yes));
    }
    assert!(matches!(
        claim(b"<?xml version='1.0'?><Envelope/>")?,
        ProbeResult::No
    ));
    Ok(())
}
