//! Inputs that are packed in something else, and packages that are written: what `gzip`, `xz`, `zstd`, `bzip2`, `split` and `tar` made is read
//! as the disk in it, and what is written is read by them, by 7-Zip and by VirtualBox.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use imgdelta_fixtures::{
    Fill, Recipe, golden,
    peers::{self, Peer},
};

use crate::place::Place;

const MIB: u64 = 1 << 20;

/// A disk with data at both ends and much that is zero.
fn disk() -> Vec<u8> {
    let recipe = Recipe::of(
        8 * MIB,
        [
            (0, 70_000 & !511, Fill::Text),
            (5 * MIB, 300_000 & !511, Fill::Pattern(7)),
            (8 * MIB - 512, 512, Fill::Text),
        ],
    );
    recipe.expected(None)
}

/// Has a program of the host write to a file of the place.
fn host(place: &Place, program: &str, arguments: &[&str], output: Option<&str>) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(place.path(""));
    if let Some(output) = output {
        let file = std::fs::File::create(place.path(output)).expect("room");
        command.stdout(Stdio::from(file));
    }
    let status = command
        .status()
        .unwrap_or_else(|cause| panic!("{program}: {cause}"));
    assert!(status.success(), "{program} {arguments:?}");
}

/// Whether a program is on the host; CI has all of them.
fn has(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_there = found.is_ok();
    assert!(
        is_there || std::env::var_os("IMGDELTA_REQUIRE_PEERS").is_none(),
        "{program} is required"
    );
    is_there
}

/// Programs that compress, and the extensions of what they write.
const PROGRAMS: [(&str, &str); 4] = [
    ("gzip", "gz"),
    ("xz", "xz"),
    ("zstd", "zst"),
    ("bzip2", "bz2"),
];

#[test]
fn what_a_compressor_made_is_the_disk_in_it_for_every_command() {
    let place = Place::golden();
    place.write("disk.img", &disk());
    place.ok("convert disk.img -o disk.qcow2");
    for (program, extension) in PROGRAMS.into_iter().filter(|(program, _)| has(program)) {
        for inner in ["disk.img", "disk.qcow2"] {
            let name = format!("{inner}.{extension}");
            host(&place, program, &["-c", inner], Some(&name));
            place.ok(&format!("compare {name} disk.img"));
            place.ok(&format!("check {name}"));
            place.ok(&format!("map {name}"));
            place.ok(&format!("convert {name} -o out.vhdx --force"));
            place.ok("compare out.vhdx disk.img");
            let digests = ["disk.img", &name].map(|name| place.ok(&format!("digest {name}")));
            let ids = digests
                .each_ref()
                .map(|said| said.split_whitespace().next());
            assert_eq!(ids[0], ids[1], "{name}");
            assert!(
                place.ok(&format!("info {name}")).contains("taken from"),
                "{name}"
            );
        }
    }
    // By its bytes, where the name does not tell; but a format that is given then means these very bytes.
    host(&place, "gzip", &["-c", "disk.img"], Some("other.img"));
    place.ok("compare other.img disk.img");
    place.ok("convert other.img --input-format raw -o bytes.raw");
    assert!(place.read("bytes.raw").starts_with(b"\x1f\x8b"));
    // A format that is given for one that is called packed is that of the disk in it.
    host(
        &place,
        "gzip",
        &["-c", "disk.img"],
        Some("web.example.org.gz"),
    );
    place.refused("convert web.example.org.gz -o out.raw", 3);
    place.ok("convert web.example.org.gz --input-format raw -o named.raw");
    assert!(place.read("named.raw") == disk());
}

#[test]
fn nothing_is_left_of_what_was_unpacked_and_no_limit_is_passed() {
    let place = Place::empty();
    place.write("disk.img", &disk());
    host(&place, "gzip", &["-k", "disk.img"], None);
    let said = place.refused("convert disk.img.gz -o out.raw --unpack-limit 4M", 4);
    assert!(said.contains("unpacks to more than 4 MiB"), "{said}");
    place.ok("convert disk.img.gz -o out.raw --unpack-limit 8M");
    assert!(place.read("out.raw") == disk());
    assert_eq!(place.names(), ["disk.img", "disk.img.gz", "out.raw"]);
    // Cut short, and with a byte changed in its middle: damage, whatever was unpacked until then.
    let whole = place.read("disk.img.gz");
    place.write("cut.img.gz", &whole[..whole.len() / 2]);
    let said = place.refused("convert cut.img.gz -o cut.raw", 3);
    assert!(said.contains("cut short"), "{said}");
    let mut changed = whole.clone();
    changed[whole.len() - 6] ^= 1;
    place.write("changed.img.gz", &changed);
    place.refused("convert changed.img.gz -o changed.raw", 3);
    // Two members are one file.
    let mut twice = whole.clone();
    twice.extend(&whole);
    place.write("twice.img.gz", &twice);
    place.ok("convert twice.img.gz -o twice.raw");
    assert!(place.read("twice.raw") == [disk(), disk()].concat());
    // Packed five times over is not a disk.
    for _ in 0..5 {
        host(&place, "gzip", &["-c", "disk.img.gz"], Some("deep.img.gz"));
        std::fs::rename(place.path("deep.img.gz"), place.path("disk.img.gz")).expect("renamed");
    }
    place.refused("convert disk.img.gz -o out2.raw", 4);
}

