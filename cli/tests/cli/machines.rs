//! The disks of VMware and VirtualBox: every kind of VMDK and VDI through every command, in several files, through pipes.

use std::process::Stdio;

use imgdelta_fixtures::{
    golden,
    peers::{self, Peer},
    vdi::{Kind, VdiSpec},
    vmdk::{Layout, Stream, Text, VmdkSpec},
};

use crate::place::Place;

/// Kinds of VMDK that can be written.
const KINDS: [&str; 6] = [
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "streamOptimized",
    "vmfs",
];

/// The golden image in every kind of VMDK and VDI, built by another hand; the name of each.
fn bases(place: &Place) -> Vec<String> {
    let mut names = Vec::new();
    let layouts = [
        ("sparse", Layout::Sparse),
        ("split", Layout::SplitSparse(5 << 20)),
        ("flat", Layout::Flat),
        ("parts", Layout::SplitFlat(5 << 20)),
        ("stream", Layout::Stream(Stream::VMware)),
        ("qemu", Layout::Stream(Stream::Qemu)),
        ("vmfs", Layout::Vmfs("vmfs")),
        ("delta", Layout::Cowd),
        ("se", Layout::SeSparse),
    ];
    for (stem, layout) in layouts {
        let spec = VmdkSpec {
            stem: stem.into(),
            ..VmdkSpec::new(golden::base(), layout)
        };
        let files = spec.build();
        names.push(files[0].0.clone());
        for (name, bytes) in files {
            place.write(&name, &bytes);
        }
    }
    for kind in [Kind::Dynamic, Kind::Fixed] {
        let spec = VdiSpec {
            kind,
            create: [kind as u8; 16],
            ..VdiSpec::dynamic(golden::base(), 1 << 20)
        };
        let name = format!("{kind:?}.vdi");
        place.write(&name, &spec.build());
        names.push(name);
    }
    names
}

#[test]
fn every_kind_of_base_makes_the_whole_way() {
    let place = Place::golden();
    for base in bases(&place) {
        let own = if base.ends_with("vmdk") {
            "c.vmdk"
        } else {
            "c.vdi"
        };
        for child in [own, "c.qcow2"] {
            place.ok(&format!(
                "make -b {base} -t patched.qcow2 -o {child} --force -q"
            ));
            place.ok(&format!(
                "apply {child} -b golden.raw -o full.raw --force -q"
            ));
            assert!(place.read("full.raw") == golden::patched_bytes(), "{base}");
            place.ok(&format!("attach {child} -b {base} -q"));
            place.ok(&format!("compare {child} patched.raw -q"));
            place.ok(&format!("check {child} -q"));
            for verb in ["info", "map", "digest"] {
                place.ok(&format!("{verb} {child} --json"));
            }
        }
    }
}

#[test]
fn every_kind_is_converted_to_every_other() {
    let place = Place::golden();
    let mut sources = bases(&place);
    sources.extend(["golden.vhd".into(), "golden.qcow2".into()]);
    let kinds = KINDS.map(|kind| format!("o.vmdk --option subformat={kind}"));
    let mut outputs = kinds.to_vec();
    outputs.extend(["o.vdi".into(), "o.vdi --option static=on".into()]);
    for source in &sources {
        for output in &outputs {
            let place_of = output.split(' ').next().unwrap_or_default();
            place.ok(&format!("convert {source} -o {output} --force -q"));
            place.ok(&format!("compare {place_of} golden.raw -q"));
            place.ok(&format!("check {place_of} -q"));
            for name in place.names() {
                if name.starts_with("o-") || name == "o.vmdk" {
                    std::fs::remove_file(place.path(&name)).expect("it is there");
                }
            }
        }
        for output in ["o.vhd", "o.qcow2"] {
            place.ok(&format!("convert {source} -o {output} --force -q"));
            place.ok(&format!("compare {output} golden.raw -q"));
        }
    }
}

#[test]
fn children_have_children_and_say_zeros_where_they_can() {
    let place = Place::golden();
    place.ok("convert golden.raw -o base.vmdk -q");
    place.ok("convert golden.raw -o base.vdi -q");
    let mut third = golden::patched_bytes();
    third[4 << 20] ^= 0xff;
    place.write("third.raw", &third);
    for (format, option) in [
        ("vmdk", ""),
        ("vmdk", "--option zeroed_grain=on"),
        ("vmdk", "--option subformat=twoGbMaxExtentSparse"),
        ("vdi", ""),
    ] {
        place.ok(&format!(
            "make -b base.{format} -t patched.raw -o two.{format} --force -q {option}"
        ));
        place.ok(&format!(
            "make -b two.{format} -t third.raw -o three.{format} --force -q {option}"
        ));
        place.ok(&format!("compare three.{format} third.raw -q"));
        place.ok(&format!(
            "convert three.{format} -o whole.{format} --force -q"
        ));
        place.ok(&format!("compare whole.{format} third.raw -q"));
    }
}

