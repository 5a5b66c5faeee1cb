//! qemu writes what we read, and reads what the fixtures draw: one file each. Folders are held against their pieces, which it reads.

mod reading;

use std::{error::Error, fs, path::Path};

use imgdelta_fixtures::{
    Fill, Recipe,
    parallels::{BundleSpec, ParallelsSpec},
    peers::{self, Peer},
};
use reading::{check, open, open_files, read_over};

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
    let (raw, image) = (folder.path().join("a.raw"), folder.path().join("a.hds"));
    for size in [512, (3 << 20) + 512, 20 << 20] {
        let disk = Recipe::scatter(size, 24 << 10, size).expected(None);
        fs::write(&raw, &disk)?;
        for options in ["cluster_size=1M", "cluster_size=64k"] {
            let arguments = ["convert", "-f", "raw", "-O", "parallels", "-o", options];
            peers::qemu_img(&[&arguments[..], &[text(&raw), text(&image)]].concat())?;
            let bytes = fs::read(&image)?;
            let mut found = read_over(&*open(&bytes)?, &[])?;
            // Its disks are whole blocks of its own.
            assert!(found.len() as u64 >= size);
            found.truncate(disk.len());
            assert!(found == disk, "{size} {options}");
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
fn qemu_reads_and_calls_sound_what_the_fixtures_draw() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (image, out) = (folder.path().join("a.hds"), folder.path().join("out.raw"));
    let recipe = || {
        let runs = [
            (0, 100 << 10, Fill::Text),
            (128 << 10, 64 << 10, Fill::Zero),
            (300 << 10, 70 << 10, Fill::Pattern(2)),
        ];
        Recipe::of(1 << 20, runs)
    };
    for spec in [
        ParallelsSpec::new(recipe(), 8),
        ParallelsSpec::new(recipe(), 2048),
        ParallelsSpec {
            stores_zeros: true,
            ..ParallelsSpec::new(recipe(), 128)
        },
        ParallelsSpec::old(recipe(), 8),
        ParallelsSpec::old(recipe(), 63),
    ] {
        fs::write(&image, spec.build())?;
        peers::qemu_check(&image, "parallels")?;
        peers::qemu_convert_to_raw(&image, "parallels", &out)?;
        assert!(fs::read(&out)? == recipe().expected(None), "{spec:?}");
    }
    Ok(())
}

#[test]
fn a_folder_is_what_qemu_sees_in_its_pieces_one_over_the_other() -> Outcome {
    if peers::find(Peer::QemuImg).is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let block = 4096;
    let layers = vec![
        Recipe::scatter(100 * block, 4 * block, 3),
        Recipe::of(100 * block, [(3 * block, 20 * block, Fill::Pattern(1))]),
    ];
    let spec = BundleSpec {
        splits: vec![200],
        ..BundleSpec::new(layers, 8)
    };
    let files = spec.build();
    let mut seen = vec![Vec::new(); spec.layers.len()];
    for (storage, len) in [(0, 200 * 512), (1, 600 * 512)] {
        for (layer, seen) in seen.iter_mut().enumerate() {
            let name = spec.name(storage, layer);
            let (_, bytes) = files
                .iter()
                .find(|(known, _)| *known == name)
                .ok_or("no file")?;
            let (image, out) = (folder.path().join("a.hds"), folder.path().join("out.raw"));
            fs::write(&image, bytes)?;
            peers::qemu_convert_to_raw(&image, "parallels", &out)?;
            let raw = fs::read(out)?;
            assert_eq!(raw.len(), len);
            seen.extend(raw);
        }
    }
    // Where the upper piece has blocks, they are not zero here.
    let over = seen.pop().ok_or("two layers")?;
    let under = seen.pop().ok_or("two layers")?;
    let pieces = over.chunks(4096).zip(under.chunks(4096));
    let union = pieces.flat_map(|(over, under)| {
        if over.iter().all(|byte| *byte == 0) {
            under
        } else {
            over
        }
    });
    let union: Vec<u8> = union.copied().collect();
    assert!(read_over(&*open_files(&files, &[], None)?, &[])? == union);
    Ok(())
}
