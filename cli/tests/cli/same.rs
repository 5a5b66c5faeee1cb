//! The same input gives the same bytes, and what is remembered changes no result.

use crate::place::Place;

#[test]
fn the_number_of_threads_does_not_show() {
    let place = Place::golden();
    for (line, file) in [
        (
            "make -b golden.vhd -t patched.raw -o c.vhd --force",
            "c.vhd",
        ),
        (
            "make -b golden.raw -t patched.vhd -o c.qcow2 --force --option compression_type=zstd",
            "c.qcow2",
        ),
        ("convert golden.vhd -o d.qcow2 --force", "d.qcow2"),
        ("convert golden.qcow2 -o d.vhd --force", "d.vhd"),
    ] {
        place.ok(&format!("{line} -j 1"));
        let one = place.read(file);
        place.ok(&format!("{line} -j 7"));
        assert_eq!(place.read(file), one, "{line}");
    }
}

#[test]
fn new_ids_differ_and_nothing_else_does() {
    let place = Place::golden();
    let make = "make -b golden.vhd -t patched.vhd --new-ids";
    place.ok(&format!("{make} -o a.vhd"));
    place.ok(&format!("{make} -o b.vhd"));
    assert_ne!(place.read("a.vhd"), place.read("b.vhd"));
    place.ok("compare a.vhd b.vhd");
}

#[test]
fn what_is_remembered_is_told_and_changes_nothing() {
    let place = Place::golden();
    // A file is remembered only when it has not changed for a while.
    std::thread::sleep(std::time::Duration::from_millis(2200));
    let digest = |flags: &str| -> serde_json::Value {
        let out = place.ok(&format!("digest golden.vhd --json {flags}"));
        serde_json::from_str(&out).expect("JSON")
    };
    let (first, again, anew) = (digest(""), digest(""), digest("--no-cache"));
    assert_eq!(first["from_memory"], false);
    assert_eq!(again["from_memory"], true);
    assert_eq!(anew["from_memory"], false);
    assert_eq!(first["digest"], again["digest"]);

    place.ok("make -b golden.vhd -t patched.vhd -o c.vhd");
    place.ok("make -b golden.vhd -t patched.vhd -o d.vhd --no-cache");
    assert_eq!(place.read("c.vhd"), place.read("d.vhd"));
    let out = place.ok("attach c.vhd -b golden.vhd");
    assert!(out.contains("from memory"), "{out}");
    let out = place.ok("attach c.vhd -b golden.vhd --no-cache");
    assert!(!out.contains("from memory"), "{out}");

    // A byte that changes is noticed whatever is remembered.
    place.change("golden.vhd", |bytes| bytes[0x30_0000] ^= 1);
    place.refused("attach c.vhd -b golden.vhd", 5);
}
