//! Files whose names Windows or macOS take for the recorded one: parents and other files by one rule, which leaves no folder.

use imgdelta_core::{Format, Kind, Result};
use imgdelta_fixtures::{
    qcow2::{DataFile, Qcow2Spec},
    vhd::Locator,
    vhdx::VhdxSpec,
    vmdk::{Layout, VmdkSpec},
};
use imgdelta_registry::{OpenSpec, open_chain, open_image};

use crate::place::{Place, layer, qcow2_over, read, refusal, searching, vhd, vhd_over};

const ID: [u8; 16] = *b"the base's id 01";

/// Recorded names, and the files in the image's folder that they mean.
const NAMES: [(&str, &str); 8] = [
    ("Disk-Flat.VMDK", "disk-flat.vmdk"),
    ("disk-flat.vmdk", "DISK-FLAT.vmdk"),
    (".\\disk-flat.vmdk", "disk-flat.vmdk"),
    (".\\Sub\\disk-flat.vmdk", "sub/Disk-flat.vmdk"),
    ("C:\\VMs\\disk-flat.vmdk", "disk-flat.vmdk"),
    ("D:/VMs/Disk-Flat.vmdk", "disk-flat.vmdk"),
    ("\u{dc}bung-flat.vmdk", "U\u{308}bung-flat.vmdk"),
    ("u\u{308}bung-flat.vmdk", "\u{dc}bung-flat.vmdk"),
];

/// A flat VMDK whose bytes are in `name`.
fn vmdk_with(name: &str) -> Vec<u8> {
    let mut spec = VmdkSpec::new(layer(3), Layout::Flat);
    let line = format!("RW {} FLAT \"{name}\" 0", layer(3).size / 512);
    spec.text.lines = Some(vec![line.into_bytes()]);
    spec.build().swap_remove(0).1
}

/// A qcow2 whose data stand in `name`.
fn qcow2_with(name: &str) -> Vec<u8> {
    Qcow2Spec {
        data_file: Some(DataFile {
            name: Some(name.to_owned()),
            raw: true,
        }),
        ..Qcow2Spec::new(layer(3), 9)
    }
    .build()
}

#[test]
fn extents_and_data_files_are_found_by_what_their_names_mean() -> Result<()> {
    let disk = layer(3).expected(None);
    for (recorded, file) in NAMES {
        for (name, bytes) in [
            ("home/x.vmdk", vmdk_with(recorded)),
            ("home/x.qcow2", qcow2_with(recorded)),
        ] {
            let place = Place::new();
            let image = place.put(name, &bytes);
            let found = place.put(&format!("home/{file}"), &disk);
            let opened = open_image(&OpenSpec::of(&image))?;
            let told = opened.notes.join("\n");
            assert!(
                told.contains(&*found.to_string_lossy()) || recorded.starts_with(".\\d"),
                "{told}"
            );
            assert!(read(&[opened])? == disk, "{name} {recorded}");
            // The same in a folder that the user adds.
            let there = place.put(&format!("store/{file}"), &disk);
            std::fs::remove_file(found).expect("it is there");
            let opened = open_image(&searching(image, &[place.at("store")]))?;
            assert_eq!(
                opened.image.metadata().files[1].path(),
                Some(there.as_path())
            );
        }
    }
    Ok(())
}

#[test]
fn parents_are_found_by_what_their_names_mean() -> Result<()> {
    for (recorded, file) in NAMES {
        let place = Place::new();
        let [recorded, file] = [recorded, file].map(|name| {
            let name = name.replace("vmdk", "vhd");
            name.replace("VMDK", "VHD")
        });
        let (recorded, file) = (recorded.as_str(), file.as_str());
        let found = place.put(&format!("home/{file}"), &vhd(ID));
        let locator = Locator::utf16(b"W2ru", recorded);
        let child = place.put("home/c.vhd", &vhd_over(ID, "", vec![locator]));
        // Another one with that identity: the name decides.
        place.put("home/another copy", &vhd(ID));
        assert_eq!(
            open_chain(&OpenSpec::of(child))?[1].path,
            found,
            "{recorded}"
        );
        std::fs::write(&found, [7; 512]).expect("room");
        let over = qcow2_over(recorded, Some(Format::Raw));
        let child = place.put("home/c.qcow2", &over);
        assert_eq!(
            open_chain(&OpenSpec::of(child))?[1].path,
            found,
            "{recorded}"
        );
    }
    Ok(())
}

