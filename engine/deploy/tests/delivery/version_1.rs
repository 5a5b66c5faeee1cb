//! A stick that a release of version 1 has written.

use std::{fs, path::Path};

use imgdelta_core::{Format, Result};

use crate::{
    disks::{WANTED, disk},
    place::{Place, assert_sound, names, stored},
};

/// The stick, where this crate lies.
const STICK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/version_1/delivery");

#[test]
fn a_stick_of_version_1_is_received() -> Result<()> {
    let place = Place::new();
    let site = place.repository("site", Format::Vhd)?;
    place.add_bytes(&site, "golden", &disk("golden"), Format::Vmdk, None)?;
    fs::create_dir(place.at("stick")).expect("room");
    for entry in fs::read_dir(Path::new(STICK)).expect("it is kept") {
        let entry = entry.expect("it reads");
        fs::copy(entry.path(), place.at("stick").join(entry.file_name())).expect("room");
    }
    let received = place.receive("stick", &site)?;
    assert!(received.failure().is_none(), "{received:?}");
    assert_eq!(names(&site)?, ["golden", "one", "three", "two"]);
    for name in WANTED {
        assert_eq!(stored(&site, name)?, disk(name), "{name}");
    }
    assert_sound(&site, &place)
}
