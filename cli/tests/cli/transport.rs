//! Transport files as users meet them: made, looked at, applied, expanded to children, and refused.

use imgdelta_fixtures::{Recipe, golden, vhd::VhdSpec};

use crate::place::Place;

/// The golden images and a transport file.
fn with_file() -> Place {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.raw -o november.imgdelta");
    place
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn the_site_gets_the_target_in_any_format_and_over_a_base_of_any() {
    let place = with_file();
    for (base, output) in [
        ("golden.raw", "full.raw"),
        ("golden.qcow2", "full.qcow2"),
        ("golden.vhd", "full.vhdx"),
    ] {
        let said = place.ok(&format!("apply november.imgdelta -b {base} -o {output}"));
        assert!(said.contains("proven"), "{said}");
        place.ok(&format!("compare {output} patched.raw"));
    }
}

#[test]
fn the_child_that_comes_out_is_the_one_that_make_makes() {
    let place = with_file();
    for (base, name) in [("golden.vhd", "vhd"), ("golden.qcow2", "qcow2")] {
        place.ok(&format!("make -b {base} -t patched.raw -o made.{name}"));
        place.ok(&format!(
            "apply november.imgdelta -b {base} -o expanded.{name} --form child"
        ));
        assert_eq!(
            place.read(&format!("expanded.{name}")),
            place.read(&format!("made.{name}"))
        );
        let manifest = |file: &str| {
            let text = place.read(&format!("{file}.{name}.manifest.json"));
            json(&String::from_utf8(text).expect("text"))
        };
        let (made, expanded) = (manifest("made"), manifest("expanded"));
        assert_eq!(made["base"], expanded["base"]);
        assert_eq!(made["result"], expanded["result"]);
        assert_eq!(
            made["child"]["layer_digest"],
            expanded["child"]["layer_digest"]
        );
        place.ok(&format!("attach expanded.{name} -b {base}"));
    }
}

#[test]
fn the_number_of_threads_does_not_show() {
    let place = with_file();
    let file = place.read("november.imgdelta");
    for threads in [1, 3, 7] {
        let make = "make -b golden.vhd -t patched.raw -o november.imgdelta --force";
        place.ok(&format!("{make} -j {threads}"));
        assert_eq!(place.read("november.imgdelta"), file, "{threads} threads");
    }
    place.ok("make -b golden.vhd -t patched.raw -o small.imgdelta --level 19");
    assert_ne!(place.read("small.imgdelta"), file);
    place.ok("apply small.imgdelta -b golden.raw -o full.raw");
    place.ok("compare full.raw patched.raw");
}

#[test]
fn what_make_says_adds_up() {
    let place = Place::golden();
    let make = "make -b golden.vhd -t patched.raw -o november.imgdelta --json";
    let planned = json(&place.ok(&format!("{make} --dry-run")));
    assert!(!place.path("november.imgdelta").exists());
    let made = json(&place.ok(make));
    let number = |name: &str| made[name].as_u64().expect("a number");
    assert_eq!(planned["file_size"], made["file_size"]);
    assert_eq!(
        number("file_size"),
        place.read("november.imgdelta").len() as u64
    );
    let parts = ["zero", "copied", "repeated", "stored"];
    let parts = parts.map(|part| number(&format!("bytes_{part}")));
    assert_eq!(number("bytes_changed"), parts.iter().sum::<u64>());
    assert_eq!(
        number("windows"),
        number("bytes_stored").div_ceil(256 << 10)
    );
    let base = json(&place.ok("digest golden.raw --json"));
    assert_eq!(made["base"]["content_id"], base["digest"]);
}

#[test]
fn info_and_check_tell_of_it() {
    let place = with_file();
    let info = json(&place.ok("info november.imgdelta --json"));
    assert_eq!(info["format"], "imgdelta");
    assert_eq!(info["size"], golden::SIZE);
    assert!(place.ok("check november.imgdelta").contains("sound"));
    assert!(
        place
            .ok("check november.imgdelta -b golden.qcow2")
            .contains("sound")
    );
    place.change("november.imgdelta", |bytes| bytes[400] ^= 1);
    let said = place.run("check november.imgdelta --json");
    assert_eq!(said.exit, 1);
    let found = json(&said.out);
    assert_eq!(found["faults"][0]["code"], "transport_crc");
    assert_eq!(found["faults"][0]["offset"], 352);
    let said = place.refused("apply november.imgdelta -b golden.raw -o full.raw", 3);
    assert!(said.contains("window 0 is damaged"), "{said}");
    place.change("november.imgdelta", |bytes| drop(bytes.split_off(9000)));
    place.refused("info november.imgdelta", 3);
}

#[test]
fn a_wrong_base_is_told_as_for_a_child() {
    let place = with_file();
    let other = VhdSpec::dynamic(Recipe::small(golden::SIZE), 2 << 20);
    place.write("other.vhd", &other.build());
    place.write("short.vhd", &VhdSpec::fixed(Recipe::small(1 << 20)).build());
    for form in ["", "--form child"] {
        for base in ["other.vhd", "short.vhd"] {
            let line = format!("apply november.imgdelta -b {base} -o out.vhd {form}");
            let said = place.refused(&line, 5);
            assert!(said.contains("does not match this child"), "{said}");
        }
        let line = format!("apply november.imgdelta -b patched.vhd -o out.vhd {form}");
        assert!(place.refused(&line, 5).contains("target of this child"));
    }
    place.refused("check november.imgdelta -b other.vhd", 5);
}

#[test]
fn it_is_no_disk_by_itself() {
    let place = with_file();
    for line in [
        "convert november.imgdelta -o full.raw",
        "compare november.imgdelta patched.raw",
        "digest november.imgdelta",
        "make -b november.imgdelta -t patched.raw -o x.qcow2",
    ] {
        let said = place.refused(line, 5);
        assert!(said.contains("only together with its base"), "{said}");
    }
    place.refused("attach november.imgdelta -b golden.vhd", 4);
    place.refused("check november.vhd -b golden.vhd", 2);
}

#[test]
fn names_and_flags_that_contradict_are_refused() {
    let place = Place::golden();
    let make = "make -b golden.vhd -t patched.raw";
    for rest in [
        "-o x.qcow2 --form transport",
        "-o x.imgdelta -f qcow2",
        "-o x.imgdelta --option cluster_size=4K",
        "-o x.qcow2 --level 3",
        "-o x.imgdelta --level 20",
        "-o golden.vhd --form transport --force",
    ] {
        place.refused(&format!("{make} {rest}"), 2);
    }
    place.ok("make -b golden.vhd -t patched.vhd -o x.vhd");
    let said = place.refused("apply x.vhd -b golden.vhd -o y.vhd --form child", 2);
    assert!(said.contains("no transport file"), "{said}");
}
