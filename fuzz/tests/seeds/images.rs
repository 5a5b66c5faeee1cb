//! Seeds of the formats: each variant of an image, and the malformed ones.

use imgdelta_fixtures::{
    Fill, Recipe, broken,
    dmg::{Codec, DmgSpec},
    parallels::{BundleSpec, ParallelsSpec},
    qcow1::Qcow1Spec,
    qcow2::{Compression, DataFile, Qcow2Spec, Snapshot},
    qed::QedSpec,
    vdi::VdiSpec,
    vhd::VhdSpec,
    vhdx::{LogSpec, Part, VhdxSpec},
    vmdk::{Layout, VmdkSpec},
};

pub(crate) fn vhd() -> Vec<Vec<u8>> {
    let recipe = || Recipe::small(64 << 10);
    let child = VhdSpec::differencing(Recipe::sectors(64 << 10, 5), 4096, [7; 16], "parent.vhd");
    vec![
        VhdSpec::fixed(Recipe::small(8 << 10)).build(),
        VhdSpec::dynamic(recipe(), 4096).build(),
        VhdSpec::dynamic(recipe(), 16 << 10).build(),
        child.build(),
    ]
}

pub(crate) fn vmdk(layouts: &[Layout]) -> Vec<Vec<u8>> {
    let of = |layout: &Layout| {
        let spec = VmdkSpec {
            grain: 8,
            ..VmdkSpec::new(Recipe::small(64 << 10), layout.clone())
        };
        spec.build().remove(0).1
    };
    layouts.iter().map(of).collect()
}

pub(crate) fn vdi() -> Vec<Vec<u8>> {
    let spec = || VdiSpec::dynamic(Recipe::small(64 << 10), 4096);
    vec![
        spec().build(),
        VdiSpec::fixed(Recipe::small(8 << 10), 512).build(),
        VdiSpec {
            old: true,
            ..spec()
        }
        .build(),
        VdiSpec {
            extra: 512,
            marks_zero: true,
            ..spec()
        }
        .build(),
        VdiSpec::differencing(Recipe::small(64 << 10), 4096, &spec()).build(),
    ]
}

pub(crate) fn qcow1() -> Vec<Vec<u8>> {
    let spec = |bits| Qcow1Spec::new(Recipe::small(64 << 10), bits);
    vec![
        spec(9).build(),
        spec(12).build(),
        Qcow1Spec {
            compressed: 1,
            ..spec(12)
        }
        .build(),
        Qcow1Spec::child(Recipe::small(64 << 10), 9, "base.raw").build(),
    ]
}

pub(crate) fn qed() -> Vec<Vec<u8>> {
    let spec = |cluster| QedSpec::new(Recipe::small(64 << 10), cluster);
    vec![
        spec(4096).build(),
        QedSpec {
            marks_zero: true,
            table: 2,
            ..spec(8192)
        }
        .build(),
        QedSpec::child(Recipe::small(64 << 10), 4096, "base.raw").build(),
    ]
}

pub(crate) fn parallels() -> Vec<Vec<u8>> {
    let recipe = || Recipe::small(64 << 10);
    let bundle = BundleSpec::new(vec![recipe(), recipe()], 8);
    vec![
        ParallelsSpec::new(recipe(), 8).build(),
        ParallelsSpec::old(recipe(), 63).build(),
        bundle.descriptor().into_bytes(),
        BundleSpec {
            plain: true,
            splits: vec![8],
            ..bundle
        }
        .descriptor()
        .into_bytes(),
    ]
}

pub(crate) fn dmg() -> Vec<Vec<u8>> {
    let of = |codec| {
        let spec = DmgSpec::new(Recipe::small(64 << 10), codec);
        let fork = DmgSpec {
            resource_fork: true,
            chunk: 16,
            ..spec.clone()
        };
        [spec.build(), fork.build()]
    };
    Codec::ALL.into_iter().flat_map(of).collect()
}

/// Images and malformed ones as their pages, those of `first` in front.
pub(crate) fn vhdx(first: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    let recipe = || Recipe::of(6 << 20, [(1 << 20, 4096, Fill::Pattern(1))]);
    let base = VhdxSpec::dynamic(recipe(), 1 << 20);
    let child = VhdxSpec::differencing(recipe(), 1 << 20, &base, "base.vhdx");
    let open = VhdxSpec {
        log: Some(LogSpec::of(&[Part::Bat, Part::Metadata])),
        ..base.clone()
    };
    let specs = [VhdxSpec::fixed(recipe(), 1 << 20), base, child, open];
    let built = specs.iter().map(VhdxSpec::build);
    let broken = broken::vhdx_cases().into_iter();
    let broken = broken.filter_map(|case| Some(case.files.into_iter().next()?.1));
    built
        .chain(broken)
        .filter_map(|image| pages(&image, &first))
        .collect()
}

/// The input of which the target makes this file; `None` if it is too large for one.
pub(crate) fn pages(image: &[u8], first: &std::ops::Range<usize>) -> Option<Vec<u8>> {
    let used = image.chunks(4096).enumerate();
    let used = used.filter(|(_, page)| page.iter().any(|byte| *byte != 0));
    let mut used: Vec<(usize, &[u8])> = used.collect();
    used.sort_by_key(|(number, _)| (!first.contains(&(number * 4096)), *number));
    let mib = u8::try_from(image.len() >> 20).ok()?;
    // With the sums that stand there, and with those that are right.
    let seals = u8::from(used.len().is_multiple_of(2));
    let mut input = vec![seals, mib, u8::try_from(used.len()).ok()?];
    for (number, _) in &used {
        input.extend(u16::try_from(*number).ok()?.to_le_bytes());
    }
    for (_, page) in used {
        input.extend(page);
    }
    Some(input)
}

pub(crate) fn qcow2() -> Vec<Vec<u8>> {
    let spec = |bits| Qcow2Spec::new(Recipe::small(64 << 10), bits);
    let packed = |compression| Qcow2Spec {
        compression: Some(compression),
        ..spec(12)
    };
    let snapshot = Snapshot::new("1", "before", Recipe::scatter(64 << 10, 4096, 9));
    vec![
        spec(9).build(),
        spec(12).build(),
        Qcow2Spec::version_2(Recipe::small(64 << 10), 12).build(),
        packed(Compression::deflate()).build(),
        packed(Compression::zstd(3)).build(),
        Qcow2Spec {
            snapshots: vec![snapshot],
            ..spec(10)
        }
        .build(),
        Qcow2Spec {
            data_file: Some(DataFile {
                name: Some("data".to_owned()),
                raw: false,
            }),
            ..spec(12)
        }
        .build(),
    ]
}
