//! VMDKs of several files: how they are split, how long they are, and that none is overwritten.

use imgdelta_fixtures::peers::{self, Peer};

use crate::place::Place;

#[test]
fn an_image_of_several_files_replaces_none_unasked_and_leaves_none_half_made() {
    let place = Place::golden();
    for kind in ["monolithicFlat", "twoGbMaxExtentSparse"] {
        let extent = if kind == "monolithicFlat" {
            "disk-flat.vmdk"
        } else {
            "disk-s001.vmdk"
        };
        let line = format!("convert golden.raw -o disk.vmdk --option subformat={kind}");
        let before = place.names();
        let said = place.ok(&format!("{line} --dry-run --json"));
        assert_eq!(place.names(), before);
        let foretold: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        place.write(extent, b"somebody else's");
        assert!(place.refused(&line, 2).contains(extent));
        assert_eq!(place.read(extent), b"somebody else's");
        std::fs::remove_file(place.path(extent)).expect("it is there");
        let said = place.ok(&format!("{line} --json"));
        let told: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let len = (place.read("disk.vmdk").len() + place.read(extent).len()) as u64;
        assert_eq!(told["file_size"].as_u64(), Some(len));
        assert_eq!(foretold["file_size"], told["file_size"]);
        // What stands there is whole until the new image is: its extents keep their names.
        place.refused(&line, 2);
        let said = place.run(&format!("{line} --force"));
        assert_eq!(said.exit, 0, "{}", said.err);
        assert!(said.err.contains(extent), "{}", said.err);
        place.ok("compare disk.vmdk golden.raw -q");
        place.ok("convert golden.raw -o old.raw --force -q");
        for name in place.names() {
            if name.starts_with("disk") {
                std::fs::remove_file(place.path(&name)).expect("it is there");
            }
        }
    }
}

#[test]
fn large_disks_are_split_at_2047_mib_and_hold_what_stands_at_the_borders() -> Result<(), String> {
    use std::os::unix::fs::FileExt;
    const SPLIT: u64 = 2047 << 20;
    let place = Place::empty();
    let raw = std::fs::File::create(place.path("large.raw")).expect("room");
    raw.set_len(3 * SPLIT - 512).expect("room");
    for at in [
        0,
        SPLIT - 512,
        SPLIT,
        2 * SPLIT - (1 << 20),
        3 * SPLIT - 1024,
    ] {
        raw.write_all_at(format!("at {at}").as_bytes(), at)
            .expect("room");
    }
    for (kind, extents) in [
        (
            "twoGbMaxExtentSparse",
            ["-s001", "-s002", "-s003"].as_slice(),
        ),
        ("twoGbMaxExtentFlat", &["-f001", "-f002", "-f003"]),
        ("monolithicSparse", &[]),
        ("streamOptimized", &[]),
    ] {
        place.ok(&format!(
            "convert large.raw -o {kind}.vmdk --option subformat={kind} -q"
        ));
        place.ok(&format!("compare {kind}.vmdk large.raw -q"));
        for extent in extents {
            assert!(
                place.path(&format!("{kind}{extent}.vmdk")).exists(),
                "{kind}{extent}"
            );
        }
        if peers::find(Peer::QemuImg).is_some() {
            let (image, raw) = (place.path(&format!("{kind}.vmdk")), place.path("large.raw"));
            peers::qemu_compare(&image, "vmdk", &raw, "raw")?;
        }
    }
    place.ok("convert large.raw -o large.vdi -q");
    place.ok("compare large.vdi large.raw -q");
    let huge = std::fs::File::create(place.path("huge.raw")).expect("room");
    huge.set_len(1 << 40).expect("room");
    huge.write_all_at(b"far", (1 << 40) - 4096).expect("room");
    for output in ["huge.vmdk", "huge.vdi"] {
        place.ok(&format!("convert huge.raw -o {output} -q"));
        place.ok(&format!("compare {output} huge.raw -q"));
    }
    Ok(())
}

