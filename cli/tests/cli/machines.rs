//! The disks of VMware and VirtualBox: every kind of VMDK and VDI through every command, in several files, through pipes.

use std::process::Stdio;

use imgdelta_fixtures::{
    golden,
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
