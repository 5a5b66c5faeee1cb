//! Images of every variant, built without this crate, read as their recipes say.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use std::sync::Arc;

use imgdelta_core::{
    Bytes, Error, FileOffset, Image, Kind, ProbeResult, ProbeWindow, Result, State, VirtOffset,
};
use imgdelta_fixtures::{
    Recipe, conform,
    qcow2::{Bitmap, Built, Compression, DataFile, Qcow2Spec, Snapshot, Zeros},
};
use imgdelta_qcow2::DRIVER;
use reading::{Beside, how, memory, open, open_with, read_all, recipe};

/// Opens what was built, the data file beside it.
fn open_built(built: Built) -> Result<Arc<dyn Image>> {
    let data = built.data.map(|bytes| ("a.data".to_owned(), bytes));
    (DRIVER.open)(how(memory(&built.image), &Beside::of(data)))
}

/// Opens the image of `spec` and holds it against its recipe; a check must find nothing.
fn conforms(name: &str, spec: &Qcow2Spec) -> Result<()> {
    let named = |error: Error| Error::new(error.kind(), format!("{name}: {error}"));
    let built = spec.build_files();
    let data = built.data.clone().map(|bytes| ("a.data".to_owned(), bytes));
    let report = (DRIVER.check)(how(memory(&built.image), &Beside::of(data))).map_err(named)?;
    assert!(report.faults.is_empty(), "{name}: {:?}", report.faults);
    let leaked = report.counts.iter().find(|(count, _)| *count == "leaked");
    assert_eq!(leaked, Some(&("leaked", 0)), "{name}");
    let image = open_built(built).map_err(named)?;
    assert!(matches!(
        (DRIVER.probe)(&ProbeWindow::of(&*image.metadata().files[0])?),
        ProbeResult::Yes
    ));
    conform(&image, &spec.recipe, spec.under.as_deref());
    Ok(())
}

#[test]
fn every_cluster_size_and_refcount_width_reads() -> Result<()> {
    let bits = (9..=21)
        .map(|bits| (bits, 4))
        .chain((0..=6).map(|order| (9, order)))
        .chain((0..=6).map(|order| (12, order)));
    for (bits, order) in bits {
        let plain = Qcow2Spec {
            refcount_order: order,
            ..Qcow2Spec::new(recipe(bits, u64::from(bits)), bits)
        };
        conforms(&format!("{bits}, {order}"), &plain)?;
        let shuffled = Qcow2Spec {
            shuffle: Some(u64::from(bits)),
            zeros: Zeros::InTurn,
            ..plain
        };
        conforms(&format!("{bits}, {order}, shuffled"), &shuffled)?;
    }
    Ok(())
}

#[test]
fn version_2_reads() -> Result<()> {
    for bits in [9, 12, 16, 21] {
        let plain = Qcow2Spec::version_2(recipe(bits, 1), bits);
        conforms(&format!("version 2, {bits}"), &plain)?;
        let packed = Qcow2Spec {
            compression: Some(Compression::deflate()),
            shuffle: Some(2),
            ..plain
        };
        conforms(&format!("version 2, {bits}, compressed"), &packed)?;
    }
    Ok(())
}

#[test]
fn compressed_clusters_read_by_either_method_in_one_frame_or_many() -> Result<()> {
    let ways = [
        Compression::deflate(),
        Compression {
            plain_every: 3,
            on_sectors: true,
            ..Compression::deflate()
        },
        Compression::zstd(1),
        Compression::zstd(3),
        Compression {
            plain_every: 2,
            ..Compression::zstd(5)
        },
    ];
    for bits in [9, 10, 12, 16, 18, 21] {
        for (how, number) in ways.into_iter().zip(0..) {
            let spec = Qcow2Spec {
                compression: Some(how),
                shuffle: (number % 2 == 0).then_some(9),
                ..Qcow2Spec::new(recipe(bits, number), bits)
            };
            conforms(&format!("{bits}, {how:?}"), &spec)?;
        }
    }
    Ok(())
}

#[test]
fn extended_l2_entries_read_by_subcluster() -> Result<()> {
    for bits in [14, 16, 17, 21] {
        for seed in 0..3 {
            let plain = Qcow2Spec {
                extended_l2: true,
                ..Qcow2Spec::new(recipe(bits, seed), bits)
            };
            let packed = Qcow2Spec {
                compression: Some(Compression {
                    plain_every: 2,
                    ..Compression::zstd(2)
                }),
                ..plain.clone()
            };
            let zeros = Qcow2Spec {
                zeros: Zeros::Preallocated,
                shuffle: Some(seed),
                ..plain.clone()
            };
            for (name, spec) in [("plain", plain), ("packed", packed), ("zeros", zeros)] {
                conforms(&format!("{bits}, {seed}, {name}"), &spec)?;
            }
        }
    }
    Ok(())
}

