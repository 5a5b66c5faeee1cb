//! What a guest says of its disk, as the command tells it: whose the bytes are, and what is left out.

use std::{fs::File, path::Path, process::Command};

use serde_json::Value;

use crate::place::Place;

/// Where `mke2fs` is (Debian package e2fsprogs); `None`, said out loud, where it need not be there.
fn mke2fs() -> Option<&'static str> {
    let places = ["/usr/sbin/mke2fs", "/sbin/mke2fs"];
    let found = places.into_iter().find(|place| Path::new(place).is_file());
    let required = std::env::var("IMGDELTA_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(
        found.is_some() || !required,
        "mke2fs is required and missing"
    );
    if found.is_none() {
        eprintln!("skipped: no mke2fs (Debian package e2fsprogs)");
    }
    found
}

/// Makes an ext4 of 16 MiB that holds a folder.
fn file_system(program: &str, place: &Place, name: &str, folder: &str) {
    let path = place.path(name);
    let file = File::create(&path).expect("room");
    file.set_len(16 << 20).expect("room");
    let id = "11111111-2222-3333-4444-555555555555";
    let mut command = Command::new(program);
    command.args(["-q", "-F", "-t", "ext4", "-U", id, "-E"]);
    command.arg(format!("hash_seed={id}"));
    let done = command.arg("-d").arg(place.path(folder)).arg(path);
    assert!(done.status().expect("it starts").success());
}

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
    assert_eq!(files["changed"][0]["other"]["volume"], 0);
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
    let Some(program) = mke2fs() else {
        return;
    };
    let place = Place::empty();
    place.write("tree/etc/hosts", &[1; 20_000]);
    place.write("tree/old", &[2; 300_000]);
    file_system(program, &place, "golden.raw", "tree");
    place.write("tree/etc/hosts", &[3; 20_000]);
    file_system(program, &place, "patched.raw", "tree");
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
