//! What would travel: the base and why, bytes, time, media, batches; inventories as sites send them.

use imgdelta_fixtures::golden;
use serde_json::Value;

use crate::{
    place::Place,
    repo::{expect_json, headquarters, json},
};

/// Headquarters and a site that has the golden image under another name.
fn two_sites() -> Place {
    let place = headquarters();
    place.ok("repo init site");
    place.ok("repo add golden.qcow2 --name GoldenDisk --repo site");
    place.ok("inventory --repo site -o site.inv");
    place
}

/// As [`two_sites`]; headquarters has a second patch, made from the first.
fn a_batch() -> Place {
    let place = two_sites();
    let mut second = golden::patched_bytes();
    let end = second.len();
    second[end - (1 << 20)..].fill(0x5a);
    place.write("second.raw", &second);
    place.ok("repo add second.raw --repo hq --parent patched");
    place.write("unrelated.raw", &[0x77; 2 << 20]);
    place.ok("repo init other");
    place.ok("repo add unrelated.raw --repo other");
    place.ok("inventory --repo other -o other.inv");
    place
}

#[test]
fn a_plan_reads_well() {
    let place = two_sites();
    place.transcript(
        "plan",
        &[
            "imgdelta plan patched --repo hq --for site.inv",
            "imgdelta plan patched --repo hq --for site --rate 8Mbit/s -v",
            "imgdelta plan golden --repo hq --for site.inv",
            "imgdelta plan patched --repo hq --for site.inv --threshold 100 --media 1M",
            "imgdelta plan patchde --repo hq --for site.inv",
            "imgdelta plan patched --repo hq --for golden.vhd",
            "imgdelta plan patched --repo hq --for site.inv --for site.inv",
            "imgdelta plan patched --repo hq --for hq",
            "imgdelta plan patched --repo hq",
        ],
    );
}

#[test]
fn a_batch_reads_well_and_costs_no_more_than_each_by_itself() {
    let place = a_batch();
    place.transcript(
        "plan-batch",
        &[
            "imgdelta plan patched second --repo hq --for site.inv",
            "imgdelta plan patched second --repo hq --for site.inv --for other.inv --media 16G --rate 2MB/s",
            "imgdelta plan patched second --repo hq --for site --for other",
        ],
    );
    let plan = json(
        &place,
        "plan patched second --repo hq --for site.inv --for other.inv --media 16G",
    );
    assert_eq!(plan["carrier"], "medium");
    let (bytes, naive) = (plan["bytes"].as_u64(), plan["naive"].as_u64());
    assert!(bytes < naive, "{plan}");
    let pairs = plan["pairs"].as_array().expect("a list");
    let on_medium: u64 = pairs.iter().filter_map(|pair| pair["bytes"].as_u64()).sum();
    assert_eq!(Some(on_medium), bytes);
    assert_eq!(plan["media"]["fits"], true);
    // Every base is there, or is sent before what is made from it.
    for site in plan["sites"].as_array().expect("a list") {
        let mut sent: Vec<&Value> = Vec::new();
        for leg in site["legs"].as_array().expect("a list") {
            assert!(leg["from"] != "sent" || sent.contains(&&leg["base"]["image"]["id"]));
            sent.push(&leg["image"]["id"]);
        }
    }
}

/// A disk with a window for each of these letters.
fn disk(windows: &str) -> Vec<u8> {
    let mut disk = Vec::new();
    for window in windows.bytes() {
        disk.resize(disk.len() + (64 << 10), window);
    }
    disk
}

#[test]
fn the_patents_own_example_chooses_the_parent_before_its_sibling() {
    let place = Place::empty();
    place.ok("repo init hq");
    place.ok("repo init site");
    for (name, parent, windows) in [
        ("A", "", "aaaabbbbccccdddd"),
        ("B", "A", "aaaabbbbccccBBBB"),
        ("C", "A", "aaaaCCCCccccdddd"),
        ("D", "A", "aaaabbbbDDccdddd"),
        ("E", "D", "aaEEbbbbDDccdddd"),
        ("F", "D", "aaaabbbbDDccddFF"),
        ("G", "", "gggggggggggggggg"),
        ("H", "G", "gggggggggggggggH"),
    ] {
        place.write(&format!("{name}.raw"), &disk(windows));
        let said = match parent {
            "" => String::new(),
            parent => format!("--parent {parent}"),
        };
        place.ok(&format!("repo add {name}.raw --repo hq {said}"));
    }
    place.write("N.raw", &disk("nnnnnnnnnnnnnnnn"));
    place.write("X.raw", &disk("xxxxxxxxxxxxxxxx"));
    for name in ["A", "D", "E", "N", "X"] {
        place.ok(&format!("repo add {name}.raw --repo site"));
    }
    place.ok("inventory --repo site -o site.inv");
    place.transcript(
        "plan-patent",
        &[
            "imgdelta repo tree --repo hq",
            "imgdelta plan F --repo hq --for site.inv -v",
            "imgdelta plan F --repo hq --for site.inv --measure hops",
            "imgdelta plan F --repo hq --for site.inv --measure blocks",
            "imgdelta plan F --repo hq --for site.inv --measure ratio",
            "imgdelta plan H --repo hq --for site.inv",
        ],
    );
}

