//! Children of a chain: stored as children where their parent's disk is here, and proven by what they change alone.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt},
};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_delta::{DigestCache, prove};
use imgdelta_fixtures::golden;
use imgdelta_registry::OpenSpec;
use imgdelta_repository::catalogue::{Add, ParentEvidence, ProvenanceKind};

use crate::place::{Place, bytes_of, file_of, open};

#[test]
fn a_child_whose_parents_disk_is_here_becomes_its_child_in_every_format() -> Result<()> {
    for extension in ["vhd", "vhdx", "qcow2", "vmdk", "vdi"] {
        let place = Place::new();
        let repository = place.repository("hq")?;
        let golden = place.golden("golden.raw");
        let patched = place.golden("patched.raw");
        let base = place.convert(&golden, &format!("base.{extension}"))?;
        let child = place.child(&base, &patched, &format!("child.{extension}"))?;
        let parent = place.add(&repository, &base)?.record;
        let added = place.add(&repository, &child)?;
        assert_eq!(
            added.record.provenance.how,
            ProvenanceKind::Relinked,
            "{extension}: {:?}",
            added.notes
        );
        assert_eq!(added.record.linked_parent(), Some(&parent.id));
        let proof = prove(&open(&patched)?.chain, &DigestCache::none(), place.work())?;
        assert_eq!(added.record.content_id, proof.id);
        let len = |path: &std::path::Path| path.metadata().expect("it is there").len();
        let child_len = len(&child);
        // The originals are not needed any more.
        fs::remove_file(&base).expect("it is there");
        fs::remove_file(&child).expect("it is there");
        let copy = file_of(&repository, &added.record);
        assert_eq!(bytes_of(&copy)?, golden::patched_bytes(), "{extension}");
        assert_eq!(len(&copy), child_len);
        let error = repository
            .remove("base", &place.run())
            .expect_err("it is needed");
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "has_children"));
        assert!(error.message().contains("child"));
        repository.remove("child", &place.run())?;
        repository.remove("base", &place.run())?;
    }
    Ok(())
}

#[test]
fn a_child_whose_parent_is_not_here_is_written_anew_as_one_file() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let base = place.golden("golden.vhd");
    let child = place.child(&base, &place.golden("patched.raw"), "child.vhd")?;
    let added = place.add(&repository, &child)?;
    assert_eq!(
        (added.record.provenance.how, added.record.format),
        (ProvenanceKind::Rewritten, Format::Vhd)
    );
    assert!(added.record.parent.is_none());
    fs::remove_file(&base).expect("it is there");
    assert_eq!(
        bytes_of(&file_of(&repository, &added.record))?,
        golden::patched_bytes()
    );
    Ok(())
}

#[test]
fn a_parent_in_another_format_is_a_parent_by_measure() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let base = place.golden("golden.vhd");
    let child = place.child(&base, &place.golden("patched.raw"), "child.vhd")?;
    place.add(&repository, &place.golden("golden.qcow2"))?;
    let add = Add {
        image: OpenSpec::of(&child),
        parent: Some("golden".to_owned()),
        ..Add::default()
    };
    let added = repository.add(&add, &place.run())?;
    assert_eq!(added.record.provenance.how, ProvenanceKind::Rewritten);
    assert_eq!(
        added.record.parent.map(|parent| parent.known),
        Some(ParentEvidence::Measured)
    );
    Ok(())
}

/// A base and two generations of children, taken in where they stand.
fn three(place: &Place) -> Result<imgdelta_repository::catalogue::Repository> {
    let repository = place.repository("hq")?;
    let (golden, patched) = (place.golden("golden.raw"), place.golden("patched.raw"));
    let base = place.convert(&golden, "hq/base.qcow2")?;
    let child = place.child(&base, &patched, "hq/child.qcow2")?;
    let last = place.child(&child, &golden, "hq/last.qcow2")?;
    for (image, known) in [(base, None), (child, Some("base")), (last, Some("child"))] {
        let add = Add {
            image: OpenSpec::of(&image),
            in_place: true,
            ..Add::default()
        };
        let added = repository.add(&add, &place.run())?;
        if known == Some("child") {
            // The last one is the golden image once more.
            assert!(!added.is_new);
            assert_eq!(added.record.name.as_str(), "base");
        } else {
            let linked = added.record.linked_parent().cloned();
            let wanted = known.map(|name| repository.show(name)).transpose()?;
            assert_eq!(linked, wanted.map(|record| record.id));
        }
    }
    Ok(repository)
}

#[test]
fn children_that_stand_here_are_linked() -> Result<()> {
    let place = Place::new();
    let repository = three(&place)?;
    assert_eq!(repository.list()?.len(), 2);
    Ok(())
}

#[test]
fn a_child_over_a_base_that_is_not_what_its_record_says_is_refused() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let base = place.write("hq/base.raw", &golden::base_bytes());
    let child = place.child(&base, &place.golden("patched.raw"), "hq/child.qcow2")?;
    let add = |image: &std::path::Path| Add {
        image: OpenSpec::of(image),
        in_place: true,
        ..Add::default()
    };
    repository.add(&add(&base), &place.run())?;
    // Another byte where the child says nothing, at the same time as before: only who reads it finds another disk.
    let file = File::options()
        .write(true)
        .open(&base)
        .expect("it is there");
    let before = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .expect("a time");
    file.write_all_at(b"!", 2 << 20).expect("room");
    file.set_modified(before).expect("it can be set");
    let copied = Add {
        in_place: false,
        name: Some("copied".parse()?),
        ..add(&child)
    };
    for seconds in [0, 10] {
        let time = before + std::time::Duration::from_secs(seconds);
        file.set_modified(time).expect("it can be set");
        for add in [&add(&child), &copied] {
            let error = repository
                .add(add, &place.run())
                .expect_err("it has rotted");
            assert_eq!(
                (error.kind(), error.code()),
                (Kind::Digest, "image_changed")
            );
        }
        let scanned = repository.scan(&place.run())?;
        assert!(scanned.added.is_empty() && !scanned.faults.is_empty());
    }
    assert_eq!(repository.list()?.len(), 1);
    // As it was, it serves.
    file.write_all_at(&golden::base_bytes()[2 << 20..][..1], 2 << 20)
        .expect("room");
    let patched = prove(
        &open(&place.at("patched.raw"))?.chain,
        &DigestCache::none(),
        place.work(),
    )?;
    let added = repository.add(&add(&child), &place.run())?;
    assert_eq!(added.record.content_id, patched.id);
    Ok(())
}

