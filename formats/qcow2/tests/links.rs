//! What a child says of its parent, and how it is given another.

#![allow(clippy::indexing_slicing, reason = "a wrong test should stop")]

mod reading;

use imgdelta_core::{Bytes, Error, Format, Kind, ParentSpec, Result};
use imgdelta_fixtures::{
    Recipe, conform,
    qcow2::{Backing, Qcow2Spec},
};
use imgdelta_qcow2::DRIVER;
use reading::{memory, open, recipe};

#[test]
fn the_parent_link_says_what_is_recorded_and_no_more() -> Result<()> {
    let link = |name: &str, format: Option<&str>| {
        let spec = Qcow2Spec {
            backing: Some(Backing {
                name: name.into(),
                format: format.map(str::to_owned),
            }),
            ..Qcow2Spec::new(Recipe::empty(1 << 20), 12)
        };
        let references = (DRIVER.references)(&memory(&spec.build()))?;
        references
            .parent
            .ok_or_else(|| Error::new(Kind::Chain, "no parent"))
    };
    for (name, format) in [
        ("raw", Format::Raw),
        ("qcow2", Format::Qcow2),
        ("vpc", Format::Vhd),
        ("vmdk", Format::Vmdk),
        ("vdi", Format::Vdi),
        ("vhdx", Format::Vhdx),
    ] {
        assert_eq!(link("base", Some(name))?.format, Some(format));
    }
    let link = link("json:{}", None)?;
    assert_eq!((link.format, link.identities.len()), (None, 0));
    assert_eq!(
        (link.hints[0].field, link.hints[0].text.as_str()),
        ("backing file", "json:{}")
    );
    Ok(())
}

/// Writes the patches of a relink over the image.
fn relinked(bytes: &[u8], parent: &ParentSpec) -> Result<Vec<u8>> {
    let relink = DRIVER.relink.expect("qcow2 relinks");
    let mut bytes = bytes.to_vec();
    for patch in relink(&memory(&bytes), parent)? {
        let at = Bytes(patch.at.0).in_memory();
        bytes[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
    }
    Ok(bytes)
}

#[test]
fn a_relinked_child_names_its_new_parent_and_keeps_everything_else() -> Result<()> {
    let under = Recipe::scatter(1 << 20, 4096, 1).expected(None);
    for version in [2, 3] {
        let spec = Qcow2Spec {
            version,
            extensions: vec![(0x1234_5678, b"kept".to_vec()), (0x1234_5679, vec![7; 33])],
            more_features: [0, 0, if version == 3 { 1 << 40 } else { 0 }],
            ..Qcow2Spec::child(recipe(16, 1), 16, "a-rather-long-name.raw", "raw", &under)
        };
        let parent = |relative: &str| ParentSpec {
            format: Some(Format::Vhd),
            relative: Some(relative.to_owned()),
            absolute: "/golden/base.vhd".to_owned(),
            ..ParentSpec::default()
        };
        let bytes = relinked(&spec.build(), &parent("../b.vhd"))?;
        let image = open(&bytes)?;
        let link = image.parent().expect("it is a child");
        assert_eq!(
            (link.format, link.hints[0].text.as_str()),
            (Some(Format::Vhd), "../b.vhd")
        );
        assert!(bytes.windows(4).any(|found| found == b"kept"));
        if version == 3 {
            assert_eq!(bytes[88..96], [0; 8], "an unknown autoclear bit is cleared");
        }
        conform(&image, &spec.recipe, Some(&under));
        let back = relinked(&bytes, &parent("a:b.vhd"))?;
        let references = (DRIVER.references)(&memory(&back))?;
        assert_eq!(
            references.parent.expect("a child").hints[0].text,
            "./a:b.vhd"
        );
    }
    Ok(())
}

#[test]
fn a_name_that_does_not_fit_is_refused() {
    let spec = Qcow2Spec::child(Recipe::empty(1 << 20), 9, "b.raw", "raw", &[]);
    for (len, kind) in [
        (100, None),
        (460, Some(Kind::Unsupported)),
        (1024, Some(Kind::Unsupported)),
    ] {
        let parent = ParentSpec {
            format: Some(Format::Raw),
            absolute: "/".repeat(len),
            ..ParentSpec::default()
        };
        let found = relinked(&spec.build(), &parent)
            .err()
            .map(|error| error.kind());
        assert_eq!(found, kind, "{len}");
    }
    let alone = Qcow2Spec::new(Recipe::empty(1 << 20), 12).build();
    let error = relinked(&alone, &ParentSpec::default()).expect_err("it has no parent");
    assert_eq!(error.kind(), Kind::Usage);
}
