//! Images that end too early, at every kind of place: refused, or read right. Never read wrong.

use std::fs;

use imgdelta_fixtures::{
    Recipe,
    qcow2::{Compression, Qcow2Spec},
    vdi::VdiSpec,
    vhd::VhdSpec,
    vhdx::{LogSpec, Part, VhdxSpec},
    vmdk::{Layout, Stream, VmdkSpec},
};

use crate::{Outcome, place::Place};

/// The disk's size in bytes.
const SIZE: u64 = 1 << 20;
/// How many cuts an image gets.
const CUTS: usize = 300;

/// Cuts an image at multiples of 512; says how often it was still read, then rightly.
fn cut(name: &str, image: &[u8], disk: &[u8]) -> Result<usize, Box<dyn std::error::Error>> {
    let place = Place::empty()?;
    let out = place.path("out.raw");
    let step = (image.len() / 512).div_ceil(CUTS).max(1) * 512;
    // The first and the last sectors hold headers and footers: each of them is cut.
    let edges =
        (0..20).chain(image.len().div_ceil(512).saturating_sub(20)..image.len().div_ceil(512));
    let ends = edges
        .map(|sector| sector * 512)
        .chain((0..image.len()).step_by(step));
    let mut read = 0;
    for end in ends.filter(|end| *end < image.len()) {
        place.put(name, &image[..end])?;
        let line = format!("convert {name} -o out.raw");
        let why = format!("cut at {end} of {}", image.len());
        let ended = place.run(&line, &why)?;
        match ended.code {
            Some(0) => {
                assert!(
                    fs::read(&out)? == disk,
                    "{name}, {why}: silently wrong: {ended}"
                );
                fs::remove_file(&out)?;
                read += 1;
            }
            Some(3) => assert!(!out.exists(), "{name}, {why}: {ended}"),
            _ => panic!("{name}, {why}: {ended}"),
        }
    }
    Ok(read)
}

#[test]
fn a_dynamic_vhd_that_is_cut_is_refused_or_read_right() -> Outcome {
    let recipe = Recipe::small(SIZE);
    let disk = recipe.expected(None);
    // Without its last sector the copy of the footer still says it all.
    let read = cut(
        "disk.vhd",
        &VhdSpec::dynamic(recipe, 64 << 10).build(),
        &disk,
    )?;
    assert!((1..5).contains(&read), "{read} cuts were read");
    Ok(())
}

#[test]
fn a_fixed_vhd_that_is_cut_is_refused() -> Outcome {
    let recipe = Recipe::small(SIZE);
    let disk = recipe.expected(None);
    let read = cut("disk.vhd", &VhdSpec::fixed(recipe).build(), &disk)?;
    assert_eq!(read, 0, "cuts were read");
    Ok(())
}

#[test]
fn a_qcow2_that_is_cut_is_refused_or_read_right() -> Outcome {
    let recipe = Recipe::small(SIZE);
    let disk = recipe.expected(None);
    let image = Qcow2Spec::new(recipe, 12).build();
    let read = cut("disk.qcow2", &image, &disk)?;
    assert!(read < 40, "{read} cuts were read");
    Ok(())
}

#[test]
fn a_compressed_qcow2_that_is_cut_is_refused_or_read_right() -> Outcome {
    for compression in [Compression::deflate(), Compression::zstd(1)] {
        let recipe = Recipe::small(SIZE);
        let disk = recipe.expected(None);
        let spec = Qcow2Spec {
            compression: Some(compression),
            ..Qcow2Spec::new(recipe, 12)
        };
        let read = cut("disk.qcow2", &spec.build(), &disk)?;
        assert!(read < 40, "{compression:?}: {read} cuts were read");
    }
    Ok(())
}

#[test]
fn a_vmdk_that_is_cut_is_refused_or_read_right() -> Outcome {
    let disk = Recipe::small(SIZE).expected(None);
    for layout in [
        Layout::Sparse,
        Layout::Stream(Stream::VMware),
        Layout::Stream(Stream::Qemu),
        Layout::LoneCowd,
        Layout::LoneSeSparse,
    ] {
        let image = VmdkSpec::new(Recipe::small(SIZE), layout.clone())
            .build()
            .remove(0)
            .1;
        // Without its end marker a stream still says it all.
        let read = cut("disk.vmdk", &image, &disk)?;
        assert!(read < 5, "{layout:?}: {read} cuts were read");
    }
    Ok(())
}

#[test]
fn a_vdi_that_is_cut_is_refused() -> Outcome {
    let recipe = Recipe::small(SIZE);
    let disk = recipe.expected(None);
    let read = cut(
        "disk.vdi",
        &VdiSpec::dynamic(recipe, 64 << 10).build(),
        &disk,
    )?;
    assert_eq!(read, 0, "cuts were read");
    Ok(())
}

#[test]
fn a_vhdx_that_is_cut_is_refused() -> Outcome {
    let size = 3 << 20;
    let disk = Recipe::small(size).expected(None);
    let closed = VhdxSpec::dynamic(Recipe::small(size), 1 << 20);
    let open = VhdxSpec {
        log: Some(LogSpec::of(&[Part::Bat, Part::Start(1)])),
        ..closed.clone()
    };
    for spec in [closed, open] {
        let read = cut("disk.vhdx", &spec.build(), &disk)?;
        assert_eq!(read, 0, "cuts were read");
    }
    Ok(())
}
