//! Children over bases of other formats, as VirtualBox makes them: it gives every image a UUID, whatever its format.

use std::path::PathBuf;

use imgdelta_core::{Format, Kind, Result};
use imgdelta_fixtures::{
    Fill, Recipe, mixed,
    qcow2::{Backing, Qcow2Spec},
    vdi::VdiSpec,
};
use imgdelta_registry::{OpenSpec, open_chain};

use crate::place::{Place, naming, qcow2, read, refusal};

/// `base.FORMAT`, as its children know it.
fn put_base(place: &Place, format: &str) -> PathBuf {
    let bytes = mixed::base(format, mixed::STATE);
    place.put(&format!("base.{format}"), &bytes)
}

/// `child.FORMAT` over a base of another.
fn put_child(place: &Place, format: &str, over: &str) -> PathBuf {
    place.put(&format!("child.{format}"), &mixed::child(format, over))
}

#[test]
fn all_nine_pairs_of_virtualboxs_formats_are_chains() -> Result<()> {
    let pairs = mixed::FORMATS.into_iter();
    for (child, base) in pairs.flat_map(|child| mixed::FORMATS.map(|base| (child, base))) {
        let place = Place::new();
        let parent = put_base(&place, base);
        let top = put_child(&place, child, base);
        let format: Format = base.parse()?;
        let mut said = naming(top.clone(), std::slice::from_ref(&parent));
        let named = said.clone();
        said.policy.backing_format = Some(format);
        for spec in [OpenSpec::of(&top), named, said] {
            let chain = open_chain(&spec)?;
            assert_eq!(chain[1].path, parent, "{child} over {base}");
            assert_eq!(chain[1].driver.format, format);
            assert!(read(&chain)? == mixed::disk(), "{child} over {base}");
        }
    }
    Ok(())
}

#[test]
fn a_base_of_another_format_that_was_written_to_since_is_not_the_parent() {
    for (child, base) in [("vdi", "vmdk"), ("vmdk", "vdi")] {
        let place = Place::new();
        place.put(&format!("base.{base}"), &mixed::base(base, [7; 16]));
        let top = put_child(&place, child, base);
        assert_eq!(
            refusal(&OpenSpec::of(top)),
            (Kind::Chain, "parent_identity")
        );
    }
}

#[test]
fn a_qcow2_is_a_parent_where_the_user_names_it() -> Result<()> {
    let place = Place::new();
    let base = Qcow2Spec::new(mixed::base_recipe(), 16).build();
    let base = place.put("base.qcow2", &base);
    let top = put_child(&place, "vdi", "qcow2");
    assert_eq!(
        refusal(&OpenSpec::of(&top)),
        (Kind::Chain, "parent_missing")
    );
    let chain = open_chain(&naming(top.clone(), std::slice::from_ref(&base)))?;
    assert!(read(&chain)? == mixed::disk());
    assert!(
        chain[1].notes[0].contains("has no identity"),
        "{:?}",
        chain[1].notes
    );
    // What is raw only because nobody claims it may be anything.
    let raw = place.put("base.raw", &mixed::base_recipe().expected(None));
    let mut spec = naming(top, &[raw]);
    assert_eq!(refusal(&spec), (Kind::Chain, "parent_identity"));
    spec.policy.backing_format = Some(Format::Raw);
    assert!(read(&open_chain(&spec)?)? == mixed::disk());
    Ok(())
}

#[test]
fn a_format_that_the_user_says_is_one_of_several_in_a_chain() -> Result<()> {
    let place = Place::new();
    put_base(&place, "vmdk");
    let middle = put_child(&place, "vdi", "vmdk");
    let change = Recipe::of(4 << 20, [(0, 1 << 20, Fill::Pattern(9))]);
    let named = VdiSpec {
        create: mixed::CHILD,
        ..VdiSpec::dynamic(mixed::base_recipe(), 1 << 20)
    };
    let own = VdiSpec::differencing(change, 1 << 20, &named);
    let top = place.put("top.vdi", &own.build());
    for said in [None, Some(Format::Vmdk), Some(Format::Vdi)] {
        let mut spec = OpenSpec::of(&top);
        spec.policy.backing_format = said;
        let chain = open_chain(&spec)?;
        let formats: Vec<Format> = chain.iter().map(|one| one.driver.format).collect();
        assert_eq!(
            formats,
            [Format::Vdi, Format::Vdi, Format::Vmdk],
            "{said:?}"
        );
        assert_eq!(chain[1].path, middle);
    }
    Ok(())
}

#[test]
fn a_named_file_is_read_as_what_it_is_and_as_what_the_user_says() -> Result<()> {
    let place = Place::new();
    let over = |format: Option<&str>| Qcow2Spec {
        backing: Some(Backing {
            name: "gone".to_owned(),
            format: format.map(str::to_owned),
        }),
        ..Qcow2Spec::new(mixed::change(), 16)
    };
    let base = put_base(&place, "vdi");
    for recorded in [None, Some("vpc"), Some("qcow2"), Some("vdi")] {
        let top = place.put("top.qcow2", &over(recorded).build());
        let chain = open_chain(&naming(top, std::slice::from_ref(&base)))?;
        assert!(read(&chain)? == mixed::disk(), "{recorded:?}");
    }
    // That a parent is raw is recorded because its guest can write what it likes.
    let top = place.put("top.qcow2", &over(Some("raw")).build());
    let mut spec = naming(top, &[base]);
    assert_eq!(open_chain(&spec)?[1].driver.format, Format::Raw);
    spec.policy.backing_format = Some(Format::Vdi);
    assert!(read(&open_chain(&spec)?)? == mixed::disk());
    // A format that is said for another parent of the chain makes nothing of one that is what is recorded.
    let middle = place.put("middle.qcow2", &qcow2());
    let top = place.put("top.qcow2", &over(Some("qcow2")).build());
    let mut spec = naming(top, &[middle]);
    spec.policy.backing_format = Some(Format::Raw);
    assert_eq!(open_chain(&spec)?[1].driver.format, Format::Qcow2);
    Ok(())
}

#[test]
fn of_two_images_with_one_identity_that_of_the_childs_own_format_is_the_parent() -> Result<()> {
    let place = Place::new();
    let parent = put_base(&place, "vdi");
    put_base(&place, "vmdk");
    let top = put_child(&place, "vdi", "vdi");
    assert_eq!(open_chain(&OpenSpec::of(top))?[1].path, parent);
    let top = put_child(&place, "vmdk", "vmdk");
    assert_eq!(
        open_chain(&OpenSpec::of(&top))?[1].path,
        place.at("base.vmdk")
    );
    place.put("copy.vmdk", &mixed::base("vmdk", mixed::STATE));
    assert_eq!(
        refusal(&OpenSpec::of(&top)),
        (Kind::Chain, "parent_ambiguous")
    );
    std::fs::remove_file(place.at("copy.vmdk")).expect("it is there");
    std::fs::remove_file(place.at("base.vmdk")).expect("it is there");
    assert_eq!(open_chain(&OpenSpec::of(&top))?[1].path, parent);
    Ok(())
}
