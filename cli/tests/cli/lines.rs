//! What people read: results as text, help, and how loud it is.

use crate::place::Place;

#[test]
fn the_story_reads_well() {
    let place = Place::golden();
    place.transcript(
        "story",
        &[
            "imgdelta make -b golden.vhd -t patched.vhd -o november.vhd",
            "imgdelta apply november.vhd -b golden.vhd -o full.raw",
            "imgdelta attach november.vhd -b golden.vhd -v",
            "imgdelta compare november.vhd patched.raw",
            "imgdelta compare golden.raw patched.raw --list",
            "imgdelta compare golden.raw patched.raw -q",
            "imgdelta map november.vhd --layer",
            "imgdelta check november.vhd",
            "imgdelta digest november.vhd",
            "imgdelta info november.vhd --refs",
            "imgdelta version",
        ],
    );
}

#[test]
fn a_dry_run_says_how_large_it_would_be_and_writes_nothing() {
    let place = Place::golden();
    let before = place.names();
    for (dry, real, file) in [
        (
            "make -b golden.raw -t patched.raw -o c.qcow2 -n --json",
            "make -b golden.raw -t patched.raw -o c.qcow2 --json",
            "c.qcow2",
        ),
        (
            "convert golden.raw -o d.vhd -n --json",
            "convert golden.raw -o d.vhd --json",
            "d.vhd",
        ),
    ] {
        let size = |out: String| -> u64 {
            let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
            value["file_size"].as_u64().expect("a size")
        };
        let foretold = size(place.ok(dry));
        assert_eq!(place.names(), before, "{dry}");
        let told = size(place.ok(real));
        assert_eq!(foretold, told, "{dry}");
        assert_eq!(told, place.read(file).len() as u64);
        std::fs::remove_file(place.path(file)).expect("it is there");
        let _ = std::fs::remove_file(place.path(&format!("{file}.manifest.json")));
    }
    place.ok("make -b golden.vhd -t patched.vhd -o november.vhd");
    let child = place.read("november.vhd");
    place.ok("attach november.vhd -b golden.vhd --dry-run");
    place.ok("apply november.vhd -b golden.vhd -o never.raw --dry-run");
    assert_eq!(place.read("november.vhd"), child);
    assert!(!place.path("never.raw").exists());
}

#[test]
fn equal_images_make_an_empty_child_and_that_is_said() {
    let place = Place::golden();
    let said = place.run("make -b golden.raw -t golden.qcow2 -o c.qcow2");
    assert_eq!(said.exit, 0);
    assert!(
        said.err
            .contains("base and target are the same disk: the child is empty"),
        "{}",
        said.err
    );
    place.ok("apply c.qcow2 -b golden.vhd -o full.raw");
    assert_eq!(place.read("full.raw"), place.read("golden.raw"));
}

#[test]
fn quiet_is_quiet() {
    let place = Place::golden();
    let said = place.run("make -b golden.vhd -t patched.vhd -o c.vhd -q");
    assert_eq!(
        (said.exit, said.out.as_str(), said.err.as_str()),
        (0, "", "")
    );
    let said = place.run("compare golden.vhd golden.raw -q");
    assert_eq!(
        (said.exit, said.out.as_str(), said.err.as_str()),
        (0, "", "")
    );
    // What was asked for is no summary.
    assert!(place.ok("digest golden.vhd -q").starts_with("imgdelta1:"));
}

#[test]
fn a_size_that_changes_and_what_is_left_out_are_told() {
    let place = Place::golden();
    place.write("odd.raw", &[7; 1_500_000]);
    let said = place.run("convert odd.raw -o azure.vhd --option size=azure,subformat=fixed");
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(
        said.err
            .contains("the disk grows from 1500000 to 20971520 bytes (20 MiB)"),
        "{}",
        said.err
    );
    assert!(said.err.contains("size=azure"), "{}", said.err);
}

#[test]
fn every_help_shows_examples_and_the_long_one_the_exit_statuses() {
    let place = Place::empty();
    let help = place.ok("--help");
    assert!(
        help.contains("Exit status:") && help.contains("130"),
        "{help}"
    );
    for command in [
        "make",
        "apply",
        "attach",
        "convert",
        "compare",
        "info",
        "map",
        "check",
        "digest",
        "repo",
        "inventory",
        "plan",
    ] {
        let short = place.ok(&format!("{command} -h"));
        assert!(short.contains("Example"), "{short}");
        assert!(short.lines().count() <= 50, "{command}: {short}");
        let long = place.ok(&format!("{command} --help"));
        assert!(long.contains(&format!("imgdelta {command} ")), "{long}");
    }
    for verb in [
        "init", "add", "scan", "list", "show", "tree", "tag", "untag", "golden", "set-id",
        "rename", "verify", "remove", "gc",
    ] {
        let short = place.ok(&format!("repo {verb} -h"));
        assert!(short.contains("IMGDELTA_REPO"), "{short}");
        assert!(short.lines().count() <= 50, "{verb}: {short}");
    }
    assert!(place.ok("completions bash").contains("imgdelta"));
    let manual = place.ok("man");
    assert!(manual.contains(".TH imgdelta") && manual.contains("imgdelta\\-repo\\-scan"));
    place.ok("man --pages pages");
    for page in ["imgdelta.1", "imgdelta-make.1", "imgdelta-repo-add.1"] {
        let text = String::from_utf8(place.read(&format!("pages/{page}"))).expect("text");
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
}

#[test]
fn an_image_that_lies_elsewhere_is_opened_by_the_search_that_is_printed() {
    let place = Place::golden();
    std::fs::create_dir(place.path("stick")).expect("room");
    let out = place.ok("make -b golden.vhd -t patched.vhd -o stick/november.vhd");
    assert!(
        place
            .without_paths(&out)
            .contains("--search FOLDER opens the child by its link"),
        "{out}"
    );
    let refused = place.refused("convert stick/november.vhd -o full.raw", 7);
    assert!(refused.contains("--search"), "{refused}");
    place.ok("convert stick/november.vhd -o full.raw --search .");
    assert_eq!(place.read("full.raw"), place.read("patched.raw"));
}
