//! Repositories as users meet them: images come, are looked at, change their names, go; two processes at once; what JSON says.

use std::{fs, path::Path};

use imgdelta_fixtures::golden;
use serde_json::Value;

use crate::place::{Place, Said, expect};

/// A place with a repository that has the golden image and its patch.
pub(crate) fn headquarters() -> Place {
    let place = Place::golden();
    place.ok("repo init hq");
    place.ok("repo add golden.vhd --repo hq --golden");
    place.ok("repo add patched.vhd --repo hq --parent golden");
    place
}

/// What a line says in JSON.
pub(crate) fn json(place: &Place, line: &str) -> Value {
    let out = place.ok(&format!("{line} --json"));
    serde_json::from_str(&out).expect("one document of JSON")
}

/// Compares what a line says in JSON with `golden/NAME.json`; a repository's id is chance.
pub(crate) fn expect_json(place: &Place, name: &str, line: &str) {
    let Said { exit, out, err } = place.run(&format!("{line} --json"));
    assert!(exit <= 1, "{line}\n{err}");
    let value: Value = serde_json::from_str(&out).expect("one document of JSON");
    let text = serde_json::to_string_pretty(&value).expect("JSON") + "\n";
    let words = text.split_inclusive(['"', ' ']);
    let settled: String = words
        .map(|word| match word.strip_suffix('"') {
            Some(word) if is_uuid(word) => "UUID\"".to_owned(),
            _ => word.to_owned(),
        })
        .collect();
    expect(&format!("{name}.json"), &place.without_paths(&settled));
}

fn is_uuid(word: &str) -> bool {
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// All files below a folder and their bytes.
fn all_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push((
                    path.display().to_string(),
                    fs::read(&path).expect("readable"),
                ));
            }
        }
    }
    all.sort();
    all
}

