//! What a new child records of its base opens again, with the flag that was named and without where none is needed.

use std::path::Path;

use imgdelta_core::{BlockState, Bytes, FinishParams, Format, Kind, Result, Unit, VirtOffset};
use imgdelta_registry::{
    OpenSpec, OutputSpec, create, needs_search, new_parent, open_chain, open_image,
};

use crate::place::{Place, SIZE, qcow2, refusal, searching, vhd};

/// Writes a child of `base` at `path`, with one unit of its own.
fn make(base: &Path, path: &Path) -> Result<()> {
    let base = open_image(&OpenSpec::of(base))?;
    let spec = OutputSpec::of(path);
    let parent = new_parent(&base, path)?;
    let output = create(&spec, Bytes(SIZE).into(), Some(parent))?;
    let mut writer = output.writer;
    let shape = writer.shape();
    let len = shape.unit.min(shape.size);
    let bytes = vec![0x5a; len.in_memory()];
    let grains = vec![BlockState::Data; len.pieces(shape.grain) as usize];
    let unit = Unit {
        at: VirtOffset::ZERO,
        bytes: &bytes,
        grains: &grains,
    };
    let encoded = writer.encoder().encode(&unit, &mut Vec::new())?;
    if let Some(placed) = writer.place(&unit, encoded.payload, len)? {
        placed.sink.write_at(placed.at, &bytes)?;
    }
    writer.finish(&FinishParams {
        seed: [3; 32],
        time: None,
    })?;
    output.drafts.commit()
}

#[test]
fn a_child_beside_or_above_its_base_opens_without_help() -> Result<()> {
    let place = Place::new();
    for (base, bytes, child) in [
        ("base.vhd", vhd([1; 16]), "child.vhd"),
        ("deep/base.vhd", vhd([2; 16]), "second.vhd"),
        ("base.qcow2", qcow2(), "child.qcow2"),
        ("deep/base.qcow2", qcow2(), "second.qcow2"),
        ("odd:name.qcow2", qcow2(), "third.qcow2"),
        ("base.raw", vec![1; SIZE as usize], "fourth.qcow2"),
        ("base.vhd", vhd([1; 16]), "fifth.qcow2"),
    ] {
        let (base, child) = (place.put(base, &bytes), place.at(child));
        make(&base, &child)?;
        assert_eq!(needs_search(&child, &base), None);
        let chain = open_chain(&OpenSpec::of(&child))?;
        assert_eq!(chain[1].stamp, open_image(&OpenSpec::of(&base))?.stamp);
        assert!(chain[1].notes.is_empty(), "{:?}", chain[1].notes);
    }
    Ok(())
}

#[test]
fn a_child_elsewhere_opens_with_the_folder_that_was_named() -> Result<()> {
    let place = Place::new();
    std::fs::create_dir(place.at("site")).expect("room");
    for (base, bytes, child) in [
        ("golden/base.vhd", vhd([1; 16]), "site/child.vhd"),
        ("golden/base.qcow2", qcow2(), "site/child.qcow2"),
    ] {
        let (base, child) = (place.put(base, &bytes), place.at(child));
        make(&base, &child)?;
        assert_eq!(refusal(&OpenSpec::of(&child)).0, Kind::Reference);
        let folder = needs_search(&child, &base).expect("it lies elsewhere");
        let chain = open_chain(&searching(child, &[folder]))?;
        assert_eq!(chain[1].stamp, open_image(&OpenSpec::of(&base))?.stamp);
    }
    Ok(())
}

#[test]
fn base_and_child_may_move_together() -> Result<()> {
    let place = Place::new();
    let base = place.put("lab/store/base.qcow2", &qcow2());
    make(&base, &place.at("lab/child.qcow2"))?;
    std::fs::rename(place.at("lab"), place.at("stick")).expect("room");
    let chain = open_chain(&OpenSpec::of(place.at("stick/child.qcow2")))?;
    assert_eq!(chain[1].driver.format, Format::Qcow2);
    Ok(())
}

#[test]
fn a_path_that_no_child_could_name_is_refused_before_it_is_written() -> Result<()> {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let place = Place::new();
    let odd = place.at("").join(OsStr::from_bytes(b"b\xffse.raw"));
    std::fs::write(&odd, [0; 512]).expect("room");
    let bell = place.put("be\u{7}ll.raw", &[0; 512]);
    for path in [odd, bell] {
        let base = open_image(&OpenSpec::of(&path))?;
        let error = new_parent(&base, &place.at("child.qcow2")).expect_err("it has no spelling");
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Unsupported, "unrecordable_path")
        );
    }
    Ok(())
}
