//! What is no disk, and what its name does not say: refused by name, with a next step that can be taken as it stands. On a pipe too.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use imgdelta_fixtures::{
    Recipe, golden,
    peers::{self, Peer},
    qcow2::{Qcow2Spec, Snapshot},
};

use crate::place::{Place, Said};

/// Runs a line with `bytes` on standard input.
fn piped(place: &Place, line: &str, bytes: &[u8]) -> Said {
    let mut child = place
        .command(line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    // It may have been refused by then.
    let _ = input.write_all(bytes);
    drop(input);
    Said::of(&child.wait_with_output().expect("it ends"))
}

#[test]
fn an_image_on_a_pipe_is_known_by_its_bytes() {
    let place = Place::golden();
    let stream = "--option subformat=streamOptimized";
    place.ok(&format!("convert golden.raw -o stream.vmdk {stream} -q"));
    for format in ["vmdk", "vhdx", "vdi"] {
        place.ok(&format!("convert golden.raw -o golden.{format} -q"));
    }
    for name in [
        "golden.raw",
        "golden.vhd",
        "golden.vhdx",
        "golden.vmdk",
        "golden.vdi",
        "golden.qcow2",
        "stream.vmdk",
    ] {
        let said = piped(&place, "convert - -o out.raw --force", &place.read(name));
        assert_eq!(said.exit, 0, "{name}: {}", said.err);
        assert!(place.read("out.raw") == golden::base_bytes(), "{name}");
    }
    // What the user says wins.
    let bytes = place.read("golden.qcow2");
    let line = "convert - --input-format raw -o out.raw --force";
    assert_eq!(piped(&place, line, &bytes).exit, 0);
    assert!(place.read("out.raw") == bytes);
}

#[test]
fn what_is_no_disk_is_refused_on_a_pipe_too() {
    let place = Place::golden();
    place.ok("make -b golden.raw -t patched.raw -o child.qcow2 -q");
    let zip = [b"PK\x03\x04".to_vec(), vec![7; 1 << 20]].concat();
    for (bytes, exit) in [
        (zip, 4),
        (b"<!DOCTYPE html><title>404</title>\n".to_vec(), 3),
        (b"QED\0\0\0\x01\0\x04\0\0\0\x01\0\0\0".repeat(64), 0),
        // Its parent is not looked for.
        (place.read("child.qcow2"), 7),
    ] {
        let before = place.names();
        let said = piped(&place, "convert - -o out.raw", &bytes);
        if exit == 0 {
            assert!([3, 4].contains(&said.exit), "{}", said.err);
        } else {
            assert_eq!(said.exit, exit, "{}", said.err);
        }
        assert!(
            said.err.starts_with("error: standard input: "),
            "{}",
            said.err
        );
        assert_eq!(place.names(), before);
    }
}

#[test]
fn a_refusal_names_the_option_that_the_command_has() {
    let place = Place::golden();
    place.write("web.example.org", &golden::base_bytes());
    place.ok("make -b golden.raw -t patched.raw -o c.qcow2 -q");
    for (line, option) in [
        ("info web.example.org", "--input-format raw"),
        (
            "make -b web.example.org -t golden.raw -o x.qcow2",
            "--base-format raw",
        ),
        (
            "make -b golden.raw -t web.example.org -o x.qcow2",
            "--target-format raw",
        ),
        ("compare golden.raw web.example.org", "--other-format raw"),
        (
            "apply c.qcow2 -b web.example.org -o x.raw",
            "--base-format raw",
        ),
        ("attach c.qcow2 -b web.example.org", "--base-format raw"),
    ] {
        let said = place.refused(line, 3);
        assert!(said.contains(&format!("say {option}\n")), "{line}: {said}");
        let again = place.run(&format!("{line} {option}"));
        assert_eq!(again.exit, 0, "{line} {option}: {}", again.err);
        for name in ["x.qcow2", "x.qcow2.manifest.json", "x.raw"] {
            let _ = std::fs::remove_file(place.path(name));
        }
    }
}

#[test]
fn a_format_and_a_name_that_contradict_each_other_are_wrong_use() {
    let place = Place::golden();
    place.transcript(
        "name-and-format",
        &[
            "imgdelta convert -f raw golden.raw -o out.vhd",
            "imgdelta convert golden.raw -o out.qcow2.gz -f qcow2",
            "imgdelta make -b golden.raw -t patched.raw -f qcow2 -o out.vhdx",
            "imgdelta convert golden.vhd -o web.example.org -f raw",
            "imgdelta info web.example.org",
            "imgdelta compare golden.raw web.example.org --other-format raw -q",
        ],
    );
    place.ok("make -b golden.raw -t patched.raw -o c.qcow2 -q");
    place.refused("apply c.qcow2 -b golden.raw -f raw -o out.vmdk", 2);
    place.refused("convert golden.raw -f vhd -o out.raw", 2);
    place.refused("convert golden.raw -f vhd -o out.vhd.xz -n", 2);
    place.ok("convert golden.raw -f vhd -o out.img -q");
    place.ok("compare golden.raw out.img -q");
    place.ok("convert golden.raw -f raw -o out.vhd --force -q");
    assert!(place.read("out.vhd") == golden::base_bytes());
    place.refused("info out.vhd", 3);
}

#[test]
fn a_mended_image_is_not_given_the_name_of_another_format() {
    let place = Place::golden();
    place.ok("convert golden.raw -o golden.vhdx -q");
    let said = place.refused("check golden.vhdx --repair -o mended.vhd", 2);
    assert!(said.contains("the name says vhd"), "{said}");
    place.ok("check golden.vhdx --repair -o mended.vhdx -q");
}

#[test]
fn a_raw_image_of_a_repository_is_raw_whatever_its_guest_wrote() {
    let place = Place::golden();
    place.write("r/web.example.org", &golden::base_bytes());
    // A guest that wrote a header, and one that wrote an archive, to the start of its disk.
    let mut evil = golden::base_bytes();
    evil[..104].copy_from_slice(&place.read("golden.qcow2")[..104]);
    place.write("r/evil.img", &evil);
    let mut zip = golden::patched_bytes();
    zip[..4].copy_from_slice(b"PK\x03\x04");
    place.write("zip.img", &zip);
    place.ok("repo init r -q");
    let raw = "--repo r --input-format raw -q";
    place.ok(&format!(
        "repo add r/web.example.org --in-place --name web {raw}"
    ));
    place.ok(&format!("repo add r/evil.img --in-place --name evil {raw}"));
    place.ok(&format!("repo add zip.img --name zip {raw}"));
    place.ok("repo verify --repo r -q");
    place.ok("repo scan --repo r -q");
    place.ok("repo add r/evil.img --in-place --name evil --repo r -q");
    for name in ["evil", "zip", "web"] {
        assert!(
            place
                .ok(&format!("repo show {name} --repo r"))
                .contains("raw")
        );
    }
    place.ok("repo init site -q");
    place.ok("deploy zip evil web --repo r --to site -q");
    place.ok("repo verify --repo site -q");
}

#[test]
fn a_child_of_a_snapshot_opens_with_its_base_only() {
    let place = Place::golden();
    let image = Qcow2Spec {
        snapshots: vec![Snapshot::new("1", "before", golden::base())],
        ..Qcow2Spec::new(golden::patched(), 16)
    };
    place.write("s.qcow2", &image.build());
    let mut target = golden::base_bytes();
    target[70_000] ^= 1;
    place.write("t.raw", &target);
    let said = place.run("make -b s.qcow2 --base-snapshot before -t t.raw -o c.qcow2");
    assert_eq!(said.exit, 0, "{}", said.err);
    let apply = "imgdelta apply c.qcow2 -b s.qcow2 --base-snapshot before -o IMAGE";
    assert!(
        said.out.contains(apply) && !said.out.contains("attach"),
        "{}",
        said.out
    );
    let said = place.refused("convert c.qcow2 -o out.raw", 5);
    assert!(said.contains("no link can name"), "{said}");
    place.refused("attach c.qcow2 -b s.qcow2 --base-snapshot before", 4);
    place.refused("attach c.qcow2 -b s.qcow2", 5);
    place.ok("apply c.qcow2 -b s.qcow2 --base-snapshot before -o full.raw -q");
    assert!(place.read("full.raw") == target);
    if peers::find(Peer::QemuImg).is_some() {
        let out = place.path("qemu.raw");
        let read = peers::qemu_convert_to_raw(&place.path("c.qcow2"), "qcow2", &out);
        assert!(read.is_err(), "qemu takes it for a disk");
    }
    // The way out that is named is one.
    place.ok("convert s.qcow2 --snapshot before -o before.raw -q");
    place.ok("attach c.qcow2 -b before.raw -q");
    place.ok("compare c.qcow2 t.raw -q");
}

#[test]
fn a_base_that_is_read_with_options_is_named_by_no_link_that_opens_without() {
    let place = Place::golden();
    let chs = "--base-option size=chs";
    place.ok(&format!(
        "make -b golden.vhd {chs} -t patched.raw -o c.qcow2 -q"
    ));
    place.refused("convert c.qcow2 -o out.raw", 5);
    place.ok(&format!("apply c.qcow2 -b golden.vhd {chs} -o full.raw -q"));
    assert!(place.read("full.raw") == golden::patched_bytes());
    place.refused(&format!("attach c.qcow2 -b golden.vhd {chs}"), 4);
    let small = Recipe::small(361 * 4 * 17 * 512).content(None);
    place.write("small.raw", &small);
    let said = place.refused(
        &format!("make -b golden.vhd {chs} -t small.raw -o c.vhd"),
        4,
    );
    assert!(
        said.contains("imgdelta convert golden.vhd --input-option size=chs"),
        "{said}"
    );
    // What changes nothing is no reason.
    let sound = "--base-option checksum=ignore";
    place.ok(&format!(
        "make -b golden.vhd {sound} -t patched.vhd -o d.vhd -q"
    ));
    place.ok("compare d.vhd patched.raw -q");
    place.ok(&format!("attach d.vhd -b golden.vhd {sound} -q"));
}

#[test]
fn a_base_over_another_parent_is_named_by_no_link_that_finds_its_own() {
    let place = Place::golden();
    place.ok("make -b golden.raw -t patched.raw -o mid.qcow2 -q");
    let mut other = golden::base_bytes();
    other[9 << 20] ^= 1;
    place.write("other.raw", &other);
    place.write("t.raw", &Recipe::small(golden::SIZE).content(None));
    let over = "--parent other.raw";
    place.ok(&format!("make -b mid.qcow2 {over} -t t.raw -o c.qcow2 -q"));
    place.refused("convert c.qcow2 -o out.raw", 5);
    place.ok(&format!("apply c.qcow2 -b mid.qcow2 {over} -o full.raw -q"));
    assert!(place.read("full.raw") == place.read("t.raw"));
    // A copy of its own parent is as good.
    place.write("copy.raw", &golden::base_bytes());
    place.ok("make -b mid.qcow2 --parent copy.raw -t t.raw -o d.qcow2 -q");
    place.ok("compare d.qcow2 t.raw -q");
}

#[test]
fn an_archive_that_is_no_package_is_told_by_name() {
    let place = Place::golden();
    let done = Command::new("tar")
        .args(["-cf", "golden.tar", "golden.raw"])
        .current_dir(place.path(""))
        .status();
    assert!(done.is_ok_and(|status| status.success()));
    std::fs::copy(place.path("golden.tar"), place.path("kept.img")).expect("room");
    for name in ["golden.tar", "kept.img"] {
        let said = place.refused(&format!("convert {name} -o out.raw"), 4);
        assert!(said.contains("is a tar archive, not a disk"), "{said}");
        assert!(said.contains("tar -xf"), "{said}");
    }
}
