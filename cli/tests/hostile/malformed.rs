//! Every malformed image of the fixtures, through the command: the exit status that its class has, soon, in little memory, no file made.

use std::{fs, io};

use imgdelta_fixtures::broken::{
    Case, Expect, Special, dmg_cases, parallels_cases, qcow1_cases, qcow2_cases, qed_cases,
    raw_cases, vdi_cases, vhd_cases, vhdx_cases, vmdk_cases,
};

use crate::{Outcome, place::Place};

/// Nothing is said of it: the date is that of the parent's file on its host, which every copy changes.
const STAMP: &str = "vhd-31-parent-stamp-wrong";

/// Asks all commands about all of these images.
fn ask(cases: Vec<Case>) -> Outcome {
    assert!(cases.len() > 10);
    for case in cases {
        let place = Place::empty()?;
        for (name, bytes) in &case.files {
            place.put(name, bytes)?;
        }
        for (name, special) in &case.special {
            match special {
                Special::Fifo => place.put_pipe(name)?,
            }
        }
        let (image, _) = &case.files[0];
        convert(&place, &case, image)?;
        look(&place, &case, image)?;
    }
    Ok(())
}

/// Reads the whole disk.
fn convert(place: &Place, case: &Case, image: &str) -> io::Result<()> {
    let line = format!("convert {image} -o out/disk.bin -f raw");
    let out = place.path("out/disk.bin");
    fs::create_dir(place.path("out"))?;
    if let Expect::Refused { .. } = case.expect {
        place.changes_nothing(&line, case.exit, &case.name)?;
        return Ok(());
    }
    let ended = place.run(&line, &case.name)?;
    assert_eq!(ended.code, Some(0), "{}: {ended}", case.name);
    if case.expect == (Expect::Reads { note: true }) && case.name != STAMP {
        assert!(ended.said.contains("note: "), "{}: {ended}", case.name);
    }
    if let Some(recipe) = &case.disk {
        assert!(
            fs::read(&out)? == recipe.expected(None),
            "{}: {ended}",
            case.name
        );
    }
    fs::remove_file(out)
}

/// Looks at the image without reading the disk: an answer is all that is required where only reading finds the fault.
fn look(place: &Place, case: &Case, image: &str) -> io::Result<()> {
    let name = &case.name;
    let before = place.files()?;
    let info = place.run(&format!("info {image}"), name)?;
    let check = place.run(&format!("check {image}"), name)?;
    let names = place.run(&format!("info --refs {image}"), name)?;
    assert!(place.files()? == before, "{name}: files changed");
    let (info_exit, check_exit) = (info.code.unwrap_or(-1), check.code.unwrap_or(-1));
    match case.expect {
        Expect::Reads { .. } => {
            assert_eq!(info_exit, 0, "{name}: {info}");
            assert!([0, 1].contains(&check_exit), "{name}: {check}");
        }
        Expect::CheckFinds { .. } => {
            assert_eq!(info_exit, 0, "{name}: {info}");
            // A leak harms no content: it is a note and a count.
            let is_leak = check_exit == 0 && check.said.contains("leaked: ");
            assert!(is_leak || check_exit == case.exit, "{name}: {check}");
        }
        Expect::Refused { .. } => {
            // `check` goes on where reading ends, and may find the worse of two faults.
            assert!([0, case.exit].contains(&info_exit), "{name}: {info}");
            assert!([0, 1, 3, 4, 5, 7].contains(&check_exit), "{name}: {check}");
        }
    }
    // What it names is listed even if it must not be followed, and even if a checksum is wrong.
    let names_exit = names.code.unwrap_or(-1);
    assert!([0, 3, 4, 5, 7].contains(&names_exit), "{name}: {names}");
    Ok(())
}

#[test]
fn every_malformed_vhd_is_answered_as_its_class_wants() -> Outcome {
    ask(vhd_cases())
}

#[test]
fn every_malformed_vhdx_is_answered_as_its_class_wants() -> Outcome {
    ask(vhdx_cases())
}

#[test]
fn every_malformed_qcow2_is_answered_as_its_class_wants() -> Outcome {
    ask(qcow2_cases())
}

#[test]
fn every_malformed_vmdk_is_answered_as_its_class_wants() -> Outcome {
    ask(vmdk_cases())
}

#[test]
fn every_malformed_vdi_is_answered_as_its_class_wants() -> Outcome {
    ask(vdi_cases())
}

#[test]
fn every_malformed_qcow1_is_answered_as_its_class_wants() -> Outcome {
    ask(qcow1_cases())
}

#[test]
fn every_malformed_qed_is_answered_as_its_class_wants() -> Outcome {
    ask(qed_cases())
}

#[test]
fn every_malformed_parallels_is_answered_as_its_class_wants() -> Outcome {
    ask(parallels_cases())
}

#[test]
fn every_malformed_dmg_is_answered_as_its_class_wants() -> Outcome {
    ask(dmg_cases())
}

#[test]
fn every_doubtful_raw_disk_is_answered_as_its_class_wants() -> Outcome {
    ask(raw_cases())
}
