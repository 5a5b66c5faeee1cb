//! What a file has beside its bytes stays when it gets a new version: owner, group, permissions, access control list, extended attributes.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
};

use rustix::{
    fs::{XattrFlags, getxattr, setxattr},
    process::geteuid,
};

use crate::{
    host::skipped,
    place::{Place, Said},
};

/// An access control list as Linux keeps it: the owner reads and writes, user 107 too, the group and others read nothing.
fn access_list() -> Vec<u8> {
    let entry = |tag: u16, rights: u16, id: u32| {
        [
            &tag.to_le_bytes()[..],
            &rights.to_le_bytes(),
            &id.to_le_bytes(),
        ]
        .concat()
    };
    [
        2_u32.to_le_bytes().to_vec(),
        entry(0x01, 6, u32::MAX),
        entry(0x02, 6, 107),
        entry(0x04, 0, u32::MAX),
        entry(0x10, 6, u32::MAX),
        entry(0x20, 0, u32::MAX),
    ]
    .concat()
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 4096];
    let len = getxattr(path, name, value.as_mut_slice()).ok()?;
    value.truncate(len);
    Some(value)
}

/// All that a file has beside its bytes, of what these tests give it.
fn state(path: &Path) -> (u32, u32, u32, Option<Vec<u8>>, Option<Vec<u8>>) {
    let found = fs::metadata(path).expect("it is there");
    (
        found.uid(),
        found.gid(),
        found.mode(),
        attribute(path, "user.label"),
        attribute(path, "system.posix_acl_access"),
    )
}

/// A child and a damaged image, and the command that gives each a new version.
fn with_two_images() -> (Place, [(&'static str, &'static str); 2]) {
    let place = Place::golden();
    place.ok("make -b golden.vhd -t patched.vhd -o november.vhd");
    place.ok("convert golden.raw -o open.vhdx");
    // Damages one of two headers.
    place.change("open.vhdx", |bytes| bytes[0x1_0014..0x1_0016].fill(0xff));
    let commands = [
        ("november.vhd", "attach november.vhd -b golden.vhd"),
        ("open.vhdx", "check --repair --in-place open.vhdx"),
    ];
    (place, commands)
}

#[test]
fn a_new_version_has_the_old_ones_owner_permissions_and_attributes() {
    let (place, commands) = with_two_images();
    for (name, line) in commands {
        let path = place.path(name);
        let before = fs::metadata(&path).expect("it is there").ino();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("ours");
        if geteuid().is_root() {
            chown(&path, Some(107), Some(108)).expect("root may");
        } else {
            skipped("not root: owner and group are not changed");
        }
        for (attribute, value) in [
            ("user.label", b"svirt".to_vec()),
            ("system.posix_acl_access", access_list()),
        ] {
            if setxattr(&path, attribute, &value, XattrFlags::empty()).is_err() {
                skipped(&format!("the file system keeps no {attribute}"));
            }
        }
        let wanted = state(&path);
        place.ok(line);
        assert_eq!(state(&path), wanted, "{line}");
        let after = fs::metadata(&path).expect("it is there").ino();
        assert_ne!(before, after, "{line}: it is a new file");
    }
}

#[test]
fn who_cannot_keep_the_owner_is_refused_unless_told_to_go_on() {
    if !geteuid().is_root() {
        return skipped("not root: there is one user only");
    }
    let (place, commands) = with_two_images();
    // Another user's folder, so that everything but the owner could be done.
    let folder = place.path(".");
    for entry in fs::read_dir(&folder).expect("readable") {
        let path = entry.expect("readable").path();
        chown(path, Some(0), Some(0)).expect("root may");
    }
    chown(&folder, Some(65534), Some(65534)).expect("root may");
    for (name, line) in commands {
        let run = |line: &str| {
            let mut command = place.command(line);
            command.env("IMGDELTA_CACHE", place.path("cache"));
            Said::of(&command.uid(65534).gid(65534).output().expect("it starts"))
        };
        // Its owner's rights are not to become another user's.
        let suid = Permissions::from_mode(0o6755);
        fs::set_permissions(place.path(name), suid).expect("root may");
        let before = (place.read(name), state(&place.path(name)), place.names());
        let said = run(line);
        assert_eq!(said.exit, 8, "{line}: {}", said.err);
        assert!(
            said.err.contains("would lose: owner 0, group 0"),
            "{}",
            said.err
        );
        assert!(said.err.contains("--force"), "{}", said.err);
        let mut now = (place.read(name), state(&place.path(name)), place.names());
        now.2.retain(|name| name != "cache");
        assert!(now == before, "{line}: it stays as it was");
        let said = run(&format!("{line} --force"));
        assert_eq!(said.exit, 0, "{line}: {}", said.err);
        let told = format!("{}{}", said.out, said.err);
        assert!(
            told.contains("could not keep what it had: owner 0, group 0"),
            "{told}"
        );
        assert_eq!(state(&place.path(name)).0, 65534);
        let mode = fs::metadata(place.path(name)).expect("there").mode();
        assert_eq!(mode & 0o7777, 0o755, "{line}");
    }
}
