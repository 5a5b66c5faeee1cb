//! Formats that are read and not written: their images are inputs of every command, and outputs of none.

use imgdelta_fixtures::{
    Fill, Recipe,
    dmg::{Codec, DmgSpec},
    parallels::{BundleSpec, ParallelsSpec},
    peers::{self, Peer},
    qcow1::Qcow1Spec,
    qed::QedSpec,
};
use serde_json::Value;

use crate::{
    place::Place,
    repo::{headquarters, json},
};

const CLUSTER: u64 = 4096;

/// The disk of all images here.
fn recipe() -> Recipe {
    Recipe::of(
        64 * CLUSTER,
        [
            (0, 3 * CLUSTER, Fill::Text),
            (40 * CLUSTER, CLUSTER, Fill::Pattern(1)),
        ],
    )
}

/// What a child changes.
fn change() -> Recipe {
    Recipe::of(
        64 * CLUSTER,
        [
            (CLUSTER, CLUSTER, Fill::Pattern(2)),
            (50 * CLUSTER, CLUSTER, Fill::Text),
        ],
    )
}

/// qemu opens no QED whose tables have one cluster.
fn qed() -> QedSpec {
    QedSpec {
        table: 2,
        ..QedSpec::new(recipe(), 4096)
    }
}

/// An image of each format, and its name.
fn images() -> Vec<(&'static str, Vec<u8>)> {
    let packed = Qcow1Spec {
        compressed: 1,
        ..Qcow1Spec::new(recipe(), 12)
    };
    let zip = DmgSpec::new(recipe(), Codec::Lzfse);
    vec![
        ("disk.qcow", packed.build()),
        ("disk.qed", qed().build()),
        ("disk.hds", ParallelsSpec::new(recipe(), 8).build()),
        ("old.hds", ParallelsSpec::old(recipe(), 8).build()),
        ("disk.dmg", zip.build()),
    ]
}

/// The names of the formats that are only read.
fn only_read(place: &Place) -> Vec<String> {
    let versions: Value = serde_json::from_str(&place.ok("version --json")).expect("JSON");
    let formats = versions["formats"].as_array().expect("a list");
    let only_read = formats.iter().filter(|format| format["writes"] == false);
    let name = |format: &Value| format["name"].as_str().expect("a name").to_owned();
    only_read.map(name).collect()
}

#[test]
fn every_command_that_reads_takes_them() {
    let place = Place::empty();
    place.write("disk.raw", &recipe().expected(None));
    place.write(
        "changed.raw",
        &change().expected(Some(&recipe().expected(None))),
    );
    for (name, bytes) in images() {
        place.write(name, &bytes);
        place.ok(&format!("compare {name} disk.raw"));
        place.ok(&format!("check {name}"));
        place.ok(&format!("map {name}"));
        place.ok(&format!("info {name} --refs"));
        place.ok(&format!("digest {name}"));
        for output in ["out.raw", "out.qcow2", "out.vhd"] {
            place.ok(&format!("convert {name} -o {output} --force"));
            place.ok(&format!("compare {output} disk.raw"));
        }
        // As a base: qcow2 children stand over any format.
        place.ok(&format!(
            "make -b {name} -t changed.raw -o child.qcow2 --force"
        ));
        place.ok("compare child.qcow2 changed.raw");
        // The backing format is recorded by qemu's name; not every build of it reads LZFSE.
        if peers::find(Peer::QemuImg).is_some() && !name.ends_with(".dmg") {
            let (child, raw) = (place.path("child.qcow2"), place.path("changed.raw"));
            let seen = peers::qemu_compare(&child, "qcow2", &raw, "raw");
            assert_eq!(seen, Ok(()), "{name}");
        }
        place.ok(&format!("apply child.qcow2 -b {name} -o full.raw --force"));
        assert!(
            place.read("full.raw") == place.read("changed.raw"),
            "{name}"
        );
    }
}

#[test]
fn none_of_them_is_an_output() {
    let place = Place::golden();
    let formats = only_read(&place);
    assert!(!formats.is_empty());
    let before = place.names();
    for format in formats {
        for line in [
            format!("convert golden.vhd -o copy.img -f {format}"),
            format!("convert golden.vhd -o copy.img -f {format} --dry-run"),
            format!("convert golden.vhd -o - -f {format}"),
            format!("make -b golden.vhd -t patched.vhd -o child.img -f {format}"),
            format!("repo init hq --format {format}"),
            format!("repo init hq --format {format} --dry-run"),
        ] {
            let said = place.refused(&line, 4);
            assert!(said.contains("only read"), "{line}: {said}");
        }
    }
    assert_eq!(place.names(), before);
}