#[test]
fn several_files_that_a_name_may_mean_are_listed_and_the_exact_one_is_taken() -> Result<()> {
    let place = Place::new();
    let disk = layer(3).expected(None);
    let image = place.put("x.vmdk", &vmdk_with("Disk.vmdk"));
    let child = place.put("c.qcow2", &qcow2_over("Disk.vmdk", Some(Format::Raw)));
    place.put("disk.vmdk", &disk);
    let other = place.put("DISK.VMDK", &disk);
    for (image, code) in [
        (&image, "companion_ambiguous"),
        (&child, "parent_ambiguous"),
    ] {
        let error = open_chain(&OpenSpec::of(image)).expect_err("there are two");
        assert_eq!((error.kind(), error.code()), (Kind::Chain, code));
        let listed = error.details().join("\n");
        assert!(
            listed.contains("DISK.VMDK") && listed.contains("disk.vmdk"),
            "{listed}"
        );
    }
    // One file by two names is one file.
    std::fs::remove_file(&other).expect("it is there");
    std::fs::hard_link(place.at("disk.vmdk"), &other).expect("room");
    assert!(open_image(&OpenSpec::of(&image)).is_ok());
    let exact = place.put("Disk.vmdk", &disk);
    for image in [image, child] {
        let chain = open_chain(&OpenSpec::of(image))?;
        let files = chain.iter().flat_map(|one| &one.image.metadata().files);
        assert!(
            files
                .into_iter()
                .any(|file| file.path() == Some(exact.as_path()))
        );
        assert!(chain.iter().all(|one| one.notes.is_empty()));
    }
    Ok(())
}

#[test]
fn many_files_in_other_letters_are_told_as_one() -> Result<()> {
    const EXTENTS: u64 = 300;
    let sector = |number: u64| vec![u8::try_from(number % 251).unwrap_or(0); 512];
    let lines = |folder: &str| -> Vec<Vec<u8>> {
        let line = |number| format!("RW 1 FLAT \"{folder}Disk-f{number:03}.VMDK\" 0").into_bytes();
        (0..EXTENTS).map(line).collect()
    };
    for (folder, how) in [
        (
            "",
            "300 files were found under names written in other letters; the first: found as ",
        ),
        (
            "C:\\VMs\\",
            "300 files were found by their names alone; the first: 'C:",
        ),
    ] {
        let place = Place::new();
        let mut spec = VmdkSpec::new(layer(3), Layout::Flat);
        spec.text.lines = Some(lines(folder));
        let image = place.put("x.vmdk", &spec.build().swap_remove(0).1);
        for number in 0..EXTENTS {
            let name = format!("Disk-f{number:03}.VMDK");
            let name = if folder.is_empty() {
                name.to_lowercase()
            } else {
                name
            };
            place.put(&name, &sector(number));
        }
        let opened = open_image(&OpenSpec::of(image))?;
        assert_eq!(opened.notes.len(), 1, "{:?}", opened.notes);
        assert!(opened.notes[0].starts_with(how), "{:?}", opened.notes);
        let disk: Vec<u8> = (0..EXTENTS).flat_map(sector).collect();
        assert!(read(&[opened])? == disk);
    }
    Ok(())
}

#[test]
fn names_are_found_among_very_many() -> Result<()> {
    let place = Place::new();
    let disk = layer(3).expected(None);
    for number in 0..12_000 {
        place.put(&format!("other {number}"), b"");
    }
    let found = place.put("disk-flat.vmdk", &disk);
    let image = place.put("x.vmdk", &vmdk_with("Disk-Flat.vmdk"));
    let opened = open_image(&OpenSpec::of(image))?;
    assert_eq!(
        opened.image.metadata().files[1].path(),
        Some(found.as_path())
    );
    let over = qcow2_over("Disk-Flat.vmdk", Some(Format::Raw));
    let child = place.put("c.qcow2", &over);
    assert_eq!(open_chain(&OpenSpec::of(child))?[1].path, found);
    // By identity alone too.
    let child = place.put("child.vhd", &vhd_over(ID, "gone.vhd", vec![]));
    let base = place.put("zzz.vhd", &vhd(ID));
    assert_eq!(open_chain(&OpenSpec::of(child))?[1].path, base);
    Ok(())
}