/// The names of a repository's images.
pub(crate) fn names(place: &Place, repository: &str) -> Vec<String> {
    let list = json(place, &format!("repo list --repo {repository}"));
    let images = list["images"].as_array().expect("a list").iter();
    images
        .map(|image| image["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn the_story_of_a_repository_reads_well() {
    let place = Place::golden();
    place.transcript(
        "repo-story",
        &[
            "imgdelta repo list --repo hq",
            "imgdelta repo init hq",
            "imgdelta repo init hq",
            "imgdelta repo list --repo hq",
            "imgdelta repo add golden.vhd --repo hq --golden",
            "imgdelta repo add patched.vhd --repo hq --parent golden --tag 2026-11",
            "imgdelta repo add patched.qcow2 --repo hq --name again",
            "imgdelta repo add patched.raw --repo hq --name golden",
            "imgdelta repo list --repo hq",
            "imgdelta repo tree --repo hq",
            "imgdelta repo show patched --repo hq",
            "imgdelta repo verify --repo hq",
            "imgdelta repo verify --repo hq -q",
        ],
    );
}

#[test]
fn what_is_known_of_an_image_changes_as_it_is_typed() {
    let place = headquarters();
    place.transcript(
        "repo-edits",
        &[
            "imgdelta repo tag patched 2026-11 production --repo hq",
            "imgdelta repo untag patched production never --repo hq",
            "imgdelta repo golden golden --off --repo hq",
            "imgdelta repo golden patched --repo hq",
            "imgdelta repo rename golden patched --repo hq",
            "imgdelta repo rename golden win11-2610 --repo hq",
            "imgdelta repo set-id patched win/11 --repo hq",
            "imgdelta repo set-id patched win11-2611 --repo hq",
            "imgdelta repo set-id win11-2610 WIN11-2611 --repo hq",
            "imgdelta repo list --repo hq",
            "imgdelta repo show win11-2611 --repo hq",
            "imgdelta repo show win11-261O --repo hq",
            "imgdelta repo show fedora --repo hq",
        ],
    );
}

#[test]
fn an_image_goes_only_if_the_user_is_sure_and_nobody_needs_it() {
    let place = headquarters();
    place.ok("make -b hq/golden.vhd -t patched.vhd -o hq/child.vhd -q");
    place.write("hq/other.raw", &[9; 1 << 20]);
    place.transcript(
        "repo-remove",
        &[
            "imgdelta repo remove patched --repo hq",
            "imgdelta repo remove patched --repo hq -n",
            "imgdelta repo remove patched --repo hq --yes",
            "imgdelta repo scan --repo hq",
            "imgdelta repo tree --repo hq",
            "imgdelta repo remove golden --repo hq --yes",
            "imgdelta repo remove child --repo hq",
            "imgdelta repo remove golden --repo hq --yes",
            "imgdelta repo remove other --repo hq",
            "imgdelta repo gc --repo hq",
            "imgdelta repo list --repo hq",
        ],
    );
    let left: Vec<String> = all_below(&place.path("hq"))
        .into_iter()
        .filter_map(|(path, _)| path.split_once("hq/").map(|(_, inside)| inside.to_owned()))
        .filter(|inside| !inside.starts_with(".imgdelta"))
        .collect();
    // What was taken in is not the repository's to delete.
    assert!(left.contains(&"other.raw".to_owned()) && left.contains(&"child.vhd".to_owned()));
    assert!(!left.contains(&"golden.vhd".to_owned()), "{left:?}");
}

#[test]
fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let place = headquarters();
    place.write("third.raw", &[3; 1 << 20]);
    place.write("hq/stray.raw", &[4; 1 << 20]);
    place.write(
        "hq/.imgdelta/images/.gone.json.imgdelta-tmp",
        b"a killed process's",
    );
    let before = all_below(&place.path(""));
    for (line, word) in [
        ("repo init site -n", "site"),
        (
            "repo add third.raw --repo hq -n --parent patched",
            "added as third",
        ),
        (
            "repo add golden.raw --repo hq -n",
            "here already, as golden",
        ),
        ("repo tag patched x --repo hq -n", "[x]"),
        ("repo untag patched x --repo hq -n", "patched"),
        ("repo golden patched --repo hq -n", "[golden]"),
        ("repo set-id patched p --repo hq -n", "patched: p"),
        ("repo rename patched p --repo hq -n", "p, patched before"),
        ("repo remove patched --repo hq -n", "patched.vhd"),
        ("repo scan --repo hq -n", "hq/stray.raw: would be looked at"),
        ("repo gc --repo hq -n", "swept away: 1 file,"),
        ("inventory --repo hq -o hq.inv -n", "2 images"),
    ] {
        let out = place.ok(line);
        assert!(
            out.contains(word) && out.contains("nothing was written"),
            "{line}: {out}"
        );
    }
    for line in [
        "repo init hq -n",
        "repo add third.raw --name golden --repo hq -n",
        "repo add third.raw --in-place --repo hq -n",
        "repo add third.raw --parent nobody --repo hq -n",
        "repo set-id patched p -n --repo nowhere",
        "repo rename patched golden --repo hq -n",
        "inventory --repo hq -o third.raw -n",
    ] {
        place.refused(line, 2);
    }
    assert!(all_below(&place.path("")) == before, "nothing was written");
}

#[test]
fn the_repository_is_where_one_says_or_where_one_stands() {
    let place = headquarters();
    let run = |line: &str, folder: &str, variable: Option<&str>| {
        let mut command = place.command(line);
        command.current_dir(place.path(folder));
        if let Some(value) = variable {
            command.env("IMGDELTA_REPO", value);
        }
        Said::of(&command.output().expect("it starts"))
    };
    assert_eq!(run("repo show golden", "hq", None).exit, 0);
    assert_eq!(run("repo show golden", "", Some("hq")).exit, 0);
    assert_eq!(
        run("repo show golden --repo hq", "", Some("nowhere")).exit,
        0
    );
    let said = run("repo show golden", "", None);
    assert_eq!(said.exit, 2);
    assert!(
        said.err.contains("is not a repository") && said.err.contains("--repo"),
        "{}",
        said.err
    );
    assert!(run("env", "", Some("hq")).out.contains("IMGDELTA_REPO"));
    assert!(run("env --repo hq", "", None).out.contains("--repo"));
    let said = run("repo init", "", Some("made"));
    assert_eq!(
        (said.exit, place.path("made/.imgdelta").is_dir()),
        (0, true)
    );
}

#[test]
fn two_adds_at_once_both_come_in() {
    let place = Place::golden();
    place.ok("repo init hq");
    let lines = [
        "repo add golden.vhd --repo hq --wait 60s",
        "repo add patched.vhd --repo hq --wait 60s",
        "repo add patched.qcow2 --repo hq --wait 60s",
    ];
    let running: Vec<_> = lines
        .iter()
        .map(|line| {
            let mut command = place.command(line);
            command.stdout(std::process::Stdio::piped());
            command.stderr(std::process::Stdio::piped());
            command.spawn().expect("it starts")
        })
        .collect();
    for (line, child) in lines.iter().zip(running) {
        let said = Said::of(&child.wait_with_output().expect("it ends"));
        assert_eq!(said.exit, 0, "{line}: {}{}", said.out, said.err);
    }
    // The patch came twice and is one image.
    assert_eq!(names(&place, "hq"), ["golden", "patched"]);
    place.ok("repo verify --repo hq");
}

#[test]
fn who_holds_the_repository_is_waited_for_only_if_asked() -> std::io::Result<()> {
    let place = headquarters();
    let lock = fs::File::options()
        .write(true)
        .open(place.path("hq/.imgdelta/lock"))?;
    lock.lock()?;
    let said = place.refused("repo tag golden x --repo hq", 9);
    assert!(said.contains("hint: wait with --wait 5m"), "{said}");
    place.refused("repo tag golden x --repo hq --wait 1", 9);
    // Reading needs no lock.
    place.ok("repo list --repo hq");
    place.ok("repo verify golden --repo hq");
    let waiting = place
        .command("repo tag golden x --repo hq --wait 1m")
        .stdout(std::process::Stdio::null())
        .spawn()?;
    std::thread::sleep(std::time::Duration::from_millis(200));
    lock.unlock()?;
    assert!(waiting.wait_with_output()?.status.success());
    assert_eq!(json(&place, "repo show golden --repo hq")["tags"][0], "x");
    Ok(())
}

#[test]
fn a_difference_is_stored_where_that_is_smaller() {
    let place = Place::golden();
    place.ok("repo init hq");
    place.ok("repo add golden.vhd --repo hq");
    place.ok("repo add patched.raw --repo hq --dedup");
    let shown = json(&place, "repo show patched --repo hq");
    assert_eq!(shown["how"], "difference", "{shown}");
    assert_eq!(shown["parent"]["known"], "linked");
    place.ok("convert hq/patched.vhd -o whole.raw -q");
    assert!(place.read("whole.raw") == golden::patched_bytes());
    let said = place.refused("repo remove golden --repo hq --yes", 2);
    assert!(said.contains("needed by patched"), "{said}");
}

#[test]
fn names_have_blanks_and_lists_come_line_by_line() {
    let place = Place::golden();
    place.ok("repo init site");
    let disk = place.path("Golden Disk.vhd");
    fs::copy(place.path("golden.vhd"), &disk).expect("room");
    let added = place.command("repo add --repo site").arg(&disk).output();
    assert_eq!(Said::of(&added.expect("it starts")).exit, 0);
    assert!(place.path("site/Golden Disk.vhd").exists());
    let out = place.ok("repo list --repo site --json=lines");
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["name"], "Golden Disk");
    assert_eq!(lines[1]["count"], 1);
    // Four digits of an id are enough, three are not.
    let id = lines[0]["id"].as_str().expect("text");
    let digits = id.strip_prefix("imgdelta1:").expect("a content id");
    place.ok(&format!("repo show {} --repo site", &digits[..4]));
    place.refused(&format!("repo show {} --repo site", &digits[..3]), 2);
}

