//! Which format a file is taken for.

use std::path::{Path, PathBuf};

use imgdelta_core::{Format, Kind, MemSource, Result};
use imgdelta_fixtures::{
    Recipe,
    parallels::BundleSpec,
    qcow1::Qcow1Spec,
    qcow2::Qcow2Spec,
    vhd::{VhdSpec, seal_footer},
};
use imgdelta_registry::{DRIVERS, OpenSpec, open_image, probe, references};

use crate::place::Place;

/// What becomes of `bytes` under `name`: the format, or the exit status and the stable word.
fn verdict(name: &str, bytes: &[u8]) -> Result<Format, (u8, &'static str)> {
    probe(&MemSource(bytes.to_vec()), Path::new(name), None)
        .map(|driver| driver.format)
        .map_err(|error| (error.kind().exit(), error.code()))
}

/// 64 KiB of a guest that wrote `bytes` at `at`.
fn guest(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut disk = Recipe::small(1 << 16).expected(None);
    disk[at..at + bytes.len()].copy_from_slice(bytes);
    disk
}

fn qcow2() -> Vec<u8> {
    Qcow2Spec::new(Recipe::small(1 << 16), 16).build()
}

#[test]
fn bytes_say_the_format_and_names_only_whether_that_is_expected() {
    let plain = guest(0, b"");
    let fixed = VhdSpec::fixed(Recipe::small(1 << 16)).build();
    let dynamic = VhdSpec::dynamic(Recipe::small(1 << 16), 1 << 16).build();
    for name in [
        "x", "x.img", "x.bin", "x.dd", "x.raw", "x.RAW", "x.iso", ".vhd",
    ] {
        assert_eq!(verdict(name, &plain), Ok(Format::Raw), "{name}");
    }
    for name in ["x", "x.img", "x.iso", "x.vhd", "x.VHD"] {
        assert_eq!(verdict(name, &fixed), Ok(Format::Vhd), "{name}");
        assert_eq!(verdict(name, &dynamic), Ok(Format::Vhd), "{name}");
    }
    for name in ["x", "x.img", "x.qcow2", "x.qcow"] {
        assert_eq!(verdict(name, &qcow2()), Ok(Format::Qcow2), "{name}");
    }
    for name in ["x.vhd", "x.qcow2", "x.vhdx", "x.vmdk", "x.vdi", "x.qed"] {
        assert_eq!(verdict(name, &plain), Err((3, "magic")), "{name}");
    }
    assert_eq!(verdict("x.vhd", b""), Err((3, "magic")));
    assert_eq!(verdict("x.img", b""), Ok(Format::Raw));
}

#[test]
fn where_name_and_bytes_or_two_formats_disagree_nobody_guesses() {
    let ambiguous = Err((3, "ambiguous"));
    let fixed = VhdSpec::fixed(Recipe::small(1 << 16)).build();
    assert_eq!(verdict("x.raw", &qcow2()), ambiguous);
    assert_eq!(verdict("x.raw", &fixed), ambiguous);
    assert_eq!(verdict("x.raw", &guest(0, b"vhdxfile")), ambiguous);
    assert_eq!(verdict("x.vhd", &qcow2()), ambiguous);
    assert_eq!(verdict("x.vmdk", &qcow2()), ambiguous);
    // A guest of a fixed VHD wrote a qcow2 header: the policy of the one is not to be got by the other.
    let mut both = fixed.clone();
    let header = qcow2();
    both[..4096].copy_from_slice(&header[..4096]);
    assert_eq!(verdict("x", &both), ambiguous);
    assert_eq!(verdict("x.vhd", &both), ambiguous);
    // Nor does a damaged footer make it a qcow2.
    let footer = both.len() - 512;
    both[footer + 100] ^= 1;
    assert_eq!(verdict("x", &both), ambiguous);
    // A foreign magic and a footer are two as well.
    let mut foreign = fixed;
    foreign[..4].copy_from_slice(b"KDMV");
    assert_eq!(verdict("x", &foreign), ambiguous);
}

#[test]
fn what_is_damaged_is_never_raw() {
    let mut torn = qcow2();
    torn[4..8].copy_from_slice(&9_u32.to_be_bytes());
    assert_eq!(verdict("x.img", &torn), Ok(Format::Qcow2));
    let mut fixed = VhdSpec::fixed(Recipe::small(1 << 16)).build();
    let footer = fixed.len() - 512;
    fixed[footer + 64] ^= 1;
    assert_eq!(verdict("x.img", &fixed), Ok(Format::Vhd));
    seal_footer(&mut fixed[footer..]);
    assert_eq!(verdict("x.img", &fixed), Ok(Format::Vhd));
}

