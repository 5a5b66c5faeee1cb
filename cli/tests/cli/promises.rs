//! A child that is read beside its manifest is held against it: a base that was changed behind the child's back is no base.

use imgdelta_fixtures::golden;
use serde_json::Value;

use crate::place::Place;

/// Flips a byte of an image's file that is a byte of its disk, in a run of data of the image's own from `from` on.
fn flip(place: &Place, name: &str, from: u64) {
    let map: Value =
        serde_json::from_str(&place.ok(&format!("map {name} --layer --json"))).expect("JSON");
    let runs = map["extents"].as_array().expect("a list");
    let number = |run: &Value, key: &str| run[key].as_u64();
    let stored = runs.iter().find_map(|run| {
        let (start, length) = (number(run, "start")?, number(run, "length")?);
        let offset = number(run, "offset")?;
        (start + length > from).then(|| offset + from.saturating_sub(start))
    });
    let at = usize::try_from(stored.expect("it has data")).expect("small");
    place.change(name, |bytes| bytes[at] ^= 0x80);
}

/// Base and attached child in each format that has children.
const FORMATS: [&str; 5] = ["vhd", "vhdx", "vmdk", "vdi", "qcow2"];

fn pair(place: &Place, format: &str) -> (String, String) {
    let (base, child) = (format!("base.{format}"), format!("child.{format}"));
    place.ok(&format!("convert golden.raw -o {base} --force -q"));
    place.ok(&format!(
        "make -b {base} -t patched.raw -o {child} --force -q"
    ));
    place.ok(&format!("attach {child} -b {base} -q"));
    (base, child)
}

#[test]
fn a_base_that_was_changed_is_refused_when_its_child_is_read() {
    let place = Place::golden();
    for format in FORMATS {
        let (base, child) = pair(&place, format);
        place.ok(&format!("convert {child} -o right.raw --force"));
        assert!(
            place.read("right.raw") == golden::patched_bytes(),
            "{format}"
        );
        place.ok(&format!("compare {child} patched.raw --prove"));
        let kept = place.read(&base);
        // Somewhere in what the child leaves to its base.
        flip(&place, &base, 9 << 20);
        let said = place.refused(&format!("convert {child} -o wrong.raw"), 5);
        assert!(
            said.contains(&base) && said.contains("first difference in"),
            "{said}"
        );
        let said = place.refused(&format!("compare {child} patched.raw --prove"), 5);
        assert!(said.contains("base image does not match"), "{said}");
        // It is still told where nothing is proven.
        let said = place.run(&format!("compare {child} patched.raw --no-cache"));
        assert_eq!(said.exit, 1, "{format}: {}", said.err);
        assert!(said.err.contains("--prove"), "{}", said.err);
        let said = place.run(&format!("digest {child} --no-cache"));
        assert!(said.err.contains("its manifest promises"), "{}", said.err);
        // Who knows what he does.
        let said = place.run(&format!(
            "convert {child} -o known.raw --force --accept-parent-id"
        ));
        assert_eq!(said.exit, 0, "{}", said.err);
        assert!(
            said.err.contains("not the one of its manifest"),
            "{}",
            said.err
        );
        // An unchanged copy makes it right again.
        place.write(&base, &kept);
        place.ok(&format!("compare {child} patched.raw --prove"));
    }
}

#[test]
fn a_child_that_was_used_since_is_read_with_a_word() {
    let place = Place::golden();
    for format in FORMATS {
        let (base, child) = pair(&place, format);
        flip(&place, &child, 0);
        let said = place.run(&format!("convert {child} -o used.raw --force"));
        assert_eq!(said.exit, 0, "{format}: {}", said.err);
        assert!(
            said.err
                .contains("was written to since its manifest was made"),
            "{}",
            said.err
        );
        // Its base is proven all the same.
        flip(&place, &base, 9 << 20);
        place.refused(&format!("convert {child} -o other.raw"), 5);
    }
}

#[test]
fn a_chain_is_checked_link_by_link() {
    let place = Place::golden();
    let by = |line: &str, exit: i32| -> Vec<String> {
        let said = place.run(&format!("{line} --json"));
        assert_eq!(said.exit, exit, "{line}: {}{}", said.out, said.err);
        let report: Value = serde_json::from_str(&said.out).expect("JSON");
        let links = report["links"].as_array().expect("a list");
        links
            .iter()
            .map(|link| link["by"].as_str().expect("text").to_owned())
            .collect()
    };
    for format in FORMATS {
        let (base, child) = pair(&place, format);
        let grandchild = format!("grandchild.{format}");
        place.ok(&format!(
            "make -b {child} -t golden.raw -o {grandchild} --force -q"
        ));
        place.ok(&format!("attach {grandchild} -b {child} -q"));
        let line = format!("check {grandchild} --chain");
        assert_eq!(by(&line, 0), ["content", "content"], "{format}");
        let kept = place.read(&base);
        flip(&place, &base, 9 << 20);
        assert_eq!(by(&line, 1), ["nothing", "nothing"], "{format}");
        place.write(&base, &kept);
        // The chain of a child that was used.
        flip(&place, &child, 0);
        assert_eq!(
            by(&format!("check {child} --chain"), 0),
            ["base_content"],
            "{format}"
        );
        std::fs::remove_file(place.path(&format!("{child}.manifest.json"))).expect("removed");
        let without = if format == "qcow2" {
            "name"
        } else {
            "identity"
        };
        assert_eq!(
            by(&format!("check {child} --chain"), 0),
            [without],
            "{format}"
        );
        std::fs::remove_file(place.path(&base)).expect("removed");
        let said = place.run(&format!("check {child} --chain"));
        assert_eq!(said.exit, 1, "{format}: {}{}", said.out, said.err);
        place.ok(&format!("check {child}"));
    }
}

#[test]
fn a_manifest_is_asked_for_where_it_must_be_there() {
    let place = Place::golden();
    let (_, child) = pair(&place, "qcow2");
    place.ok(&format!("convert {child} -o right.raw --prove"));
    place.refused("convert golden.vhd -o other.raw --prove", 5);
    std::fs::remove_file(place.path("child.qcow2.manifest.json")).expect("removed");
    let said = place.refused(&format!("convert {child} -o other.raw --prove"), 5);
    assert!(said.contains("no manifest"), "{said}");
    place.write("child.qcow2.manifest.json", b"{");
    let said = place.run(&format!("convert {child} -o third.raw"));
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(said.err.contains("the base was not proven"), "{}", said.err);
}

#[test]
fn a_size_that_is_asked_for_does_not_keep_a_child_from_being_proven() {
    let place = Place::golden();
    let (base, child) = pair(&place, "vhdx");
    place.ok(&format!("convert {child} -o larger.raw --size 20M"));
    flip(&place, &base, 9 << 20);
    place.refused(&format!("convert {child} -o wrong.raw --size 20M"), 5);
}
