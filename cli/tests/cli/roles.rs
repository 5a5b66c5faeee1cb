//! One file in two roles: read in two formats, with two sets of options, as of a snapshot and as it is. It is another disk each time, and
//! nothing that compares, makes, remembers, stores or sends may take one for the other.
//!
//! What is right is said by qemu-img, or by the file's own bytes where it is read as raw.

use std::{fs, time::Duration};

use imgdelta_fixtures::peers::{self, Peer};

use crate::place::Place;

/// What a peer gives back.
type Seen = Result<(), String>;

/// Size of the disks.
const SIZE: usize = 4 << 20;

/// A format, as it is called here and by qemu-img, and what it takes for a disk of an exact size.
const FORMATS: [(&str, &str, &str); 5] = [
    ("vhd", "vpc", "force_size=on"),
    ("vhdx", "vhdx", "block_size=1M"),
    ("vmdk", "vmdk", "adapter_type=ide"),
    ("vdi", "vdi", "static=off"),
    ("qcow2", "qcow2", "compat=1.1"),
];

/// A disk with data and holes.
fn content() -> Vec<u8> {
    let mut disk = vec![0; SIZE];
    disk[..1 << 20].fill(7);
    disk[2 << 20..(2 << 20) + 65536].fill(9);
    disk
}

/// How one file is read: the words of the command line that say so for a base, for a target, and as first and second of a pair.
struct Role {
    base: String,
    target: String,
    first: String,
    second: String,
    bytes: Vec<u8>,
}

impl Role {
    fn of_format(format: &str, bytes: Vec<u8>) -> Self {
        Self {
            base: format!("--base-format {format}"),
            target: format!("--target-format {format}"),
            first: format!("--input-format {format}"),
            second: format!("--other-format {format}"),
            bytes,
        }
    }
}

/// A place with `base.FORMAT` for each format, whose contents are old enough to be remembered.
fn bases() -> Result<Place, String> {
    let place = Place::empty();
    place.write("content.raw", &content());
    for (format, qemu, option) in FORMATS {
        let path = place.path(&format!("base.{format}"));
        let (from, to) = (place.path("content.raw"), path.display().to_string());
        let from = from.display().to_string();
        peers::qemu_img(&["convert", "-O", qemu, "-o", option, "-f", "raw", &from, &to])?;
    }
    Ok(place)
}

/// What qemu reads.
fn seen_by_qemu(place: &Place, name: &str, format: &str) -> Result<Vec<u8>, String> {
    let out = place.path("seen.raw");
    peers::qemu_convert_to_raw(&place.path(name), format, &out)?;
    fs::read(out).map_err(|cause| cause.to_string())
}

/// A file counts as unchanged only when it has not changed for a while.
fn settle() {
    std::thread::sleep(Duration::from_millis(2200));
}

/// Makes a child of `base` that holds `target`, and applies it; cold and with what is remembered.
fn goes_the_whole_way(place: &Place, (base, role): (&str, &Role), (target, wanted): (&str, &Role)) {
    let case = format!("{base} {} -> {target} {}", role.base, wanted.target);
    let compare = format!(
        "compare {base} {target} {} {} -q",
        role.first, wanted.second
    );
    let is_same = role.bytes == wanted.bytes;
    assert_eq!(place.run(&compare).exit, i32::from(!is_same), "{compare}");
    let digest = format!("digest {base} {} -q", role.first);
    for cache in ["--no-cache", "", ""] {
        if cache.is_empty() {
            place.ok(&digest);
        }
        place.ok(&format!(
            "make -b {base} {} -t {target} {} -o k.qcow2 --force -q {cache}",
            role.base, wanted.target
        ));
        place.ok(&format!(
            "apply k.qcow2 -b {base} {} -o f.raw --force -q {cache}",
            role.base
        ));
        assert!(place.read("f.raw") == wanted.bytes, "{case} {cache}");
    }
}

#[test]
fn a_file_read_in_two_formats_is_two_disks_to_compare_make_and_apply() -> Seen {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = bases()?;
    settle();
    for (format, qemu, _) in FORMATS {
        let base = format!("base.{format}");
        let own = Role::of_format(format, seen_by_qemu(&place, &base, qemu)?);
        let raw = Role::of_format("raw", place.read(&base));
        assert!(own.bytes == content(), "{format}");
        goes_the_whole_way(&place, (&base, &own), (&base, &raw));
        goes_the_whole_way(&place, (&base, &raw), (&base, &own));
        let alike = format!("{} {}", own.first, raw.second);
        let compare = format!("compare {base} {base} --ignore-size -q {alike}");
        assert_eq!(place.run(&compare).exit, 1, "{compare}");
    }
    Ok(())
}

