//! What a guest says of its disk, as the command tells it: whose the bytes are, and what is left out.

mod installed;

use serde_json::Value;

use self::installed::{MIB, PARTS, TOOLS, are_there, contents, file_system, installed};
use crate::place::Place;

#[test]
fn what_differs_on_a_disk_without_file_systems_is_unknown_and_told_to_the_byte() {
    let place = Place::golden();
    let said = place.run("imgdelta compare golden.raw patched.qcow2 --files --json");
    assert_eq!(said.exit, 1, "{}", said.err);
    let value: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(value["bytes"], 1_600_000);
    let files = &value["files"];
    assert_eq!(files["by_kind"].as_array().map(Vec::len), Some(1));
    assert_eq!(files["by_kind"][0]["kind"], "unknown");
    assert_eq!(files["by_kind"][0]["bytes"], 1_600_000);
    assert_eq!(files["changed"][0]["other"]["volume"], 1);
    assert_eq!(files["unused"]["free"], 0);
    // The list is told as well.
    let said = place.run("imgdelta compare golden.raw patched.raw --list --files");
    assert!(said.out.starts_with("start  "), "{}", said.out);
    assert!(said.out.ends_with("  unknown    1.5 MiB\n"), "{}", said.out);
    assert!(
        said.err.contains("what is free is not known"),
        "{}",
        said.err
    );
}

#[test]
fn the_files_that_differ_are_listed_and_what_was_deleted_stays_at_home() {
    if !are_there(&["mke2fs"]) {
        return;
    }
    let place = Place::empty();
    place.write("tree/etc/hosts", &[1; 20_000]);
    place.write("tree/old", &[2; 300_000]);
    file_system(&place, "golden.raw", "tree");
    place.write("tree/etc/hosts", &[3; 20_000]);
    file_system(&place, "patched.raw", "tree");
    // What was deleted still stands there.
    place.change("patched.raw", |disk| {
        let end = disk.len() - (1 << 20);
        disk[end..end + 500_000].fill(9);
    });

    let said = place.run("imgdelta compare golden.raw patched.raw --files");
    assert_eq!(said.exit, 1);
    assert!(said.out.contains("largest first:\n"), "{}", said.out);
    assert!(said.out.contains("  /etc/hosts\n"), "{}", said.out);
    assert!(!said.out.contains("/old"), "{}", said.out);
    assert!(
        said.out.contains("the second disk does not need free 4"),
        "{}",
        said.out
    );
    let map = place.ok("imgdelta map golden.raw --files");
    assert!(
        map.lines().any(|line| line.ends_with("golden.raw  /old")),
        "{map}"
    );

    place.ok("imgdelta make -b golden.raw -t patched.raw -o whole.qcow2");
    let made = place
        .ok("imgdelta make -b golden.raw -t patched.raw -o child.qcow2 --leave-out free --json");
    let made: Value = serde_json::from_str(&made).expect("JSON");
    assert!(
        made["left_out"]["free"]
            .as_u64()
            .is_some_and(|free| free > 400_000),
        "{made}"
    );
    assert_eq!(made["left_out"]["swap"], 0);
    let [whole, child] = ["whole.qcow2", "child.qcow2"].map(|name| place.read(name).len());
    assert!(child + 400_000 < whole, "{child} of {whole}");
    place.ok("imgdelta apply child.qcow2 -b golden.raw -o result.raw");
    let digest = place.ok("imgdelta digest result.raw --json");
    let digest: Value = serde_json::from_str(&digest).expect("JSON");
    assert_eq!(digest["digest"], made["target"]["content_id"]);
    let said = place.run("imgdelta compare result.raw patched.raw --files --json");
    let value: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(
        value["files"]["by_kind"].as_array().map(Vec::len),
        Some(1),
        "{value}"
    );
    assert_eq!(value["files"]["by_kind"][0]["kind"], "free");
}

