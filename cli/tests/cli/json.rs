//! Every result in JSON, as programs read it: a changed name or type is a broken promise.

use serde_json::Value;

use crate::place::{Place, Said, expect};

/// Runs a line and compares its JSON with `golden/NAME.json`, apart from what the file system decides.
fn golden(place: &Place, name: &str, line: &str) {
    let said = place.run(line);
    assert!(said.exit <= 1, "{line}\n{}", said.err);
    assert_eq!(said.err, "", "{line}");
    let mut value: Value = serde_json::from_str(&said.out).expect("one document of JSON");
    settle(&mut value);
    let text = serde_json::to_string_pretty(&value).expect("JSON") + "\n";
    expect(&format!("{name}.json"), &place.without_paths(&text));
}

/// What a file takes on the host depends on the host.
fn settle(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "on_disk" {
                    *field = 0.into();
                } else {
                    settle(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

#[test]
fn the_way_of_a_child_in_json() {
    let place = Place::golden();
    golden(
        &place,
        "make",
        "imgdelta make -b golden.vhd -t patched.vhd -o november.vhd --json",
    );
    golden(
        &place,
        "apply",
        "imgdelta apply november.vhd -b golden.vhd -o full.raw --json",
    );
    golden(
        &place,
        "attach",
        "imgdelta attach november.vhd -b golden.vhd --no-cache --json",
    );
    golden(
        &place,
        "info-chain",
        "imgdelta info november.vhd --chain --json",
    );
    golden(
        &place,
        "references",
        "imgdelta info november.vhd --refs --json",
    );
    golden(&place, "map", "imgdelta map november.vhd --json");
    golden(
        &place,
        "map-layer",
        "imgdelta map november.vhd --layer --json",
    );
    golden(&place, "check", "imgdelta check november.vhd --json");
    golden(&place, "digest", "imgdelta digest november.vhd --json");
    expect(
        "manifest.json",
        &String::from_utf8(place.read("november.vhd.manifest.json")).expect("JSON"),
    );
}

#[test]
fn whole_disks_in_json() {
    let place = Place::golden();
    golden(
        &place,
        "convert",
        "imgdelta convert golden.qcow2 -o new.vhd --json",
    );
    golden(
        &place,
        "convert-dry-run",
        "imgdelta convert golden.raw -o other.qcow2 --dry-run --json",
    );
    golden(
        &place,
        "compare-same",
        "imgdelta compare golden.raw golden.vhd --json",
    );
    golden(
        &place,
        "compare",
        "imgdelta compare golden.raw patched.qcow2 --json",
    );
    golden(
        &place,
        "compare-list",
        "imgdelta compare golden.raw patched.qcow2 --list --json",
    );
    golden(&place, "info", "imgdelta info golden.qcow2 --json");
    golden(
        &place,
        "digest-plain",
        "imgdelta digest golden.qcow2 --plain --json",
    );
}

#[test]
fn the_tool_itself_in_json() {
    let place = Place::empty();
    golden(&place, "version", "imgdelta version --json");
    let said = place.run("imgdelta env --json -j 3");
    let value: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(value["schema"], "imgdelta/env/1");
    assert_eq!(value["settings"][0]["name"], "threads");
    assert_eq!(value["settings"][0]["value"], "3");
    assert_eq!(value["settings"][0]["from"], "--threads");
    assert_eq!(value["settings"][2]["from"], "IMGDELTA_CACHE");
}

#[test]
fn a_list_comes_line_by_line_and_the_result_last() {
    let place = Place::golden();
    let said = place.run("imgdelta compare golden.raw patched.raw --list --json=lines");
    assert_eq!(said.exit, 1);
    expect("compare-lines.txt", &said.out);
    let lines: Vec<Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let (last, items) = lines.split_last().expect("lines");
    assert_eq!(last["schema"], "imgdelta/compare/1");
    assert!(items.iter().all(|item| item["length"].is_u64()));
}

#[test]
fn a_list_of_nothing_is_an_empty_list() {
    let place = Place::golden();
    let out = place.ok("imgdelta compare golden.raw golden.vhd --list --json");
    let value: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(value["differences"], Value::Array(Vec::new()));
    assert_eq!(value["same"], true);
}

#[test]
fn an_error_in_json_stands_on_standard_error_alone() {
    let place = Place::golden();
    let refused = |line: &str, exit| -> Value {
        serde_json::from_str(&place.refused(line, exit)).expect("JSON")
    };
    let error = refused("imgdelta info missing.vhd --json", 8);
    assert_eq!(error["schema"], "imgdelta/error/1");
    assert_eq!(
        (&error["exit"], &error["path"]),
        (&8.into(), &"missing.vhd".into())
    );
    let error = refused(
        "imgdelta make -b golden.raw -t patched.raw -o x.vhd --json",
        4,
    );
    assert_eq!(error["code"], "base_format");
    assert_eq!(error["unchanged"], "x.vhd");
    assert_eq!(
        error["hint"],
        "'imgdelta convert golden.raw -o golden.vhd' makes one"
    );
    let error = refused("imgdelta info --json --nonsense x", 2);
    assert_eq!(error["code"], "usage");
}

#[test]
fn progress_for_programs_ends_with_a_summary() {
    let place = Place::golden();
    let Said { exit, err, .. } =
        place.run("imgdelta convert golden.raw -o x.qcow2 --progress json -q");
    assert_eq!(exit, 0, "{err}");
    let last: Value = serde_json::from_str(err.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["event"], "summary");
    assert_eq!(last["total"], 12 << 20);
    assert_eq!(last["done"], last["total"]);
}

#[test]
fn every_key_of_every_result_is_documented() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_to_string(folder.join("../docs/json.md")).expect("it is there");
    for entry in std::fs::read_dir(folder.join("tests/golden")).expect("readable") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let schema = value["schema"].as_str().expect("a schema");
        let section = docs.split("\n## ").find(|part| part.starts_with(schema));
        assert!(section.is_some(), "{schema} has no section");
        let mut keys = Vec::new();
        gather(&value, &mut keys);
        for key in keys {
            assert!(
                docs.contains(&format!("`{key}`")),
                "{}: {key} is not documented",
                path.display()
            );
        }
    }
}

/// All keys in a document.
fn gather<'a>(value: &'a Value, keys: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                keys.push(name);
                gather(field, keys);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, keys)),
        _ => {}
    }
}
