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
        ("convert golden.raw -o base.vhdx --force", "base.vhdx"),
        (
            "make -b base.vhdx -t patched.raw -o c.vhdx --force",
            "c.vhdx",
        ),
        ("convert golden.raw -o base.vmdk --force", "base.vmdk"),
        (
            "make -b base.vmdk -t patched.raw -o c.vmdk --force",
            "c.vmdk",
        ),
        ("convert golden.raw -o base.vdi --force", "base.vdi"),
        ("make -b base.vdi -t patched.raw -o c.vdi --force", "c.vdi"),
        (
            "make -b golden.raw -t patched.raw -o c.imgdelta --force",
            "c.imgdelta",
        ),
        ("apply c.vhd -b golden.vhd -o e.raw --force", "e.raw"),
        ("apply c.imgdelta -b golden.raw -o e.raw --force", "e.raw"),
        ("convert golden.vhd -o d.qcow2 --force", "d.qcow2"),
        ("convert golden.qcow2 -o d.vhd --force", "d.vhd"),
        ("convert golden.qcow2 -o d.vhdx --force", "d.vhdx"),
        ("convert golden.qcow2 -o d.vdi --force", "d.vdi"),
        (
            "convert golden.raw -o d.qcow2 --force --option compression_type=zlib",
            "d.qcow2",
        ),
        (
            "convert golden.qcow2 -o d.vmdk --force --option subformat=streamOptimized",
            "d.vmdk",
        ),
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
    if !imgdelta_fixtures::peers::remembers(&place.path("")) {
        return;
    }
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
    assert_eq!(digest("--prove")["from_memory"], false);
    assert_eq!(first["digest"], again["digest"]);

    place.ok("make -b golden.vhd -t patched.vhd -o c.vhd");
    place.ok("make -b golden.vhd -t patched.vhd -o d.vhd --no-cache");
    assert_eq!(place.read("c.vhd"), place.read("d.vhd"));
    let out = place.ok("make -b golden.vhd -t patched.vhd -o c.vhd --force");
    assert!(out.contains("base remembered; --prove"), "{out}");
    let out = place.ok("attach c.vhd -b golden.vhd");
    let told = "c.vhd: child of golden.vhd, base remembered\n--prove reads the base anew\n";
    assert_eq!(out, told);
    let out = place.ok("attach c.vhd -b golden.vhd --json");
    assert!(out.contains("\"proven_by\": \"memory\""), "{out}");
    for flag in ["--no-cache", "--prove"] {
        let out = place.ok(&format!("attach c.vhd -b golden.vhd {flag}"));
        assert_eq!(out, "c.vhd: child of golden.vhd, proven\n");
    }
    // What comes out of apply is read, whatever is known of its base.
    let out = place.ok("apply c.vhd -b golden.vhd -o f.raw");
    assert!(out.contains("disk, proven\nbase remembered"), "{out}");
    assert_eq!(place.read("f.raw"), place.read("patched.raw"));

    place.refused("digest golden.vhd --prove --no-cache", 2);

    // A byte that changes is noticed whatever is remembered.
    place.change("golden.vhd", |bytes| bytes[0x30_0000] ^= 1);
    place.refused("attach c.vhd -b golden.vhd", 5);
}

#[test]
fn what_is_remembered_wrongly_is_never_called_proven_and_is_put_right_by_proving() {
    let place = Place::golden();
    if !imgdelta_fixtures::peers::remembers(&place.path("")) {
        return;
    }
    place.ok("make -b golden.vhd -t patched.vhd -o c.vhd -q --no-cache");
    place.change("golden.vhd", |bytes| bytes[0x30_0000] ^= 1);
    std::thread::sleep(std::time::Duration::from_millis(2200));
    let digest = |line: &str| -> String {
        let out = place.ok(&format!("digest {line} -qq"));
        out.split_whitespace().next().expect("an id").to_owned()
    };
    // The entry of the file that changed says what the disk was before: as if nothing had told of the change.
    let was = digest("golden.raw");
    let [kept] = place.remembered().try_into().expect("one entry");
    let right = digest("golden.vhd");
    let both = place.remembered();
    let other = both
        .iter()
        .find(|path| **path != kept)
        .expect("a second one");
    std::fs::copy(&kept, other).expect("room");
    assert_ne!(was, right);
    assert_eq!(digest("golden.vhd"), was, "believed");

    let out = place.ok("attach c.vhd -b golden.vhd");
    assert!(
        out.contains("base remembered") && !out.contains("proven"),
        "{out}"
    );
    place.refused("attach c.vhd -b golden.vhd --prove", 5);
    assert_eq!(digest("golden.vhd"), right, "proving has put it right");
    place.refused("attach c.vhd -b golden.vhd", 5);

    // What is written is read: either right or not there, and then it is the base that is looked at again.
    std::fs::copy(&kept, other).expect("room");
    place.refused("apply c.vhd -b golden.vhd -o f.raw", 5);
    assert_eq!(digest("golden.vhd"), right);
}