#[test]
fn only_what_can_be_left_out_is_taken() {
    let place = Place::golden();
    let said = place
        .run("imgdelta make -b golden.raw -t patched.raw -o child.qcow2 --leave-out free,pages");
    assert_eq!(said.exit, 2);
    assert!(
        said.err.contains("free, swap and pagefile can be left out"),
        "{}",
        said.err
    );
}

#[test]
fn a_disk_with_partitions_arrives_clean_with_every_file_in_each_form() {
    if !are_there(&TOOLS) {
        return;
    }
    let place = Place::empty();
    installed(&place);
    let right = contents(&place, "patched.raw");
    assert!(right.0.contains_key("fat/new") && right.0.contains_key("ext/new"));
    assert!(!right.0.contains_key("fat/old") && !right.0.contains_key("ext/old"));
    place.ok("imgdelta convert golden.raw -o golden.vhdx");
    for (base, form) in [
        ("golden.raw", "qcow2"),
        ("golden.vhdx", "vhdx"),
        ("golden.raw", "imgdelta"),
    ] {
        let make = format!("imgdelta make -b {base} -t patched.raw");
        place.ok(&format!("{make} -o whole.{form}"));
        let made = place.ok(&format!(
            "{make} -o child.{form} --leave-out free,swap,pagefile --json"
        ));
        let made: Value = serde_json::from_str(&made).expect("JSON");
        let left = |why: &str| made["left_out"][why].as_u64().expect("a number") as usize;
        assert!(left("free") >= 5 * MIB && left("swap") >= MIB, "{made}");
        assert_eq!(left("pagefile"), 0);
        let [whole, child] = ["whole", "child"].map(|name| place.read(&format!("{name}.{form}")));
        assert!(
            child.len() + 2 * MIB < whole.len(),
            "{form}: {} of {}",
            child.len(),
            whole.len()
        );
        place.ok(&format!(
            "imgdelta apply child.{form} -b {base} -o result.raw --force"
        ));
        let digest = place.ok("imgdelta digest result.raw --json");
        let digest: Value = serde_json::from_str(&digest).expect("JSON");
        assert_eq!(digest["digest"], made["target"]["content_id"], "{form}");
        assert!(contents(&place, "result.raw") == right, "{form}");
        assert!(place.read("result.raw") != place.read("patched.raw"));
    }
    // What was said of the disk travels on with the child that the site makes of a transport file.
    place.ok("imgdelta apply child.imgdelta -b golden.vhdx -o travelled.vhdx --form child");
    let [made, travelled] = ["child.vhdx", "travelled.vhdx"].map(|name| {
        let manifest = place.read(&format!("{name}.manifest.json"));
        serde_json::from_slice::<Value>(&manifest).expect("JSON")
    });
    assert_eq!(made["left_out"], travelled["left_out"]);
    assert_eq!(made["left_out"][0]["why"], "free");
    place.ok("imgdelta attach travelled.vhdx -b golden.vhdx");
    place.ok("imgdelta compare travelled.vhdx result.raw");
}

#[test]
fn what_is_not_certain_travels_and_that_is_said() {
    if !are_there(&TOOLS) {
        return;
    }
    let place = Place::empty();
    installed(&place);
    // Its journal must be replayed.
    let root = PARTS[2].1 * MIB;
    place.change("patched.raw", |disk| disk[root + 1024 + 0x60] |= 4);
    for form in ["qcow2", "imgdelta"] {
        let make = format!("imgdelta make -b golden.raw -t patched.raw -o child.{form}");
        let said = place.run(&format!("{make} --leave-out free"));
        assert_eq!(said.exit, 0, "{}", said.err);
        assert!(
            said.err
                .contains("note: patched.raw: nothing of volume 3 is left out: "),
            "{}",
            said.err
        );
        assert!(
            said.out.contains("left out, as it is in the base: free "),
            "{}",
            said.out
        );
        place.ok(&format!(
            "imgdelta apply child.{form} -b golden.raw -o result.raw --force"
        ));
        let [target, result] = ["patched.raw", "result.raw"].map(|name| place.read(name));
        assert!(target[root..] == result[root..], "{form}");
    }
}