#[test]
fn standard_input_may_be_packed() {
    let place = Place::empty();
    place.write("disk.img", &disk());
    host(&place, "gzip", &["-k", "disk.img"], None);
    let mut command = place.command("convert - -o out.raw");
    command.stdin(std::fs::File::open(place.path("disk.img.gz")).expect("it is there"));
    assert!(command.status().expect("it starts").success());
    assert!(place.read("out.raw") == disk());
}

#[test]
fn pieces_are_one_disk_and_a_gap_is_none() {
    let place = Place::empty();
    place.write("disk.img", &disk());
    host(
        &place,
        "split",
        &[
            "-b",
            "3M",
            "-d",
            "-a",
            "3",
            "--numeric-suffixes=1",
            "disk.img",
            "disk.",
        ],
        None,
    );
    place.ok("convert disk.001 -o out.raw");
    assert!(place.read("out.raw") == disk());
    let said = place.run("convert disk.001 -o again.raw");
    assert!(said.err.contains("3 pieces"), "{}", said.err);
    place.refused("convert disk.002 -o other.raw", 4);
    // No piece may become the output.
    let said = place.run("convert disk.001 -f raw -o disk.002 --force");
    assert_eq!(said.exit, 2, "{}", said.err);
    let middle = place.read("disk.002");
    place.write("disk.002", &middle[..middle.len() - 512]);
    let said = place.refused("convert disk.001 -o other.raw", 3);
    assert!(said.contains("disk.002"), "{said}");
    std::fs::remove_file(place.path("disk.002")).expect("removed");
    let said = place.refused("convert disk.001 -o other.raw", 5);
    assert!(said.contains("'disk.002' is missing"), "{said}");
    // A compressed file in pieces.
    host(&place, "gzip", &["-c", "disk.img"], Some("p.img.gz"));
    host(
        &place,
        "split",
        &["-b", "20k", "-d", "-a", "3", "p.img.gz", "p.img.gz."],
        None,
    );
    place.ok("compare p.img.gz.000 disk.img");
}

/// A package of two disks in a folder, as other programs write them, and the same as an archive.
fn package(place: &Place) {
    place.write("one.img", &disk());
    place.write("two.img", &golden::files()[0].1);
    place.ok("convert one.img -o first.vmdk --option subformat=streamOptimized");
    place.ok("convert golden.vhd -o second.vmdk --option subformat=streamOptimized");
    let file = |id: u32, name: &str| {
        let size = place.read(name).len();
        format!("<File ovf:id='f{id}' ovf:href='{name}' ovf:size='{size}'/>")
    };
    let descriptor = format!(
        "<?xml version='1.0'?><Envelope xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1'><References>{}{}</References>\
         <DiskSection><Info/><Disk ovf:diskId='a' ovf:fileRef='f1' ovf:capacity='8' ovf:capacityAllocationUnits='byte * 2^20'/>\
         <Disk ovf:diskId='b' ovf:fileRef='f2' ovf:capacity='1'/></DiskSection></Envelope>",
        file(1, "first.vmdk"),
        file(2, "second.vmdk")
    );
    place.write("web.ovf", descriptor.as_bytes());
    host(
        place,
        "sh",
        &[
            "-c",
            "sha256sum --tag web.ovf first.vmdk second.vmdk | sed 's/SHA256 (/SHA256(/; s/) = /)= /' > web.mf",
        ],
        None,
    );
    host(
        place,
        "tar",
        &[
            "-cf",
            "web.ova",
            "--format=ustar",
            "web.ovf",
            "first.vmdk",
            "second.vmdk",
            "web.mf",
        ],
        None,
    );
}

