//! Who descends from whom: parents first, parents that moved, bases by manifest, how deep differences hang.

use std::{fs, path::Path};

use imgdelta_core::{Format, Kind, Options, Result};
use imgdelta_fixtures::golden;
use imgdelta_operations::{Context, Convert, Make};
use imgdelta_registry::{OpenSpec, OutputSpec};
use imgdelta_repository::{
    calls::{self, AddSpec},
    catalogue::{Add, Presence, ProvenanceKind, Record, Repository},
};

use crate::place::{Place, bytes_of, file_of};

/// A disk of 2 MiB of noise, and what `night` nights have changed of it: 4 KiB each.
fn night(night: u32) -> Vec<u8> {
    let noise = |seed: u32| {
        (0..).map(move |n: u32| (n.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 13) as u8)
    };
    let mut disk: Vec<u8> = noise(1).take(2 << 20).collect();
    for number in 1..=night {
        let at = (number as usize * 37 % 512) * 4096;
        for (byte, new) in disk[at..at + 4096].iter_mut().zip(noise(number * 7919)) {
            *byte = new;
        }
    }
    disk
}

fn dedup(image: &Path) -> Add {
    Add {
        image: OpenSpec::of(image),
        dedup: true,
        ..Add::default()
    }
}

#[test]
fn differences_hang_as_deep_as_is_allowed_and_no_deeper() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let mut deepest = 0;
    for number in 0..8 {
        let image = place.write(&format!("night{number}.raw"), &night(number));
        let add = Add {
            most_deep: Some(3),
            ..dedup(&image)
        };
        let added = repository.add(&add, &place.run())?;
        let listing = repository.list()?;
        let depth = listing.depth(&added.record);
        deepest = deepest.max(depth);
        assert!(depth <= 3, "night {number} hangs {depth} deep");
        let is_told = added.notes.iter().any(|note| note.contains("--max-depth"));
        // Each second one begins anew below the limit, so that the next one hangs on it.
        assert_eq!(is_told, number > 2 && number % 2 == 1, "{:?}", added.notes);
        let file = file_of(&repository, &added.record);
        assert_eq!(bytes_of(&file)?, night(number));
        if number > 0 {
            assert_eq!(added.record.provenance.how, ProvenanceKind::Difference);
        }
    }
    assert_eq!(deepest, 3);
    // One that may hang on nothing is stored whole.
    let image = place.write("alone.raw", &night(9));
    let add = Add {
        most_deep: Some(1),
        ..dedup(&image)
    };
    let added = repository.add(&add, &place.run())?;
    assert_eq!(added.record.provenance.how, ProvenanceKind::Copied);
    assert!(added.notes[0].contains("stored whole"), "{:?}", added.notes);
    Ok(())
}

#[test]
fn parents_come_before_children_in_whatever_order_they_are_given() -> Result<()> {
    let place = Place::new();
    place.repository("hq")?;
    let base = place.golden("golden.qcow2");
    let child = place.child(&base, &place.golden("patched.raw"), "child.qcow2")?;
    let specs = [&child, &base].map(|image| AddSpec {
        image: OpenSpec::of(image),
        ..AddSpec::default()
    });
    let report = calls::Add::new(place.at("hq"), specs).run(&Context::new())?;
    // The report is in the order in which they were given.
    let names: Vec<&str> = report
        .images
        .iter()
        .filter_map(|one| Some(one.image.as_ref()?.name.as_str()))
        .collect();
    assert_eq!(names, ["child", "golden"]);
    let repository = Repository::open(&place.at("hq"))?;
    let linked = repository.show("child")?.linked_parent().cloned();
    assert_eq!(linked, Some(repository.show("golden")?.id));
    Ok(())
}

#[test]
fn extents_of_an_image_that_is_given_too_are_no_images() -> Result<()> {
    let place = Place::new();
    place.repository("hq")?;
    fs::create_dir(place.at("vm")).expect("room");
    let golden = place.golden("golden.raw");
    let flat = OutputSpec {
        options: Options::parse(&["subformat=monolithicFlat"])?,
        ..OutputSpec::of(place.at("vm/disk.vmdk"))
    };
    Convert::new(OpenSpec::of(&golden), flat).run(&Context::new())?;
    let specs = ["vm/disk-flat.vmdk", "vm/disk.vmdk"].map(|image| AddSpec {
        image: OpenSpec::of(place.at(image)),
        ..AddSpec::default()
    });
    let report = calls::Add::new(place.at("hq"), specs).run(&Context::new())?;
    assert!(report.images[0].part_of.is_some() && report.images[0].error.is_none());
    assert!(report.images[1].is_new);
    assert_eq!(Repository::open(&place.at("hq"))?.list()?.len(), 1);
    Ok(())
}

