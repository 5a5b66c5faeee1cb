//! `scan`: a folder as it is.

use std::fs;

use imgdelta_core::Result;
use imgdelta_fixtures::golden;

use crate::place::{Place, files_below};

#[test]
fn a_folder_is_taken_in_as_it_is_and_nothing_in_it_is_touched() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("site")?;
    place.write("site/README.txt", b"not an image");
    place.write("site/noext", &golden::base_bytes());
    place.write("site/.hidden/golden.raw", b"hidden");
    let base = place.write("site/deep/base.raw", &golden::base_bytes());
    let base = place.convert(&base, "site/deep/base.vhd")?;
    fs::remove_file(place.at("site/deep/base.raw")).expect("it is there");
    let patched = place.golden("patched.raw");
    place.child(&base, &patched, "site/deep/a-child.vhd")?;
    place.write("site/other/base.raw", &[7; 100_000]);
    place.write("site/same.raw", &golden::base_bytes());
    place.write("site/torn.vhd", &[1; 5000]);
    let before = files_below(&place.at("site"));
    let scanned = repository.scan(&place.run())?;
    let mut names: Vec<&str> = scanned
        .added
        .iter()
        .map(|record| record.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["a-child", "base", "base.raw"], "{scanned:?}");
    let child = repository.show("a-child")?;
    assert_eq!(
        child.linked_parent(),
        Some(
            &repository
                .list()?
                .by_content(&repository.show("base")?.content_id)
                .expect("it")
                .id
        )
    );
    assert_eq!(scanned.same.len(), 1, "{scanned:?}");
    assert_eq!(scanned.faults.len(), 1, "{:?}", scanned.faults);
    assert!(scanned.faults[0].0.ends_with("torn.vhd"));
    let after = files_below(&place.at("site"));
    let after: Vec<&String> = after
        .iter()
        .filter(|name| !name.starts_with(".imgdelta"))
        .collect();
    let before: Vec<&String> = before
        .iter()
        .filter(|name| !name.starts_with(".imgdelta"))
        .collect();
    assert_eq!(before, after);
    assert!(
        repository
            .list()?
            .records()
            .iter()
            .all(|record| !record.owned)
    );
    Ok(())
}

#[test]
fn what_was_taken_in_before_is_known_and_what_changed_since_is_said() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("site")?;
    place.write("site/one.raw", &[1; 70_000]);
    place.write("site/two.raw", &[2; 70_000]);
    assert_eq!(repository.scan(&place.run())?.added.len(), 2);
    let again = repository.scan(&place.run())?;
    assert_eq!(
        (again.added.len(), again.known.len(), again.faults.len()),
        (0, 2, 0)
    );
    place.write("site/two.raw", &[3; 80_000]);
    place.write("site/three.raw", &[4; 70_000]);
    let again = repository.scan(&place.run())?;
    assert_eq!((again.added.len(), again.known.len()), (1, 1));
    assert_eq!(again.faults[0].1.code(), "image_changed");
    Ok(())
}

#[test]
fn extents_of_an_image_are_no_images() -> Result<()> {
    let place = Place::new();
    let repository = place.repository("site")?;
    let source = place.golden("golden.raw");
    let output = imgdelta_registry::create(
        &imgdelta_registry::OutputSpec {
            options: imgdelta_core::Options::parse(&["subformat=monolithicFlat"])?,
            ..imgdelta_registry::OutputSpec::of(place.at("site/flat.vmdk"))
        },
        imgdelta_core::Bytes(golden::SIZE).into(),
        None,
    )?;
    imgdelta_delta::Convert {
        disk: &crate::place::open(&source)?.chain,
        proves: false,
        memory: &imgdelta_delta::DigestCache::none(),
        work: place.work(),
    }
    .run(output.writer)?;
    output.drafts.commit()?;
    let scanned = repository.scan(&place.run())?;
    assert_eq!(
        (scanned.added.len(), scanned.faults.len()),
        (1, 0),
        "{scanned:?}"
    );
    assert_eq!(scanned.added[0].files.len(), 2);
    repository.open_disk(&scanned.added[0])?;
    Ok(())
}