#[test]
fn disks_of_a_package_are_listed_and_chosen() {
    let place = Place::golden();
    package(&place);
    for name in ["web.ovf", "web.ova"] {
        let listed = place.ok(&format!("info {name}"));
        for part in ["2 disks", "first.vmdk, 8 MiB", "second.vmdk"] {
            assert!(listed.contains(part), "{listed}");
        }
        let said = place.refused(&format!("convert {name} -o out.raw"), 2);
        assert!(
            said.contains("--disk") && said.contains("2: second.vmdk"),
            "{said}"
        );
        for (wanted, right) in [
            ("1", "one.img"),
            ("first.vmdk", "one.img"),
            ("a", "one.img"),
            ("2", "golden.vhd"),
            ("b", "golden.vhd"),
        ] {
            place.ok(&format!("compare {name} {right} --disk {wanted}"));
        }
        place.ok(&format!("compare {name} {name} --disk 1 --other-disk 1"));
        assert_eq!(
            place
                .run(&format!("compare {name} {name} --disk 1 --other-disk 2"))
                .exit,
            1
        );
        place.refused(&format!("convert {name} --disk 3 -o out.raw"), 2);
    }
    place.refused("convert one.img --disk 1 -o out.raw", 2);
    // An OVA that is compressed, and one in standard input.
    host(&place, "gzip", &["-c", "web.ova"], Some("web.ova.gz"));
    place.ok("compare web.ova.gz one.img --disk 1");
}

