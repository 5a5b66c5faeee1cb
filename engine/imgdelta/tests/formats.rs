//! Each format is a feature: what is built in reads and writes, what is not is refused by name.

use std::fs;

use imgdelta::{Compare, Context, Convert, Format, Kind, OpenSpec, OutputSpec, Result};

/// The formats of this build that are written too.
fn written() -> impl Iterator<Item = Format> {
    imgdelta::registry::written_formats()
}

/// The formats of this build.
fn built_in() -> Vec<Format> {
    let drivers = imgdelta::registry::DRIVERS.iter();
    drivers.map(|driver| driver.format).collect()
}

#[test]
fn each_format_of_this_build_that_is_written_is_read() -> Result<()> {
    let place = tempfile::tempdir().expect("a place");
    let at = |name: &str| place.path().join(name);
    let bytes: Vec<u8> = (0..300_032_u32).map(|n| (n / 7) as u8).collect();
    fs::write(at("disk.raw"), &bytes).expect("room");
    let context = Context::new().threads(2);
    let source = OpenSpec::of(at("disk.raw"));
    assert!(built_in().contains(&Format::Raw));
    for format in written() {
        let image = at(&format!("copy.{format}"));
        Convert::new(source.clone(), OutputSpec::of(&image)).run(&context)?;
        let copy = OpenSpec::of(&image);
        let same = Compare::new(source.clone(), copy).ignores_size(true);
        assert!(same.run(&context)?.same, "{format}");
    }
    Ok(())
}

#[test]
fn a_format_that_is_only_read_is_refused_as_an_output() {
    let place = tempfile::tempdir().expect("a place");
    let disk = place.path().join("disk.raw");
    fs::write(&disk, [7; 4096]).expect("room");
    let is_written = |format: &Format| written().any(|written| written == *format);
    for format in built_in().into_iter().filter(|format| !is_written(format)) {
        let output = OutputSpec {
            format: Some(format),
            ..OutputSpec::of(place.path().join("copy"))
        };
        let error = Convert::new(OpenSpec::of(&disk), output.clone())
            .run(&Context::new())
            .expect_err("it is only read");
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Unsupported, "only_read")
        );
        assert!(!output.path.exists(), "{format}");
    }
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

#[test]
fn an_image_of_a_format_that_is_not_built_in_is_known_by_its_bytes_and_its_name() {
    let place = tempfile::tempdir().expect("a place");
    let mut vdi = vec![0; 4096];
    vdi[64..68].copy_from_slice(&0xbeda_107f_u32.to_le_bytes());
    let images: [(Format, Vec<u8>); 9] = [
        (
            Format::Vhd,
            [vec![0; 8192], b"conectix".to_vec(), vec![0; 504]].concat(),
        ),
        (Format::Vhdx, [b"vhdxfile".to_vec(), vec![0; 8192]].concat()),
        (Format::Vmdk, [b"KDMV".to_vec(), vec![0; 8192]].concat()),
        (Format::Vdi, vdi),
        (Format::Dmg, [b"encrcdsa".to_vec(), vec![0; 8192]].concat()),
        (
            Format::Parallels,
            [b"WithouFreSpacExt".to_vec(), vec![0; 8192]].concat(),
        ),
        (Format::Qed, [b"QED\0".to_vec(), vec![0; 8192]].concat()),
        (Format::Qcow2, [b"QFI\xfb".to_vec(), vec![0; 8192]].concat()),
        (
            Format::Qcow1,
            [b"QFI\xfb\0\0\0\x01".to_vec(), vec![0; 8192]].concat(),
        ),
    ];
    for (format, bytes) in images {
        if built_in().contains(&format) {
            continue;
        }
        for (name, bytes) in [
            ("disk.img".to_owned(), &bytes),
            (format!("disk.{format}"), &vec![0; 512]),
        ] {
            let image = place.path().join(name);
            fs::write(&image, bytes).expect("room");
            let opened = imgdelta::Disk::open(&OpenSpec::of(&image));
            let error = opened.expect_err("it is not built in");
            let kinds = [Kind::Unsupported, Kind::Corrupt];
            assert!(kinds.contains(&error.kind()), "{format}: {error}");
        }
    }
}
