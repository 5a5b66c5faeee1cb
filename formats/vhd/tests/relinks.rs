//! Children that are given another parent: what is patched, and where a longer path goes.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a wrong test should stop"
)]

mod driving;

use driving::{Pair, Tested, check, memory, open, pair, parent_of, patched, read_over, write};
use imgdelta_core::{Bytes, Kind, ParentSpec};
use imgdelta_fixtures::{
    Recipe, conform,
    vhd::{Locator, Space, VhdSpec},
};
use imgdelta_vhd::DRIVER;

#[test]
fn a_child_can_be_given_another_parent() -> Tested {
    let Pair {
        base,
        below,
        target,
        ..
    } = pair(&Recipe::sectors(3 << 20, 12), 512 << 10)?;
    let child = write(
        &target,
        &["block_size=512K"],
        Some((parent_of(&*base, "base.vhd"), &below)),
    )?;
    let other = ParentSpec {
        identity: Some(imgdelta_core::Identity {
            kind: "unique id",
            value: "00112233-4455-6677-8899-aabbccddeeff".into(),
        }),
        ..parent_of(&*base, "a/much/longer/way/to/golden.vhd")
    };
    let patches = (DRIVER.relink.expect("VHD has children"))(&memory(child.clone()), &other)?;
    let linked = patched(child.clone(), &patches);
    assert_eq!(linked.len(), child.len(), "the reserved room is enough");
    let image = open(linked.clone(), &[])?;
    let link = image.parent().expect("a child");
    let texts: Vec<_> = link.hints.iter().map(|hint| hint.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            ".\\a\\much\\longer\\way\\to\\golden.vhd",
            "golden.vhd",
            "\\images\\a\\much\\longer\\way\\to\\golden.vhd"
        ]
    );
    assert_eq!(
        link.identities,
        other.identity.clone().into_iter().collect::<Vec<_>>()
    );
    assert!(read_over(&*image, &below)? == target);
    assert_eq!(
        image.metadata().identity,
        open(child.clone(), &[])?.metadata().identity
    );
    assert!(check(linked)?.notes.is_empty());
    let smaller = ParentSpec {
        size: Bytes::mib(2),
        ..other
    };
    assert!((DRIVER.relink.expect("VHD has children"))(&memory(child), &smaller).is_err());
    Ok(())
}

#[test]
fn a_path_that_does_not_fit_goes_to_the_end_of_the_file() -> Tested {
    let recipe = Recipe::sectors(1 << 20, 4);
    let long = format!("{}/golden.vhd", "folder".repeat(100));
    for short_footer in [false, true] {
        let old = VhdSpec {
            locators: vec![
                Locator::mac_url("file:///old/base.vhd"),
                // Claims more room than there is before the first block.
                Locator::relative("base.vhd")
                    .space(Space::Bytes(1 << 20))
                    .at(8192),
            ],
            short_footer,
            ..VhdSpec::differencing(recipe.clone(), 64 << 10, [9; 16], "base.vhd")
        };
        let mut child = VhdSpec { ..old }.build();
        // The locator's room ends with its data; the fixture left all of it.
        let entry = 512 + 576 + 24 + 4;
        child[entry..entry + 4].copy_from_slice(&512_u32.to_be_bytes());
        imgdelta_fixtures::vhd::seal_header(&mut child[512..1536]);
        let base = open(
            VhdSpec {
                unique_id: [8; 16],
                ..VhdSpec::fixed(Recipe::small(1 << 20))
            }
            .build(),
            &[],
        )?;
        let parent = parent_of(&*base, &long);
        let patches = (DRIVER.relink.expect("VHD has children"))(&memory(child.clone()), &parent)?;
        let linked = patched(child, &patches);
        let image = open(linked.clone(), &[])?;
        assert!(
            image.metadata().notes.is_empty(),
            "{:?}",
            image.metadata().notes
        );
        let link = image.parent().expect("a child");
        assert_eq!(
            link.hints[0].text,
            format!(".\\{}", long.replace('/', "\\"))
        );
        assert_eq!(link.hints.len(), 3);
        conform(&image, &recipe, Some(&vec![6; 1 << 20]));
        assert!(check(linked.clone())?.faults.is_empty());
        // And once more, to a short one: now there is room.
        let back = (DRIVER.relink.expect("VHD has children"))(
            &memory(linked.clone()),
            &parent_of(&*base, "base.vhd"),
        )?;
        assert_eq!(patched(linked.clone(), &back).len(), linked.len());
    }
    Ok(())
}

#[test]
fn what_has_no_parent_is_not_relinked() -> Tested {
    let base = open(VhdSpec::fixed(Recipe::small(1 << 20)).build(), &[])?;
    let dynamic = VhdSpec::dynamic(Recipe::small(1 << 20), 64 << 10).build();
    let refused = (DRIVER.relink.expect("VHD has children"))(
        &memory(dynamic),
        &parent_of(&*base, "base.vhd"),
    );
    assert_eq!(
        refused.expect_err("it is no child").kind(),
        Kind::Unsupported
    );
    Ok(())
}