#[test]
fn damaged_leaves_of_a_parent_are_not_believed() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let base = place.golden("golden.vhd");
    let child = place.child(&base, &place.golden("patched.raw"), "child.vhd")?;
    let parent = place.add(&repository, &base)?.record;
    let leaves = place.at(&format!(
        "hq/.imgdelta/leaves/{}.leaves",
        parent.content_id.0
    ));
    let mut bytes = fs::read(&leaves).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&leaves, bytes).expect("room");
    let added = place.add(&repository, &child)?;
    let patched = prove(
        &open(&place.at("patched.raw"))?.chain,
        &DigestCache::none(),
        place.work(),
    )?;
    assert_eq!(added.record.content_id, patched.id);
    assert_eq!(added.record.linked_parent(), Some(&parent.id));
    Ok(())
}

#[test]
fn an_image_is_stored_as_what_differs_from_the_best_base_in_its_format() -> Result<()> {
    for (extension, how) in [
        ("vhd", ProvenanceKind::Difference),
        ("qcow2", ProvenanceKind::Difference),
        ("vmdk", ProvenanceKind::Difference),
        // Raw has no children: the repository's own format has, over a base of any.
        ("raw", ProvenanceKind::Difference),
    ] {
        let place = Place::new();
        let repository = place.repository("hq")?;
        let golden = place.golden("golden.raw");
        let base = match extension {
            "raw" => golden,
            _ => place.convert(&golden, &format!("base.{extension}"))?,
        };
        let base = place.add(&repository, &base)?.record;
        place.add(&repository, &place.write("noise.raw", &[7; 12 << 20]))?;
        let patched = place.golden("patched.raw");
        let add = Add {
            image: OpenSpec::of(&patched),
            dedup: true,
            ..Add::default()
        };
        let added = repository.add(&add, &place.run())?;
        assert_eq!(
            added.record.provenance.how, how,
            "{extension}: {:?}",
            added.notes
        );
        let file = file_of(&repository, &added.record);
        assert_eq!(bytes_of(&file)?, golden::patched_bytes(), "{extension}");
        let format = match base.format {
            Format::Raw => Format::Qcow2,
            format => format,
        };
        assert_eq!(added.record.format, format);
        assert_eq!(added.record.linked_parent(), Some(&base.id));
        let taken = file.metadata().expect("it is there").blocks() * 512;
        assert!(taken < golden::SIZE / 4, "{extension}: {taken}");
        assert!(repository.leaves(&added.record)?.is_some());
        assert!(
            repository
                .verify(&[], &place.run(), |_| ())?
                .iter()
                .all(|one| one.is_sound())
        );
        // Once more, under another name.
        let again = Add {
            name: Some("again".parse()?),
            ..add
        };
        assert!(!repository.add(&again, &place.run())?.is_new);
    }
    Ok(())
}

#[test]
fn what_nothing_here_holds_is_stored_whole() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    place.add(&repository, &place.golden("golden.qcow2"))?;
    let noise: Vec<u8> = (0..1_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let add = Add {
        image: OpenSpec::of(place.write("noise.raw", &noise)),
        dedup: true,
        ..Add::default()
    };
    let added = repository.add(&add, &place.run())?;
    assert_eq!(added.record.provenance.how, ProvenanceKind::Copied);
    assert!(added.record.parent.is_none());
    Ok(())
}

#[test]
fn a_base_that_is_not_what_its_record_says_is_no_base() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let base = place
        .add(&repository, &place.golden("golden.qcow2"))?
        .record;
    let file = file_of(&repository, &base);
    let bytes = fs::read(place.golden("patched.qcow2")).expect("it is there");
    fs::write(&file, bytes).expect("room");
    let (_, mut third) = golden::files().remove(0);
    third[3 << 20] ^= 1;
    let add = Add {
        image: OpenSpec::of(place.write("third.raw", &third)),
        dedup: true,
        ..Add::default()
    };
    // Whatever the base is now, what is stored is what was to be stored.
    let added = repository.add(&add, &place.run())?;
    assert_eq!(bytes_of(&file_of(&repository, &added.record))?, third);
    Ok(())
}

#[test]
fn a_child_that_stands_here_without_its_parent_is_taken_in_and_that_is_said() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("hq")?;
    let base = place.write("hq/base.raw", &golden::base_bytes());
    let child = place.child(&base, &place.golden("patched.raw"), "hq/child.qcow2")?;
    let add = Add {
        image: OpenSpec::of(&child),
        in_place: true,
        ..Add::default()
    };
    let added = repository.add(&add, &place.run())?;
    assert!(added.record.parent.is_none());
    assert!(
        added.notes.iter().any(|note| note.contains("base.raw")),
        "{:?}",
        added.notes
    );
    Ok(())
}