#[test]
fn every_measure_finds_the_base_that_there_is() {
    let place = two_sites();
    for measure in ["auto", "hops", "blocks", "ratio"] {
        let plan = json(
            &place,
            &format!("plan patched --repo hq --for site --measure {measure}"),
        );
        let leg = &plan["sites"][0]["legs"][0];
        assert_eq!(leg["base"]["image"]["name"], "golden", "{measure}");
        assert_eq!(leg["base"]["at_site"]["name"], "GoldenDisk");
        assert_eq!(
            (&leg["from"], &leg["candidates"]),
            (&"there".into(), &1.into())
        );
        assert!(leg["bytes"].as_u64() < leg["whole"].as_u64());
    }
    let line = "plan patched --repo hq --for site --candidates 0";
    assert!(place.refused(line, 2).contains("--candidates"));
    let line = "plan patched --repo hq --for site --rate slow";
    assert!(place.refused(line, 2).contains("10Mbit/s"));
}

#[test]
fn a_claim_that_content_belies_is_never_chosen() {
    let place = headquarters();
    place.ok("repo set-id golden win11 --repo hq");
    place.ok("repo init site");
    let mut other = golden::base_bytes();
    other[0] ^= 1;
    place.write("other.raw", &other);
    place.ok("repo add other.raw --id win11 --repo site");
    let plan = json(&place, "plan patched --repo hq --for site");
    let leg = &plan["sites"][0]["legs"][0];
    assert_eq!(
        (&leg["from"], &leg["candidates"]),
        (&"whole".into(), &0.into())
    );
}

#[test]
fn disks_that_are_the_same_but_for_their_size_are_told() {
    let place = headquarters();
    let mut longer = golden::base_bytes();
    longer.resize(longer.len() + (1 << 20), 0);
    place.write("longer.raw", &longer);
    place.ok("repo init site");
    place.ok("repo add longer.raw --repo site");
    let out = place.ok("plan patched --repo hq --for site");
    assert!(
        out.contains("longer there is golden but for its size"),
        "{out}"
    );
}

#[test]
fn an_inventory_goes_to_a_file_or_to_standard_output() {
    let place = two_sites();
    let out = place.ok("inventory --repo site");
    assert_eq!(out.as_bytes(), place.read("site.inv"));
    assert_eq!(place.ok("inventory --repo site -o - --json"), out);
    let value: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(value["schema"], "imgdelta/inventory/1");
    assert_eq!(value["images"][0]["name"], "GoldenDisk");
    place.refused("inventory --repo site -o site.inv", 2);
    place.ok("inventory --repo site -o site.inv --force");
}

#[test]
fn damaged_and_hostile_inventories_are_refused() {
    let place = two_sites();
    place.write("cut.inv", &place.read("site.inv")[..100]);
    place.refused("plan patched --repo hq --for cut.inv", 3);
    place.write("new.inv", br#"{"schema":"imgdelta/inventory/9"}"#);
    place.refused("plan patched --repo hq --for new.inv", 4);
    place.refused("plan patched --repo hq --for missing.inv", 8);
    place.change("site.inv", |bytes| {
        let text = String::from_utf8(bytes.clone()).expect("UTF-8");
        *bytes = text.replace("GoldenDisk", "../../etc/passwd").into_bytes();
    });
    place.refused("plan patched --repo hq --for site.inv", 3);
}

#[test]
fn a_plan_in_json() {
    let place = a_batch();
    expect_json(
        &place,
        "plan",
        "plan patched second golden --repo hq --for site.inv --for other.inv --media 1M --rate 1MB/s",
    );
}