#[test]
fn the_parts_of_vmdk_vdi_and_vhdx_are_known_by_their_bytes() {
    let text = b"# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\n";
    let koly = (1 << 16) - 512;
    let magics: [(usize, &[u8], Format); 12] = [
        (0, b"vhdxfile", Format::Vhdx),
        (0, b"KDMV\x01\0\0\0", Format::Vmdk),
        (0, b"COWD\x01\0\0\0", Format::Vmdk),
        (0, b"\xbe\xba\xfe\xca\0\0\0\0", Format::Vmdk),
        (0, text, Format::Vmdk),
        (0x40, b"\x7f\x10\xda\xbe\x01\0\x01\0", Format::Vdi),
        (0, b"WithoutFreeSpace\x02\0\0\0", Format::Parallels),
        (0, b"WithouFreSpacExt\x02\0\0\0", Format::Parallels),
        (
            0,
            b"<Parallels_disk_image Version=\"1.0\">",
            Format::Parallels,
        ),
        (0, b"encrcdsa", Format::Dmg),
        (koly, b"koly\0\0\0\x04\0\0\x02\0", Format::Dmg),
        (0, b"QED\0\0\x10\0\0\x01\0\0\0", Format::Qed),
    ];
    for (at, magic, format) in magics {
        for name in ["x", "x.img", "x.unknown"] {
            assert_eq!(verdict(name, &guest(at, magic)), Ok(format), "{magic:?}");
        }
        assert_eq!(verdict("x.raw", &guest(at, magic)), Err((3, "ambiguous")));
    }
}

#[test]
fn formats_without_a_driver_are_known_by_name_and_never_raw() {
    let unsupported = Err((4, "format_unsupported"));
    let magics: [(usize, &[u8]); 1] = [(0, b"sprs\0\0\0\x03")];
    for (at, magic) in magics {
        for name in ["x", "x.img", "x.unknown"] {
            assert_eq!(verdict(name, &guest(at, magic)), unsupported, "{magic:?}");
        }
        assert_eq!(verdict("x.raw", &guest(at, magic)), Err((3, "ambiguous")));
    }
}

#[test]
fn both_versions_of_qcow_are_known_by_their_number_and_share_their_extensions() {
    let old = Qcow1Spec::new(Recipe::small(1 << 16), 12).build();
    for name in ["x", "x.img", "x.qcow", "x.qcow2"] {
        assert_eq!(verdict(name, &old), Ok(Format::Qcow1), "{name}");
        assert_eq!(verdict(name, &qcow2()), Ok(Format::Qcow2), "{name}");
    }
    assert_eq!(verdict("x.raw", &old), Err((3, "ambiguous")));
    // A magic without a possible header is damage, not a raw disk.
    let torn = guest(0, b"QFI\xfb\0\0\0\x01");
    assert_eq!(verdict("x.img", &torn), Ok(Format::Qcow1));
    let place = Place::new();
    let error = open_image(&OpenSpec::of(place.put("torn.img", &torn))).expect_err("damaged");
    assert_eq!(error.kind(), Kind::Corrupt);
}

/// The hint that goes with a refusal.
fn hint(name: &str, bytes: &[u8]) -> Option<String> {
    let error = probe(&MemSource(bytes.to_vec()), Path::new(name), None).err()?;
    error.hint().map(str::to_owned)
}

#[test]
fn what_nobody_claims_is_raw_only_under_a_name_that_allows_it() {
    let plain = guest(0, b"");
    for name in [
        "web.example.org",
        "x.001x",
        "x.qcow2.bak",
        "x.hdd",
        "x.dmg",
        "x.qcow2.01",
        "x.\u{e9}",
    ] {
        assert_eq!(verdict(name, &plain), Err((3, "format_unknown")), "{name}");
        let hint = hint(name, &plain).unwrap_or_default();
        assert!(hint.contains("--input-format raw"), "{name}: {hint}");
    }
    // No disk has half a sector, nor is a document one.
    assert_eq!(hint("web.example.org", &plain[..700]), None);
    assert_eq!(hint("report.pdf", &guest(0, b"%PDF-1.7")), None);
    assert_eq!(
        hint("x.vhd", &[0; 4096]),
        None,
        "zeros are no sign of a disk"
    );
    assert!(hint("x.vhd", &plain).is_some());
    assert_eq!(verdict("x.", &plain), Ok(Format::Raw));
}

#[test]
fn what_a_disk_was_packed_in_is_no_disk() {
    let magics: [&[u8]; 8] = [
        b"\x1f\x8b\x08\0\0\0\0\0",
        b"\xfd7zXZ\0\0\x04",
        b"\x28\xb5\x2f\xfd\x04\0",
        b"BZh91AY&SY\0\0",
        b"PK\x03\x04\x14\0",
        b"7z\xbc\xaf\x27\x1c\0\x04",
        b"\x04\x22\x4d\x18\x64",
        b"MSCF\0\0\0\0",
    ];
    for magic in magics {
        for name in ["x", "x.raw", "x.img", "x.iso", "x.vhd", "x.unknown"] {
            let packed = guest(0, magic);
            assert_eq!(
                verdict(name, &packed),
                Err((4, "packed")),
                "{name} {magic:?}"
            );
            let hint = hint(name, &packed).unwrap_or_default();
            assert!(hint.ends_with(name) && !hint.contains("raw "), "{hint}");
        }
    }
    // A name that promises one is not kept by other bytes, and a disk in it is not guessed.
    for name in [
        "x.gz", "x.xz", "x.zst", "x.bz2", "x.ova", "x.tar", "x.zip", "x.7z",
    ] {
        assert_eq!(verdict(name, &guest(0, b"")), Err((3, "magic")), "{name}");
        assert_eq!(verdict(name, &qcow2()), Err((3, "ambiguous")), "{name}");
    }
    // A footer behind an archive's head: one of both was put there by a guest.
    let mut fixed = VhdSpec::fixed(Recipe::small(1 << 16)).build();
    fixed[..4].copy_from_slice(b"PK\x03\x04");
    assert_eq!(verdict("x.vhd", &fixed), Err((3, "ambiguous")));
}

