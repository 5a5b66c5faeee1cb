//! Bases that are not the child's: another disk, the right one changed by a byte, of another size, base and target swapped.
//!
//! Each is refused before anything is written, for every format of the child and every command that takes a base.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    thread,
    time::Duration,
};

use imgdelta_fixtures::{Recipe, qcow2::Qcow2Spec, vhd::VhdSpec};

use crate::{Outcome, place::Place};

/// The disk's size in bytes.
const SIZE: u64 = 1 << 20;

/// The disk that all sides have.
fn base() -> Recipe {
    Recipe::small(SIZE)
}

/// Another disk of the same size.
fn target() -> Recipe {
    Recipe::scatter(SIZE, 16 << 10, 5)
}

/// A disk as an image of this format.
fn image(format: &str, recipe: Recipe) -> Vec<u8> {
    match format {
        "vhd" => VhdSpec::dynamic(recipe, 64 << 10).build(),
        "qcow2" => Qcow2Spec::new(recipe, 12).build(),
        _ => recipe.expected(None),
    }
}

/// A child of this format over a base of that one, and other bases beside it.
fn site(child: &str, format: &str) -> io::Result<Place> {
    let place = Place::empty()?;
    place.put(&format!("base.{format}"), &image(format, base()))?;
    place.put(&format!("target.{format}"), &image(format, target()))?;
    let line = format!("make -b base.{format} -t target.{format} -o child.{child}");
    let made = place.run(&line, "prepare")?;
    assert_eq!(made.code, Some(0), "{made}");
    let other = image(format, Recipe::scatter(SIZE, 16 << 10, 6));
    place.put(&format!("other.{format}"), &other)?;
    for (name, size) in [
        ("larger", SIZE + (64 << 10)),
        ("smaller", SIZE - (64 << 10)),
    ] {
        let runs = base()
            .runs
            .into_iter()
            .map(|run| (run.at, run.len, run.fill));
        let resized = Recipe::of(size, runs.collect::<Vec<_>>());
        place.put(&format!("{name}.{format}"), &image(format, resized))?;
    }
    place.put(&format!("out.{format}"), b"what stood there before")?;
    Ok(place)
}

/// `apply` and `attach` refuse this base and touch nothing.
fn is_refused(place: &Place, child: &str, base: &str, format: &str) -> io::Result<()> {
    for line in [
        format!("apply child.{child} -b {base} -o new.{format}"),
        format!("apply child.{child} -b {base} -o out.{format} --force"),
        format!("apply child.{child} -b {base} -o out.{format} --force --no-cache"),
        format!("attach child.{child} -b {base}"),
        format!("attach child.{child} -b {base} --no-cache"),
    ] {
        place.changes_nothing(&line, 5, "a wrong base")?;
    }
    Ok(())
}

/// All wrong bases of one format.
fn refuses_all(child: &str, format: &str) -> Outcome {
    let place = site(child, format)?;
    for name in ["other", "larger", "smaller", "target"] {
        is_refused(&place, child, &format!("{name}.{format}"), format)?;
    }
    let applied = format!("apply child.{child} -b base.{format} -o good.raw");
    assert_eq!(place.run(&applied, "the right base")?.code, Some(0));
    assert!(fs::read(place.path("good.raw"))? == target().expected(None));
    Ok(())
}

#[test]
fn a_vhd_child_takes_no_base_but_its_own() -> Outcome {
    refuses_all("vhd", "vhd")
}

#[test]
fn a_qcow2_child_takes_no_base_but_its_own() -> Outcome {
    refuses_all("qcow2", "raw")?;
    refuses_all("qcow2", "qcow2")
}

#[test]
fn a_base_that_changed_by_any_byte_is_refused() -> Outcome {
    for (child, base) in [("qcow2", "base.raw"), ("vhd", "base.vhd")] {
        let place = site(child, base.trim_start_matches("base."))?;
        let whole = fs::read(place.path(base))?;
        // Before this a VHD has its header and tables, which are proven by other means.
        let data = if child == "vhd" { 4096 } else { 0 };
        let mut state = 7_u64;
        for _ in 0..40 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = data + (state >> 33) as usize % (whole.len() - data - 512);
            let mut changed = whole.clone();
            changed[at] ^= 1 << (state % 8);
            place.put(base, &changed)?;
            let line = format!("apply child.{child} -b {base} -o new.raw");
            let ended = place.run(&line, "one bit")?;
            match ended.code {
                // A sector that the disk does not show: between blocks, or of a block's bitmap.
                Some(0) if child == "vhd" => {
                    assert!(
                        fs::read(place.path("new.raw"))? == target().expected(None),
                        "bit at {at}"
                    );
                    fs::remove_file(place.path("new.raw"))?;
                }
                Some(3) if child == "vhd" => assert!(!place.path("new.raw").exists()),
                code => assert_eq!(code, Some(5), "bit at {at}: {ended}"),
            }
        }
    }
    Ok(())
}

#[test]
fn a_base_that_was_remembered_and_then_changed_behind_our_back_is_refused() -> Outcome {
    let place = site("qcow2", "raw")?;
    if !imgdelta_fixtures::peers::remembers(&place.path("")) {
        return Ok(());
    }
    // Digests are kept for files that have been at rest for two seconds.
    thread::sleep(Duration::from_millis(2200));
    let remembering = "apply child.qcow2 -b base.raw -o good.raw";
    assert_eq!(place.run(remembering, "remember")?.code, Some(0));
    assert!(
        fs::read_dir(place.path("cache"))?.next().is_some(),
        "nothing is remembered"
    );
    let file = File::options()
        .read(true)
        .write(true)
        .open(place.path("base.raw"))?;
    let modified = file.metadata()?.modified()?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, 300_000)?;
    file.write_all_at(&[byte[0] ^ 4], 300_000)?;
    file.set_modified(modified)?;
    is_refused(&place, "qcow2", "base.raw", "raw")?;
    Ok(())
}