#[test]
fn a_vdi_child_may_be_larger_than_its_base_and_a_vmdk_child_may_not() {
    let place = Place::golden();
    let mut grown = golden::patched_bytes();
    grown.extend(vec![7; (1 << 20) + 512]);
    place.write("grown.raw", &grown);
    place.ok("convert golden.raw -o base.vdi -q");
    place.ok("make -b base.vdi -t grown.raw -o child.vdi -q");
    place.ok("compare child.vdi grown.raw -q");
    place.ok("convert golden.raw -o base.vmdk -q");
    let said = place.refused("make -b base.vmdk -t grown.raw -o child.vmdk", 4);
    assert!(said.contains("must have its base's size"), "{said}");
}

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

#[test]
fn a_stream_goes_through_pipes_both_ways() {
    let place = Place::golden();
    place.ok("convert golden.raw -o disk.vmdk --option subformat=streamOptimized -q");
    let line = "convert golden.raw -o - -f vmdk --option subformat=streamOptimized -q";
    let piped = place.command(line).output().expect("it starts").stdout;
    let file = place.read("disk.vmdk");
    // Only the descriptor differs: it says what the file is called.
    assert_eq!(piped.len(), file.len());
    assert!(piped[21 * 512..] == file[21 * 512..]);
    place.write("piped.vmdk", &piped);
    place.ok("compare piped.vmdk golden.raw -q");
    let twice = place.command(line).output().expect("it starts").stdout;
    assert!(piped == twice, "the same disk gives the same bytes");
    let source = std::fs::File::open(place.path("disk.vmdk")).expect("it is there");
    let read = place
        .command("convert - --input-format vmdk -o back.raw -q")
        .stdin(Stdio::from(source))
        .output()
        .expect("it starts");
    assert!(read.status.success(), "{read:?}");
    assert!(place.read("back.raw") == golden::base_bytes());
    let said = place.refused("convert golden.raw -o - -f vmdk", 4);
    assert!(said.contains("streamOptimized"), "{said}");
    place.refused("convert golden.raw -o - -f vdi", 4);
}

#[test]
fn what_an_image_names_is_told_without_opening_it() {
    let place = Place::empty();
    let mut spec = VmdkSpec::child(
        golden::base(),
        Layout::SplitSparse(5 << 20),
        0xabc,
        "gone.vmdk",
    );
    spec.stem = "child".into();
    place.write("child.vmdk", &spec.build()[0].1);
    let told = place.ok("info child.vmdk --refs");
    for name in [
        "gone.vmdk",
        "00000abc",
        "child-s001.vmdk",
        "child-s003.vmdk",
    ] {
        assert!(told.contains(name), "{told}");
    }
}

#[test]
fn a_parent_by_identity_reads_well() {
    let place = Place::empty();
    let base = VdiSpec::dynamic(golden::base(), 1 << 20);
    let child = VdiSpec::differencing(golden::patched(), 1 << 20, &base);
    place.write("child.vdi", &child.build());
    place.write("store/a.vdi", &base.build());
    place.write("store/b.vdi", &base.build());
    let changed = VdiSpec {
        modify: *b"its second state",
        ..base
    };
    place.write("changed.vdi", &changed.build());
    let mut grain = VmdkSpec::child(golden::base(), Layout::Sparse, 0xabc, "base.vmdk");
    grain.stem = "child".into();
    place.write("child.vmdk", &grain.build()[0].1);
    let base = VmdkSpec {
        stem: "base".into(),
        text: Text {
            cid: "00000abd".into(),
            ..Text::default()
        },
        ..VmdkSpec::new(golden::base(), Layout::Sparse)
    };
    place.write("base.vmdk", &base.build()[0].1);
    place.transcript(
        "parent-by-identity",
        &[
            "imgdelta convert child.vdi -o whole.raw",
            "imgdelta convert child.vdi -o whole.raw --search store",
            "imgdelta convert child.vdi -o whole.raw --parent changed.vdi",
            "imgdelta convert child.vdi -o whole.raw --parent store/b.vdi",
            "imgdelta convert child.vmdk -o other.raw",
            "imgdelta info child.vmdk",
            "imgdelta info child.vdi --refs",
        ],
    );
}