#[test]
fn children_read_over_shorter_and_longer_parents() -> Result<()> {
    for bits in [9, 12, 16] {
        for len in [100 << 10, 600 << 10, 4 << 20] {
            let under = Recipe::scatter(len, 7 * 512, 77).expected(None);
            for seed in 0..3 {
                let plain = Qcow2Spec::child(recipe(bits, seed), bits, "u.raw", "raw", &under);
                let old = Qcow2Spec {
                    version: 2,
                    ..plain.clone()
                };
                let parts = Qcow2Spec {
                    extended_l2: bits == 16,
                    compression: Some(Compression::deflate()),
                    ..plain.clone()
                };
                for (name, spec) in [("plain", plain), ("version 2", old), ("parts", parts)] {
                    conforms(&format!("{bits}, {len}, {seed}, {name}"), &spec)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn guest_data_read_from_an_external_data_file() -> Result<()> {
    for bits in [12, 16] {
        for (raw, parts) in [(false, false), (true, false), (false, true)] {
            let data_file = Some(DataFile {
                name: Some("a.data".into()),
                raw,
            });
            let spec = Qcow2Spec {
                data_file,
                extended_l2: parts && bits == 16,
                ..Qcow2Spec::new(recipe(bits, 1), bits)
            };
            conforms(&format!("{bits}, raw {raw}, parts {parts}"), &spec)?;
            let image = open_built(spec.build_files())?;
            assert_eq!(image.metadata().files.len(), 2);
            let first = image.extent_at(VirtOffset::ZERO)?;
            let at = FileOffset::ZERO;
            assert_eq!(first.state, State::Data { file: 1, at });
            let references = (DRIVER.references)(&memory(&spec.build()))?;
            assert_eq!(references.aux_files, ["a.data"]);
        }
    }
    Ok(())
}

#[test]
fn snapshots_are_listed_and_read_by_name_and_by_id() -> Result<()> {
    for (version, extra, packed) in [(3, 24, false), (3, 16, true), (2, 16, false), (3, 40, true)] {
        let old = Recipe::scatter(1 << 20, 8192, 4);
        let other = Snapshot {
            extra,
            vm_state: 70_000,
            ..Snapshot::new("2", "with state", Recipe::small(900 << 10))
        };
        let spec = Qcow2Spec {
            version,
            compression: packed.then(Compression::deflate),
            snapshots: vec![
                Snapshot {
                    extra,
                    ..Snapshot::new("1", "first", old.clone())
                },
                other.clone(),
            ],
            ..Qcow2Spec::new(Recipe::scatter(1 << 20, 8192, 5), 12)
        };
        conforms("the active disk", &spec)?;
        let bytes = spec.build();
        let found = open(&bytes)?.metadata().snapshots.clone();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[1].name.as_str(), found[1].taken),
            ("with state", 946_684_800)
        );
        let beside = Beside::default();
        for (name, recipe) in [("first", &old), ("2", &other.recipe)] {
            let mut how = how(memory(&bytes), &beside);
            how.snapshot = Some(name.to_owned());
            conform(&(DRIVER.open)(how)?, recipe, None);
        }
        let mut how = how(memory(&bytes), &beside);
        how.snapshot = Some("third".to_owned());
        let error = (DRIVER.open)(how).expect_err("there are two");
        assert_eq!(error.kind(), Kind::Usage);
        assert_eq!(error.hint(), Some("its snapshots are: first, with state"));
    }
    Ok(())
}

#[test]
fn a_header_with_all_its_parts_reads_and_says_so() -> Result<()> {
    let bitmap = |name: &str, flags| Bitmap {
        name: name.into(),
        flags,
        granularity_bits: 16,
        dirty: vec![3],
    };
    let spec = Qcow2Spec {
        header_length: 160,
        header_rest: vec![0xab; 48],
        extensions: vec![(0x1234_5678, b"whatever".to_vec())],
        lazy_refcounts: true,
        more_features: [0, 1 << 20, 1 << 30],
        bitmaps: vec![bitmap("one", 2), bitmap("two", 1)],
        ..Qcow2Spec::new(Recipe::small((1 << 20) + 77), 16)
    };
    conforms("all parts", &spec)?;
    let image = open(&spec.build())?;
    let facts = image.metadata();
    assert_eq!(
        (facts.variant.as_str(), facts.size),
        ("v3", Bytes((1 << 20) + 77))
    );
    for expected in [
        ("cluster_size", "65536"),
        ("refcount_bits", "16"),
        ("lazy_refcounts", "on"),
        ("compatible_features", "lazy refcounts, bit 20"),
        ("bitmap", "one (granularity 64 KiB)"),
    ] {
        let found = facts
            .details
            .iter()
            .any(|(name, value)| (*name, value.as_str()) == expected);
        assert!(found, "{expected:?} in {:?}", facts.details);
    }
    assert!(
        facts
            .notes
            .iter()
            .any(|note| note.contains("'two' was in use"))
    );
    Ok(())
}

#[test]
fn a_dirty_image_reads_with_a_note_and_a_corrupt_one_only_when_told() -> Result<()> {
    let start = Qcow2Spec::new(Recipe::small(1 << 20), 16);
    let dirty = Qcow2Spec {
        dirty: true,
        ..start.clone()
    };
    conforms("dirty", &dirty)?;
    assert_eq!(open(&dirty.build())?.metadata().notes.len(), 1);
    let quiet = open_with(&dirty.build(), "dirty=ignore")?;
    assert_eq!(quiet.metadata().notes, Vec::<String>::new());
    let corrupt = Qcow2Spec {
        corrupt: true,
        ..start
    };
    let error = open(&corrupt.build()).expect_err("it is marked corrupt");
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("corrupt=ignore"))
    );
    let image = open_with(&corrupt.build(), "corrupt=ignore")?;
    assert_eq!(read_all(&*image)?, corrupt.recipe.expected(None));
    assert!(open_with(&corrupt.build(), "korrupt=ignore").is_err());
    Ok(())
}