#[test]
fn a_repository_in_json() {
    let place = Place::golden();
    place.write("hq/there.raw", &[5; 1 << 20]);
    expect_json(&place, "repo-init", "repo init hq");
    expect_json(&place, "repo-scan", "repo scan --repo hq");
    expect_json(
        &place,
        "repo-add",
        "repo add golden.vhd --repo hq --golden --tag 2026-11",
    );
    place.ok("repo add patched.vhd --repo hq --parent golden");
    expect_json(&place, "repo-list", "repo list --repo hq");
    expect_json(&place, "repo-tree", "repo tree --repo hq");
    expect_json(&place, "repo-show", "repo show patched --repo hq");
    expect_json(&place, "repo-verify", "repo verify --repo hq");
    expect_json(
        &place,
        "repo-edit",
        "repo rename patched november --repo hq",
    );
    expect_json(&place, "inventory-written", "inventory --repo hq -o hq.inv");
    expect_json(
        &place,
        "repo-remove",
        "repo remove november --repo hq --yes",
    );
    expect_json(&place, "repo-gc", "repo gc --repo hq");
    let error: Value = serde_json::from_str(&place.refused("repo show x --repo hq --json", 2))
        .expect("an error in JSON");
    assert_eq!(error["code"], "image_unknown");
}
