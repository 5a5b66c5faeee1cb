//! Each format is a feature: what is built in reads and writes, what is not is refused by name.

use std::fs;

use imgdelta::{Compare, Context, Convert, Format, Kind, OpenSpec, OutputSpec, Result};

/// The formats of this build.
fn built_in() -> Vec<Format> {
    let drivers = imgdelta::registry::DRIVERS.iter();
    drivers.map(|driver| driver.format).collect()
}

#[test]
fn each_format_of_this_build_is_written_and_read() -> Result<()> {
    let place = tempfile::tempdir().expect("a place");
    let at = |name: &str| place.path().join(name);
    let bytes: Vec<u8> = (0..300_032_u32).map(|n| (n / 7) as u8).collect();
    fs::write(at("disk.raw"), &bytes).expect("room");
    let context = Context::new().threads(2);
    let source = OpenSpec::of(at("disk.raw"));
    assert!(built_in().contains(&Format::Raw));
    for format in built_in() {
        let image = at(&format!("copy.{format}"));
        Convert::new(source.clone(), OutputSpec::of(&image)).run(&context)?;
        let copy = OpenSpec::of(&image);
        let same = Compare::new(source.clone(), copy).ignores_size(true);
        assert!(same.run(&context)?.same, "{format}");
    }
    Ok(())
}

#[test]
fn a_format_that_is_not_built_in_is_refused_and_never_raw() {
    let place = tempfile::tempdir().expect("a place");
    let disk = place.path().join("disk.raw");
    fs::write(&disk, [7; 4096]).expect("room");
    let missing = Format::ALL.into_iter();
    for format in missing.filter(|format| !built_in().contains(format)) {
        let image = place.path().join(format!("copy.{format}"));
        let error = Convert::new(OpenSpec::of(&disk), OutputSpec::of(&image))
            .run(&Context::new())
            .expect_err("it is not built in");
        let kinds = [Kind::Unsupported, Kind::Usage];
        assert!(kinds.contains(&error.kind()), "{format}: {error}");
        assert!(!image.exists());
    }
}
