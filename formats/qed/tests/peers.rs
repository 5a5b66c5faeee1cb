//! qemu writes what we read, and reads and checks what the fixtures draw.

mod reading;

use std::{error::Error, fs, path::Path};

use imgdelta_core::Format;
use imgdelta_fixtures::{
    Fill, Recipe,
    peers::{self, Peer},
    qed::QedSpec,
    vhd::Order,
};
use reading::{check, open, read_over};

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
    let (raw, image) = (folder.path().join("a.raw"), folder.path().join("a.qed"));
    for size in [512, (3 << 20) + 512, 20 << 20] {
        let disk = Recipe::scatter(size, 24 << 10, size).expected(None);
        fs::write(&raw, &disk)?;
        for options in [
            "cluster_size=4k,table_size=2",
            "cluster_size=64k",
            "table_size=16",
        ] {
            let arguments = ["convert", "-f", "raw", "-O", "qed", "-o", options];
            peers::qemu_img(&[&arguments[..], &[text(&raw), text(&image)]].concat())?;
            let bytes = fs::read(&image)?;
            assert!(read_over(&*open(&bytes)?, &[])? == disk, "{size} {options}");
            let report = check(&bytes)?;
            assert!(
                report.faults.is_empty() && report.notes.is_empty(),
                "{report:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_child_of_qemu_shows_its_parent_and_says_whether_that_is_raw() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let below = Recipe::scatter(2 << 20, 60 << 10, 5).expected(None);
    fs::write(at("base.raw"), &below)?;
    let convert = ["convert", "-f", "raw", "-O", "qed"];
    let (raw, qed) = (at("base.raw"), at("base.qed"));
    peers::qemu_img(&[&convert[..], &[text(&raw), text(&qed)]].concat())?;
    for (base, known) in [("raw", Some(Format::Raw)), ("qed", None)] {
        let (parent, child) = (at(&format!("base.{base}")), at("child.qed"));
        let create = [
            "create",
            "-f",
            "qed",
            "-b",
            text(&parent),
            "-F",
            base,
            text(&child),
        ];
        peers::qemu_img(&create)?;
        let writes = [
            "write -P 7 100k 3k",
            "write -P 1 1M 64k",
            "write -z 1M 128k",
        ];
        peers::qemu_io(&child, "qed", &writes)?;
        let image = open(&fs::read(&child)?)?;
        assert_eq!(image.parent().and_then(|link| link.format), known);
        peers::qemu_convert_to_raw(&child, "qed", &at("out.raw"))?;
        assert!(
            read_over(&*image, &below)? == fs::read(at("out.raw"))?,
            "{base}"
        );
    }
    Ok(())
}

#[test]
fn qemu_reads_and_calls_sound_what_the_fixtures_draw() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (image, out) = (folder.path().join("a.qed"), folder.path().join("out.raw"));
    let recipe = || {
        let runs = [
            (0, 100 << 10, Fill::Text),
            (128 << 10, 64 << 10, Fill::Zero),
            (300 << 10, 70 << 10, Fill::Pattern(2)),
        ];
        Recipe::of(4 << 20, runs)
    };
    // It opens no image whose tables have one cluster.
    let spec = || QedSpec {
        table: 2,
        ..QedSpec::new(recipe(), 4096)
    };
    for spec in [
        spec(),
        QedSpec {
            table: 4,
            marks_zero: true,
            ..spec()
        },
        QedSpec {
            order: Order::Shuffled(2),
            header: 2,
            ..spec()
        },
        QedSpec {
            marks_zero: true,
            table: 2,
            ..QedSpec::new(recipe(), 64 << 10)
        },
    ] {
        fs::write(&image, spec.build())?;
        peers::qemu_check(&image, "qed")?;
        peers::qemu_convert_to_raw(&image, "qed", &out)?;
        assert!(fs::read(&out)? == recipe().expected(None), "{spec:?}");
    }
    Ok(())
}

/// What libvirt tests its own reader with.
#[test]
fn the_image_of_the_corpus_opens() -> Outcome {
    let Some(corpus) = peers::corpus() else {
        return Ok(());
    };
    let mut seen = 0;
    for row in corpus.of("qed") {
        let image = open(&fs::read(&row.file)?)?;
        assert!(image.parent().is_some() && image.metadata().size.0 > 0);
        seen += 1;
    }
    assert!(seen > 0);
    Ok(())
}
