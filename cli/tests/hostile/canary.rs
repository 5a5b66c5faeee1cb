//! A canary outside the folder of the images, and images that name it in every way there is.

use std::{fs, io, os::unix::fs::symlink};

use imgdelta_fixtures::{
    Fill, Recipe,
    qcow2::{Backing, DataFile, Qcow2Spec},
    vdi::VdiSpec,
    vhd::{Locator, Parent, VhdSpec},
    vhdx::{self, VhdxSpec},
    vmdk::{Layout, VmdkSpec},
};

use crate::{place::Place, traced};

/// What the canary sings. Its name is no secret: images name it, and messages repeat that.
pub(crate) const SONG: &[u8] = b"only the host may read this";
/// The canary VHD's unique id, which the images know.
const ID: [u8; 16] = *b"canary canary ca";
/// The disk's size in bytes.
pub(crate) const SIZE: u64 = 1 << 20;

/// The canary's disk.
fn secret() -> Recipe {
    Recipe::of(
        SIZE,
        [
            (4096, 4096, Fill::Bytes(SONG)),
            (SIZE - 512, 512, Fill::Bytes(SONG)),
        ],
    )
}

/// A folder with a canary, and beside it one for images, in which links lead to the canary.
pub(crate) fn trap() -> io::Result<Place> {
    let place = Place::empty()?;
    place.put("canary/secret.raw", &secret().expected(None))?;
    let vhd = VhdSpec {
        unique_id: ID,
        ..VhdSpec::dynamic(secret(), 64 << 10)
    };
    place.put("canary/secret.vhd", &vhd.build())?;
    let vmdk = VmdkSpec::new(secret(), Layout::Sparse).build();
    place.put("canary/secret.vmdk", &vmdk[0].1)?;
    place.put("canary/secret.vdi", &canary_vdi().build())?;
    place.put("canary/secret.vhdx", &canary_vhdx().build())?;
    fs::create_dir(place.path("images"))?;
    symlink("../canary", place.path("images/folder"))?;
    symlink("../canary/secret.raw", place.path("images/link.raw"))?;
    symlink("../canary/secret.vmdk", place.path("images/link.vmdk"))?;
    symlink("../canary/secret.vdi", place.path("images/link.vdi"))?;
    symlink("../canary/secret.vhdx", place.path("images/link.vhdx"))?;
    symlink(
        place.path("canary/secret.vhd"),
        place.path("images/link.vhd"),
    )?;
    Ok(place)
}

/// The canary as a VDI.
pub(crate) fn canary_vdi() -> VdiSpec {
    VdiSpec::dynamic(secret(), 64 << 10)
}

/// The canary as a VHDX.
pub(crate) fn canary_vhdx() -> VhdxSpec {
    VhdxSpec::dynamic(secret(), 1 << 20)
}

/// A child VHDX of the canary that says this of where it is.
pub(crate) fn blocks_over(locator: vhdx::Locator) -> Vec<u8> {
    let recipe = Recipe::of(SIZE, [(64 << 10, 512, Fill::Pattern(1))]);
    VhdxSpec {
        locator: Some(locator),
        ..VhdxSpec::differencing(recipe, 1 << 20, &canary_vhdx(), "")
    }
    .build()
}

/// A flat VMDK whose bytes are in `name`.
pub(crate) fn extent(name: &str) -> Vec<u8> {
    let mut spec = VmdkSpec::new(secret(), Layout::Flat);
    let line = format!("RW {} FLAT \"{name}\" 0", SIZE / 512);
    spec.text.lines = Some(vec![line.into_bytes()]);
    spec.build()[0].1.clone()
}

/// A child VMDK of the canary that says this of where it is.
pub(crate) fn grains_over(hint: &str) -> Vec<u8> {
    let recipe = Recipe::of(SIZE, [(64 << 10, 64 << 10, Fill::Pattern(1))]);
    VmdkSpec::child(recipe, Layout::Sparse, 0x1d0a_0c0f, hint).build()[0]
        .1
        .clone()
}

/// A qcow2 over `name`, which is said to be raw.
pub(crate) fn over(name: &str) -> Vec<u8> {
    let backing = Backing {
        name: name.into(),
        format: Some("raw".into()),
    };
    let recipe = Recipe::of(SIZE, [(128 << 10, 64 << 10, Fill::Pattern(1))]);
    Qcow2Spec {
        backing: Some(backing),
        ..Qcow2Spec::new(recipe, 16)
    }
    .build()
}

/// A qcow2 whose data are in `name`.
pub(crate) fn beside(name: &str) -> Vec<u8> {
    Qcow2Spec {
        data_file: Some(DataFile {
            name: Some(name.into()),
            raw: true,
        }),
        ..Qcow2Spec::new(Recipe::of(SIZE, [(0, SIZE, Fill::Pattern(1))]), 16)
    }
    .build()
}

/// A child VHD that says only this of where its parent is.
pub(crate) fn child(locator: Locator) -> Vec<u8> {
    let recipe = Recipe::of(SIZE, [(64 << 10, 512, Fill::Pattern(1))]);
    VhdSpec {
        parent: Some(Parent::named(ID, "")),
        locators: vec![locator],
        ..VhdSpec::differencing(recipe, 64 << 10, ID, "")
    }
    .build()
}

/// Every command that would read through a reference refuses to; those that only look tell nothing.
pub(crate) fn is_not_followed(place: &Place, image: &str, why: &str) -> io::Result<()> {
    is_not_read(place, image, why, 7)
}

/// As [`is_not_followed`], where the refusal has another exit status.
pub(crate) fn is_not_read(place: &Place, image: &str, why: &str, exit: i32) -> io::Result<()> {
    let reads = [
        format!("convert {image} -o out.raw"),
        format!("digest {image}"),
        format!("compare {image} {image}"),
        format!("info --chain {image}"),
        format!("make -b {image} -t canary/secret.raw -o child.qcow2 --target-format qcow2"),
        format!("make -b images/own.raw -t {image} -o child.qcow2"),
    ];
    let looks = ["info", "info --refs", "info --json", "check", "map --layer"]
        .map(|look| format!("{look} {image}"));
    place.put("images/own.raw", &[0; 4096])?;
    let before = place.files()?;
    for (line, must_refuse) in reads
        .iter()
        .map(|line| (line, true))
        .chain(looks.iter().map(|line| (line, false)))
    {
        let why = format!("{why}: {line}");
        let ended = if line.starts_with("convert") || line.contains("--refs") {
            traced::run(place, line, "canary")?
        } else {
            place.run(line, &why)?
        };
        assert!(!must_refuse || ended.code == Some(exit), "{why}: {ended}");
        assert!(
            [0, 1, exit].map(Some).contains(&ended.code),
            "{why}: {ended}"
        );
        let song = String::from_utf8_lossy(SONG);
        assert!(
            !ended.said.contains(&*song),
            "{why}: the canary sings: {ended}"
        );
        assert!(place.files()? == before, "{why}: files changed: {ended}");
    }
    Ok(())
}