/// Children of one size over one file, once in its own format and once as raw.
fn children(place: &Place, folder: &str, format: &str, qemu: &str) -> Result<[String; 2], String> {
    let names = [("own", qemu), ("raw", "raw")].map(|(role, qemu)| -> Result<String, String> {
        let child = format!("{folder}over-{format}-{role}.qcow2");
        let path = place.path(&child).display().to_string();
        let base = format!("base.{format}");
        peers::qemu_img(&[
            "create", "-f", "qcow2", "-b", &base, "-F", qemu, &path, "4M",
        ])?;
        // Without a word of its own it would be the disk that it stands over.
        peers::qemu_io(path.as_ref(), "qcow2", &["write -P 5 3M 64k"])?;
        Ok(child)
    });
    let [own, raw] = names;
    Ok([own?, raw?])
}

#[test]
fn a_parent_read_in_two_formats_makes_two_disks_of_its_children() -> Seen {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = bases()?;
    for (format, qemu, _) in FORMATS {
        children(&place, "", format, qemu)?;
    }
    settle();
    for (format, ..) in FORMATS {
        let [own, raw] = ["own", "raw"].map(|role| format!("over-{format}-{role}.qcow2"));
        let role = |name: &str| -> Result<Role, String> {
            Ok(Role::of_format(
                "qcow2",
                seen_by_qemu(&place, name, "qcow2")?,
            ))
        };
        let (as_own, as_raw) = (role(&own)?, role(&raw)?);
        assert!(as_own.bytes != as_raw.bytes, "{format}");
        goes_the_whole_way(&place, (&own, &as_own), (&raw, &as_raw));
        goes_the_whole_way(&place, (&raw, &as_raw), (&own, &as_own));
    }
    Ok(())
}

#[test]
fn a_file_read_with_other_options_is_another_disk() {
    let place = Place::golden();
    settle();
    let whole = place.read("golden.raw");
    let exact = Role::of_format("vhd", whole.clone());
    let by_geometry = Role {
        base: "--base-option size=chs".to_owned(),
        target: "--target-option size=chs".to_owned(),
        first: "--input-option size=chs".to_owned(),
        second: String::new(),
        bytes: whole[..361 * 4 * 17 * 512].to_vec(),
    };
    let ways = [(&exact, &by_geometry), (&by_geometry, &exact)];
    for (base, target) in ways {
        for cache in ["--no-cache", "", ""] {
            if cache.is_empty() {
                place.ok(&format!("digest golden.vhd {} -q", base.first));
            }
            place.ok(&format!(
                "make -b golden.vhd {} -t golden.vhd {} -o k.qcow2 --force -q {cache}",
                base.base, target.target
            ));
            place.ok(&format!(
                "apply k.qcow2 -b golden.vhd {} -o f.raw --force -q {cache}",
                base.base
            ));
            assert!(place.read("f.raw") == target.bytes, "{}", base.base);
        }
    }
}

/// `disk.qcow2` in `folder`, with a snapshot `old` that differs from what it holds now; what both hold.
fn with_snapshot(place: &Place, folder: &str) -> Result<(Role, Role), String> {
    let path = place.path(&format!("{folder}disk.qcow2"));
    let text = path.display().to_string();
    peers::qemu_img(&["create", "-f", "qcow2", &text, "4M"])?;
    peers::qemu_io(&path, "qcow2", &["write -P 7 0 2M"])?;
    peers::qemu_img(&["snapshot", "-c", "old", &text])?;
    peers::qemu_io(&path, "qcow2", &["write -P 9 1M 64k"])?;
    let now = Role {
        base: String::new(),
        target: String::new(),
        first: String::new(),
        second: String::new(),
        bytes: seen_by_qemu(place, &format!("{folder}disk.qcow2"), "qcow2")?,
    };
    let mut bytes = vec![0; SIZE];
    bytes[..2 << 20].fill(7);
    let old = Role {
        base: "--base-snapshot old".to_owned(),
        target: "--snapshot old".to_owned(),
        first: "--snapshot old".to_owned(),
        second: "--other-snapshot old".to_owned(),
        bytes,
    };
    assert!(now.bytes != old.bytes && now.bytes[1 << 20] == 9);
    Ok((now, old))
}