#[test]
fn the_digests_of_a_package_are_checked() {
    let place = Place::golden();
    package(&place);
    place.change("first.vmdk", |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    host(
        &place,
        "tar",
        &[
            "-cf",
            "web.ova",
            "web.ovf",
            "first.vmdk",
            "second.vmdk",
            "web.mf",
        ],
        None,
    );
    for name in ["web.ovf", "web.ova"] {
        let said = place.refused(&format!("convert {name} --disk 1 -o out.raw"), 6);
        assert!(
            said.contains("first.vmdk") && said.contains("SHA256"),
            "{said}"
        );
        place.ok(&format!("compare {name} golden.vhd --disk 2"));
    }
    std::fs::remove_file(place.path("first.vmdk")).expect("removed");
    place.refused("convert web.ovf --disk 1 -o out.raw", 5);
}

#[test]
fn a_package_names_no_file_outside_of_itself() {
    let place = Place::golden();
    place.write("secret.img", &disk());
    let ovf = |href: &str| {
        format!(
            "<Envelope><References><File id='f' href='{href}'/></References><DiskSection><Disk diskId='d' fileRef='f' capacity='1'/></DiskSection></Envelope>"
        )
    };
    for href in [
        "../secret.img",
        "/etc/passwd",
        "http://example.org/disk.vmdk",
        "file:///etc/passwd",
    ] {
        place.write("in/web.ovf", ovf(href).as_bytes());
        let said = place.refused("convert in/web.ovf -o out.raw", 7);
        assert!(
            said.contains(href.rsplit('/').next().expect("a name")),
            "{said}"
        );
        // In an archive a name is one of its members, or nothing.
        host(
            &place,
            "tar",
            &["-cf", "web.ova", "-C", "in", "web.ovf"],
            None,
        );
        place.refused("convert web.ova -o out.raw", 5);
    }
    // A descriptor in an archive whose extent stands beside the archive: that is no file of its own.
    place.ok("convert secret.img -o flat.vmdk --option subformat=monolithicFlat");
    place.write("in/web.ovf", ovf("flat.vmdk").as_bytes());
    std::fs::copy(place.path("flat.vmdk"), place.path("in/flat.vmdk")).expect("room");
    host(
        &place,
        "tar",
        &["-cf", "web.ova", "-C", "in", "web.ovf", "flat.vmdk"],
        None,
    );
    place.refused("convert web.ova -o out.raw", 7);
}

#[test]
fn a_disk_in_chunks_is_put_together() {
    let place = Place::golden();
    package(&place);
    host(
        &place,
        "split",
        &["-b", "100000", "-d", "-a", "9", "first.vmdk", "first.vmdk."],
        None,
    );
    std::fs::remove_file(place.path("first.vmdk")).expect("removed");
    place.change("web.ovf", |bytes| {
        let text = String::from_utf8(bytes.clone()).expect("text");
        *bytes = text
            .replacen("ovf:id='f1'", "ovf:id='f1' ovf:chunkSize='100000'", 1)
            .into_bytes();
    });
    std::fs::remove_file(place.path("web.mf")).expect("removed");
    place.ok("compare web.ovf one.img --disk 1");
    host(
        &place,
        "sh",
        &["-c", "tar -cf web.ova web.ovf first.vmdk.0* second.vmdk"],
        None,
    );
    place.ok("compare web.ova one.img --disk 1");
    // The last chunk is cut: no format needs to notice.
    let last = (0..).map(|number| format!("first.vmdk.{number:09}"));
    let last = last
        .take_while(|name| place.path(name).exists())
        .last()
        .expect("it has chunks");
    let kept = place.read(&last);
    place.write(&last, &kept[..kept.len() - 1]);
    let said = place.refused("convert web.ovf --disk 1 -o out.raw", 3);
    assert!(said.contains("the descriptor says"), "{said}");
    place.write(&last, &kept);
    std::fs::remove_file(place.path("first.vmdk.000000001")).expect("removed");
    place.refused("convert web.ovf --disk 1 -o out.raw", 5);
}

#[test]
fn what_is_packed_is_changed_by_nobody_and_named_by_no_child() {
    let place = Place::golden();
    host(&place, "gzip", &["-k", "golden.vhd"], None);
    place.ok("make -b golden.vhd -t patched.vhd -o child.vhd");
    place.refused("attach child.vhd -b golden.vhd.gz", 4);
    place.ok("apply child.vhd -b golden.vhd.gz -o full.vhd");
    place.ok("compare full.vhd patched.vhd");
    host(&place, "gzip", &["-k", "child.vhd"], None);
    place.refused(
        "attach child.vhd.gz -b golden.vhd --manifest child.vhd.manifest.json",
        4,
    );
    place.ok("apply child.vhd.gz -b golden.vhd --manifest child.vhd.manifest.json -o again.vhd");
    place.refused("check --repair --in-place golden.vhd.gz", 4);
    // A child over what is packed records no parent where its format allows that.
    place.ok("make -b golden.vhd.gz -t patched.vhd -o child.qcow2");
    let info = place.ok("info child.qcow2");
    assert!(info.contains("imgdelta-apply:"), "{info}");
    place.ok("apply child.qcow2 -b golden.vhd -o third.vhd");
    place.ok("compare third.vhd patched.vhd");
}

#[test]
fn a_repository_takes_what_is_in_it() {
    let place = Place::golden();
    host(&place, "gzip", &["-k", "golden.vhd"], None);
    place.ok("repo init hq");
    place.ok("repo add golden.vhd.gz --repo hq --name golden");
    place.ok("repo verify --repo hq");
    let stored = place.ok("repo show golden --repo hq");
    assert!(!stored.contains(".gz"), "{stored}");
}

/// What others see in an archive that was written.
fn judge(place: &Place, name: &str, right: &[u8]) {
    host(
        place,
        "sh",
        &[
            "-c",
            &format!(
                "mkdir out && tar -xf {name} -C out && cd out && sed 's/^SHA256(\\(.*\\))= \\(.*\\)/\\2  \\1/' *.mf | sha256sum -c --quiet"
            ),
        ],
        None,
    );
    if peers::find(Peer::SevenZip).is_some() {
        let listed = Command::new("7zz")
            .arg("l")
            .arg(place.path(name))
            .output()
            .expect("it starts");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(
            listed.contains("-disk1.vmdk") && listed.contains(".ovf"),
            "{listed}"
        );
    }
    let disk = place.path("out").read_dir().expect("it is there");
    let disk = disk
        .flatten()
        .find(|entry| entry.path().extension().is_some_and(|one| one == "vmdk"));
    let disk = disk.expect("it has a disk").path();
    if peers::find(Peer::QemuImg).is_some() {
        place.write("right.raw", right);
        assert_eq!(
            peers::qemu_compare(&disk, "vmdk", Path::new(&place.path("right.raw")), "raw"),
            Ok(())
        );
    }
}

#[test]
fn a_package_is_written_and_read_by_others() {
    let place = Place::empty();
    place.write("disk.img", &disk());
    place.ok("convert disk.img -o web.ova --option cpus=2,memory=768M");
    place.ok("compare web.ova disk.img");
    judge(&place, "web.ova", &disk());
    // The same bytes for the same input.
    let first = place.read("web.ova");
    place.ok("convert disk.img -o web.ova --option cpus=2,memory=768M --force --threads 7");
    assert!(place.read("web.ova") == first);
    let said = place.ok("convert disk.img -o dry.ova -n");
    assert!(said.contains("nothing was written"), "{said}");
    for (option, exit) in [
        ("cpus=0", 2),
        ("firmware=uefi", 2),
        ("subformat=monolithicFlat", 2),
        ("nonsense=1", 2),
    ] {
        place.refused(
            &format!("convert disk.img -o bad.ova --option {option}"),
            exit,
        );
    }
    place.refused("convert disk.img -o bad.ova -f qcow2", 2);
    place.refused("make -b disk.img -t disk.img -o bad.ova", 4);
    place.refused("convert disk.img -o web.ova", 2);
    if peers::find(Peer::VirtualBox).is_some() {
        for (options, says) in [
            ("cpus=2,memory=768M", ["cpus=2", "memory=768", "LsiLogic"]),
            (
                "adapter_type=ide,name=a&b",
                ["cpus=1", "memory=1024", "PIIX4"],
            ),
        ] {
            place.ok(&format!(
                "convert disk.img -o box.ova --force --option {options}"
            ));
            let (read, machine) =
                peers::virtualbox_import(&place.path("box.ova")).expect("it is imported");
            assert!(read == disk(), "{options}");
            for part in says {
                assert!(machine.contains(part), "{part} is not in\n{machine}");
            }
        }
    }
}