#[test]
fn no_site_gets_one_of_them() {
    let place = headquarters();
    let formats = only_read(&place);
    place.ok("repo init site");
    place.ok("repo add golden.raw --repo site");
    place.ok("inventory --repo site -o site.inv");
    place.ok("deploy patched --repo hq --for site.inv -o stick");
    let before = place.names();
    for format in formats {
        for line in [
            format!("receive stick --repo site --format {format}"),
            format!("receive stick --repo site --format {format} --dry-run"),
            format!("deploy patched --repo hq --to site --format {format}"),
            format!("deploy patched --repo hq --to site --format {format} --dry-run"),
        ] {
            let said = place.refused(&line, 4);
            assert!(said.contains("only read"), "{line}: {said}");
        }
    }
    assert_eq!(place.names(), before);
    let list = json(&place, "repo list --repo site");
    assert_eq!(list["count"], 1, "nothing was received");
    place.ok("receive stick --repo site");
}

#[test]
fn a_child_reads_through_its_backing_file_where_its_format_is_said() {
    let place = Place::empty();
    let below = recipe().expected(None);
    place.write("base.raw", &below);
    place.write("whole.raw", &change().expected(Some(&below)));
    let child = Qcow1Spec::child(change(), 12, "base.raw").build();
    place.write("child.qcow", &child);
    place.ok("compare child.qcow whole.raw --backing-format raw");
    place.write(
        "child.qed",
        &QedSpec::child(change(), 4096, "base.raw").build(),
    );
    place.ok("compare child.qed whole.raw --backing-format raw");
    let known = QedSpec {
        backing_raw: true,
        ..QedSpec::child(change(), 4096, "base.raw")
    };
    place.write("known.qed", &known.build());
    place.ok("compare known.qed whole.raw");
    // The link of a child that is only read cannot be changed.
    place.ok("convert base.raw -o base.qcow2");
    let before = place.read("child.qcow");
    place.refused("attach child.qcow -b base.qcow2 --by-identity", 5);
    assert!(place.read("child.qcow") == before);
}

#[test]
fn a_repository_keeps_them_and_writes_children_of_them_anew() {
    let place = Place::empty();
    let below = recipe().expected(None);
    place.write("base.raw", &below);
    place.write("whole.raw", &change().expected(Some(&below)));
    place.write(
        "child.qcow",
        &Qcow1Spec::child(change(), 12, "base.raw").build(),
    );
    place.ok("repo init hq");
    for (name, bytes) in images() {
        place.write(name, &bytes);
        place.ok(&format!("repo add {name} --repo hq"));
    }
    place.ok("repo add child.qcow --repo hq --backing-format raw");
    place.ok("compare hq/child.qcow2 whole.raw");
    place.ok("repo verify --repo hq");
}

#[test]
fn a_folder_with_snapshots_is_an_image() {
    let place = Place::empty();
    let spec = BundleSpec::new(vec![recipe(), change()], 8);
    std::fs::create_dir(place.path("disk.hdd")).expect("room");
    for (name, bytes) in spec.build() {
        place.write(&format!("disk.hdd/{name}"), &bytes);
    }
    place.write("now.raw", &spec.expected(1));
    place.write("then.raw", &spec.expected(0));
    for image in ["disk.hdd", "disk.hdd/DiskDescriptor.xml"] {
        place.ok(&format!("compare {image} now.raw"));
        place.ok(&format!(
            "compare {image} then.raw --snapshot {}",
            spec.guid(0)
        ));
        place.ok(&format!("check {image}"));
        let refs = place.ok(&format!("info {image} --refs"));
        assert!(refs.contains(&spec.name(0, 1)), "{refs}");
    }
    place.refused("convert disk.hdd -o out.raw --snapshot old", 2);
    let upper = format!("disk.hdd/{}", spec.name(0, 1));
    let said = place.refused(&format!("convert {upper} -o out.raw"), 5);
    assert!(said.contains("hint: open the folder instead"), "{said}");
    place.ok(&format!(
        "convert {upper} -o alone.raw --input-option descriptor=ignore"
    ));
    // What a folder names lies in it, and nowhere else.
    place.change("disk.hdd/DiskDescriptor.xml", |bytes| {
        let text = String::from_utf8_lossy(bytes).replace(&spec.name(0, 0), "/etc/hostname");
        *bytes = text.into_bytes();
    });
    place.refused("convert disk.hdd -o out.raw", 7);
}
