//! qemu writes what we read, and reads what the fixtures draw.

mod reading;

use std::{error::Error, fs, path::Path};

use imgdelta_fixtures::{
    Fill, Recipe,
    peers::{self, Peer},
    qcow1::Qcow1Spec,
};
use reading::{open, read_over};

type Outcome = Result<(), Box<dyn Error>>;

/// The path as an argument.
fn text(path: &Path) -> &str {
    path.to_str().expect("the folder's name is text")
}

#[test]
fn what_qemu_writes_reads_the_same() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (raw, image) = (folder.path().join("a.raw"), folder.path().join("a.qcow"));
    let (raw, image) = (text(&raw), text(&image));
    for size in [512, 4096, (3 << 20) + 512, 20 << 20] {
        let disk = Recipe::scatter(size, 24 << 10, size).expected(None);
        fs::write(raw, &disk)?;
        for packed in [None, Some("-c")] {
            let mut arguments = vec!["convert", "-f", "raw", "-O", "qcow"];
            arguments.extend(packed);
            arguments.extend([raw, image]);
            let wrote = peers::qemu_img(&arguments);
            // Of a compressed image it says at the end that it failed, and has written all of it: what is in it is looked at.
            if packed.is_none() {
                wrote?;
            }
            let bytes = fs::read(image)?;
            assert!(
                read_over(&*open(&bytes)?, &[])? == disk,
                "{size} {packed:?}"
            );
            let report = reading::check(&bytes)?;
            assert!(report.faults.is_empty(), "{report:?}");
        }
    }
    Ok(())
}

#[test]
fn a_child_of_qemu_shows_its_parent() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (base, child) = (
        folder.path().join("base.raw"),
        folder.path().join("child.qcow"),
    );
    let below = Recipe::scatter(2 << 20, 60 << 10, 5).expected(None);
    fs::write(&base, &below)?;
    let create = [
        "create",
        "-f",
        "qcow",
        "-b",
        text(&base),
        "-F",
        "raw",
        text(&child),
    ];
    peers::qemu_img(&create)?;
    peers::qemu_io(&child, "qcow", &["write -P 7 100k 3k", "write -P 0 1M 64k"])?;
    let image = open(&fs::read(&child)?)?;
    let out = folder.path().join("out.raw");
    peers::qemu_convert_to_raw(&child, "qcow", &out)?;
    assert!(read_over(&*image, &below)? == fs::read(out)?);
    assert_eq!(image.metadata().block_size, Some(imgdelta_core::Bytes(512)));
    Ok(())
}

#[test]
fn qemu_reads_what_the_fixtures_draw() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (image, out) = (folder.path().join("a.qcow"), folder.path().join("out.raw"));
    let recipe = || {
        Recipe::of(
            1 << 20,
            [
                (0, 100 << 10, Fill::Text),
                (300 << 10, 70 << 10, Fill::Pattern(2)),
            ],
        )
    };
    for bits in [9, 12, 16] {
        for compressed in [0, 1, 3] {
            let spec = Qcow1Spec {
                compressed,
                ..Qcow1Spec::new(recipe(), bits)
            };
            fs::write(&image, spec.build())?;
            peers::qemu_convert_to_raw(&image, "qcow", &out)?;
            assert!(
                fs::read(&out)? == recipe().expected(None),
                "{bits} {compressed}"
            );
        }
    }
    Ok(())
}
