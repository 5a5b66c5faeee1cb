//! What differs between two disks, and what an image holds, file by file.

#[path = "../../guest/tests/host/mod.rs"]
mod host;
mod scene;
#[path = "../../guest/tests/tree/mod.rs"]
mod tree;

use std::fs;

use host::{are_there, poke};
use imgdelta_operations::{Compare, CompareReport, Context, Map, MapLayers};
use scene::{MIB, Scene};

#[test]
fn what_differs_is_told_file_by_file_and_to_the_byte() {
    let tools = [("mke2fs", "e2fsprogs"), ("debugfs", "e2fsprogs")];
    if !are_there(&tools) {
        return;
    }
    let scene = Scene::new();
    let tree = tree::make(&scene.at("tree"));
    scene.ext4(64 * MIB, &tree, "rm small\nwrite NEW new\n");
    let compare = Compare::new(scene.open("base.raw"), scene.open("target.raw"));
    let mut listed = 0;
    let report = compare
        .files(true)
        .run_listing(&Context::new(), &mut |run| {
            listed += run.length;
            Ok(())
        })
        .expect("both are read");
    let files = report.files.expect("it was asked for");
    let total: u64 = files.changed.iter().map(|row| row.bytes).sum();
    let by_kind: u64 = files.by_kind.iter().map(|row| row.bytes).sum();
    assert_eq!((Some(total), by_kind, listed), (report.bytes, total, total));
    let new = &files.changed[0];
    assert_eq!(new.other.path.as_deref(), Some("/new"));
    assert_eq!((new.kind.name(), new.one.kind.name()), ("file", "free"));
    // A block that another file had before is told with both.
    let of_new = |path: Option<&str>| {
        let rows = files.changed.iter();
        rows.filter(|row| row.other.path.as_deref() == Some("/new"))
            .filter(|row| path.is_none() || row.one.path.as_deref() == path)
            .map(|row| row.bytes)
            .sum::<u64>()
    };
    assert_eq!((of_new(None), of_new(Some("/small"))), (2 << 20, 1024));
    assert!(
        files
            .changed
            .iter()
            .any(|row| row.kind.name() == "metadata")
    );
    assert!(
        files.changed.iter().all(|row| row.kind.name() != "unknown"),
        "{files:?}"
    );
    let json = serde_json::to_value(&files).expect("json");
    assert_eq!(json["changed"][0]["other"]["kind"], "file");
    assert_eq!(json["changed"][0]["other"]["volume"], 0);

    // What is not read here is unknown, and the sums are right.
    for image in ["base.raw", "target.raw"] {
        poke(&scene.at(image), 1024 + 0x38, &[0, 0]);
    }
    let report = compare_files(&scene);
    let files = report.files.expect("it was asked for");
    assert_eq!(files.by_kind.len(), 1);
    assert_eq!(files.by_kind[0].kind.name(), "unknown");
    assert_eq!(Some(files.by_kind[0].bytes), report.bytes);
}

fn compare_files(scene: &Scene) -> CompareReport {
    Compare::new(scene.open("base.raw"), scene.open("target.raw"))
        .files(true)
        .run(&Context::new())
        .expect("both are read")
}

#[test]
fn a_map_says_which_file_has_each_run() {
    let tools = [("mke2fs", "e2fsprogs"), ("debugfs", "e2fsprogs")];
    if !are_there(&tools) {
        return;
    }
    let scene = Scene::new();
    let tree = tree::make(&scene.at("tree"));
    scene.ext4(64 * MIB, &tree, "write NEW new\n");
    scene.make("child.qcow2", &[]);
    for (image, layers) in [
        ("target.raw", MapLayers::Chain),
        ("child.qcow2", MapLayers::Own),
    ] {
        let mut plain = (0, 0);
        let map = |files| Map::new(scene.open(image)).layers(layers).files(files);
        let report = map(false)
            .run(&Context::new(), &mut |run| {
                assert!(run.owner.is_none());
                plain = (plain.0 + 1, run.start + run.length);
                Ok(())
            })
            .expect("it is read");
        let (mut at, mut data, mut new) = (0, 0, 0);
        let named = map(true)
            .run(&Context::new(), &mut |run| {
                assert_eq!(run.start, at);
                at += run.length;
                let Some(owner) = run.owner else {
                    assert!(["zero", "absent"].contains(&run.state));
                    return Ok(());
                };
                data += run.length;
                if owner.path.as_deref() == Some("/new") {
                    // Where the map says, the bytes stand.
                    let path = run.file.expect("they are not compressed");
                    let file = fs::read(scene.at(&path)).expect("it is there");
                    let from = run.offset.expect("they stand somewhere") as usize;
                    let bytes = &file[from..from + run.length as usize];
                    assert!(bytes.iter().all(|byte| *byte == 3), "{image}");
                    new += run.length;
                }
                Ok(())
            })
            .expect("it is read");
        assert_eq!((at, data), (plain.1, report.data), "{image}");
        assert_eq!(named.data, report.data);
        assert_eq!(new, 2 << 20, "{image}");
    }
}
