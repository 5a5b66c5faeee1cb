//! To whom what is written belongs: as the file that it replaces, or as it is asked for; and what a link in its place leads to.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
};

use rustix::process::geteuid;

use crate::place::Place;

fn owner(place: &Place, name: &str) -> (u32, u32, u32) {
    let found = fs::metadata(place.path(name)).expect("it is there");
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

/// Lines that write an image or a child.
const LINES: [&str; 4] = [
    "convert golden.vhd -o out.qcow2",
    "make -b golden.vhd -t patched.vhd -o out.qcow2",
    "apply child.vhd -b golden.vhd -o out.qcow2",
    "convert golden.vhd -o out.vmdk --option subformat=monolithicFlat",
];

#[test]
fn what_replaces_a_file_belongs_to_whom_that_did() {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o child.vhd");
    for line in LINES {
        let output = line
            .split_whitespace()
            .find(|word| word.starts_with("out."))
            .expect("it has one");
        place.ok(&format!("{line} --force"));
        fs::set_permissions(place.path(output), Permissions::from_mode(0o640)).expect("its own");
        if geteuid().is_root() {
            chown(place.path(output), Some(107), Some(36)).expect("root may");
        }
        let before = owner(&place, output);
        place.ok(&format!("{line} --force"));
        assert_eq!(owner(&place, output), before, "{line}");
        place.ok(&format!("{line} --force --mode 604"));
        assert_eq!(owner(&place, output).2, 0o604, "{line}");
    }
}

#[test]
fn owner_and_mode_are_given_to_all_files_of_an_image() {
    let place = Place::golden();
    place.ok("convert golden.vhd -o flat.vmdk --option subformat=monolithicFlat --mode 0600");
    assert_eq!(owner(&place, "flat.vmdk").2, 0o600);
    assert_eq!(owner(&place, "flat-flat.vmdk").2, 0o600);
    place.ok("convert golden.vhd -o web.ova --mode 660");
    assert_eq!(owner(&place, "web.ova").2, 0o660);
    for wrong in [
        "--mode 888",
        "--mode rw",
        "--owner no-such-user-here",
        "--owner :no-such-group",
        "--owner :",
    ] {
        place.refused(&format!("convert golden.vhd -o out.raw {wrong}"), 2);
    }
    if !geteuid().is_root() {
        place.refused("convert golden.vhd -o out.raw --owner root", 8);
        return;
    }
    place.ok("convert golden.vhd -o out.raw --owner 107:36");
    assert_eq!(
        owner(&place, "out.raw"),
        (107, 36, owner(&place, "out.raw").2)
    );
    place.ok("convert golden.vhd -o named.raw --owner nobody");
    assert_ne!(owner(&place, "named.raw").0, 0);
    place.ok("convert golden.vhd -o group.raw --owner :36");
    assert_eq!(
        (owner(&place, "group.raw").0, owner(&place, "group.raw").1),
        (0, 36)
    );
}

#[test]
fn what_a_link_leads_to_is_replaced_and_the_link_stays() {
    let place = Place::golden();
    fs::create_dir(place.path("store")).expect("room");
    place.write("store/disk.bin", b"old");
    symlink("store/disk.bin", place.path("disk.qcow2")).expect("links");
    place.refused("convert golden.vhd -o disk.qcow2", 2);
    place.ok("convert golden.vhd -o disk.qcow2 --force");
    assert!(
        fs::symlink_metadata(place.path("disk.qcow2"))
            .expect("there")
            .is_symlink()
    );
    assert!(place.read("store/disk.bin").starts_with(b"QFI\xfb"));
    place.ok("compare disk.qcow2 golden.raw");
    // A child beside what the link leads to names its base from there.
    symlink("store/child.bin", place.path("child.qcow2")).expect("links");
    place.write("store/child.bin", b"old");
    place.ok("make -b golden.vhd -t patched.vhd -o child.qcow2 --force");
    assert!(
        fs::symlink_metadata(place.path("child.qcow2"))
            .expect("there")
            .is_symlink()
    );
    place.ok("compare store/child.bin patched.raw --search .");
    // One that leads nowhere is replaced itself.
    symlink("nowhere", place.path("lost.raw")).expect("links");
    place.refused("convert golden.vhd -o lost.raw", 2);
    place.ok("convert golden.vhd -o lost.raw --force");
    place.ok("compare lost.raw golden.raw");
}

#[test]
fn a_copy_in_a_repository_and_a_mended_image_belong_to_whom_it_is_said() {
    let place = Place::golden();
    place.ok("repo init hq -q");
    let is_root = geteuid().is_root();
    let whose = if is_root {
        "--owner 107:36 --mode 640"
    } else {
        "--mode 640"
    };
    place.ok(&format!("repo add golden.vhd --repo hq {whose} -q"));
    place.ok(&format!(
        "repo add patched.raw --repo hq --format qcow2 {whose} -q"
    ));
    for file in ["hq/golden.vhd", "hq/patched.qcow2"] {
        let (user, group, mode) = owner(&place, file);
        assert_eq!(mode, 0o640, "{file}");
        assert!(!is_root || (user, group) == (107, 36), "{file}");
    }
    place.refused("repo add hq/golden.vhd --repo hq --in-place --mode 640", 2);
    place.ok("convert golden.raw -o win.vhdx -q");
    place.ok(&format!("check win.vhdx --repair -o mended.vhdx {whose}"));
    let (user, group, mode) = owner(&place, "mended.vhdx");
    assert_eq!(mode, 0o640);
    assert!(!is_root || (user, group) == (107, 36));
    place.ok("compare mended.vhdx golden.raw");
    place.refused("check win.vhdx --repair --in-place --mode 640", 2);
}

/// The permissions of an image's file in a repository.
fn mode_in(place: &Place, repository: &str, image: &str) -> u32 {
    let shown = crate::repo::json(place, &format!("repo show {image} --repo {repository}"));
    let file = shown["files"][0]["path"].as_str().expect("text").to_owned();
    let path = place.path(&format!("{repository}/{file}"));
    let metadata = fs::metadata(path).expect("there");
    metadata.permissions().mode() & 0o7777
}

#[test]
fn what_comes_to_a_site_belongs_to_whom_the_site_says() {
    let place = crate::far::headquarters();
    for site in ["path", "child", "stick", "far"] {
        crate::far::add_site(&place, site);
    }
    place.ok("deploy patched --repo hq --to path --mode 604");
    assert_eq!(mode_in(&place, "path", "patched"), 0o604);
    place.ok("deploy patched --repo hq --to child --as-child --mode 640");
    assert_eq!(mode_in(&place, "child", "patched"), 0o640);
    place.ok("inventory --repo stick -o site.inv");
    place.ok("deploy patched --repo hq --for site.inv -o carried");
    place.ok("receive carried --repo stick --mode 620");
    assert_eq!(mode_in(&place, "stick", "patched"), 0o620);
    // Not headquarters' to say.
    let said = place.refused(
        "deploy patched --repo hq --for site.inv -o carried --mode 600",
        2,
    );
    assert!(said.contains("imgdelta receive"), "{said}");
    place.write("ssh", crate::deploy_ssh::HERE.as_bytes());
    let deploy = "deploy patched --repo hq --to ssh://there/far";
    let said = crate::deploy_ssh::over(&place, &format!("{deploy} --mode 600"));
    assert_eq!(said.exit, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("serve --stdio --owner"), "{}", said.err);
    let serve = format!(
        "while [ \"$1\" != -- ]; do shift; done; exec {} serve --stdio --mode 606",
        crate::deploy_ssh::PROGRAM
    );
    place.write("ssh", serve.as_bytes());
    let said = crate::deploy_ssh::over(&place, deploy);
    assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
    assert_eq!(mode_in(&place, "far", "patched"), 0o606);
    place.ok("repo verify --repo far");
}
