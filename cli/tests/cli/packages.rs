//! Packages of machines (OVF, OVA): listed, checked against their digests, written and read by others.

use std::{path::Path, process::Command};

use imgdelta_fixtures::{
    golden,
    peers::{self, Peer},
};

use crate::{
    packed::{disk, host},
    place::Place,
};

/// A package of two disks in a folder, as other programs write them, and the same as an archive.
pub(crate) fn package(place: &Place) {
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
