//! A site whose file system shares blocks: the image is a clone of its base, and takes as much room as what changed.

use std::{fs, process::Command};

use crate::{
    far::{headquarters, must_have},
    medium::Medium,
    place::Place,
};

/// How many bytes of a file's blocks are shared with another one.
fn shared(place: &Place, file: &str) -> u64 {
    let out = Command::new("xfs_io")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(["-r", "-c", "fiemap -v"])
        .arg(place.path(file))
        .output()
        .expect("it comes with mkfs.xfs");
    let text = String::from_utf8(out.stdout).expect("text");
    // "  0: [0..1535]: 393264..394799 1536 0x2000": sectors, and the flag of what is shared.
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let shared = lines.filter(|words| {
        let flags = words.last().and_then(|flags| flags.strip_prefix("0x"));
        flags.is_some_and(|flags| {
            u64::from_str_radix(flags, 16).is_ok_and(|flags| flags & 0x2000 != 0)
        })
    });
    let count = |words: &Vec<&str>| words[words.len() - 2].parse::<u64>().expect("a number");
    shared.map(|words| count(&words) * 512).sum()
}

/// Headquarters, and a site on a medium with XFS that has the base as a raw image.
fn site_with_clones() -> Option<(Medium, Place, String)> {
    let medium = Medium::xfs(320 << 20)?;
    let place = headquarters();
    let site = medium.root().join("site").display().to_string();
    place.ok(&format!("repo init {site} --format raw"));
    place.ok(&format!("convert golden.raw -o {site}/golden.raw"));
    place.ok(&format!(
        "repo add {site}/golden.raw --in-place --repo {site}"
    ));
    Some((medium, place, site))
}

#[test]
fn on_xfs_an_image_shares_with_its_base_what_it_has_from_it() {
    let Some((_medium, place, site)) = site_with_clones() else {
        return;
    };
    place.ok(&format!("deploy patched --repo hq --to {site}"));
    must_have(&place, &site, "cloned");
    // All but the child's clusters.
    let file = format!("{site}/patched.raw");
    assert_eq!(shared(&place, &file), (4 << 20) - (1 << 19));

    // In another format nothing is cloned whole, and what stays as it is is shared all the same.
    place.ok(&format!("repo remove patched --repo {site} --yes"));
    place.ok(&format!(
        "deploy patched --repo hq --to {site} --format vhdx"
    ));
    must_have(&place, &site, "written");
    assert_eq!(
        shared(&place, &format!("{site}/patched.vhdx")),
        (4 << 20) - (1 << 19)
    );
}

/// Flips a bit of a file and leaves its time as it was: a look at it shows nothing.
fn rot(place: &Place, file: &str, at: usize) {
    let time = fs::metadata(place.path(file)).and_then(|found| found.modified());
    place.change(file, |bytes| bytes[at] ^= 1);
    let rotten = fs::File::options().write(true).open(place.path(file));
    let rotten = rotten.expect("it is there");
    rotten
        .set_modified(time.expect("a time"))
        .expect("it can be set");
}

#[test]
fn a_base_that_is_another_disk_is_passed_over_though_its_file_can_be_cloned() {
    // Where the difference says something, and where it does not.
    for at in [3 << 20, 7 << 20] {
        let Some((_medium, place, site)) = site_with_clones() else {
            return;
        };
        let file = format!("{site}/golden.raw");
        rot(&place, &file, at);
        let said = place.run(&format!("deploy patched --repo hq --to {site}"));
        assert_eq!(said.exit, 0, "{}{}", said.out, said.err);
        let why = "base image does not match this child";
        assert!(said.err.contains(why), "{}{}", said.out, said.err);
        assert!(said.out.contains("as a whole"), "{}", said.out);
        rot(&place, &file, at);
        must_have(&place, &site, "by another way");
    }
}

#[test]
fn on_xfs_what_is_applied_to_raw_shares_with_the_base_what_it_has_from_it() {
    let Some(medium) = Medium::xfs(320 << 20) else {
        return;
    };
    let place = headquarters();
    let root = medium.root().display().to_string();
    place.ok("make -b golden.raw -t patched.raw -o patch.qcow2");
    place.ok(&format!("convert golden.raw -o {root}/golden.raw"));
    place.ok(&format!(
        "apply -b {root}/golden.raw patch.qcow2 -o {root}/patched.raw"
    ));
    let made = fs::read(medium.root().join("patched.raw")).expect("it was made");
    assert!(made == fs::read(place.path("patched.raw")).expect("it is there"));
    let whole = made.len() as u64;
    let cloned = shared(&place, &format!("{root}/patched.raw"));
    assert!(cloned > whole / 4, "{cloned} of {whole} bytes are shared");

    // A base that is another disk is refused, and nothing is left of the clone.
    rot(&place, &format!("{root}/golden.raw"), 7 << 20);
    let said = place.run(&format!(
        "apply -b {root}/golden.raw patch.qcow2 -o {root}/other.raw"
    ));
    assert_eq!(said.exit, 5, "{}", said.err);
    let left = fs::read_dir(&root).expect("a folder").count();
    assert_eq!(left, 2);
}

#[test]
fn on_xfs_what_is_converted_shares_what_stays_as_it_is() {
    let Some(medium) = Medium::xfs(320 << 20) else {
        return;
    };
    let place = headquarters();
    let root = medium.root().display().to_string();
    place.ok(&format!("convert golden.raw -o {root}/golden.raw"));
    for (from, to) in [
        ("golden.raw", "golden.qcow2"),
        ("golden.qcow2", "again.raw"),
        ("golden.raw", "golden.vhdx"),
        ("golden.vhdx", "third.raw"),
        ("golden.raw", "copy.raw"),
    ] {
        place.ok(&format!("convert {root}/{from} -o {root}/{to}"));
        let same = place.run(&format!("compare {root}/golden.raw {root}/{to}"));
        assert_eq!(same.exit, 0, "{to}: {}{}", same.out, same.err);
        let cloned = shared(&place, &format!("{root}/{to}"));
        assert!(cloned > 3 << 20, "{to}: {cloned} bytes are shared");
    }
    // What is shared needs no room of its own.
    medium.fill("filled", 2 << 20);
    place.ok(&format!("convert {root}/golden.raw -o {root}/full.raw"));
    let golden = fs::read(place.path("golden.raw")).expect("it is there");
    for name in ["again.raw", "third.raw", "copy.raw", "full.raw"] {
        assert!(golden == fs::read(medium.root().join(name)).expect("it was made"));
    }
}
