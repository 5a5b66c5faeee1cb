//! A parent is the one that the child was made over, or it is not the parent.

use imgdelta_core::{Kind, Result};
use imgdelta_fixtures::vhd::Locator;
use imgdelta_registry::{OpenSpec, open_chain};

use crate::place::{Place, refusal, searching, vhd, vhd_over};

const RIGHT: [u8; 16] = *b"the right parent";
const WRONG: [u8; 16] = *b"the wrong parent";

#[test]
fn a_file_with_the_right_name_and_another_identity_is_not_the_parent() {
    let place = Place::new();
    place.put("base.vhd", &vhd(WRONG));
    let child = place.put(
        "child.vhd",
        &vhd_over(RIGHT, "", vec![Locator::relative("base.vhd")]),
    );
    let error = open_chain(&OpenSpec::of(&child)).expect_err("it is another disk");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Chain, "parent_identity")
    );
    assert_eq!(error.location().file, Some(child));
    let id = |bytes: [u8; 16]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let message = error.message().replace('-', "");
    assert!(
        message.contains(&id(WRONG)) && message.contains(&id(RIGHT)),
        "{message}"
    );
}

#[test]
fn the_right_one_is_found_behind_a_wrong_one() -> Result<()> {
    let place = Place::new();
    place.put("base.vhd", &vhd(WRONG));
    place.put("store/base.vhd", &vhd(RIGHT));
    place.put("store/renamed.vhd", &vhd(RIGHT));
    let child = place.put(
        "child.vhd",
        &vhd_over(RIGHT, "", vec![Locator::relative("base.vhd")]),
    );
    let chain = open_chain(&searching(child, &[place.at("store")]))?;
    assert_eq!(chain[1].path, place.at("store/base.vhd"));
    let locators = vec![
        Locator::relative("base.vhd"),
        Locator::absolute("C:\\old\\renamed.vhd"),
    ];
    let child = place.put("child.vhd", &vhd_over(RIGHT, "", locators));
    let chain = open_chain(&searching(child, &[place.at("store")]))?;
    assert_eq!(chain[1].path, place.at("store/base.vhd"));
    Ok(())
}

#[test]
fn a_damaged_candidate_is_passed_over_and_told_only_if_no_other_fits() -> Result<()> {
    let place = Place::new();
    place.put("base.vhd", b"not an image at all");
    place.put("store/base.vhd", &vhd(RIGHT));
    let child = place.put(
        "child.vhd",
        &vhd_over(RIGHT, "", vec![Locator::relative("base.vhd")]),
    );
    assert_eq!(refusal(&OpenSpec::of(&child)).0, Kind::Corrupt);
    let chain = open_chain(&searching(child, &[place.at("store")]))?;
    assert_eq!(chain[1].path, place.at("store/base.vhd"));
    Ok(())
}

#[test]
fn a_child_that_bears_its_parents_name_finds_its_parent() -> Result<()> {
    let place = Place::new();
    place.put("golden/disk.vhd", &vhd(RIGHT));
    let locators = vec![Locator::absolute("C:\\golden\\disk.vhd")];
    let child = place.put("site/disk.vhd", &vhd_over(RIGHT, "", locators));
    let chain = open_chain(&searching(child, &[place.at("golden")]))?;
    assert_eq!(chain[1].path, place.at("golden/disk.vhd"));
    Ok(())
}

#[test]
fn a_parent_of_another_size_is_noted() -> Result<()> {
    let place = Place::new();
    let id = *b"a parent, shrunk";
    let small = imgdelta_fixtures::vhd::VhdSpec {
        unique_id: id,
        ..imgdelta_fixtures::vhd::VhdSpec::fixed(imgdelta_fixtures::Recipe::small(1 << 16))
    };
    place.put("base.vhd", &small.build());
    let child = place.put("child.vhd", &vhd_over(id, "base.vhd", vec![]));
    let chain = open_chain(&OpenSpec::of(child))?;
    assert!(
        chain[1]
            .notes
            .iter()
            .any(|note| note.contains("65536 bytes"))
    );
    Ok(())
}
