//! Chains that were moved as a whole: each child is linked anew to what its manifest, else its identity, names.

use std::fs;

use imgdelta_fixtures::golden;
use serde_json::Value;

use crate::place::Place;

const FORMATS: [&str; 5] = ["vhd", "vhdx", "vmdk", "vdi", "qcow2"];

/// A base, its child and that one's child in `old`, which are then moved to `new` under other names of the base.
fn moved(place: &Place, format: &str) {
    for folder in ["old", "new"] {
        let _ = fs::remove_dir_all(place.path(folder));
    }
    fs::create_dir(place.path("old")).expect("room");
    let [base, child, grandchild] =
        ["base", "child", "a-grandchild"].map(|name| format!("old/{name}.{format}"));
    place.ok(&format!("convert golden.raw -o {base} -q"));
    for (base, target, child) in [
        (&base, "patched.raw", &child),
        (&child, "golden.raw", &grandchild),
    ] {
        place.ok(&format!("make -b {base} -t {target} -o {child} -q"));
        place.ok(&format!("attach {child} -b {base} -q"));
    }
    fs::rename(place.path("old"), place.path("new")).expect("moved");
    let renamed = |old: &str, new: &str| {
        fs::rename(
            place.path(&format!("new/{old}.{format}")),
            place.path(&format!("new/{new}.{format}")),
        )
        .expect("renamed");
    };
    renamed("base", "golden copy");
    renamed("child", "november");
    fs::rename(
        place.path(&format!("new/child.{format}.manifest.json")),
        place.path(&format!("new/november.{format}.manifest.json")),
    )
    .expect("renamed");
}

#[test]
fn all_children_of_a_folder_find_their_bases_again() {
    let place = Place::golden();
    for format in FORMATS {
        moved(&place, format);
        let dry = place.ok("attach --all new -n");
        assert!(dry.contains("nothing was written"), "{dry}");
        let said = place.ok("attach --all new --json");
        let report: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(
            report["attached"].as_array().map(Vec::len),
            Some(2),
            "{format}: {said}"
        );
        for (name, right) in [
            ("november", golden::patched_bytes()),
            ("a-grandchild", golden::base_bytes()),
        ] {
            let (name, out) = (
                format!("new/{name}.{format}"),
                format!("{name}-{format}.raw"),
            );
            place.ok(&format!("convert {name} -o {out}"));
            assert!(place.read(&out) == right, "{name}");
            let refs = place.ok(&format!("check {name} --chain"));
            assert!(refs.contains("proven by its manifest"), "{refs}");
        }
    }
}

#[test]
fn without_manifests_identities_say_it_and_what_is_ambiguous_is_left() {
    let place = Place::golden();
    for format in FORMATS {
        moved(&place, format);
        for name in ["november", "a-grandchild"] {
            fs::remove_file(place.path(&format!("new/{name}.{format}.manifest.json")))
                .expect("removed");
        }
        let said = place.run("attach --all new --json");
        let report: Value = serde_json::from_str(&said.out).expect("JSON");
        if format == "qcow2" {
            // It records a name and nothing else: only the user knows.
            assert_eq!(said.exit, 5, "{}", said.out);
            assert_eq!(
                report["left"].as_array().map(Vec::len),
                Some(2),
                "{}",
                said.out
            );
            let line = "attach new/november.qcow2 -b 'new/golden copy.qcow2'";
            let mut command = place.command("attach new/november.qcow2 --by-identity -b");
            let refused = command
                .arg("new/golden copy.qcow2")
                .status()
                .expect("it starts");
            assert_eq!(refused.code(), Some(5), "{line}");
            let mut command =
                place.command("attach new/november.qcow2 --by-identity --accept-parent-id -b");
            let taken = command
                .arg("new/golden copy.qcow2")
                .status()
                .expect("it starts");
            assert_eq!(taken.code(), Some(0), "{line}");
            place.ok("compare new/november.qcow2 patched.raw");
            continue;
        }
        assert_eq!(said.exit, 0, "{format}: {}{}", said.out, said.err);
        assert!(
            report["attached"]
                .as_array()
                .expect("a list")
                .iter()
                .all(|one| one["proven_by"] == "identity")
        );
        place.ok(&format!("compare new/november.{format} patched.raw"));
        // Two of one identity: which, nobody knows.
        fs::copy(
            place.path(&format!("new/golden copy.{format}")),
            place.path(&format!("new/other.{format}")),
        )
        .expect("room");
        let before = place.read(&format!("new/november.{format}"));
        let said = place.run("attach --all new --json");
        assert_eq!(said.exit, 5, "{format}: {}{}", said.out, said.err);
        let report: Value = serde_json::from_str(&said.out).expect("JSON");
        let left = report["left"].as_array().expect("a list");
        assert!(
            left.iter()
                .any(|one| one["candidates"].as_array().map(Vec::len) == Some(2)),
            "{}",
            said.out
        );
        assert!(
            place.read(&format!("new/november.{format}")) == before,
            "{format}"
        );
    }
}

#[test]
fn bases_may_stand_elsewhere() {
    let place = Place::golden();
    moved(&place, "vhdx");
    fs::create_dir(place.path("bases")).expect("room");
    fs::rename(
        place.path("new/golden copy.vhdx"),
        place.path("bases/golden.vhdx"),
    )
    .expect("moved");
    let said = place.run("attach --all new");
    assert_eq!(said.exit, 5, "{}", said.out);
    place.ok("attach --all new --search bases");
    place.ok("compare new/november.vhdx patched.raw --search bases");
    place.refused("attach --all missing", 8);
    place.refused("attach --all new -b golden.vhd", 2);
}