#[test]
fn a_snapshot_is_another_disk_than_what_its_file_holds_now() -> Seen {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = Place::empty();
    let (now, old) = with_snapshot(&place, "")?;
    settle();
    let compare = |flags: &str| place.run(&format!("compare disk.qcow2 disk.qcow2 -q {flags}"));
    assert_eq!(compare("--snapshot old").exit, 1);
    assert_eq!(compare("--snapshot old --other-snapshot 1").exit, 0);
    for (base, target) in [(&now, &old), (&old, &now)] {
        let disk = "disk.qcow2";
        for cache in ["--no-cache", "", ""] {
            if cache.is_empty() {
                place.ok(&format!("digest {disk} {} -q", base.first));
            }
            let make = format!(
                "make -b {disk} {} -t {disk} {} -o k.qcow2 --force -q {cache}",
                base.base, target.target
            );
            place.ok(&make);
            let apply = format!("apply k.qcow2 -b {disk} {} -o f.raw --force", base.base);
            place.ok(&format!("{apply} -q {cache}"));
            assert!(place.read("f.raw") == target.bytes, "{make}");
        }
    }
    // What a name and an id are remembered by is one thing.
    if !peers::remembers(&place.path("")) {
        return Ok(());
    }
    let digest = |flags: &str| -> serde_json::Value {
        let out = place.ok(&format!("digest disk.qcow2 --json {flags}"));
        serde_json::from_str(&out).expect("JSON")
    };
    let (by_name, by_id) = (digest("--snapshot old"), digest("--snapshot 1"));
    assert_eq!(by_id["from_memory"], true, "{by_name}");
    assert_eq!(by_id["digest"], by_name["digest"]);
    Ok(())
}

/// What an image of a repository holds.
fn stored(place: &Place, folder: &str, name: &str) -> Result<Vec<u8>, String> {
    let list = place.ok(&format!("repo show {name} --repo {folder} --json"));
    let list: serde_json::Value = serde_json::from_str(&list).map_err(|error| error.to_string())?;
    let (file, format) = (
        list["files"][0]["path"].as_str().unwrap_or_default(),
        list["format"].as_str().unwrap_or_default(),
    );
    // qemu does not see the parent of a VHD: it is read by the program itself, and held against what qemu saw elsewhere.
    place.ok(&format!(
        "convert {folder}/{file} -o stored.raw --input-format {format} --force -q"
    ));
    Ok(place.read("stored.raw"))
}

#[test]
fn a_repository_keeps_a_file_in_two_roles_apart_and_sends_each_as_what_it_is() -> Seen {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let made = bases()?;
    for (format, qemu, _) in FORMATS {
        // A VDI's child finds its parent by identity alone, and here two files have it.
        let has_child = format != "vdi";
        let place = Place::empty();
        place.ok("repo init hq -q");
        place.write(
            &format!("hq/base.{format}"),
            &made.read(&format!("base.{format}")),
        );
        let [own, raw] = children(&place, "hq/", format, qemu)?;
        let (as_own, as_raw) = (
            seen_by_qemu(&place, &own, "qcow2")?,
            seen_by_qemu(&place, &raw, "qcow2")?,
        );
        let base = format!("hq/base.{format}");
        let plain = place.read(&base);
        for line in [
            format!("repo add {base} --input-format raw --name plain --in-place --repo hq -q"),
            format!("repo add {base} --name native --dedup --repo hq -q"),
            format!("repo add {raw} --name over-raw --in-place --repo hq -q"),
            format!("repo add {own} --name over-own --dedup --repo hq -q"),
        ]
        .iter()
        .take(if has_child { 4 } else { 3 })
        {
            let said = place.run(line);
            assert_eq!(said.exit, 0, "{line}\n{}", said.err);
            assert!(
                !said.err.contains("not what its record says"),
                "{}",
                said.err
            );
        }
        place.ok("repo verify --repo hq -q");
        place.ok("repo init site -q");
        place.ok(&format!(
            "repo add {base} --input-format raw --name plain --repo site -q"
        ));
        let child = if has_child { "over-own" } else { "" };
        place.ok(&format!(
            "deploy native {child} over-raw --repo hq --to site -q"
        ));
        place.ok("repo verify --repo site -q");
        for (name, wanted) in [
            ("plain", &plain),
            ("native", &content()),
            ("over-raw", &as_raw),
            ("over-own", &as_own),
        ]
        .iter()
        .take(if has_child { 4 } else { 3 })
        {
            for folder in ["hq", "site"] {
                let found = stored(&place, folder, name)?;
                assert!(found == **wanted, "{format}: {name} in {folder}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_snapshot_is_stored_beside_what_its_file_holds_now_and_accuses_nobody() -> Seen {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let place = Place::empty();
    place.ok("repo init hq -q");
    let (now, old) = with_snapshot(&place, "hq/")?;
    place.ok("repo add hq/disk.qcow2 --in-place --name now --repo hq");
    let said = place.run("repo add hq/disk.qcow2 --snapshot old --name old --dedup --repo hq");
    assert_eq!(said.exit, 0, "{}", said.err);
    assert!(!said.err.contains("stored whole"), "{}", said.err);
    place.ok("repo verify --repo hq");
    place.ok("repo init site -q");
    place.ok("deploy now old --repo hq --to site -q");
    for folder in ["hq", "site"] {
        assert!(stored(&place, folder, "now")? == now.bytes, "{folder}");
        assert!(stored(&place, folder, "old")? == old.bytes, "{folder}");
    }
    Ok(())
}
