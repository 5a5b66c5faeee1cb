//! Long chains, chains without end, and parents that fail.

use std::time::{Duration, Instant};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_fixtures::{
    Fill, Recipe,
    qcow2::{Backing, Qcow2Spec},
    vhd::{Parent, VhdSpec},
};
use imgdelta_registry::{MOST_LAYERS, OpenSpec, open_chain};

use crate::place::{Place, SIZE, layer, qcow2_over, read, refusal};

/// Writes a chain of `layers` qcow2 images, `000.qcow2` on top, and returns the disk that it shows.
fn long_chain(place: &Place, layers: u64) -> Vec<u8> {
    let mut disk = vec![0; SIZE as usize];
    for number in (0..layers).rev() {
        let backing = (number + 1 < layers).then(|| Backing {
            name: format!("{:03}.qcow2", number + 1),
            format: Some("qcow2".to_owned()),
        });
        let spec = Qcow2Spec {
            backing,
            feature_names: false,
            ..Qcow2Spec::new(layer(number), 9)
        };
        place.put(&format!("{number:03}.qcow2"), &spec.build());
        layer(number).paint(0, &mut disk);
    }
    disk
}

#[test]
fn a_chain_of_two_hundred_layers_opens_and_shows_the_right_disk() -> Result<()> {
    let place = Place::new();
    let disk = long_chain(&place, 200);
    let chain = open_chain(&OpenSpec::of(place.at("000.qcow2")))?;
    assert_eq!(chain.len(), 200);
    assert!(read(&chain)? == disk);
    Ok(())
}

#[test]
fn the_layer_after_the_last_that_is_allowed_is_not_opened() -> Result<()> {
    let place = Place::new();
    long_chain(&place, MOST_LAYERS as u64 + 1);
    // The one too many is none at all: nobody finds out.
    place.put("256.qcow2", b"no image");
    let allowed = OpenSpec::of(place.at("000.qcow2"));
    assert_eq!(refusal(&allowed), (Kind::Unsupported, "chain_depth"));
    long_chain(&place, MOST_LAYERS as u64);
    assert_eq!(open_chain(&allowed)?.len(), MOST_LAYERS);
    Ok(())
}

#[test]
fn a_chain_that_leads_back_into_itself_is_told_by_its_files() {
    let place = Place::new();
    let begun = Instant::now();
    let over = |name| qcow2_over(name, Some(Format::Qcow2));
    let own = place.put("own.qcow2", &over("own.qcow2"));
    let a = place.put("a.qcow2", &over("b.qcow2"));
    place.put("b.qcow2", &over("c.qcow2"));
    place.put("c.qcow2", &over("b.qcow2"));
    place.put("d.qcow2", &over("hard.qcow2"));
    std::fs::hard_link(place.at("d.qcow2"), place.at("hard.qcow2")).expect("links");
    place.put("e.qcow2", &over("soft.qcow2"));
    place.link("soft.qcow2", "e.qcow2");
    for (top, message) in [
        (own, "parent chain loops: own.qcow2 -> own.qcow2"),
        (
            a,
            "parent chain loops: a.qcow2 -> b.qcow2 -> c.qcow2 -> b.qcow2",
        ),
        (
            place.at("d.qcow2"),
            "parent chain loops: d.qcow2 -> hard.qcow2",
        ),
        (
            place.at("e.qcow2"),
            "parent chain loops: e.qcow2 -> soft.qcow2",
        ),
    ] {
        let error = open_chain(&OpenSpec::of(&top)).expect_err("it has no end");
        assert_eq!(error.message(), message);
        assert_eq!((error.kind(), error.code()), (Kind::Chain, "parent_loop"));
        assert_eq!(error.location().file, Some(top));
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn an_error_in_a_parent_names_the_parent_and_whose_it_is() {
    let place = Place::new();
    let child = place.put(
        "child.qcow2",
        &qcow2_over("base.qcow2", Some(Format::Qcow2)),
    );
    place.put("base.qcow2", &[0; 4096]);
    let error = open_chain(&OpenSpec::of(&child)).expect_err("the base is damaged");
    assert_eq!(error.kind(), Kind::Corrupt);
    assert_eq!(error.location().file, Some(place.at("base.qcow2")));
    let said = format!("it is the parent of {}", child.display());
    assert!(error.details().contains(&said), "{:?}", error.details());
}

#[test]
fn formats_mix_in_a_chain() -> Result<()> {
    let place = Place::new();
    let id = *b"mixed chain's id";
    let recipes = [
        Recipe::of(
            SIZE,
            [(0, 4096, Fill::Pattern(1)), (65536, 512, Fill::Zero)],
        ),
        Recipe::of(SIZE, [(8192, 512, Fill::Pattern(2))]),
        Recipe::of(SIZE, [(0, 131_072, Fill::Pattern(3))]),
    ];
    let disk = recipes
        .iter()
        .rev()
        .fold(vec![0; SIZE as usize], |mut disk, recipe| {
            recipe.paint(0, &mut disk);
            disk
        });
    let base = VhdSpec {
        unique_id: id,
        ..VhdSpec::fixed(recipes[2].clone())
    };
    place.put("base.vhd", &base.build());
    let middle = VhdSpec {
        parent: Some(Parent::named(id, "base.vhd")),
        ..VhdSpec::differencing(recipes[1].clone(), 1 << 19, id, "base.vhd")
    };
    place.put("middle.vhd", &middle.build());
    let top = Qcow2Spec {
        backing: Some(Backing {
            name: "middle.vhd".to_owned(),
            format: Some("vpc".to_owned()),
        }),
        ..Qcow2Spec::new(recipes[0].clone(), 9)
    };
    let chain = open_chain(&OpenSpec::of(place.put("top.qcow2", &top.build())))?;
    assert_eq!(chain.len(), 3);
    assert!(read(&chain)? == disk);
    Ok(())
}
