//! Repositories in which something is damaged, lost or fails.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;

use crate::{
    place::{Place, Said},
    repo::{headquarters, json, names},
};

#[test]
fn what_is_damaged_is_found_and_said_where() {
    let place = headquarters();
    place.change("hq/patched.vhd", |bytes| {
        let at = bytes.len() - (1 << 20);
        bytes[at] ^= 1;
    });
    let Said { exit, out, .. } = place.run("repo verify --repo hq");
    assert_eq!(exit, 1, "{out}");
    assert!(out.contains("= golden: sound"), "{out}");
    assert!(
        out.contains("! patched: its disk is not what it was: 1 window of"),
        "{out}"
    );
    assert!(
        out.contains("0x") && out.contains("1 sound, 1 not"),
        "{out}"
    );
    let Said { exit, out, .. } = place.run("repo verify patched --repo hq --json=lines");
    assert_eq!(exit, 1);
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["verdict"], "changed");
    assert_eq!(lines[0]["regions"][0]["length"], 65536);
    assert_eq!(lines[1]["schema"], "imgdelta/repo-verify/1");
    place.ok("repo verify golden --repo hq");
    place.write("hq/.imgdelta/images/broken.json", b"{}");
    fs::remove_file(place.path("hq/golden.vhd")).expect("it is there");
    let found = place.run("repo verify --repo hq --json");
    let found: Value = serde_json::from_str(&found.out).expect("JSON");
    assert_eq!(found["images"][0]["verdict"], "unreadable");
    assert_eq!(
        (&found["faults"], &found["records"][0]["exit"]),
        (&2.into(), &3.into())
    );
    let said = place.run("repo list --repo hq");
    assert_eq!(said.exit, 0);
    assert!(said.err.contains("a record cannot be read"), "{}", said.err);
}

#[test]
fn a_missing_parent_is_named_with_what_can_be_typed() {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o child.vhd");
    place.ok("attach child.vhd -b golden.vhd");
    place.ok("repo init hq");
    place.write("away/golden.vhd", &place.read("golden.vhd"));
    fs::remove_file(place.path("golden.vhd")).expect("it is there");
    // In `repo add`, --parent is an image of the repository.
    for line in [
        "repo add child.vhd --repo hq",
        "repo add child.vhd --repo hq --dry-run",
    ] {
        let said = place.refused(line, 5);
        let hint = said.lines().find(|line| line.starts_with("hint: "));
        assert_eq!(
            hint,
            Some(
                "hint: --search DIR adds a folder in which it may lie; 'imgdelta convert child.vhd -o FULL --parent FILE' \
                 makes an image of it that needs no parent"
            )
        );
    }
    place.ok("repo add child.vhd --repo hq --search away");
    place.ok("convert child.vhd -o full.raw --parent away/golden.vhd");
    // Each of two images has an option of its own.
    let said = place.refused("compare patched.vhd child.vhd", 5);
    assert!(
        said.contains("--other-parent FILE names the parent itself"),
        "{said}"
    );
    place.ok("compare patched.vhd child.vhd --other-parent away/golden.vhd");
    let said = place.refused("make -b patched.vhd -t child.vhd -o c.qcow2", 5);
    assert!(
        said.contains("--target-parent FILE names the parent itself"),
        "{said}"
    );
    place.ok("make -b patched.vhd -t child.vhd -o c.qcow2 --target-parent away/golden.vhd");
}

#[test]
fn one_image_that_fails_does_not_stop_the_others() {
    let place = Place::golden();
    place.ok("repo init hq");
    place.write("broken.vhd", b"conectix is not enough");
    let line = "repo add golden.vhd broken.vhd missing.vhd patched.qcow2 --repo hq";
    let said = place.run(line);
    assert_eq!(
        said.exit, 3,
        "the first failure's: {}{}",
        said.out, said.err
    );
    assert!(said.err.contains("error: broken.vhd: "), "{}", said.err);
    assert!(said.err.contains("error: missing.vhd: "), "{}", said.err);
    assert_eq!(names(&place, "hq"), ["golden", "patched"]);
    place.write("hq/patched.qcow2", &place.read("golden.qcow2"));
    let said = place.run("repo add hq/patched.qcow2 golden.raw --in-place --repo hq");
    assert_eq!(said.exit, 6, "{}{}", said.out, said.err);
    assert!(said.err.contains("hint: "), "{}", said.err);
    // By itself, it is an error as any other.
    assert!(
        place
            .refused("repo add broken.vhd --repo hq", 3)
            .starts_with("error: broken.vhd")
    );
    let said = place.run(&format!("{line} --json"));
    let told: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(said.exit, 3);
    assert_eq!(told["images"][0]["is_new"], false);
    assert_eq!(told["images"][2]["error"]["exit"], 8);
    let said = place.refused("repo add golden.vhd patched.vhd --name x --repo hq", 2);
    assert!(
        said.contains("--name is for one image, 2 are given"),
        "{said}"
    );
}

#[test]
fn what_an_image_lost_comes_from_another_and_it_is_said_from_where() {
    let place = headquarters();
    place.ok("repo init backup -q");
    let line = "repo verify golden --repair --from backup --repo hq";
    let file = place.path("hq/golden.vhd");
    let sound = place.read("hq/golden.vhd");
    let at = sound.len() / 2;
    let mut rotten = sound.clone();
    rotten[at..at + 40].fill(0xee);
    let write = |bytes: &[u8]| {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
        fs::write(&file, bytes).expect("room");
    };
    write(&rotten);
    let found: Value = serde_json::from_str(&place.run("repo verify golden --repo hq --json").out)
        .expect("one document");
    let Some(windows) = found["images"][0]["windows"].as_u64() else {
        panic!("the middle of the file is a part of the disk: {found}");
    };
    let said = place.run(line);
    if said.exit == 6 {
        assert!(said.out.contains("nowhere: 0x") && said.out.contains("not mended"));
        assert!(place.read("hq/golden.vhd") == rotten, "nothing is changed");
    }
    place.ok("repo add golden.raw --repo backup -q");
    write(&rotten);
    let dry = place.run(&format!("{line} -n"));
    assert!(dry.out.contains("could be mended"), "{}", dry.out);
    assert!(place.read("hq/golden.vhd") == rotten);
    let said = json(&place, line);
    let image = &said["images"][0];
    assert_eq!(image["verdict"], "changed");
    assert_eq!(image["repair"]["mended"], true);
    assert_eq!(image["repair"]["how"], "patched");
    assert_eq!(image["repair"]["windows"], windows);
    assert_eq!((&said["mended"], &said["faults"]), (&1.into(), &0.into()));
    assert!(place.read("hq/golden.vhd") == sound);
    let mode = fs::metadata(&file).expect("there").permissions().mode();
    assert_eq!(mode & 0o222, 0, "it is golden");
    place.ok("repo verify --repo hq");
    place.refused("repo verify --from backup --repo hq", 2);
}