#[test]
fn text_is_no_disk() {
    let ovf =
        b"<?xml version=\"1.0\"?><Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\"/>";
    for name in ["x", "x.ovf", "x.img", "x.raw"] {
        assert_eq!(verdict(name, ovf), Err((4, "text")), "{name}");
        assert_eq!(
            verdict(name, b"404: Not Found\n"),
            Err((3, "text")),
            "{name}"
        );
        assert_eq!(hint(name, ovf), None);
    }
    assert_eq!(
        verdict("x.vhd", b"<!doctype html><p>gone</p>"),
        Err((3, "magic"))
    );
}

#[test]
fn a_piece_of_a_disk_is_no_disk() {
    let plain = guest(0, b"");
    for name in ["x.001", "x.000", "x.img.002", "x.vmdk.000000001"] {
        assert_eq!(verdict(name, &plain), Err((4, "piece")), "{name}");
    }
    let hint = hint("x.001", &plain).unwrap_or_default();
    assert_eq!(
        hint,
        "name the first of its pieces, all of them standing in one folder; or put them together: cat x.??? > x"
    );
}

#[test]
fn what_the_user_says_wins_over_everything() -> Result<()> {
    let place = Place::new();
    let as_raw = |path: PathBuf| OpenSpec {
        format: Some(Format::Raw),
        ..OpenSpec::of(path)
    };
    for (name, bytes) in [
        ("a.raw", qcow2()),
        ("b.vhdx", guest(0, b"vhdxfile")),
        ("c.qcow2", guest(0, b"")),
        ("d.img.gz", guest(0, b"\x1f\x8b\x08")),
        ("e.example.org", guest(0, b"")),
        ("f.001", guest(0, b"")),
        ("g.img", b"text\n".to_vec()),
    ] {
        let path = place.put(name, &bytes);
        let opened = open_image(&as_raw(path))?;
        assert_eq!(opened.driver.format, Format::Raw);
        assert_eq!(opened.image.metadata().size.0, bytes.len() as u64);
    }
    Ok(())
}

#[test]
fn every_format_of_the_list_is_there_once_and_raw_is_last() {
    let mut formats: Vec<Format> = DRIVERS.iter().map(|driver| driver.format).collect();
    assert_eq!(formats.last(), Some(&Format::Raw));
    formats.sort();
    formats.dedup();
    assert_eq!(formats.len(), DRIVERS.len());
    for driver in DRIVERS {
        assert!(
            !driver.extensions.is_empty(),
            "{driver:?} has no extension for new files"
        );
    }
}

#[test]
fn a_folder_that_is_an_image_opens_by_the_file_that_stands_for_it() -> Result<()> {
    let place = Place::new();
    let layers = [3, 4].map(|seed| Recipe::scatter(1 << 16, 4096, seed));
    let spec = BundleSpec::new(layers.into(), 8);
    for (name, bytes) in spec.build() {
        place.put(&format!("disk.hdd/{name}"), &bytes);
    }
    for name in ["disk.hdd", "disk.hdd/DiskDescriptor.xml"] {
        let opened = open_image(&OpenSpec::of(place.at(name)))?;
        assert_eq!(opened.driver.format, Format::Parallels);
        assert_eq!(opened.path, place.at("disk.hdd/DiskDescriptor.xml"));
        assert_eq!(
            opened.inputs()?.len(),
            3,
            "the descriptor and a file for each snapshot"
        );
        let named = references(&place.at(name), None)?.aux_files;
        assert_eq!(named, [spec.name(0, 0), spec.name(0, 1)]);
    }
    let alone = place.at(&format!("disk.hdd/{}", spec.name(0, 1)));
    let error = open_image(&OpenSpec::of(alone)).expect_err("it stands over another");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::Chain, "parallels_part")
    );
    Ok(())
}

#[test]
fn a_pipe_or_a_folder_is_no_image_and_nothing_waits_for_it() {
    let place = Place::new();
    place.pipe("pipe");
    for path in [place.at("pipe"), place.at(""), PathBuf::from("/dev/null")] {
        let error = open_image(&OpenSpec::of(path)).expect_err("it is no image");
        assert_eq!((error.kind(), error.code()), (Kind::Host, "not_a_file"));
    }
    let error = open_image(&OpenSpec::of(place.at("none"))).expect_err("nothing is there");
    assert_eq!(error.kind(), Kind::Host);
    assert_eq!(error.location().file, Some(place.at("none")));
}
