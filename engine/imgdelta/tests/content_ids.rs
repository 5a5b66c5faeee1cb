//! Content ids are those of the written construction, whatever hashes them: with several windows at once and without (feature `multi-buffer`),
//! on any number of threads. The ids were computed by another program from the construction that `Digest` describes.

use std::{fs, path::Path};

use imgdelta::{Context, Convert, Digest, Format, Make, OpenSpec, OutputSpec, Result};

const WINDOW: u32 = 65_536;

/// 45 windows, every seventh of them zero, and one that is cut.
fn disk(seed: u32) -> Vec<u8> {
    let windows = (0..45_u32).flat_map(|number| {
        let byte = move |n: u32| (n * seed + number * 31 + (n >> 8)) as u8;
        let is_zero = number % 7 == 3;
        (0..WINDOW).map(move |n| if is_zero { 0 } else { byte(n) })
    });
    windows
        .chain((0..4608_u32).map(|n| (n % 251) as u8))
        .collect()
}

const IDS: [(u32, &str); 2] = [
    (
        5,
        "imgdelta1:be3b10ab21269b22197af1034ed5f4ee6206bda6415225c645807a8e8238e282",
    ),
    (
        9,
        "imgdelta1:12cb5588a9ab6473f42534da90844c530b1435a10ac390df8c21fcbfec61ad41",
    ),
];

#[test]
fn a_disk_has_the_id_that_another_program_computed_on_any_number_of_threads() -> Result<()> {
    let place = tempfile::tempdir().expect("a place");
    for (seed, id) in IDS {
        let path = place.path().join(format!("{seed}.raw"));
        fs::write(&path, disk(seed)).expect("room");
        for threads in [1, 2, 7] {
            let context = Context::new().threads(threads);
            let report = Digest::new(OpenSpec::of(&path)).run(&context)?;
            assert_eq!(report.digest, id, "{threads} threads");
        }
    }
    Ok(())
}

#[test]
fn a_child_is_the_same_on_any_number_of_threads_and_names_both_ids() -> Result<()> {
    let place = tempfile::tempdir().expect("a place");
    let at = |name: &str| place.path().join(name);
    for (seed, _) in IDS {
        fs::write(at(&format!("{seed}.raw")), disk(seed)).expect("room");
    }
    let drivers = imgdelta::registry::DRIVERS.iter();
    let children = drivers.filter(|driver| imgdelta::registry::child_rule(driver).is_ok());
    let formats = children.map(|driver| driver.format);
    // A VHD has another size than the disk.
    for format in formats.filter(|format| *format != Format::Vhd) {
        let base = at(&format!("base.{format}"));
        Convert::new(OpenSpec::of(at("5.raw")), OutputSpec::of(&base)).run(&Context::new())?;
        let mut first = None;
        for threads in [1, 2, 7] {
            // A descriptor names its own file.
            fs::create_dir_all(at(&threads.to_string())).expect("room");
            let child = at(&format!("{threads}/child.{format}"));
            let (base, target) = (OpenSpec::of(&base), OpenSpec::of(at("9.raw")));
            Make::new(base, target, OutputSpec::of(&child))
                .run(&Context::new().threads(threads))?;
            let manifest = manifest_of(&child);
            for (_, id) in IDS {
                assert!(manifest.contains(id), "{format}: {manifest}");
            }
            let bytes = fs::read(&child).expect("it was made");
            let first = first.get_or_insert_with(|| bytes.clone());
            assert!(*first == bytes, "{format} on {threads} threads");
        }
    }
    Ok(())
}

fn manifest_of(child: &Path) -> String {
    let mut name = child.as_os_str().to_owned();
    name.push(".manifest.json");
    fs::read_to_string(name).expect("a manifest")
}
