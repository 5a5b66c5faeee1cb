//! The disks of Hyper-V: every kind of VHDX through every command, 4096-byte sectors, files that were not closed, and how they are mended.

use imgdelta_fixtures::{
    Fill, Recipe, golden,
    peers::{self, Peer},
    vhdx::{Copies, Headers, Layout, LogSpec, Part, Remnant, VhdxSpec},
};

use crate::place::Place;

const MIB: u32 = 1 << 20;

/// The golden image in every kind of VHDX, built by another hand; the name of each.
fn bases(place: &Place) -> Vec<String> {
    let dynamic = || VhdxSpec::dynamic(golden::base(), MIB);
    let specs = [
        ("dynamic", dynamic()),
        ("fixed", VhdxSpec::fixed(golden::base(), 2 * MIB)),
        (
            "large",
            VhdxSpec {
                layout: Layout::Qemu,
                ..VhdxSpec::dynamic(golden::base(), 32 * MIB)
            },
        ),
        (
            "open",
            VhdxSpec {
                log: Some(LogSpec::of(&[Part::Bat, Part::Start(2)])),
                ..dynamic()
            },
        ),
    ];
    let named = specs.into_iter().enumerate();
    named
        .map(|(number, (stem, spec))| {
            let name = format!("{stem}.vhdx");
            let data_write = [number as u8 + 1; 16];
            place.write(&name, &VhdxSpec { data_write, ..spec }.build());
            name
        })
        .collect()
}

