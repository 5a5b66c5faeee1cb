//! Images that qemu-img made itself read as it reads them.

mod reading;

use std::{error::Error, fs, path::Path, sync::Arc};

use imgdelta_core::{FileSource, Image, Result as Outcome, State};
use imgdelta_fixtures::{
    Recipe, conform,
    peers::{self, Peer, qemu_img, qemu_io},
};
use imgdelta_qcow2::DRIVER;
use reading::{Folder, how, read_all, walk};

type Done = Result<(), Box<dyn Error>>;

/// Opens an image in its folder; of a snapshot if one is named.
fn open(path: &Path, snapshot: Option<&str>) -> Outcome<Arc<dyn Image>> {
    let folder = Folder(path.parent().unwrap_or(Path::new(".")));
    let mut how = how(Arc::new(FileSource::open(path)?), &folder);
    how.snapshot = snapshot.map(str::to_owned);
    (DRIVER.open)(how)
}

/// A path as text.
fn text(path: &Path) -> Result<&str, &'static str> {
    path.to_str().ok_or("the path is text")
}

/// Converts a raw disk with these options and holds the image against its recipe.
fn converts(folder: &Path, recipe: &Recipe, options: &str, arguments: &[&str]) -> Done {
    let (raw, image) = (folder.join("a.raw"), folder.join("a.qcow2"));
    let _ = fs::remove_file(&image);
    fs::write(&raw, recipe.expected(None))?;
    let mut all = vec!["convert", "-f", "raw", "-O", "qcow2"];
    all.extend(arguments);
    all.extend(["-o", options, text(&raw)?, text(&image)?]);
    qemu_img(&all)?;
    let opened = open(&image, None).map_err(|error| format!("{options}: {error}"))?;
    conform(&opened, recipe, None);
    Ok(())
}

#[test]
fn converted_images_of_every_option_read_as_their_source() -> Done {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    for (options, arguments) in [
        ("cluster_size=512", &[][..]),
        ("cluster_size=4k", &[]),
        ("cluster_size=64k", &[]),
        ("cluster_size=2M", &[]),
        ("compat=0.10", &[]),
        ("compat=0.10,cluster_size=1k", &["-c"]),
        ("refcount_bits=1", &[]),
        ("refcount_bits=8", &["-c"]),
        ("refcount_bits=64,cluster_size=512", &[]),
        ("compression_type=zlib", &["-c"]),
        ("compression_type=zstd", &["-c"]),
        ("compression_type=zstd,cluster_size=4k", &["-c"]),
        ("compression_type=zstd,cluster_size=2M", &["-c"]),
        ("extended_l2=on", &[]),
        ("extended_l2=on,cluster_size=128k", &["-c"]),
        (
            "extended_l2=on,cluster_size=16k,compression_type=zstd",
            &["-c"],
        ),
        ("lazy_refcounts=on", &[]),
        ("preallocation=metadata", &[]),
        ("preallocation=falloc", &[]),
        ("preallocation=full,extended_l2=on", &[]),
    ] {
        for recipe in [
            Recipe::small((3 << 20) + 512),
            Recipe::scatter(2 << 20, 3 * 4096, 5),
        ] {
            converts(folder.path(), &recipe, options, arguments)?;
        }
    }
    Ok(())
}

#[test]
fn images_with_a_data_file_read_as_their_source() -> Done {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    for raw in ["off", "on"] {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        let image = path.join("a.qcow2");
        let data = path.join("a.data");
        let options = format!("data_file={},data_file_raw={raw}", text(&data)?);
        qemu_img(&[
            "create",
            "-q",
            "-f",
            "qcow2",
            "-o",
            &options,
            text(&image)?,
            "8M",
        ])?;
        let commands = ["write -P 7 1M 1M", "write -z 1M 64k", "discard 1536k 128k"];
        qemu_io(&image, "qcow2", &commands)?;
        let opened = (DRIVER.open)(how(Arc::new(FileSource::open(&image)?), &LastPart(path)))?;
        let out = path.join("out.raw");
        peers::qemu_convert_to_raw(&image, "qcow2", &out)?;
        assert!(
            read_all(&*opened)? == fs::read(&out)?,
            "data_file_raw={raw}"
        );
        if raw == "on" {
            assert!(fs::read(&data)? == fs::read(&out)?);
        }
    }
    Ok(())
}