/// A base and its child, as `make` writes it with a manifest.
fn made(place: &Place, child: &str) -> Result<()> {
    let base = place.golden("golden.qcow2");
    let target = place.golden("patched.raw");
    let (base, target) = (OpenSpec::of(&base), OpenSpec::of(&target));
    Make::new(base, target, OutputSpec::of(place.at(child)))
        .run(&Context::new())
        .map(drop)
}

#[test]
fn a_child_comes_alone_if_its_manifest_names_an_image_that_is_here() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    made(&place, "child.qcow2")?;
    let base = place.add(&repository, &place.at("golden.qcow2"))?.record;
    fs::create_dir(place.at("far")).expect("room");
    for name in ["child.qcow2", "child.qcow2.manifest.json"] {
        fs::rename(place.at(name), place.at(&format!("far/{name}"))).expect("room");
    }
    let added = place.add(&repository, &place.at("far/child.qcow2"))?;
    assert_eq!(added.record.linked_parent(), Some(&base.id));
    assert_eq!(added.record.provenance.how, ProvenanceKind::Relinked);
    let file = file_of(&repository, &added.record);
    assert_eq!(bytes_of(&file)?, golden::patched_bytes());
    // What is not what its manifest promises is not entered.
    repository.remove("child", &place.run())?;
    let manifest = place.at("far/child.qcow2.manifest.json");
    let promised = fs::read_to_string(&manifest).expect("it is there");
    let other = format!("imgdelta1:{}", "0f".repeat(32));
    let other = promised.replace(&added.record.content_id.to_string(), &other);
    fs::write(&manifest, other).expect("room");
    let error = place
        .add(&repository, &place.at("far/child.qcow2"))
        .expect_err("another disk");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Digest, "content_mismatch")
    );
    // Without the manifest nobody knows its base.
    fs::remove_file(place.at("far/child.qcow2.manifest.json")).expect("it is there");
    let error = place
        .add(&repository, &place.at("far/child.qcow2"))
        .expect_err("no base");
    assert!(matches!(error.kind(), Kind::Chain | Kind::Reference));
    Ok(())
}

#[test]
fn children_lead_to_a_parent_that_was_moved_after_a_scan() -> Result<()> {
    let place = Place::new();
    for format in ["qcow2", "vhd", "vmdk"] {
        let repository = place.repository(&format!("hq-{format}"))?;
        let golden = place.golden("golden.raw");
        let base = place.convert(&golden, &format!("base.{format}"))?;
        let base = place.add(&repository, &base)?.record;
        let patched = place.golden("patched.raw");
        let child = repository.add(&dedup(&patched), &place.run())?.record;
        assert_eq!(child.linked_parent(), Some(&base.id));
        let folder = repository.folder().join("old");
        fs::create_dir(&folder).expect("room");
        let moved = folder.join(format!("base.{format}"));
        fs::rename(file_of(&repository, &base), &moved).expect("room");
        let state = |name: &str| -> Result<Presence> {
            let listing = repository.list()?;
            let record = listing.find(name)?;
            Ok(repository.presence(record, &listing))
        };
        assert_eq!(
            (state("base")?, state("patched")?),
            (Presence::Missing, Presence::Broken)
        );
        let scanned = repository.scan(&place.run())?;
        assert!(scanned.faults.is_empty(), "{format}: {:?}", scanned.faults);
        assert_eq!(
            (state("base")?, state("patched")?),
            (Presence::Present, Presence::Present)
        );
        let record: Record = repository.show("base")?;
        assert_eq!(file_of(&repository, &record), moved);
        let sound = repository.verify(&[], &place.run(), |_| ())?;
        assert!(
            sound.iter().all(|one| one.is_sound()),
            "{format}: {sound:?}"
        );
        let scanned = repository.scan(&place.run())?;
        assert!(
            scanned.notes.is_empty() && scanned.faults.is_empty(),
            "{scanned:?}"
        );
    }
    Ok(())
}

#[test]
fn a_difference_is_made_in_the_format_that_is_asked_for() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    place.add(&repository, &place.golden("golden.vhd"))?;
    let patched = place.golden("patched.raw");
    let add = Add {
        format: Some(Format::Qcow2),
        ..dedup(&patched)
    };
    let record = repository.add(&add, &place.run())?.record;
    assert_eq!(record.format, Format::Qcow2);
    assert!(record.linked_parent().is_some());
    Ok(())
}