#[test]
fn every_kind_of_base_makes_the_whole_way() {
    let place = Place::golden();
    for base in bases(&place) {
        for (child, option) in [
            ("c.vhdx", ""),
            ("c.vhdx", "--option block_size=32M"),
            ("c.qcow2", ""),
        ] {
            place.ok(&format!(
                "make -b {base} -t patched.qcow2 -o {child} --force -q {option}"
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
    for format in ["vmdk", "vdi"] {
        place.ok(&format!("convert golden.raw -o golden.{format} -q"));
    }
    sources.extend(["raw", "vhd", "qcow2", "vmdk", "vdi"].map(|one| format!("golden.{one}")));
    for source in &sources {
        for (output, option) in [
            ("o.vhdx", ""),
            ("o.vhdx", "--option subformat=fixed"),
            ("o.vhdx", "--option block_size=256M"),
        ] {
            place.ok(&format!("convert {source} -o {output} --force -q {option}"));
            place.ok(&format!("compare {output} golden.raw -q"));
            place.ok(&format!("check {output} -q"));
        }
        for output in ["o.vhd", "o.qcow2", "o.vmdk", "o.vdi", "o.raw"] {
            place.ok(&format!("convert {source} -o {output} --force -q"));
            place.ok(&format!("compare {output} golden.raw -q"));
        }
    }
}

#[test]
fn children_have_children_of_any_size_and_hide_what_they_must() {
    let place = Place::golden();
    place.ok("convert golden.raw -o base.vhdx -q");
    let mut third = golden::patched_bytes();
    third[4 << 20] ^= 0xff;
    third.truncate(11 << 20);
    place.write("third.raw", &third);
    third.extend(vec![7; (3 << 20) + 512]);
    place.write("fourth.raw", &third);
    for option in ["", "--option block_size=1M", "--option block_size=32M"] {
        for (base, target, child) in [
            ("base.vhdx", "patched.raw", "two.vhdx"),
            ("two.vhdx", "third.raw", "three.vhdx"),
            ("three.vhdx", "fourth.raw", "four.vhdx"),
        ] {
            place.ok(&format!(
                "make -b {base} -t {target} -o {child} --force -q {option}"
            ));
            place.ok(&format!("compare {child} {target} -q"));
            place.ok(&format!("check {child} -q"));
        }
        place.ok("convert four.vhdx -o whole.vhdx --force -q");
        place.ok("compare whole.vhdx fourth.raw -q");
    }
}

#[test]
fn a_chain_may_have_256_layers_and_no_more() {
    let place = Place::empty();
    let mut disk = vec![0; 1 << 20];
    let spec = VhdxSpec::dynamic(Recipe::of(1 << 20, []), MIB);
    let mut parent = VhdxSpec {
        data_write: [0xff; 16],
        ..spec
    };
    place.write("000.vhdx", &parent.build());
    for number in 1..=256_u16 {
        let at = usize::from(number) * 1024;
        let run = (at as u64 - 512, 512, Fill::Pattern(u64::from(number)));
        if number < 256 {
            let layer = Recipe::of(1 << 20, [run]);
            disk[at - 512..at].copy_from_slice(&layer.expected(None)[at - 512..at]);
        }
        let below = format!("{:03}.vhdx", number - 1);
        let mut child = VhdxSpec::differencing(Recipe::of(1 << 20, [run]), MIB, &parent, &below);
        child.data_write[..2].copy_from_slice(&number.to_le_bytes());
        place.write(&format!("{number:03}.vhdx"), &child.build());
        parent = child;
    }
    place.write("disk.raw", &disk);
    place.ok("compare 255.vhdx disk.raw -q");
    let said = place.refused("convert 256.vhdx -o out.raw", 4);
    assert!(said.contains("more than 256 layers"), "{said}");
}

/// A disk in sectors of 4096 bytes.
fn large_sectors(recipe: Recipe) -> VhdxSpec {
    VhdxSpec {
        logical_sector: 4096,
        data_write: *b"sectors of 4096 ",
        ..VhdxSpec::dynamic(recipe, MIB)
    }
}

#[test]
fn sectors_of_4096_bytes_go_where_they_are_understood() {
    let place = Place::golden();
    place.write("big.vhdx", &large_sectors(golden::base()).build());
    for output in ["o.vhd", "o.vmdk", "o.vdi"] {
        let said = place.refused(&format!("convert big.vhdx -o {output}"), 4);
        assert!(said.contains("sectors of 4096 bytes"), "{said}");
        assert!(said.contains("write it as vhdx, qcow2, raw"), "{said}");
    }
    for output in ["o.raw", "o.qcow2"] {
        let said = place.run(&format!("convert big.vhdx -o {output}"));
        assert_eq!(said.exit, 0, "{}", said.err);
        assert!(said.err.contains("sectors of 4096 bytes"), "{}", said.err);
        place.ok(&format!("compare {output} golden.raw -q"));
    }
    let sector = |image: &str| {
        let told = place.ok(&format!("info {image} --json"));
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        told["sector"].as_u64()
    };
    let said = place.run("convert big.vhdx -o o.vhdx");
    assert!(
        said.exit == 0 && !said.err.contains("sectors"),
        "{}",
        said.err
    );
    assert_eq!(sector("o.vhdx"), Some(4096));
    place.ok("convert o.raw -o said.vhdx --option logical_sector_size=4096 -q");
    assert_eq!(sector("said.vhdx"), Some(4096));
    // A child has its base's sectors, also over a target that does not say; what is made of both has them too.
    place.ok("make -b o.vhdx -t patched.raw -o c.vhdx -q");
    assert_eq!(sector("c.vhdx"), Some(4096));
    place.ok("compare c.vhdx patched.raw -q");
    place.ok("apply c.vhdx -b big.vhdx -o full.vhdx -q");
    assert_eq!(sector("full.vhdx"), Some(4096));
    let said = place.run("make -b o.vhdx -t patched.raw -o over.qcow2");
    assert_eq!(said.exit, 0, "{}", said.err);
    let said = place.run("convert over.qcow2 -o flat.raw");
    assert!(said.err.contains("sectors of 4096 bytes"), "{}", said.err);
}

#[test]
fn sectors_of_two_sizes_make_no_chain() {
    let place = Place::golden();
    place.write("big.vhdx", &large_sectors(golden::base()).build());
    place.ok("convert golden.raw -o small.vhdx -q");
    place.ok("convert patched.raw -o patched.vhdx -q");
    for (base, target) in [("big.vhdx", "patched.vhdx"), ("small.vhdx", "big.vhdx")] {
        let said = place.refused(&format!("make -b {base} -t {target} -o c.vhdx"), 4);
        assert!(said.contains("a vhdx child has its base's"), "{said}");
    }
    let base = VhdxSpec::dynamic(golden::base(), MIB);
    let child = VhdxSpec {
        logical_sector: 4096,
        ..VhdxSpec::differencing(Recipe::of(golden::SIZE, []), MIB, &base, "base.vhdx")
    };
    place.write("base.vhdx", &base.build());
    place.write("child.vhdx", &child.build());
    for line in [
        "convert child.vhdx -o o.raw",
        "convert child.vhdx -o o.raw --parent base.vhdx",
        "attach child.vhdx -b base.vhdx --by-identity",
    ] {
        let said = place.refused(line, 5);
        assert!(said.contains("sectors of"), "{line}: {said}");
    }
}

/// An image that was not closed, its tables damaged in one of their copies, beside what it holds.
fn open_image() -> VhdxSpec {
    VhdxSpec {
        headers: Headers::OnlySecond,
        region_tables: Copies::OnlySecond,
        log_len: 4 * MIB,
        log: Some(LogSpec {
            remnants: vec![Remnant::Older],
            ..LogSpec::of(&[Part::Bat, Part::Block(2), Part::End])
        }),
        ..VhdxSpec::dynamic(golden::base(), MIB)
    }
}

#[test]
fn what_was_not_closed_is_read_as_it_will_be_and_mended_on_request() -> Result<(), String> {
    let place = Place::golden();
    let image = open_image().build();
    place.write("open.vhdx", &image);
    let said = place.run("convert open.vhdx -o read.raw");
    assert!(
        said.exit == 0 && said.err.contains("replayed in memory"),
        "{}",
        said.err
    );
    assert!(place.read("read.raw") == golden::base_bytes());
    let said = place.ok("check --repair -o mended.vhdx open.vhdx");
    for what in ["log was replayed", "region table 1", "both headers"] {
        assert!(said.contains(what), "{said}");
    }
    assert!(place.read("open.vhdx") == image, "no input is written");
    place.refused("check --repair -o mended.vhdx open.vhdx", 2);
    place.ok("check --repair -o mended.vhdx --force open.vhdx -q");
    place.ok("compare mended.vhdx golden.raw -q");
    let clean = place.run("check mended.vhdx");
    assert!(
        clean.exit == 0 && !clean.err.contains("note"),
        "{}",
        clean.err
    );
    let ids = |name: &str| {
        let told = place.ok(&format!("info {name} --json"));
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        told["identity"].to_string()
    };
    assert_eq!(
        ids("open.vhdx"),
        ids("mended.vhdx"),
        "its children fit it still"
    );
    if peers::find(Peer::QemuImg).is_some() {
        peers::qemu_check(&place.path("mended.vhdx"), "vhdx")?;
        let (mended, raw) = (place.path("mended.vhdx"), place.path("golden.raw"));
        peers::qemu_compare(&mended, "vhdx", &raw, "raw")?;
    }
    place.ok("check --repair --in-place open.vhdx -q");
    assert!(place.read("open.vhdx") == place.read("mended.vhdx"));
    let before = place.read("open.vhdx");
    place.ok("check --repair --in-place open.vhdx -q");
    assert!(
        place.read("open.vhdx") == before,
        "a sound image stays as it is"
    );
    Ok(())
}

#[test]
fn what_cannot_be_mended_is_said_and_left_alone() {
    let place = Place::golden();
    let mut image = VhdxSpec::dynamic(golden::base(), MIB).build();
    for at in [64 << 10, 128 << 10] {
        image[at] ^= 1;
    }
    place.write("lost.vhdx", &image);
    place.ok("convert golden.raw -o golden.vhdx -q");
    let before = place.names();
    place.refused("check --repair -o mended.vhdx lost.vhdx", 3);
    place.refused("check --repair --in-place lost.vhdx", 3);
    let said = place.refused("check --repair --in-place golden.qcow2", 4);
    assert!(said.contains("imgdelta convert"), "{said}");
    for line in [
        "check --repair golden.qcow2",
        "check -o mended.vhdx lost.vhdx",
        "check --repair --in-place -o mended.vhdx lost.vhdx",
        "check --repair -o golden.vhdx --force golden.vhdx",
    ] {
        place.refused(line, 2);
    }
    assert_eq!(place.names(), before);
    assert!(place.read("lost.vhdx") == image);
    // The path to its parent is not to be found in a child that has none: the rest is mended, and the fault is told.
    let base = VhdxSpec::dynamic(golden::base(), MIB);
    let mut child = VhdxSpec::differencing(golden::patched(), MIB, &base, "base.vhdx");
    child.locator = Some(imgdelta_fixtures::vhdx::Locator::of(base.data_write));
    child.region_tables = Copies::OnlyFirst;
    place.write("child.vhdx", &child.build());
    let said = place.run("check --repair -o mended.vhdx child.vhdx");
    assert_eq!(said.exit, 1, "{} {}", said.out, said.err);
    assert!(said.out.contains("mended: region table 2"), "{}", said.out);
    assert!(said.out.contains("fault: "), "{}", said.out);
}

#[test]
fn an_empty_disk_of_64_tib_is_told_and_converted_at_once() {
    let place = Place::empty();
    let spec = VhdxSpec::dynamic(Recipe::of(64 << 40, []), 32 * MIB);
    spec.draw()
        .write_to(&place.path("huge.vhdx"))
        .expect("room");
    let told = place.ok("info huge.vhdx --json");
    assert!(told.contains("70368744177664"), "{told}");
    place.ok("map huge.vhdx -q");
    for output in ["o.vhdx", "o.qcow2"] {
        place.ok(&format!("convert huge.vhdx -o {output} -q"));
        place.ok(&format!("compare huge.vhdx {output} -q"));
    }
}
