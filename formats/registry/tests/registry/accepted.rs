//! A parent whose id changed since the child was made: refused with the word that takes it, and taken with a note.

use std::path::PathBuf;

use imgdelta_core::{Kind, Result};
use imgdelta_fixtures::{
    Fill, Recipe,
    vdi::VdiSpec,
    vhd::{Locator, VhdSpec},
    vhdx::VhdxSpec,
    vmdk::{Layout, VmdkSpec},
};
use imgdelta_registry::{OpenSpec, open_chain};

use crate::place::{Place, SIZE, naming, read, refusal, searching, vhd, vhd_over};

const BLOCK: u32 = 1 << 20;

fn base_disk() -> Recipe {
    Recipe::of(2 * SIZE, [(0, 2 * SIZE, Fill::Pattern(3))])
}

fn change() -> Recipe {
    Recipe::of(2 * SIZE, [(SIZE, SIZE, Fill::Pattern(4))])
}

fn vmdk(recipe: Recipe, cid: &str, parent: Option<u32>, stem: &str) -> Vec<u8> {
    let mut spec = match parent {
        Some(parent) => VmdkSpec::child(recipe, Layout::Sparse, parent, "base.vmdk"),
        None => VmdkSpec::new(recipe, Layout::Sparse),
    };
    spec.text.cid = cid.into();
    spec.stem = stem.into();
    spec.build().swap_remove(0).1
}

/// A child and a base that has another id than the one that it was made over, in every format that has ids.
fn pairs(place: &Place) -> Vec<(PathBuf, PathBuf)> {
    let vhd = |id: [u8; 16]| VhdSpec {
        unique_id: id,
        ..VhdSpec::dynamic(base_disk(), BLOCK)
    };
    let vhdx = |id: [u8; 16]| VhdxSpec {
        data_write: id,
        ..VhdxSpec::dynamic(base_disk(), BLOCK)
    };
    let vdi = |state: [u8; 16]| VdiSpec {
        modify: state,
        ..VdiSpec::dynamic(base_disk(), BLOCK)
    };
    vec![
        (
            place.put(
                "child.vhd",
                &VhdSpec {
                    locators: vec![Locator::relative("base.vhd")],
                    ..VhdSpec::differencing(change(), BLOCK, [1; 16], "base.vhd")
                }
                .build(),
            ),
            place.put("base.vhd", &vhd([2; 16]).build()),
        ),
        (
            place.put(
                "child.vhdx",
                &VhdxSpec::differencing(change(), BLOCK, &vhdx([1; 16]), "base.vhdx").build(),
            ),
            place.put("base.vhdx", &vhdx([2; 16]).build()),
        ),
        (
            place.put(
                "child.vmdk",
                &vmdk(change(), "c0ffee01", Some(0xabc), "child"),
            ),
            place.put("base.vmdk", &vmdk(base_disk(), "deadbeef", None, "base")),
        ),
        (
            place.put(
                "child.vdi",
                &VdiSpec::differencing(change(), BLOCK, &vdi([1; 16])).build(),
            ),
            place.put("base.vdi", &vdi([2; 16]).build()),
        ),
    ]
}

#[test]
fn a_parent_with_another_id_is_refused_with_the_word_that_takes_it() -> Result<()> {
    let place = Place::new();
    let mut disk = base_disk().expected(None);
    change().paint(0, &mut disk);
    for (child, base) in pairs(&place) {
        let mut spec = naming(child.clone(), std::slice::from_ref(&base));
        let error = open_chain(&spec).expect_err("it has another id");
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Chain, "parent_identity")
        );
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains("--accept-parent-id"), "{hint}");
        spec.policy.accept_parent_id = true;
        let chain = open_chain(&spec)?;
        assert!(read(&chain)? == disk, "{}", child.display());
        let notes = chain[1].notes.join("\n");
        assert!(notes.contains("--accept-parent-id"), "{notes}");
        // Where the child records a path, or the image but not its state, the file need not be named.
        let mut spec = OpenSpec::of(&child);
        assert_eq!(refusal(&spec), (Kind::Chain, "parent_identity"));
        spec.policy.accept_parent_id = true;
        assert_eq!(open_chain(&spec)?[1].path, base);
    }
    Ok(())
}

#[test]
fn the_right_parent_is_taken_before_one_that_must_be_accepted() -> Result<()> {
    let place = Place::new();
    let (right, wrong) = ([1; 16], [2; 16]);
    place.put("home/base.vhd", &vhd(wrong));
    let child = vhd_over(right, "base.vhd", vec![Locator::relative("base.vhd")]);
    let child = place.put("home/child.vhd", &child);
    place.put("store/base.vhd", &vhd(right));
    let mut spec = searching(child, &[place.at("store")]);
    spec.policy.accept_parent_id = true;
    let chain = open_chain(&spec)?;
    assert_eq!(chain[1].path, place.at("store/base.vhd"));
    assert!(!chain[1].notes.join("").contains("accept"));
    Ok(())
}

#[test]
fn several_that_could_be_accepted_are_listed_and_a_loop_is_never_accepted() {
    let place = Place::new();
    place.put("home/base.vhd", &vhd([2; 16]));
    place.put("store/base.vhd", &vhd([3; 16]));
    let bytes = vhd_over([1; 16], "base.vhd", vec![]);
    let child = place.put("home/child.vhd", &bytes);
    let mut spec = searching(child, &[place.at("store")]);
    spec.policy.accept_parent_id = true;
    let error = open_chain(&spec).expect_err("there are two");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Chain, "parent_ambiguous")
    );
    assert_eq!(error.details().len(), 2);
    let own = place.put("home/own.vhd", &vhd_over([1; 16], "own.vhd", vec![]));
    let mut spec = OpenSpec::of(own);
    spec.policy.accept_parent_id = true;
    assert_eq!(refusal(&spec), (Kind::Chain, "parent_loop"));
}

#[test]
fn what_is_no_such_image_is_never_accepted() {
    let place = Place::new();
    place.put("base.vhd", &[7; 4096]);
    let child = place.put("child.vhd", &vhd_over([1; 16], "base.vhd", vec![]));
    let mut spec = OpenSpec::of(child);
    spec.policy.accept_parent_id = true;
    assert_eq!(refusal(&spec).0, Kind::Corrupt);
    // Nothing is left of an image but the name, which promises nothing.
    let base = place.put("base", &[7; 4096]);
    let child = place.put("child.vhd", &vhd_over([1; 16], "base", vec![]));
    let mut spec = naming(child, &[base]);
    spec.policy.accept_parent_id = true;
    let error = open_chain(&spec).expect_err("it may be anything");
    assert_eq!(error.code(), "parent_identity");
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("--backing-format raw"), "{hint}");
}
