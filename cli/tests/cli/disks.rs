//! The main job for every base, target and child: make, apply, attach, and the chain read back.

use imgdelta_fixtures::{
    Fill, Recipe,
    golden::{self, BASE_ID, PATCHED_ID},
    qcow2::{Compression, Qcow2Spec},
    vhd::VhdSpec,
};

use crate::place::Place;

/// A disk in every form: name of the file and its bytes.
fn forms(stem: &str, recipe: &Recipe, unique_id: [u8; 16]) -> Vec<(String, Vec<u8>)> {
    let vhd = |spec: VhdSpec| VhdSpec { unique_id, ..spec }.build();
    let compressed = Qcow2Spec {
        compression: Some(Compression::deflate()),
        ..Qcow2Spec::new(recipe.clone(), 16)
    };
    vec![
        (format!("{stem}.raw"), recipe.content(None)),
        (
            format!("{stem}-fixed.vhd"),
            vhd(VhdSpec::fixed(recipe.clone())),
        ),
        (
            format!("{stem}-dynamic.vhd"),
            vhd(VhdSpec::dynamic(recipe.clone(), 2 << 20)),
        ),
        (
            format!("{stem}.qcow2"),
            Qcow2Spec::new(recipe.clone(), 16).build(),
        ),
        (format!("{stem}-packed.qcow2"), compressed.build()),
    ]
}

#[test]
fn every_base_target_and_child_makes_the_whole_way() {
    let place = Place::empty();
    let bases = forms("base", &golden::base(), BASE_ID);
    let targets = forms("target", &golden::patched(), PATCHED_ID);
    for (name, bytes) in bases.iter().chain(&targets) {
        place.write(name, bytes);
    }
    let expected = golden::patched_bytes();
    for (base, _) in &bases {
        for (target, _) in &targets {
            for child in ["c.vhd", "c.qcow2"] {
                if child.ends_with("vhd") && !base.ends_with("vhd") {
                    continue;
                }
                whole_way(&place, base, target, child, &expected);
            }
        }
    }
}

/// From two images to a child, and from base and child to the target again, in both ways.
fn whole_way(place: &Place, base: &str, target: &str, child: &str, expected: &[u8]) {
    let case = format!("{base} {target} {child}");
    place.ok(&format!("make -b {base} -t {target} -o {child} --force -q"));
    place.ok(&format!("apply {child} -b {base} -o full.raw --force -q"));
    assert!(place.read("full.raw") == expected, "apply {case}");
    place.ok(&format!("attach {child} -b {base} -q"));
    place.ok(&format!("convert {child} -o flat.raw --force -q"));
    assert!(place.read("flat.raw") == expected, "chain {case}");
    place.ok(&format!("check {child} -q"));
}

#[test]
fn the_result_of_apply_has_any_format() {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o c.vhd");
    for output in ["full.raw", "full.vhd", "full.qcow2", "full.img"] {
        place.ok(&format!("apply c.vhd -b golden.qcow2 -o {output}"));
        place.ok(&format!("compare {output} patched.raw -q"));
        place.ok(&format!("check {output} -q"));
    }
    place.ok("apply c.vhd -b golden.raw -o fixed.vhd --option subformat=fixed");
    place.ok("compare fixed.vhd patched.raw -q");
}

#[test]
fn a_base_may_be_a_chain_and_a_child_may_have_children() {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o november.vhd");
    let mut december = golden::patched_bytes();
    december[4 << 20] ^= 0xff;
    place.write("december.raw", &december);
    place.ok("make -b november.vhd -t december.raw -o december.vhd");
    place.ok("apply december.vhd -b november.vhd -o full.raw");
    assert!(place.read("full.raw") == december);
    // The same disk in another form is as good a base.
    place.ok("apply december.vhd -b patched.qcow2 -o other.raw");
    assert!(place.read("other.raw") == december);
    place.ok("convert december.vhd -o flat.raw");
    assert!(place.read("flat.raw") == december);
    assert!(
        place
            .ok("info december.vhd --chain --json")
            .contains("golden.vhd")
    );
}