#[test]
fn flat_extents_on_the_host_are_as_long_as_their_lines_say() {
    let place = Place::empty();
    // Long rows of data, for which the host is asked for room.
    let disk = vec![7; (21 << 20) + 512];
    place.write("disk.raw", &disk);
    for (options, count) in [
        ("subformat=monolithicFlat", 1),
        ("subformat=vmfs", 1),
        ("subformat=twoGbMaxExtentFlat,split_size=8M", 3),
    ] {
        place.ok(&format!(
            "convert disk.raw -o disk.vmdk --option {options} --force -q"
        ));
        let text = String::from_utf8(place.read("disk.vmdk")).expect("a descriptor is text");
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("RW "))
            .collect();
        assert_eq!(lines.len(), count, "{text}");
        for line in lines {
            let sectors: usize = line
                .split(' ')
                .nth(1)
                .and_then(|word| word.parse().ok())
                .expect("a number");
            let name = line.split('"').nth(1).expect("a name");
            assert_eq!(place.read(name).len(), sectors * 512, "{line}");
        }
        place.ok("check disk.vmdk");
        place.ok("compare disk.vmdk disk.raw -q");
    }
}

#[test]
fn what_a_descriptor_says_of_its_bytes_is_believed() {
    let place = Place::empty();
    let disk = vec![5; 1 << 20];
    place.write("disk.img", &disk);
    let text = |kind: &str, more: &str, line: &str| {
        format!("version=1\nCID=1\nparentCID=ffffffff\ncreateType=\"{kind}\"\n{more}\n{line}\n")
            .into_bytes()
    };
    let flat = "RW 2048 FLAT \"disk.img\" 0";
    place.write(
        "locked.vmdk",
        &text("vmfs", "encryptionKeys=\"vmware:key/list\"", flat),
    );
    for line in [
        "convert locked.vmdk -o out.raw",
        "info locked.vmdk",
        "check locked.vmdk",
        "digest locked.vmdk",
    ] {
        let said = place.refused(line, 4);
        assert!(said.contains("encryptionKeys"), "{said}");
    }
    place.write("pc.vmdk", &text("fullDevice", "", flat));
    place.ok("convert pc.vmdk -o pc.raw -q");
    assert!(place.read("pc.raw") == disk);
    place.write(
        "sda.vmdk",
        &text("fullDevice", "", "RW 2048 FLAT \"/dev/sda\" 0"),
    );
    let said = place.refused("convert sda.vmdk -o sda.raw", 7);
    assert!(
        said.contains("fullDevice") && said.contains("copy the device"),
        "{said}"
    );
    place.write(
        "longer.vmdk",
        &text("monolithicFlat", "", "RW 2047 FLAT \"disk.img\" 0"),
    );
    for (line, exit) in [
        ("convert longer.vmdk -o longer.raw", 0),
        ("check longer.vmdk", 1),
    ] {
        let said = place.run(line);
        assert_eq!(said.exit, exit, "{}{}", said.out, said.err);
        let told = said.out + &said.err;
        assert!(told.contains("its lines say 1048064"), "{told}");
    }
    place.write(
        "shorter.vmdk",
        &text("monolithicFlat", "", "RW 2049 FLAT \"disk.img\" 0"),
    );
    place.refused("convert shorter.vmdk -o shorter.raw", 3);
}

#[test]
fn no_file_of_an_input_is_an_output() {
    let place = Place::golden();
    place.ok("convert golden.raw -o disk.vmdk --option subformat=monolithicFlat -q");
    for output in ["disk.vmdk", "disk-flat.vmdk"] {
        let said = place.refused(&format!("convert disk.vmdk -o {output} -f raw --force"), 2);
        assert!(said.contains("no input is ever changed"), "{said}");
    }
    place.ok("compare disk.vmdk golden.raw -q");
}
