//! Links of children that are not as this command writes them: over bases of other formats, over bases whose id changed, in chains in which
//! nothing changed.

use std::collections::BTreeSet;

use imgdelta_fixtures::{
    golden, mixed,
    peers::{self, Peer},
};

use crate::place::Place;

/// Formats whose images have ids.
const FORMATS: [&str; 4] = ["vhd", "vhdx", "vmdk", "vdi"];

/// What a reader of others says.
type Seen = Result<(), String>;

/// A child whose base got another id since, and no manifest.
fn with_changed_base(format: &str) -> Place {
    let place = Place::golden();
    place.ok(&format!("convert golden.raw -o base.{format} --force -q"));
    place.ok(&format!(
        "make -b base.{format} -t patched.raw -o child.{format} -q"
    ));
    place.ok(&format!(
        "convert golden.raw -o base.{format} --new-ids --force -q"
    ));
    let manifest = place.path(&format!("child.{format}.manifest.json"));
    std::fs::remove_file(manifest).expect("it is there");
    place
}

#[test]
fn a_parent_whose_id_changed_is_read_and_attached_knowingly() {
    for format in FORMATS {
        let place = with_changed_base(format);
        let read = format!("convert child.{format} --parent base.{format} -o whole.raw");
        let said = place.refused(&read, 5);
        assert!(said.contains("hint: if base."), "{said}");
        assert!(said.contains("--accept-parent-id"), "{said}");
        let told = place.run(&format!("{read} --accept-parent-id --json"));
        assert_eq!(told.exit, 0, "{}", told.err);
        assert!(told.out.contains("--accept-parent-id"), "{}", told.out);
        assert!(
            place.read("whole.raw") == golden::patched_bytes(),
            "{format}"
        );

        let attach = format!("attach child.{format} -b base.{format}");
        place.refused(&attach, 5);
        let said = place.refused(&format!("{attach} --by-identity"), 5);
        assert!(said.contains("--accept-parent-id"), "{said}");
        let apply = format!("apply child.{format} -b base.{format} -o full.raw --accept-parent-id");
        place.ok(&format!("{apply} -q"));
        assert!(
            place.read("full.raw") == golden::patched_bytes(),
            "{format}"
        );
        let told = place.ok(&format!("{attach} --accept-parent-id --json"));
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["proven_by"], "nothing");
        let notes = told["notes"].to_string();
        assert!(notes.contains("nothing of it was proven"), "{notes}");
        // From here on the link is right.
        place.ok(&format!("compare child.{format} patched.raw -q"));
        let told = place.ok(&format!("{attach} --accept-parent-id --json"));
        assert!(told.contains("\"proven_by\": \"identity\""), "{told}");
    }
}

#[test]
fn what_a_manifest_proves_needs_no_identity() {
    let place = Place::golden();
    place.ok("convert golden.raw -o base.vmdk -q");
    place.ok("make -b base.vmdk -t patched.raw -o child.vmdk -q");
    place.ok("convert patched.raw -o base.vmdk --force -q");
    // It is another disk, which the manifest knows.
    place.refused("attach child.vmdk -b base.vmdk --accept-parent-id", 5);
    place.ok("convert golden.raw -o base.vmdk --new-ids --force -q");
    let told = place.ok("attach child.vmdk -b base.vmdk --accept-parent-id --json");
    assert!(told.contains("\"proven_by\": \"content\""), "{told}");
    let said = place.refused(
        "attach child.vmdk -b base.vmdk --by-identity --manifest x",
        2,
    );
    assert!(said.contains("cannot be used"), "{said}");
    // A qcow2 records no identity: only the user's word can stand for one.
    place.ok("make -b golden.qcow2 -t patched.raw -o child.qcow2 -q");
    let line = "attach child.qcow2 -b golden.qcow2 --by-identity";
    place.refused(line, 5);
    let told = place.ok(&format!("{line} --accept-parent-id --json"));
    assert!(told.contains("\"proven_by\": \"nothing\""), "{told}");
}

/// Four nights over an image, two of them without a change and two that go back and forth; the names of all images, the oldest first.
fn nights(place: &Place, format: &str) -> Vec<String> {
    place.ok(&format!("convert golden.raw -o full.{format} --force -q"));
    let mut names = vec![format!("full.{format}")];
    for (number, disk) in ["golden", "golden", "patched", "golden", "patched"]
        .iter()
        .enumerate()
    {
        let (base, night) = (&names[number], format!("n{number}.{format}"));
        place.ok(&format!(
            "make -b {base} -t {disk}.raw -o {night} --force -q"
        ));
        names.push(night);
    }
    names
}

#[test]
fn no_two_images_of_a_chain_have_one_id_and_the_same_nights_give_the_same_bytes() -> Seen {
    let place = Place::golden();
    for format in FORMATS {
        let names = nights(&place, format);
        let mut ids = BTreeSet::new();
        for name in &names {
            let told = place.ok(&format!("info {name} --json"));
            let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
            assert!(told["identity"].is_object(), "{told}");
            assert!(ids.insert(told["identity"].to_string()), "{name}: {ids:?}");
        }
        let last = names.last().cloned().unwrap_or_default();
        place.ok(&format!("compare {last} patched.raw -q"));
        let bytes: Vec<Vec<u8>> = names.iter().map(|name| place.read(name)).collect();
        nights(&place, format);
        for (name, bytes) in names.iter().zip(&bytes) {
            assert!(place.read(name) == *bytes, "{name}");
        }
        if format != "vhdx" && peers::find(Peer::VirtualBox).is_some() {
            let mut paths: Vec<_> = names.iter().rev().map(|name| place.path(name)).collect();
            let top = paths.remove(0);
            assert!(
                peers::virtualbox_raw(&top, &paths)? == golden::patched_bytes(),
                "{format}"
            );
        }
    }
    Ok(())
}

#[test]
fn children_that_virtualbox_makes_over_other_formats_are_read() -> Seen {
    if peers::find(Peer::VirtualBox).is_none() {
        return Ok(());
    }
    let disk = mixed::base_recipe().expected(None);
    for base in ["vdi", "vhd", "vmdk", "qcow2"] {
        let place = Place::empty();
        place.write("base.raw", &disk);
        let parent = format!("base.{base}");
        match base {
            "qcow2" => drop(place.ok("convert base.raw -o base.qcow2 -q")),
            _ => place.write(&parent, &mixed::base(base, mixed::STATE)),
        }
        for format in mixed::FORMATS {
            let child = peers::virtualbox_child(format, &place.path(&parent))?;
            place.write(&format!("child.{format}"), &child);
            // Which qcow2 it is, only VirtualBox's own list of images says.
            let named = if base == "qcow2" {
                "--parent base.qcow2"
            } else {
                ""
            };
            place.ok(&format!("compare child.{format} base.raw -q {named}"));
        }
    }
    Ok(())
}