/// The files of a folder, by the last part of their recorded path.
struct LastPart<'a>(&'a Path);

impl imgdelta_core::AuxFiles for LastPart<'_> {
    fn open(&self, name: &str) -> Outcome<Arc<dyn imgdelta_core::Source>> {
        let last = name.rsplit('/').next().unwrap_or(name);
        Ok(Arc::new(FileSource::open(&self.0.join(last))?))
    }
}

#[test]
fn snapshots_that_qemu_took_read_as_qemu_reads_them() -> Done {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    for options in [
        "cluster_size=64k",
        "cluster_size=4k",
        "extended_l2=on",
        "compat=0.10",
    ] {
        let (image, out) = (path.join("a.qcow2"), path.join("out.raw"));
        qemu_img(&[
            "create",
            "-q",
            "-f",
            "qcow2",
            "-o",
            options,
            text(&image)?,
            "16M",
        ])?;
        for (name, writes) in [
            ("one", &["write -P 1 0 3M", "write -P 2 8M 100k"][..]),
            ("two", &["write -P 3 1M 1M", "write -z 2M 1M"]),
        ] {
            qemu_io(&image, "qcow2", writes)?;
            qemu_img(&["snapshot", "-c", name, text(&image)?])?;
        }
        qemu_io(&image, "qcow2", &["write -P 4 0 10M"])?;
        if !options.contains("0.10") {
            qemu_img(&["resize", "-q", "-f", "qcow2", text(&image)?, "20M"])?;
        }
        for snapshot in [Some("one"), Some("two"), None] {
            let opened = open(&image, snapshot)?;
            let mut all = vec!["convert", "-f", "qcow2", "-O", "raw"];
            if let Some(name) = snapshot {
                all.extend(["-l", name]);
            }
            all.extend([text(&image)?, text(&out)?]);
            qemu_img(&all)?;
            // qemu shows a snapshot in the active disk's size, ours has its own.
            let (ours, theirs) = (read_all(&*opened)?, fs::read(&out)?);
            assert!(theirs.starts_with(&ours), "{options}, {snapshot:?}");
            assert_eq!(ours.len() as u64, opened.metadata().size.0);
            assert_eq!(opened.metadata().snapshots.len(), 2);
        }
    }
    Ok(())
}

#[test]
fn a_child_that_qemu_made_is_silent_where_its_parent_speaks() -> Done {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    let (base, child, out) = (
        path.join("b.raw"),
        path.join("c.qcow2"),
        path.join("out.raw"),
    );
    let under = Recipe::scatter(4 << 20, 4096, 6).expected(None);
    fs::write(&base, &under)?;
    for options in ["cluster_size=64k", "extended_l2=on", "cluster_size=512"] {
        let _ = fs::remove_file(&child);
        let backed = [
            "-b",
            text(&base)?,
            "-F",
            "raw",
            "-o",
            options,
            text(&child)?,
            "5M",
        ];
        qemu_img(&[&["create", "-q", "-f", "qcow2"][..], &backed].concat())?;
        let commands = [
            "write -P 7 1M 3k",
            "write -z 2M 70k",
            "write -P 8 4500k 100k",
        ];
        qemu_io(&child, "qcow2", &commands)?;
        peers::qemu_convert_to_raw(&child, "qcow2", &out)?;
        let opened = open(&child, None)?;
        let mut whole = under.clone();
        whole.resize(5 << 20, 0);
        walk(&*opened, |at, bytes, state| {
            if state != State::Absent {
                let at = usize::try_from(at.0).unwrap_or_default();
                whole.splice(at..at + bytes.len(), bytes.iter().copied());
            }
        })?;
        assert!(whole == fs::read(&out)?, "{options}");
        let link = opened.parent().ok_or("it is a child")?;
        assert_eq!(
            link.hints.first().map(|hint| hint.text.as_str()),
            Some(text(&base)?)
        );
    }
    Ok(())
}