#[test]
fn sizes_may_differ_where_the_format_can() {
    let place = Place::empty();
    let base = Recipe::small(3 << 20);
    place.write("base.raw", &base.content(None));
    place.write("base.qcow2", &Qcow2Spec::new(base.clone(), 16).build());
    for size in [2 << 20, 5 << 20, (3 << 20) + 513, (2 << 20) + 1] {
        let target = Recipe::of(
            size,
            [
                (0, 512, Fill::Pattern(9)),
                (1 << 20, 300_000, Fill::Text),
                (size - 100, 100, Fill::Pattern(4)),
            ],
        )
        .content(None);
        place.write("target.raw", &target);
        for base in ["base.raw", "base.qcow2"] {
            place.ok(&format!(
                "make -b {base} -t target.raw -o c.qcow2 --force -q"
            ));
            place.ok(&format!("apply c.qcow2 -b {base} -o full.raw --force -q"));
            assert!(place.read("full.raw") == target, "{base} {size}");
            place.ok(&format!("attach c.qcow2 -b {base} -q"));
            place.ok("compare c.qcow2 target.raw --ignore-size -q");
        }
    }
}

#[test]
fn a_base_that_is_longer_by_rounding_is_the_same_disk() {
    let place = Place::empty();
    let disk =
        |seed| Recipe::of((1 << 20) + 77, [(0, (1 << 20) + 77, Fill::Pattern(seed))]).content(None);
    place.write("base.raw", &disk(1));
    place.write("target.raw", &disk(2));
    place.ok("make -b base.raw -t target.raw -o c.qcow2");
    place.ok("convert base.raw -o base.vhd");
    place.ok("apply c.qcow2 -b base.vhd -o full.raw");
    assert!(place.read("full.raw") == disk(2));
}

#[test]
fn snapshots_are_disks_too() {
    use imgdelta_fixtures::qcow2::Snapshot;
    let place = Place::golden();
    let image = Qcow2Spec {
        snapshots: vec![Snapshot::new("1", "january", golden::base())],
        ..Qcow2Spec::new(golden::patched(), 16)
    };
    place.write("server.qcow2", &image.build());
    place.ok("convert server.qcow2 --snapshot january -o january.raw");
    assert!(place.read("january.raw") == golden::base_bytes());
    place.ok("compare server.qcow2 golden.raw --snapshot january -q");
    let said =
        place.run("make -b server.qcow2 --base-snapshot january -t server.qcow2 -o since.qcow2");
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(said.err.contains("--base-snapshot"), "{}", said.err);
    assert!(!said.out.contains("attach"), "{}", said.out);
    place.ok("apply since.qcow2 -b server.qcow2 --base-snapshot january -o full.raw");
    assert!(place.read("full.raw") == golden::patched_bytes());
    place.refused(
        "attach since.qcow2 -b server.qcow2 --base-snapshot january",
        4,
    );
    let said = place.run("convert server.qcow2 -o now.raw");
    assert!(
        said.err.contains("internal snapshots left out: 1"),
        "{}",
        said.err
    );
}

#[test]
fn without_a_manifest_the_identity_is_checked_only_if_asked_for() {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o c.vhd");
    std::fs::remove_file(place.path("c.vhd.manifest.json")).expect("it is there");
    place.refused("apply c.vhd -b golden.vhd -o full.raw", 5);
    let said = place.run("apply c.vhd -b golden.vhd -o full.raw --by-identity");
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(said.out.contains("not proven"), "{}", said.out);
    assert!(place.read("full.raw") == golden::patched_bytes());
    place.refused("apply c.vhd -b patched.vhd -o other.raw --by-identity", 5);
    place.refused("apply c.vhd -b golden.raw -o other.raw --by-identity", 5);
    place.ok("attach c.vhd -b golden.vhd --by-identity");

    place.ok("make -b golden.raw -t patched.raw -o c.qcow2");
    place.refused("apply c.qcow2 -b golden.raw -o other.raw --by-identity", 5);
}

#[test]
fn a_manifest_may_stand_elsewhere() {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o c.vhd");
    std::fs::rename(
        place.path("c.vhd.manifest.json"),
        place.path("elsewhere.json"),
    )
    .expect("room");
    place.ok("apply c.vhd -b golden.vhd --manifest elsewhere.json -o full.raw");
    place.ok("attach c.vhd -b golden.vhd --manifest elsewhere.json");
}
