//! A parent that no path leads to is found by its identity, or the error says where it was looked for.

use imgdelta_core::{Kind, Result};
use imgdelta_fixtures::{
    Fill, Recipe,
    vdi::VdiSpec,
    vmdk::{Layout, VmdkSpec},
};
use imgdelta_registry::{OpenSpec, Policy, open_chain};

use crate::place::{Place, SIZE, layer, refusal, searching};

fn base(id: u8) -> VdiSpec {
    VdiSpec {
        create: [id; 16],
        ..VdiSpec::dynamic(layer(u64::from(id)), 4096)
    }
}

fn child() -> VdiSpec {
    let change = Recipe::of(SIZE, [(8192, 4096, Fill::Text)]);
    VdiSpec::differencing(change, 4096, &base(1))
}

fn vmdk(stem: &str, cid: &str) -> Vec<u8> {
    let mut spec = VmdkSpec::new(layer(1), Layout::Sparse);
    spec.stem = stem.into();
    spec.text.cid = cid.into();
    spec.build().swap_remove(0).1
}

fn vmdk_over(cid: u32, hint: &str) -> Vec<u8> {
    let change = Recipe::of(SIZE, [(0, 1 << 16, Fill::Text)]);
    let spec = VmdkSpec::child(change, Layout::Sparse, cid, hint);
    spec.build().swap_remove(0).1
}

#[test]
fn the_parent_of_a_vdi_is_found_among_the_images_of_its_folder_and_of_those_that_are_added()
-> Result<()> {
    let place = Place::new();
    let child = place.put("child.vdi", &child().build());
    place.put("other.vdi", &base(2).build());
    place.put("notes.vdi", b"no image at all");
    place.pipe("pipe.vdi");
    assert_eq!(
        refusal(&OpenSpec::of(&child)),
        (Kind::Chain, "parent_missing")
    );
    place.put("store/golden disk", &base(1).build());
    let chain = open_chain(&searching(child.clone(), &[place.at("store")]))?;
    assert_eq!(chain[1].path, place.at("store/golden disk"));
    assert!(chain[1].notes.is_empty(), "{:?}", chain[1].notes);
    // Folders below are not entered.
    assert_eq!(
        refusal(&OpenSpec::of(&child)),
        (Kind::Chain, "parent_missing")
    );
    let right = place.put("base.vdi", &base(1).build());
    assert_eq!(open_chain(&OpenSpec::of(child))?[1].path, right);
    Ok(())
}

#[test]
fn several_parents_are_an_error_that_lists_them_unless_they_are_one_file() -> Result<()> {
    let place = Place::new();
    let child = place.put("child.vdi", &child().build());
    let first = place.put("a.vdi", &base(1).build());
    std::fs::hard_link(&first, place.at("b.vdi")).expect("room");
    assert_eq!(open_chain(&OpenSpec::of(&child))?.len(), 2);
    place.put("c.vdi", &base(1).build());
    let error = open_chain(&OpenSpec::of(&child)).expect_err("there are two");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Chain, "parent_ambiguous")
    );
    let listed = error.details().join("\n");
    assert!(
        listed.contains("c.vdi") && listed.lines().count() == 2,
        "{listed}"
    );
    let chosen = OpenSpec {
        policy: Policy {
            parent: vec![place.at("c.vdi")],
            ..Policy::default()
        },
        ..OpenSpec::of(child)
    };
    assert_eq!(open_chain(&chosen)?[1].path, place.at("c.vdi"));
    Ok(())
}

#[test]
fn a_parent_that_was_written_to_since_is_not_the_parent() {
    let place = Place::new();
    let child = place.put("child.vdi", &child().build());
    let changed = VdiSpec {
        modify: *b"its second state",
        ..base(1)
    };
    let base = place.put("base.vdi", &changed.build());
    let error = open_chain(&OpenSpec::of(&child)).expect_err("it is another disk");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Chain, "parent_identity")
    );
    assert!(error.message().contains("UUIDs"), "{}", error.message());
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("--accept-parent-id"), "{hint}");
    let named = OpenSpec {
        policy: Policy {
            parent: vec![base],
            ..Policy::default()
        },
        ..OpenSpec::of(child)
    };
    assert_eq!(refusal(&named), (Kind::Chain, "parent_identity"));
}

#[test]
fn no_link_leads_out_of_a_folder_that_is_looked_through() {
    let place = Place::new();
    let outside = place.put("outside/base.vdi", &base(1).build());
    let child = place.put("home/child.vdi", &child().build());
    place.link("home/base.vdi", outside);
    assert_eq!(
        refusal(&OpenSpec::of(child)),
        (Kind::Chain, "parent_missing")
    );
}

#[test]
fn a_child_is_never_its_own_parent() {
    let place = Place::new();
    let own = VdiSpec {
        create: [1; 16],
        modify: base(1).modify,
        ..child()
    };
    let child = place.put("child.vdi", &own.build());
    assert_eq!(
        refusal(&OpenSpec::of(child)),
        (Kind::Chain, "parent_missing")
    );
}

#[test]
fn a_vmdk_that_was_renamed_is_found_by_its_content_id_with_a_word_about_it() -> Result<()> {
    let place = Place::new();
    let child = place.put("child.vmdk", &vmdk_over(0xabc, "base.vmdk"));
    place.put("base.vmdk", &vmdk("base", "00000123"));
    let error = open_chain(&OpenSpec::of(&child)).expect_err("it is another disk");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Chain, "parent_identity")
    );
    place.put("golden.vmdk", &vmdk("golden", "abc"));
    let chain = open_chain(&OpenSpec::of(child))?;
    assert_eq!(chain[1].path, place.at("golden.vmdk"));
    assert!(chain[1].notes.iter().any(|note| note.contains("identity")));
    Ok(())
}

#[test]
fn extents_lie_in_the_images_folder_or_one_that_is_added() -> Result<()> {
    let place = Place::new();
    let files = VmdkSpec::new(layer(3), Layout::SplitSparse(SIZE / 2)).build();
    let image = place.put("home/disk.vmdk", &files[0].1);
    place.put("home/disk-s001.vmdk", &files[1].1);
    place.put("store/disk-s002.vmdk", &files[2].1);
    assert_eq!(
        refusal(&OpenSpec::of(&image)),
        (Kind::Chain, "companion_missing")
    );
    let chain = open_chain(&searching(image, &[place.at("store")]))?;
    assert!(crate::place::read(&chain)? == layer(3).expected(None));
    assert_eq!(chain[0].inputs()?.len(), 3);
    Ok(())
}