#[test]
fn more_names_that_are_alike_than_are_looked_at_are_not_taken_for_none() {
    let place = Place::new();
    let disk = layer(3).expected(None);
    // 128 spellings of seven letters, all of them one file but the recorded one's.
    let first = place.put("SPELLED", &disk);
    for spelling in 1_u32..128 {
        let letter = |(at, letter): (usize, char)| match spelling >> at & 1 {
            0 => letter.to_ascii_uppercase(),
            _ => letter,
        };
        let name: String = "spelled".chars().enumerate().map(letter).collect();
        if name != "spelled" {
            std::fs::hard_link(&first, place.at(&name)).expect("room");
        }
    }
    for (image, bytes) in [
        ("x.vmdk", vmdk_with("spelled")),
        ("x.qcow2", qcow2_with("spelled")),
        ("c.qcow2", qcow2_over("spelled", Some(Format::Raw))),
    ] {
        let image = place.put(image, &bytes);
        let refused = refusal(&OpenSpec::of(&image));
        assert_eq!(
            refused,
            (Kind::Unsupported, "folder_too_large"),
            "{image:?}"
        );
    }
}

#[test]
fn no_spelling_leads_out_of_the_folder() {
    let place = Place::new();
    let disk = layer(3).expected(None);
    place.put("canary/disk.raw", &disk);
    place.put("home/notes", b"");
    place.link("home/OUT", "../canary");
    place.link("home/DISK.raw", "../canary/disk.raw");
    for (name, exit) in [
        ("out\\disk.raw", 5),
        ("out/disk.raw", 5),
        ("Disk.raw", 7),
        ("..\\canary\\disk.raw", 7),
        ("..\\Canary\\Disk.raw", 7),
        ("\\\\host\\share\\gone.raw", 7),
        ("json:{}", 7),
        ("nbd://h/disk.raw", 7),
        ("C:\\canary\\gone.raw", 5),
        ("gone\\gone.raw", 5),
    ] {
        for (image, bytes) in [
            ("home/x.vmdk", vmdk_with(name)),
            ("home/x.qcow2", qcow2_with(name)),
        ] {
            let image = place.put(image, &bytes);
            let error = open_image(&OpenSpec::of(&image)).expect_err("it lies elsewhere");
            assert_eq!(error.kind().exit(), exit, "{name}: {error}");
        }
    }
}

#[test]
fn names_with_colons_and_backslashes_are_names() -> Result<()> {
    let disk = layer(3).expected(None);
    for name in ["full-2026-11-29T10:00:00", "gold\\en"] {
        let place = Place::new();
        let flat = format!("{name}-flat.vmdk");
        place.put(&flat, &disk);
        let image = place.put("x.vmdk", &vmdk_with(&flat));
        assert!(
            read(&[open_image(&OpenSpec::of(image))?])? == disk,
            "{name}"
        );
        let base = place.put(&format!("{name}.vhd"), &vhd(ID));
        place.put("copy of it.vhd", &vhd(ID));
        for locator in [
            Locator::relative(&format!("{name}.vhd")),
            Locator::utf16(b"W2ru", &format!("{name}.vhd")),
            Locator::absolute(&format!("C:\\vms\\{name}.vhd")),
        ] {
            let is_absolute = locator.code == *b"W2ku";
            let child = place.put("child.vhd", &vhd_over(ID, "", vec![locator]));
            // Of a path with a drive only the last part counts, and Windows parts it where there is a backslash.
            if name.contains('\\') && is_absolute {
                continue;
            }
            assert_eq!(open_chain(&OpenSpec::of(child))?[1].path, base, "{name}");
        }
        let spec = VhdxSpec::dynamic(layer(0), 1 << 20);
        let base = place.put(&format!("{name}.vhdx"), &spec.build());
        place.put("copy of it.vhdx", &spec.build());
        let child = VhdxSpec::differencing(layer(1), 1 << 20, &spec, &format!("{name}.vhdx"));
        let child = place.put("child.vhdx", &child.build());
        assert_eq!(open_chain(&OpenSpec::of(child))?[1].path, base, "{name}");
    }
    Ok(())
}

#[test]
fn a_vhd_is_found_by_its_identity_as_others_are() -> Result<()> {
    let place = Place::new();
    let child = place.put("child.vhd", &vhd_over(ID, "gone.vhd", vec![]));
    assert_eq!(
        refusal(&OpenSpec::of(&child)),
        (Kind::Chain, "parent_missing")
    );
    let base = place.put("golden.vhd", &vhd(ID));
    let chain = open_chain(&OpenSpec::of(&child))?;
    assert_eq!(chain[1].path, base);
    assert!(
        chain[1].notes[0].contains("identity"),
        "{:?}",
        chain[1].notes
    );
    place.put("another.vhd", &vhd(ID));
    assert_eq!(
        refusal(&OpenSpec::of(&child)),
        (Kind::Chain, "parent_ambiguous")
    );
    Ok(())
}
