//! Files that hold an image's data stand under the same policy as parents.

use imgdelta_core::{Kind, Result};
use imgdelta_fixtures::qcow2::{DataFile, Qcow2Spec};
use imgdelta_registry::{OpenSpec, open_image, references};

use crate::place::{Place, SIZE, layer, read, searching};

/// A qcow2 whose data stand in `name`.
fn qcow2_with(name: &str) -> Vec<u8> {
    Qcow2Spec {
        data_file: Some(DataFile {
            name: Some(name.to_owned()),
            raw: true,
        }),
        ..Qcow2Spec::new(layer(0), 9)
    }
    .build()
}

fn place() -> Place {
    let place = Place::new();
    let disk = layer(0).expected(None);
    assert_eq!(disk.len() as u64, SIZE);
    place.put("home/data.raw", &disk);
    place.put("canary.raw", &disk);
    place.put("other/elsewhere.raw", &disk);
    place.link("home/out.raw", "../canary.raw");
    place.pipe("home/pipe.raw");
    place
}

#[test]
fn a_data_file_below_the_folder_is_read() -> Result<()> {
    let place = place();
    let image = place.put("home/disk.qcow2", &qcow2_with("data.raw"));
    let opened = open_image(&OpenSpec::of(image))?;
    assert_eq!(opened.inputs()?.len(), 2, "both files are inputs");
    assert!(read(&[opened])? == layer(0).expected(None));
    let image = place.put("home/disk.qcow2", &qcow2_with("gone/elsewhere.raw"));
    open_image(&searching(image, &[place.at("other")]))?;
    Ok(())
}

#[test]
fn a_data_file_elsewhere_is_not_opened() {
    let place = place();
    let absolute = place.at("canary.raw").display().to_string();
    for (name, answer) in [
        ("../canary.raw", (Kind::Reference, "reference_refused")),
        (&absolute, (Kind::Reference, "reference_refused")),
        ("out.raw", (Kind::Reference, "reference_refused")),
        ("pipe.raw", (Kind::Reference, "reference_refused")),
        ("json:{}", (Kind::Reference, "reference_refused")),
        ("none.raw", (Kind::Chain, "companion_missing")),
        ("disk.qcow2", (Kind::Corrupt, "companion_loop")),
    ] {
        let image = place.put("home/disk.qcow2", &qcow2_with(name));
        let error = open_image(&OpenSpec::of(&image)).expect_err("it must not be opened");
        assert_eq!((error.kind(), error.code()), answer, "{name}");
        assert_eq!(error.location().file, Some(image), "{name}");
    }
}

#[test]
fn a_data_file_is_told_without_being_opened() -> Result<()> {
    let place = place();
    let image = place.put("home/disk.qcow2", &qcow2_with("/dev/zero"));
    assert_eq!(references(&image, None)?.aux_files, ["/dev/zero"]);
    Ok(())
}