#[test]
fn check_tells_of_a_damaged_partition_table() {
    if !are_there(&TOOLS) {
        return;
    }
    let place = Place::empty();
    installed(&place);
    let notes = |line: &str| {
        let said = place.run(line);
        assert_eq!(said.exit, 0, "{line}: {}", said.err);
        said.err
    };
    assert_eq!(notes("imgdelta check golden.raw"), "");
    place.ok("imgdelta make -b golden.raw -t patched.raw -o child.qcow2");
    place.change("golden.raw", |disk| disk[512 + 16] ^= 1);
    let told =
        "note: partition table: the first header of its GPT has a wrong CRC: its backup is taken\n";
    assert_eq!(notes("imgdelta check golden.raw"), told);
    // Most of a child's disk is its base's.
    assert_eq!(notes("imgdelta check child.qcow2"), "");
    place.change("golden.raw", |disk| {
        disk[512 + 16] ^= 1;
        let end = disk.len();
        disk[end - 512 + 16] ^= 1;
    });
    let told = notes("imgdelta check golden.raw");
    assert_eq!(
        told,
        "note: partition table: the backup of its GPT has a wrong CRC\n"
    );
    place.change("golden.raw", |disk| disk[512 + 16] ^= 1);
    let told = notes("imgdelta check golden.raw");
    assert!(told.contains("and so is its backup"), "{told}");
}

#[test]
fn a_plan_says_what_leaving_out_would_save() {
    if !are_there(&TOOLS) {
        return;
    }
    let place = Place::empty();
    installed(&place);
    for repository in ["hq", "site"] {
        place.ok(&format!("imgdelta repo init {repository}"));
        place.ok(&format!("imgdelta repo add golden.raw --repo {repository}"));
    }
    place.ok("imgdelta repo add patched.raw --repo hq --parent golden");
    let plan = "imgdelta plan patched --repo hq --for site";
    let value: Value = serde_json::from_str(&place.ok(&format!("{plan} --json"))).expect("JSON");
    let leg = &value["sites"][0]["legs"][0];
    assert!(leg["unneeded"].is_null(), "{leg}");
    let bytes = leg["bytes"].as_u64().expect("a number");
    let line = format!("{plan} --leave-out free,swap --json");
    let value: Value = serde_json::from_str(&place.ok(&line)).expect("JSON");
    let leg = &value["sites"][0]["legs"][0];
    let [free, swap] = ["free", "swap"].map(|why| leg["unneeded"][why].as_u64().expect("a number"));
    assert_eq!(leg["bytes"], bytes);
    assert!(swap >= MIB as u64 && free >= 5 * MIB as u64, "{leg}");
    assert!(free + swap <= bytes, "{leg}");
    let told = place.ok(&format!("{plan} --leave-out swap"));
    assert!(told.contains("\n      unneeded swap 1."), "{told}");
    // A whole image, too; and a disk that tells of nothing.
    place.write("noise.raw", &[7; MIB]);
    place.ok("imgdelta repo add noise.raw --repo hq");
    place.ok("imgdelta repo init empty");
    let line = "imgdelta plan noise patched --repo hq --for empty --leave-out free --json";
    let value: Value = serde_json::from_str(&place.ok(line)).expect("JSON");
    for leg in value["sites"][0]["legs"].as_array().expect("a list") {
        let free = leg["unneeded"]["free"].as_u64().expect("a number");
        assert_eq!(free > 0, leg["image"]["name"] == "patched", "{leg}");
    }
    let notes = value["notes"].to_string();
    assert!(notes.contains("nothing of the disk is left out"), "{notes}");
}
